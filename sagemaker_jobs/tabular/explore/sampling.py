"""Reads what is to be looked at: exact counts over every row, and samples that fit into memory.

Parquet comes batch by batch. A row's place in the sample is decided by a hash of its key and of nothing else,
so that the same rows give the same sample whatever file, order or batch they come in (bottom-k sampling: a
simple random sample without replacement, of bounded size). The key goes no further than this file.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tabular.explore.tally import Tally
from tabular.frame import FrameError
from tabular.split import Windows

BATCH_ROWS = 65_536


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The most rows that each part may take; everything else follows from the data."""

    train: int = 100_000
    validation: int = 30_000
    pairs: int = 20_000
    clusters: int = 4_000
    silhouette: int = 1_500
    linkage: int = 400
    points: int = 1_500

    def to_json(self) -> dict[str, int]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """In the order of their hashes, hence at random: the first n rows are themselves a random sample."""

    date: np.ndarray
    label: np.ndarray
    columns: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: np.ndarray | slice) -> "Rows":
        return Rows(
            date=self.date[rows],
            label=self.label[rows],
            columns={name: values[rows] for name, values in self.columns.items()},
        )

    def head(self, count: int) -> "Rows":
        return self.take(slice(0, count))

    def labelled(self) -> "Rows":
        return self.take(~np.isnan(self.label))


@dataclass(frozen=True, kw_only=True)
class Material:
    """train and validation are samples; the tally has counted every row."""

    train: Rows
    validation: Rows
    tally: Tally


@dataclass(kw_only=True)
class BottomK:
    """The `size` rows with the smallest hashes of all that were offered."""

    size: int
    ranks: list[np.ndarray] = field(default_factory=list)
    kept: list[Rows] = field(default_factory=list)
    bar: np.uint64 = np.uint64(2**64 - 1)

    def wanted(self, ranks: np.ndarray) -> np.ndarray:
        return ranks <= self.bar

    def add(self, ranks: np.ndarray, rows: Rows) -> None:
        self.ranks.append(ranks)
        self.kept.append(rows)
        if sum(map(len, self.ranks)) > 2 * self.size:
            self._prune()

    def rows(self) -> Rows:
        self._prune()
        return self.kept[0]

    def _prune(self) -> None:
        ranks, rows = np.concatenate(self.ranks), _joined(self.kept)
        best = np.argsort(ranks, kind="stable")[: self.size]
        self.ranks, self.kept = [ranks[best]], [rows.take(best)]
        if len(best) == self.size:
            self.bar = ranks[best[-1]]


def read(folder: Path, kinds: Mapping[str, str], windows: Windows, sizes: Sizes) -> Material:
    """Every Parquet file below `folder`, of the local dates of the run's windows."""
    paths = sorted(folder.rglob("*.parquet")) if folder.is_dir() else []
    if not paths:
        raise FrameError(
            f"no Parquet file below {folder}: the channel `features` must hold the feature table"
        )
    tally = Tally(kinds=kinds, windows=windows)
    train, validation = BottomK(size=sizes.train), BottomK(size=sizes.validation)
    for path in paths:
        for batch in _batches(path, kinds):
            dates = np.asarray(batch.column("event_date").cast(pa.string()).to_pylist(), dtype="U10")
            inside = (dates >= windows.train_start) & (dates < windows.holdout_end)
            if not inside.all():
                batch, dates = batch.filter(pa.array(inside)), dates[inside]
            if not len(dates):
                continue
            label = floats(batch.column("label"))
            tally.add(batch, dates, label)
            ranks = hashes(batch.column("key"))
            early = dates < windows.train_end
            middle = ~early & (dates < windows.validation_end)
            for sample, window in ((train, early), (validation, middle)):
                wanted = np.flatnonzero(window & sample.wanted(ranks))
                sample.add(ranks[wanted], _rows(batch.take(pa.array(wanted)), dates[wanted], kinds))
    if not tally.rows:
        raise FrameError(
            f"no row of [{windows.train_start}, {windows.holdout_end}) below {folder}: "
            "check the plan's dates and the list of feature files"
        )
    return Material(train=train.rows(), validation=validation.rows(), tally=tally)


def hashes(keys: pa.Array) -> np.ndarray:
    """(n,) uint64, evenly spread and the same everywhere; Python's own hash changes with the process."""
    blake = hashlib.blake2b
    digests = b"".join(blake(str(key).encode(), digest_size=8).digest() for key in keys.to_pylist())
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def floats(values: pa.Array) -> np.ndarray:
    return np.asarray(values.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _batches(path: Path, kinds: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
    wanted = ["key", "event_date", "label", *kinds]
    # A file, not a data set: `month=` in the path must not become a column.
    with pq.ParquetFile(path) as file:
        missing = [name for name in wanted if name not in file.schema_arrow.names]
        if missing:
            raise FrameError(
                f"{path.name} lacks the column {', '.join(missing)}, it has "
                f"{', '.join(file.schema_arrow.names)}: rebuild the feature table with the contract that "
                "this code was packed with"
            )
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=wanted):
            yield batch.select(wanted)


def _rows(batch: pa.RecordBatch, dates: np.ndarray, kinds: Mapping[str, str]) -> Rows:
    return Rows(
        date=dates,
        label=floats(batch.column("label")),
        columns={name: _values(batch.column(name), kind, name) for name, kind in kinds.items()},
    )


def _values(values: pa.Array, kind: str, name: str) -> np.ndarray:
    is_text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    if is_text == (kind == "numeric") and not pa.types.is_null(values.type):
        wanted = "double" if kind == "numeric" else "string"
        raise FrameError(f"feature {name} is {kind} but stored as {values.type}: store it as {wanted}")
    if kind == "numeric":
        return floats(values)
    return np.asarray(values.to_pylist(), dtype=object)


def _joined(parts: list[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    first: dict[str, Any] = dict(parts[0].columns)
    return Rows(
        date=np.concatenate([part.date for part in parts]),
        label=np.concatenate([part.label for part in parts]),
        columns={name: np.concatenate([part.columns[name] for part in parts]) for name in first},
    )
