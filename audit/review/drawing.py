"""The diagram as SVG, which stands by itself and in the page, and as PNG, from the same places."""

from __future__ import annotations

import io
from html import escape
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Polygon

from audit.review.difference import Kind
from audit.review.shapes import FONT, Box, Label, Layout, Line, Mark

INK, SOFT, WRITE, READ, BOTH, START = "#1d2733", "#5b6876", "#b5480a", "#0067a3", "#6b3fa0", "#00795c"
COLOURS = {"write": WRITE, "read": READ, "both": BOTH, "start": START, "isolated": SOFT}
CHANGED = {
    Kind.DATA_LOSS: "#b3261e",
    Kind.REPLACEMENT: "#c24f00",
    Kind.WIDER_ACCESS: "#a3286e",
    Kind.COST: "#8a6d00",
    Kind.BEHAVIOUR: "#0067a3",
}
NEW = "#00795c"
# Style -> fill, line, breadth of the line, dashes.
_BOXES = {
    "frame": ("#f8fafb", "#7d8996", 1.4, ""),
    "network": ("#edf4f1", "#5f8f7d", 1.2, "5 3"),
    "seat": ("#ffffff", "#9aa5b1", 1.0, ""),
    "control": ("#ffffff", START, 1.0, "3 2"),
    "store": ("#ffffff", "#55606c", 1.3, ""),
}
_LINES = {"wire": ("#a9b3bd", 1.3, ""), "rail": ("#6d7884", 1.2, ""), "start": (START, 1.1, "4 3")}
FRAMES = ("frame", "network")
SIZE = 5.2  # pixels from the middle of a mark to its corner
_DOTS = 200  # per inch of the PNG, at 100 pixels an inch
_POINT = 0.72  # points of a pixel then


def svg(layout: Layout) -> str:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {layout.width:.0f} {layout.height:.0f}" '
        f'role="img" font-family="\'{FONT}\', Verdana, sans-serif" '
        'aria-label="Stages, what they read and write, and the trust boundaries between them">',
        f'<rect width="{layout.width:.0f}" height="{layout.height:.0f}" fill="#ffffff"/>',
        *map(_svg_box, [box for box in layout.boxes if box.style in FRAMES]),
        *map(_svg_line, layout.lines),
        *map(_svg_box, [box for box in layout.boxes if box.style not in FRAMES]),
        *map(_svg_mark, layout.marks),
        *map(_svg_label, layout.labels),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _look(box: Box) -> tuple[str, str, float, str]:
    fill, line, broad, dashes = _BOXES[box.style]
    if box.is_new:
        return fill, NEW, 2.6, dashes
    if box.worst in CHANGED:
        return fill, CHANGED[box.worst], 2.6, dashes
    return fill, line, broad, dashes


def _svg_box(box: Box) -> str:
    fill, line, broad, dashes = _look(box)
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    title = f"<title>{escape(box.title)}</title>" if box.title else ""
    return (
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="5" '
        f'fill="{fill}" stroke="{line}" stroke-width="{broad}"{dash}>{title}</rect>'
    )


def _svg_line(line: Line) -> str:
    colour, broad, dashes = _LINES[line.style]
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line x1="{line.x1:.1f}" y1="{line.y1:.1f}" x2="{line.x2:.1f}" y2="{line.y2:.1f}" '
        f'stroke="{colour}" stroke-width="{broad}"{dash}/>'
    )


def _svg_mark(mark: Mark) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners(mark))
    ring = (
        f'<circle cx="{mark.x:.1f}" cy="{mark.y:.1f}" r="{SIZE + 3}" fill="#ffffff" fill-opacity="0.6" '
        f'stroke="{COLOURS[mark.kind]}" stroke-width="1.2"/>'
        if mark.is_risky
        else ""
    )
    title = f"<title>{escape(mark.title)}</title>" if mark.title else ""
    return f'<g>{ring}<polygon points="{points}" fill="{COLOURS[mark.kind]}"/>{title}</g>'


