"""Splits by time with the plan's dates: a model never sees a row of its validation or hold-out window."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any

from tabular.frame import Frame


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
class Split:
    """Labelled rows only."""

    train: Frame
    validation: Frame
    holdout: Frame


def split(frame: Frame, windows: Windows) -> Split:
    known = frame.labelled()
    return Split(
        train=known.between(windows.train_start, windows.train_end),
        validation=known.between(windows.train_end, windows.validation_end),
        holdout=known.between(windows.validation_end, windows.holdout_end),
    )


def require_rows(frame: Frame, minimum: int, window: str, dates: tuple[str, str]) -> None:
    """Fail in words when a window holds fewer labelled rows than are needed."""
    if len(frame) < minimum:
        raise SplitError(
            f"the {window} window [{dates[0]}, {dates[1]}) holds {len(frame)} labelled rows, "
            f"at least {minimum} are needed: widen the window or wait for labels"
        )
