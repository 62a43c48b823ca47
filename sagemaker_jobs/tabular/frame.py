"""The feature table in memory: key, local event date, label and feature columns, ordered by date and key."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


class FrameError(ValueError):
    """The feature files do not hold what the contract promises."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """date is ISO text; label is NaN where it is not known; columns hold floats (NaN) or text (None)."""

    key: np.ndarray
    date: np.ndarray
    label: np.ndarray
    columns: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.key)

    def take(self, rows: np.ndarray) -> "Frame":
        """The rows of a mask or of an index."""
        return Frame(
            key=self.key[rows],
            date=self.date[rows],
            label=self.label[rows],
            columns={name: values[rows] for name, values in self.columns.items()},
        )

    def labelled(self) -> "Frame":
        return self.take(~np.isnan(self.label))

    def between(self, start: str, end: str) -> "Frame":
        """Rows of the local dates [start, end)."""
        return self.take((self.date >= start) & (self.date < end))

    def record(self, index: int) -> dict[str, Any]:
        """One row as a client would send it."""
        record: dict[str, Any] = {"key": str(self.key[index])}
        for name, values in self.columns.items():
            value = values[index]
            missing = value is None or (not isinstance(value, str) and np.isnan(value))
            record[name] = None if missing else (value if isinstance(value, str) else float(value))
        return record


def read(folder: Path, kinds: Mapping[str, str], start: str | None = None, end: str | None = None) -> Frame:
    """Every Parquet file below `folder`, cut to the local dates [start, end), one row per key."""
    paths = sorted(folder.rglob("*.parquet")) if folder.is_dir() else []
    if not paths:
        raise FrameError(
            f"no Parquet file below {folder}: the channel `features` must hold the feature table"
        )
    table = pa.concat_tables([_read_file(path, kinds, start, end) for path in paths])
    table = table.sort_by([("event_date", "ascending"), ("key", "ascending")])
    frame = from_table(table, kinds)
    if len(np.unique(frame.key.astype(str))) != len(frame):
        # No example: the message reaches people, and a key is somebody's.
        _, counts = np.unique(frame.key.astype(str), return_counts=True)
        raise FrameError(
            f"the feature table holds {int((counts > 1).sum())} keys more than once: "
            "pass each month of one run only"
        )
    return frame


def from_table(table: pa.Table, kinds: Mapping[str, str]) -> Frame:
    """`table` has key, event_date, label and every feature of `kinds`."""
    return Frame(
        key=np.asarray(table.column("key").to_pylist(), dtype=object),
        date=np.asarray(table.column("event_date").cast(pa.string()).to_pylist(), dtype="U10"),
        label=_floats(table.column("label")),
        columns={name: feature(table.column(name), kind, name) for name, kind in kinds.items()},
    )


def feature(values: pa.ChunkedArray, kind: str, name: str) -> np.ndarray:
    """One stored column as floats (numeric) or text (categorical and text)."""
    typed = _typed(values, kind, name)
    return np.asarray(typed.to_pylist(), dtype=object) if kind != "numeric" else _floats(typed)


def _floats(values: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(values.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _typed(values: pa.ChunkedArray, kind: str, name: str) -> pa.ChunkedArray:
    """Months may store one column in different widths; text where a number belongs is refused."""
    is_text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    wants_text = kind != "numeric"
    if is_text != wants_text and not pa.types.is_null(values.type):
        wanted = "string" if wants_text else "double"
        raise FrameError(f"feature {name} is {kind} but stored as {values.type}: store it as {wanted}")
    return values.cast(pa.string() if wants_text else pa.float64())


def _read_file(path: Path, kinds: Mapping[str, str], start: str | None, end: str | None) -> pa.Table:
    wanted = ["key", "event_date", "label", *kinds]
    # A file, not a data set: `month=` in the path must not become a column.
    with pq.ParquetFile(path) as file:
        present = file.schema_arrow.names
        missing = [name for name in wanted if name not in present]
        if missing:
            raise FrameError(
                f"{path.name} lacks the column {', '.join(missing)}, it has {', '.join(present)}: "
                "rebuild the feature table with the contract that this code was packed with"
            )
        table = file.read(columns=wanted).select(wanted)
    all_kinds = {"key": "categorical", "label": "numeric", **kinds}
    dates = table.column("event_date").cast(pa.string())
    typed = {
        name: dates if name == "event_date" else _typed(table.column(name), all_kinds[name], name)
        for name in wanted
    }
    cut = pa.table(typed)
    if start is not None:
        cut = cut.filter(pc.greater_equal(cut.column("event_date"), start))
    return cut if end is None else cut.filter(pc.less(cut.column("event_date"), end))