def corners(mark: Mark) -> list[tuple[float, float]]:
    """Down writes, up reads, a diamond does both; to the right starts; a square has no network."""
    x, y, s = mark.x, mark.y, SIZE
    return {
        "write": [(x - s, y - s + 1), (x + s, y - s + 1), (x, y + s)],
        "read": [(x - s, y + s - 1), (x + s, y + s - 1), (x, y - s)],
        "both": [(x - s, y), (x, y - s), (x + s, y), (x, y + s)],
        "start": [(x - s + 1, y - s), (x + s, y), (x - s + 1, y + s)],
        "isolated": [(x - 3.5, y - 3.5), (x + 3.5, y - 3.5), (x + 3.5, y + 3.5), (x - 3.5, y + 3.5)],
    }[mark.kind]


def colour_of(label: Label) -> str:
    words = {kind.option: colour for kind, colour in CHANGED.items()} | {"new": NEW}
    marked = next((words[word] for word in label.style.split() if word in words), None)
    return marked or (SOFT if label.style in ("small", "zone", "legend") else INK)


def _svg_label(label: Label) -> str:
    weight = ' font-weight="bold"' if label.is_bold else ""
    look = f'font-size="{label.size:g}" fill="{colour_of(label)}"{weight}'
    return f'<text x="{label.x:.1f}" y="{label.y:.1f}" {look}>{escape(label.text)}</text>'


# ---- the same as PNG ----


def png(layout: Layout) -> bytes:
    figure = Figure(figsize=(layout.width / 100, layout.height / 100), dpi=_DOTS, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, layout.width)
    axes.set_ylim(layout.height, 0)
    axes.axis("off")
    for box in layout.boxes:
        _png_box(axes, box)
    for line in layout.lines:
        _png_line(axes, line)
    for mark in layout.marks:
        _png_mark(axes, mark)
    for label in layout.labels:
        _png_label(axes, label)
    target = io.BytesIO()
    # Without the version of what drew it: the same templates give the same bytes.
    figure.savefig(target, format="png", dpi=_DOTS, metadata={"Software": None})
    return target.getvalue()


def _png_box(axes: Axes, box: Box) -> None:
    fill, line, broad, dashes = _look(box)
    axes.add_patch(
        FancyBboxPatch(
            (box.x + 4, box.y + 4),
            max(box.width - 8, 1),
            max(box.height - 8, 1),
            boxstyle="round,pad=4,rounding_size=5",
            facecolor=fill,
            edgecolor=line,
            linewidth=broad * _POINT,
            linestyle=_dashes(dashes),
            zorder=1 if box.style in FRAMES else 3,
        )
    )


def _png_line(axes: Axes, line: Line) -> None:
    colour, broad, dashes = _LINES[line.style]
    axes.plot(
        [line.x1, line.x2],
        [line.y1, line.y2],
        color=colour,
        linewidth=broad * _POINT,
        linestyle=_dashes(dashes),
        zorder=2,
    )


def _png_mark(axes: Axes, mark: Mark) -> None:
    colour = COLOURS[mark.kind]
    if mark.is_risky:
        ring = Circle((mark.x, mark.y), SIZE + 3, facecolor=(1, 1, 1, 0.6), edgecolor=colour, linewidth=0.9)
        ring.set_zorder(4)
        axes.add_patch(ring)
    axes.add_patch(Polygon(corners(mark), color=colour, zorder=5))


def _png_label(axes: Axes, label: Label) -> None:
    axes.text(
        label.x,
        label.y,
        label.text,
        fontsize=label.size * _POINT,
        color=colour_of(label),
        family=FONT,
        weight="bold" if label.is_bold else "normal",
        parse_math=False,
        zorder=6,
    )


def _dashes(text: str) -> Any:
    return (0, tuple(map(float, text.split()))) if text else "solid"
