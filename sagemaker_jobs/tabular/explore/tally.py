"""Exact counts over every row, added batch by batch: rows, labels, what is missing, categories, days."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tabular.explore.numbers import FEWEST
from tabular.split import Windows

# A column with more values than that is an identifier in disguise; its rare values are no longer counted.
MOST_CATEGORIES = 50_000
# Days in a period, finest first; how many a figure still tells apart, and what makes a mean worth drawing.
STEPS = (1, 7, 28)
MOST_PERIODS = 150
ROWS_A_PERIOD = 20
LABELS_A_MONTH = 30
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

    def daily(self) -> list[dict[str, Any]]:
        """Rows of every day of the windows, also of those without."""
        return [{"day": day, "rows": int(self.days.get(day, [0])[0])} for day in self._every_day()]

    def periods(self) -> dict[str, Any]:
        """Rows and mean label by day, week or four weeks, as fine as the rows allow.

        A mean of fewer than FEWEST labels is not told, nor one that reaches beyond the validation window.
        """
        days = self._every_day()
        step = next(
            (
                step
                for step in STEPS
                if len(days) <= MOST_PERIODS * step and self.rows * step >= ROWS_A_PERIOD * len(days)
            ),
            STEPS[-1],
        )
        entries = []
        for at in range(0, len(days), step):
            inside = days[at : at + step]
            rows, labelled, total = (
                sum(self.days.get(day, [0, 0, 0.0])[place] for day in inside) for place in range(3)
            )
            told = labelled >= FEWEST and inside[-1] < self.windows.validation_end
            entries.append(
                {
                    "start": inside[0],
                    "days": len(inside),
                    "rows": int(rows),
                    "label_mean": total / labelled if told else None,
                    "labelled": int(labelled) if told else None,
                }
            )
        return {"days": step, "periods": entries}

    def label_by_month(self) -> list[dict[str, Any]]:
        """Mean label of the months before the hold-out that have LABELS_A_MONTH of them."""
        sums: dict[str, list[float]] = {}
        for day, (_, labelled, total) in self.days.items():
            if day < self.windows.validation_end:
                month = sums.setdefault(day[:7], [0, 0.0])
                month[0] += labelled
                month[1] += total
        return [
            {"month": month, "labelled": int(count), "mean": total / count}
            for month, (count, total) in sorted(sums.items())
            if count >= LABELS_A_MONTH
        ]

    def _every_day(self) -> list[str]:
        start, end = (
            date.fromisoformat(text) for text in (self.windows.train_start, self.windows.holdout_end)
        )
        return [(start + timedelta(days=number)).isoformat() for number in range((end - start).days)]

    def _parts(self, dates: np.ndarray, label: np.ndarray) -> None:
        known = ~np.isnan(label)
        ends = (self.windows.train_end, self.windows.validation_end, self.windows.holdout_end)
        starts = (self.windows.train_start, *ends)
        for name, start, end in zip(PARTS, starts, ends, strict=False):
            inside = (dates >= start) & (dates < end)
            part = self.by_part.setdefault(
                name,
                {"start": start, "end": end, "rows": 0, "labelled": 0},  # type: ignore[dict-item]
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
