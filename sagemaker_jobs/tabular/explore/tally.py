"""Exact counts over every row, added batch by batch: rows, labels, what is missing, categories, days."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tabular.split import Windows

# A column with more values than that is an identifier in disguise; its rare values are no longer counted.
MOST_CATEGORIES = 50_000
PARTS = ("train", "validation", "holdout")


@dataclass(kw_only=True)
class Tally:
    kinds: Mapping[str, str]
    windows: Windows
    rows: int = 0
    by_part: dict[str, dict[str, int]] = field(default_factory=dict)
    days: dict[str, list[float]] = field(default_factory=dict)
    months: Counter[str] = field(default_factory=Counter)
    missing: dict[str, Counter[str]] = field(default_factory=dict)
    categories: dict[str, Counter[str]] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)

    def add(self, batch: pa.RecordBatch, dates: np.ndarray, label: np.ndarray) -> None:
        self.rows += len(dates)
        self._parts(dates, label)
        self._days(dates, label)
        month, place = np.unique(dates.astype("U7"), return_inverse=True)
        self.months.update(dict(zip(month.tolist(), np.bincount(place).tolist(), strict=True)))
        for name, kind in self.kinds.items():
            column = batch.column(name)
            absent = pc.is_null(column, nan_is_null=True).to_numpy(zero_copy_only=False)
            counts = np.bincount(place[absent], minlength=len(month)).tolist()
            self.missing.setdefault(name, Counter()).update(dict(zip(month.tolist(), counts, strict=True)))
            if kind == "categorical":
                self._categories(name, column)

    def days_json(self) -> list[dict[str, Any]]:
        """Every day of the windows, also those without rows. Beyond validation no label is told."""
        start, end = (date.fromisoformat(text) for text in (self.windows.train_start, self.windows.holdout_end))
        found = []
        for number in range((end - start).days):
            day = (start + timedelta(days=number)).isoformat()
            rows, labelled, total = self.days.get(day, (0, 0, 0.0))
            told = labelled > 0 and day < self.windows.validation_end
            found.append(
                {
                    "day": day,
                    "rows": int(rows),
                    "labelled": int(labelled),
                    "label_mean": total / labelled if told else None,
                }
            )
        return found

    def _parts(self, dates: np.ndarray, label: np.ndarray) -> None:
        known = ~np.isnan(label)
        ends = (self.windows.train_end, self.windows.validation_end, self.windows.holdout_end)
        starts = (self.windows.train_start, *ends)
        for name, start, end in zip(PARTS, starts, ends, strict=False):
            inside = (dates >= start) & (dates < end)
            part = self.by_part.setdefault(
                name, {"start": start, "end": end, "rows": 0, "labelled": 0}  # type: ignore[dict-item]
            )
            part["rows"] += int(inside.sum())
            part["labelled"] += int((inside & known).sum())

    def _days(self, dates: np.ndarray, label: np.ndarray) -> None:
        day, place = np.unique(dates, return_inverse=True)
        known = ~np.isnan(label)
        rows = np.bincount(place, minlength=len(day))
        labelled = np.bincount(place[known], minlength=len(day))
        total = np.bincount(place[known], weights=label[known], minlength=len(day))
        for name, *new in zip(day.tolist(), rows, labelled, total, strict=True):
            old = self.days.get(name, [0, 0, 0.0])
            self.days[name] = [a + b for a, b in zip(old, new, strict=True)]

    def _categories(self, name: str, column: pa.Array) -> None:
        counts = pc.value_counts(column.drop_null())
        values, numbers = counts.field("values").to_pylist(), counts.field("counts").to_pylist()
        seen = self.categories.setdefault(name, Counter())
        seen.update(dict(zip(values, numbers, strict=True)))
        if len(seen) > 2 * MOST_CATEGORIES:
            self.cut.add(name)
            order = sorted(seen.items(), key=lambda entry: (-entry[1], entry[0]))
            self.categories[name] = Counter(dict(order[:MOST_CATEGORIES]))
