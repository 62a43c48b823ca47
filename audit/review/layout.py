"""Where everything of the diagram stands, in pixels; the SVG and the PNG draw the same.

Stages are columns, trust zones are bands, stores are rails below: the wire of a stage crosses the rails, and
only a mark on a crossing joins the two. Wires run in gutters of their own, with the labels beside them:
nothing can lie on anything else, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from audit.review.difference import Kind
from audit.review.places import OUTSIDE, Picture, Seat, Storage, Way, Worker, Zone
from audit.review.shapes import Box, Label, Layout, Line, Mark, short, width

MARGIN, HEADS, GUTTER, WIRE, PAD = 12.0, 118.0, 9.0, 13.0, 7.0
LINE, STORE, RAIL, GAP, TOP = 17.0, 34.0, 41.0, 14.0, 30.0
NAME, SMALL, TITLE = 12.0, 10.5, 14.0  # sizes of letters
HEAD = 13.0  # pixels from line to line beside a band
WIDEST = 150.0  # pixels of a label, then it is cut
_COLUMN = 66.0  # pixels of the narrowest
ZONES = {
    Zone.OUTSIDE: "People, programs and services that come in from outside",
    Zone.ACCOUNT: "This account, on AWS's side: reached over its APIs",
    Zone.NETWORK: "Our network",
}
DATA = "Data: what is held, and under which key"
CONTROL = "Who starts whose work"
LEGEND = (
    ("write", "writes"),
    ("read", "reads"),
    ("both", "both"),
    ("risky", "may delete or administer, too"),
    ("start", "may start"),
    ("isolated", "container without a network"),
)


def lay(picture: Picture, touched: Mapping[str, Kind], added: Iterable[str]) -> Layout:
    """`touched`: construct path -> the worst that changes there; `added`: paths that are new."""
    return _Builder(picture, touched, frozenset(added)).build()


@dataclass(frozen=True, kw_only=True)
class _Column:
    left: float
    right: float
    inner: float  # where labels begin, right of the wires
    wires: Mapping[Seat, float]


class _Builder:
    def __init__(self, picture: Picture, touched: Mapping[str, Kind], added: frozenset[str]) -> None:
        self.picture, self.touched, self.added = picture, touched, added
        self.layout = Layout()
        self.last: dict[Seat, float] = {}  # where a wire ends
        self.columns = self._columns()
        self.right = max((column.right for column in self.columns.values()), default=HEADS + 300)

    def build(self) -> Layout:
        top = MARGIN + TOP
        for stage, column in self.columns.items():
            name = "" if stage == OUTSIDE else short(stage, TITLE, column.right - column.inner, True)
            self._label(column.inner, MARGIN + 16, name, TITLE, "stage", bold=True)
        starts: dict[Seat, float] = {}
        frames: dict[Zone, float] = {}
        for zone in Zone:
            frames[zone] = top
            top = self._zone(zone, top, starts)
        inner = top
        top = self._control(top)
        top = self._rails(top)
        self._frames(frames, inner, top)
        for seat, begin in starts.items():
            x, box = self.columns[seat.stage].wires[seat], self.columns[seat.stage].inner
            if seat in self.last:
                self._line(box, begin, x, begin, "wire")
                self._line(x, begin, x, self.last[seat], "wire")
        self._legend(top + GAP + 14)
        self.layout.width = self.right + MARGIN
        self.layout.height = top + GAP + 30
        return self.layout

    # ---- columns ----

    def _columns(self) -> dict[str, _Column]:
        found, left = {}, MARGIN + HEADS
        for stage in self.picture.stages:
            seats = sorted(
                {each.seat for each in self.picture.workers if each.seat.stage == stage}
                | {way.seat for ways in self.picture.ways.values() for way in ways if way.seat.stage == stage}
            )
            inner = left + GUTTER + WIRE * len(seats)
            # A pixel more: sums of fractions are not exact, and a label that just fits must not be cut.
            broad = 1 + max([_COLUMN, *(min(each, WIDEST) for each in self._breadths(stage))])
            wires = {seat: left + GUTTER + WIRE * at for at, seat in enumerate(seats)}
            found[stage] = _Column(left=left, inner=inner, right=inner + broad + 2 * PAD, wires=wires)
            left = found[stage].right + PAD
        return found

    def _breadths(self, stage: str) -> Iterator[float]:
        yield width(stage, TITLE, True)
        for worker in self.picture.workers:
            if worker.seat.stage == stage:
                yield width(worker.label, NAME) + (14 if worker.isolated else 0)
        for store in self.picture.ways:
            if store.stage == stage:
                yield width(store.label, NAME, True)
                yield width(_under(store), SMALL)
        if stage in self.picture.starts:
            yield width("starts work of", NAME)

    # ---- bands ----

    def _zone(self, zone: Zone, top: float, starts: dict[Seat, float]) -> float:
        groups: dict[Seat, list[Worker]] = {}
        for worker in self.picture.workers:
            if worker.seat.zone is zone:
                groups.setdefault(worker.seat, []).append(worker)
        head = ZONES[zone]
        if zone is Zone.NETWORK:
            head += ": has a way to the internet" if self.picture.has_exit else ": no way to the internet"
        if not groups:
            return top
        lines = self._head(head, top + 16)
        rows = max(map(len, groups.values()))
        for seat, workers in groups.items():
            column = self.columns[seat.stage]
            self._box(
                column.inner, top + 4, column.right - column.inner, LINE * len(workers) + 8, "seat", workers
            )
            for at, worker in enumerate(workers):
                self._worker(worker, column, top + 4 + LINE * (at + 1))
            starts[seat] = top + 16
        return top + max(LINE * rows + 8, HEAD * lines + 4) + GAP

    def _worker(self, worker: Worker, column: _Column, y: float) -> None:
        room = column.right - column.inner - 2 * PAD
        x = column.inner + PAD
        if worker.isolated:
            self.layout.marks.append(Mark(x=x + 4, y=y - 4, kind="isolated", title="no network of its own"))
            x, room = x + 14, room - 14
        worst = self._worst(worker.paths)
        style = f"unit {_word(worst, self._is_new(worker.paths))}".strip()
        self._label(x, y, short(worker.label, NAME, room), NAME, style)

    def _control(self, top: float) -> float:
        if not self.picture.starts:
            return top
        lines = self._head(CONTROL, top + 16)
        begin = top
        for stage in sorted(self.picture.starts, key=self.picture.stages.index):
            column, y = self.columns[stage], top + 15
            self._box(column.inner, top + 4, column.right - column.inner, 22, "control", ())
            self._label(column.inner + PAD, y + 4, "starts work of", NAME, "small")
            self._rail(
                column, y, [(seat, "start", False, "") for seat in self.picture.starts[stage]], "start"
            )
            top += 30
        return max(top, begin + HEAD * lines + 4) + GAP

    def _rails(self, top: float) -> float:
        order = {stage: at for at, stage in enumerate(self.picture.stages)} | {
            "base": len(self.picture.stages)
        }
        stores = sorted(self.picture.ways, key=lambda store: order[store.stage])
        lines = self._head(DATA, top + 16)
        begin = top
        for store in stores:
            column, y = self.columns[store.stage], top + 4 + STORE / 2
            room = column.right - column.inner - 2 * PAD
            self._box(column.inner, top + 4, room + 2 * PAD, STORE, "store", [store])
            self._label(
                column.inner + PAD, top + 18, short(store.label, NAME, room, True), NAME, "name", bold=True
            )
            self._label(column.inner + PAD, top + 32, short(_under(store), SMALL, room), SMALL, "small")
            self._rail(column, y, [_joint(way, store) for way in self.picture.ways[store]], "rail")
            top += RAIL
        return max(top, begin + HEAD * lines + 4)

    def _rail(
        self, column: _Column, y: float, joints: Sequence[tuple[Seat, str, bool, str]], style: str
    ) -> None:
        places = [(self.columns[seat.stage].wires[seat], seat) for seat, *_ in joints]
        for left in [min((x for x, _ in places if x < column.inner), default=None)]:
            if left is not None:
                self._line(left, y, column.inner, y, style)
        for right in [max((x for x, _ in places if x > column.inner), default=None)]:
            if right is not None:
                self._line(column.right, y, right, y, style)
        for (x, seat), (_, kind, is_risky, title) in zip(places, joints, strict=True):
            self.layout.marks.append(Mark(x=x, y=y, kind=kind, is_risky=is_risky, title=title))
            self.last[seat] = max(self.last.get(seat, 0.0), y)

    def _frames(self, tops: Mapping[Zone, float], inner: float, bottom: float) -> None:
        left = MARGIN
        wide = self.right - left + PAD
        frames = [
            Box(
                x=left,
                y=tops[Zone.ACCOUNT],
                width=wide,
                height=bottom - tops[Zone.ACCOUNT] + 4,
                style="frame",
            )
        ]
        if any(each.seat.zone is Zone.NETWORK for each in self.picture.workers):
            height = inner - tops[Zone.NETWORK] - GAP + 8
            y = tops[Zone.NETWORK] - 2
            frames.append(Box(x=left + 4, y=y, width=wide - 8, height=height, style="network"))
        self.layout.boxes[:0] = frames

    def _legend(self, y: float) -> None:
        x = MARGIN + HEADS
        for kind, words in LEGEND:
            shape = "write" if kind == "risky" else kind
            self.layout.marks.append(Mark(x=x, y=y - 4, kind=shape, is_risky=kind == "risky"))
            self._label(x + 12, y, words, NAME, "legend")
            x += 36 + width(words, NAME)
        self.right = max(self.right, x)

    # ---- pieces ----

    def _head(self, text: str, y: float) -> int:
        """In lines beside the band; how many."""
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if width(longer, SMALL) > HEADS - 22 and lines[-1]:
                lines.append(word)
            else:
                lines[-1] = longer
        for at, line in enumerate(lines):
            self._label(MARGIN + 10, y + HEAD * at, line, SMALL, "zone")
        return len(lines)

    def _label(self, x: float, y: float, text: str, size: float, style: str, bold: bool = False) -> None:
        if text:
            self.layout.labels.append(Label(x=x, y=y, text=text, size=size, style=style, is_bold=bold))

    def _line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        self.layout.lines.append(Line(x1=x1, y1=y1, x2=x2, y2=y2, style=style))

    def _box(
        self, x: float, y: float, wide: float, high: float, style: str, held: Sequence[Worker | Storage]
    ) -> None:
        paths = [path for each in held for path in each.paths]
        is_store = style == "store"
        self.layout.boxes.append(
            Box(
                x=x,
                y=y,
                width=wide,
                height=high,
                style=style,
                title=", ".join(paths),
                worst=self._worst(paths) if is_store else None,
                is_new=is_store and self._is_new(paths),
            )
        )

    def _worst(self, paths: Iterable[str]) -> Kind | None:
        return max((self.touched[path] for path in paths if path in self.touched), default=None)

    def _is_new(self, paths: Iterable[str]) -> bool:
        return bool(self.added & set(paths))


def _under(store: Storage) -> str:
    key = {"aws owned": "AWS's own key", "aws managed": "AWS's key for it", "": "", "none": ""}.get(
        store.key, f"key {store.key}"
    )
    return f"{store.kind}, {key}" if key else store.kind


def _joint(way: Way, store: Storage) -> tuple[Seat, str, bool, str]:
    kind = "both" if way.reads and way.writes else "read" if way.reads else "write"
    words = {"both": "reads and writes", "read": "reads", "write": "writes"}[kind]
    more = ", may delete or administer" if way.risky else ""
    return way.seat, kind, way.risky, f"{way.seat.stage} {words} {store.label}{more}"


def _word(worst: Kind | None, is_new: bool) -> str:
    """A class for what changed; words and tags alone are not marked."""
    if is_new:
        return "new"
    return "" if worst is None or worst is Kind.COSMETIC else worst.option
