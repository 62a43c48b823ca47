"""The parts of a model card in SageMaker's schema: single values, bars, lines; cut to its limits."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# Characters, by place.
AXIS, NAME, GROUP, TEXT, NOTE = 63, 255, 63, 2048, 1024
# Lines and columns of a matrix; bars and points are limited by what a person can read.
MATRIX = 20
BARS = 20
CURVE_POINTS = 40

Group = dict[str, Any]


def group(name: str, entries: Iterable[Any]) -> Group:
    return {"name": text(name, GROUP), "metric_data": [entry for entry in entries if entry is not None]}


def metric(name: str, value: Any, notes: str = "") -> dict[str, Any] | None:
    if not is_finite(value):
        return None
    entry = {"name": text(name, NAME), "type": "number", "value": rounded(value)}
    return entry | ({"notes": text(notes, NOTE)} if notes else {})


def with_interval(name: str, found: Mapping[str, Any]) -> dict[str, Any] | None:
    notes = span(found)
    if "highest" in found:
        notes += f"; {found['highest']} highest, {found['lowest']} lowest"
    return metric(name.replace("_", " "), found["value"], notes)


def bars(name: str, values: Mapping[str, Any], unit: str) -> dict[str, Any] | None:
    known = [(key, value) for key, value in values.items() if is_finite(value)][:BARS]
    if not known:
        return None
    return {
        "name": text(name, NAME),
        "type": "bar_chart",
        "value": [rounded(value) for _, value in known],
        "x_axis_name": [text(key, AXIS) for key, _ in known],
        "y_axis_name": text(unit, AXIS),
    }


def line(name: str, points: Sequence[tuple[float, float]], x: str, y: str) -> dict[str, Any] | None:
    known = [(a, b) for a, b in points if is_finite(a) and is_finite(b)]
    if not known:
        return None
    step = max(1, math.ceil(len(known) / CURVE_POINTS))
    kept = known[::step] if (len(known) - 1) % step == 0 else [*known[::step], known[-1]]
    return {
        "name": name,
        "type": "linear_graph",
        "value": [[rounded(a), rounded(b)] for a, b in kept],
        "x_axis_name": x,
        "y_axis_name": y,
    }


def span(found: Mapping[str, Any]) -> str:
    if found.get("low") is None:
        return "no interval"
    return f"{short(found['low'])} to {short(found['high'])}"


def short(value: Any) -> str:
    return "not known" if value is None else f"{value:.4g}"


def is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def rounded(value: float) -> float | int:
    return value if isinstance(value, int) else float(f"{value:.6g}")


def filled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: text(str(value), TEXT) for name, value in values.items() if value}


def text(value: str, longest: int) -> str:
    """One line, cut with a mark where it is too long."""
    flat = " ".join(value.split())
    return flat if len(flat) <= longest else flat[: longest - 3] + "..."


def sentences(*texts: str) -> str:
    """Texts as sentences: each begins with a capital and ends with one full stop."""
    kept = [text.strip().rstrip(".") for text in texts if text.strip()]
    return " ".join(f"{text[0].upper()}{text[1:]}." for text in kept)
