"""Splits by time with the plan's dates: a model never sees a row of its validation or hold-out window."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any

import numpy as np

from tabular.frame import Frame

# Only this module holds it: training rows come from a split, or are not made at all.
_SEAL = object()


class SplitError(ValueError):
    """The windows overlap, or one holds too few labelled rows."""


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Half-open windows of local dates: train, validation and hold-out follow each other without a gap."""

    train_start: str
    train_end: str
    validation_end: str
    holdout_end: str

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            try:
                date.fromisoformat(value)
            except (TypeError, ValueError) as error:
                raise SplitError(f"{name} is {value!r}: allowed is a date like 2013-05-01") from error
        days = list(asdict(self).values())
        if not all(earlier < later for earlier, later in zip(days, days[1:], strict=False)):
            raise SplitError(
                f"the windows overlap or are empty: train_start {days[0]}, train_end {days[1]}, "
                f"validation_end {days[2]}, holdout_end {days[3]} must each be later than the one before"
            )

    @classmethod
    def of(cls, plan: Mapping[str, Any]) -> "Windows":
        """The windows in a mapping that also holds other things, for example command line arguments."""
        missing = [name for name in cls.names() if not plan.get(name)]
        if missing:
            raise SplitError(f"{', '.join(missing)} is not given: pass the dates of the run's plan")
        return cls(**{name: str(plan[name]) for name in cls.names()})

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return tuple(field.name for field in fields(cls))


@dataclass(frozen=True, kw_only=True)
class TrainingRows(Frame):
    """The rows that a preparation and a model may learn from, each within `window`, half-open.

    A split makes them; of the whole frame, or of two parts joined again, there are none. A part of training
    rows (`take`, `between`, `folds`) is training rows again.
    """

    window: tuple[str, str]
    seal: object

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise SplitError(
                "training rows are made by tabular.split alone: pass the frame and the windows to `split`"
            )
        outside = int(((self.date < self.window[0]) | (self.date >= self.window[1])).sum())
        if outside:
            raise SplitError(
                f"{outside} training rows lie outside [{self.window[0]}, {self.window[1]}): "
                "allowed are those of the training window"
            )

    def take(self, rows: np.ndarray) -> "TrainingRows":
        return _sealed(super().take(rows), self.window)


def _sealed(frame: Frame, window: tuple[str, str]) -> TrainingRows:
    return TrainingRows(
        key=frame.key, date=frame.date, label=frame.label, columns=frame.columns, window=window, seal=_SEAL
    )


def _plain(frame: Frame) -> Frame:
    """Rows to judge by, whatever they were cut from."""
    return Frame(key=frame.key, date=frame.date, label=frame.label, columns=frame.columns)


@dataclass(frozen=True, kw_only=True)
class Split:
    """No key is in two parts."""

    train: TrainingRows
    validation: Frame
    holdout: Frame

    def __post_init__(self) -> None:
        keys = [key for part in (self.train, self.validation, self.holdout) for key in part.key.tolist()]
        twice = len(keys) - len(set(keys))
        if twice:
            raise SplitError(
                f"{twice} rows have a key that another row of the split has: resample training rows only, "
                "after the split (`preparation.imbalance`), and pass each row once"
            )


def split(frame: Frame, windows: Windows, *, labelled: bool = True) -> Split:
    """Labelled rows only, unless a problem without labels says otherwise."""
    known = _plain(frame.labelled() if labelled else frame)
    return Split(
        train=training_rows(known, windows),
        validation=known.between(windows.train_end, windows.validation_end),
        holdout=known.between(windows.validation_end, windows.holdout_end),
    )


def training_rows(frame: Frame, windows: Windows) -> TrainingRows:
    """The rows of `frame` within the training window."""
    window = (windows.train_start, windows.train_end)
    return _sealed(frame.between(*window), window)


def shuffled(frame: Frame, windows: Windows, seed: int = 7) -> Split:
    """The rows of all windows dealt at random into parts of the same sizes: it hides what time does.

    For showing how much better a model then looks (tabular.leakage), and for nothing else.
    """
    ordered = split(frame, windows)
    known = _plain(frame.labelled().between(windows.train_start, windows.holdout_end))
    order = np.random.default_rng(seed).permutation(len(known))
    first, second = len(ordered.train), len(ordered.train) + len(ordered.validation)
    dealt = [np.sort(part) for part in (order[:first], order[first:second], order[second:])]
    train, validation, holdout = (known.take(part) for part in dealt)
    return Split(
        train=_sealed(train, (windows.train_start, windows.holdout_end)),
        validation=validation,
        holdout=holdout,
    )


@dataclass(frozen=True, kw_only=True)
class Fold:
    train: TrainingRows
    held: Frame


def folds(rows: TrainingRows, count: int) -> list[Fold]:
    """Cross-validation in the order of time: each fold is held against the rows of the days before it.

    Days are not cut: the rows of one date are in one fold. The first part is trained on only.
    """
    days = np.unique(rows.date)
    if count < 1 or len(days) < count + 1:
        raise SplitError(
            f"{count} folds from {len(days)} days of training rows, allowed are 1 to "
            f"{max(len(days) - 1, 0)}: ask for fewer, or widen the training window"
        )
    starts = [part[0] for part in np.array_split(days, count + 1)] + [None]
    found = []
    for start, end in zip(starts[1:], starts[2:], strict=False):
        held = rows.date >= start if end is None else (rows.date >= start) & (rows.date < end)
        found.append(Fold(train=rows.take(rows.date < start), held=_plain(rows.take(held))))
    return found


def require_rows(frame: Frame, minimum: int, window: str, dates: tuple[str, str]) -> None:
    """Fail in words when a window holds fewer labelled rows than are needed."""
    if len(frame) < minimum:
        raise SplitError(
            f"the {window} window [{dates[0]}, {dates[1]}) holds {len(frame)} labelled rows, "
            f"at least {minimum} are needed: widen the window or wait for labels"
        )
