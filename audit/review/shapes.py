"""What the diagram is made of: boxes, lines, marks and labels, in pixels; and how wide a text is."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from audit.review.difference import Kind

# The broadest of the fonts that a page may be shown in: what fits here fits everywhere.
FONT = "DejaVu Sans"


@dataclass(frozen=True, kw_only=True)
class Box:
    """`style`: frame, column, seat, store or control; `worst`: of what changed in it."""

    x: float
    y: float
    width: float
    height: float
    style: str
    title: str = ""
    worst: Kind | None = None
    is_new: bool = False


@dataclass(frozen=True, kw_only=True)
class Label:
    """`y` is the base line. `style`: stage, zone, name, small, unit or legend."""

    x: float
    y: float
    text: str
    size: float
    style: str
    is_bold: bool = False

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        wide = width(self.text, self.size, self.is_bold)
        return self.x, self.y - self.size * 0.93, self.x + wide, self.y + self.size * 0.24


@dataclass(frozen=True, kw_only=True)
class Line:
    """`style`: wire, rail or start."""

    x1: float
    y1: float
    x2: float
    y2: float
    style: str


@dataclass(frozen=True, kw_only=True)
class Mark:
    """`kind`: write, read, both, start or isolated; `is_risky` has a ring."""

    x: float
    y: float
    kind: str
    is_risky: bool = False
    title: str = ""


@dataclass
class Layout:
    width: float = 0.0
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)


@cache
def _font(is_bold: bool) -> FT2Font:
    wanted = font_manager.FontProperties(family=FONT, weight="bold" if is_bold else "normal")
    return FT2Font(font_manager.findfont(wanted))


@cache
def width(text: str, size: float, is_bold: bool = False) -> float:
    """Pixels of a line of text."""
    font = _font(is_bold)
    # Large, then scaled: at its own size the letters are fitted to whole pixels.
    font.set_size(100, 72)
    font.set_text(text)
    return float(font.get_width_height()[0]) / 64 * size / 100


def short(text: str, size: float, most: float, is_bold: bool = False) -> str:
    """With the middle left out where it is too long: what a name begins and ends with tells it apart."""
    if width(text, size, is_bold) <= most:
        return text
    for keep in range(len(text) - 1, 1, -1):
        cut = f"{text[: keep - keep // 2]}…{text[len(text) - keep // 2 :]}"
        if width(cut, size, is_bold) <= most:
            return cut
    return "…"
