"""Who writes what and who reads it, drawn from the access matrix as an SVG that stands on a page by itself.

Stores are the middle column. To the left stands who may change them, to the right who may read them, each in
the trust boundary that holds it: a stack, the people who take on roles, the services of AWS, the outside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from audit import encryption, matrix
from audit.policies import listed
from audit.templates import Resource, Templates

# Of no use here: every unit of work uses keys and writes logs.
LEFT_OUT = ("key", "log group")
COLOURS = ("#0072b2", "#c24f00", "#00795c", "#a3286e", "#7a6000", "#5b4bb5", "#444c56", "#2d8fbd")
WIDTH, SIDE, MIDDLE = 1130, 285, 290  # pixels: all, a column of units, the column of stores
ROW, HEAD, STORE, GAP = 21, 24, 42, 12  # heights in pixels
LETTER = 7.2  # pixels of a broad letter at 12 px
PEOPLE, SERVICES, OUTSIDE = "people and producers", "services of AWS", "outside of this account"


@dataclass(frozen=True, kw_only=True, order=True)
class Unit:
    boundary: str
    label: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Store:
    """`paths`: construct paths of the resources that everybody treats alike, drawn as one."""

    kind: str
    paths: tuple[str, ...]
    key: str


@dataclass(frozen=True, kw_only=True)
class Flow:
    """`risky`: may delete or administer, too."""

    unit: Unit
    store: Store
    capabilities: tuple[str, ...]

    @property
    def is_read(self) -> bool:
        return self.capabilities == ("read",)

    @property
    def is_risky(self) -> bool:
        return bool({"delete", "administer", "unknown"} & set(self.capabilities))


def draw(templates: Templates) -> str:
    """ "" where nobody may do anything with a store."""
    flows = flows_of(templates)
    return _svg(flows) if flows else ""


def flows_of(templates: Templates) -> list[Flow]:
    """In the order of the stores in the templates. Reading and changing are two flows."""
    held: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in matrix.matrix(templates):
        if row.kind not in LEFT_OUT:
            held[row.kind, row.target][row.principal].add(str(row.capability))
    order = {resource.path: at for at, resource in enumerate(templates.resources)}
    keys = _keys(templates)
    units = _units(templates)
    alike: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for kind, target in sorted(held, key=lambda each: order.get(each[1], -1)):
        who = repr(sorted((name, sorted(may)) for name, may in held[kind, target].items()))
        alike[kind, keys.get(target, ""), who].append(target)
    flows = []
    for (kind, key, _), targets in alike.items():
        store = Store(kind=kind, paths=tuple(targets), key=key)
        for principal, may in sorted(held[kind, targets[0]].items()):
            unit = units.get(principal) or _unit_outside(principal)
            for capabilities in (may & {"read"}, may - {"read"}):
                if capabilities:
                    flows.append(Flow(unit=unit, store=store, capabilities=tuple(sorted(capabilities))))
    return flows


def _keys(templates: Templates) -> dict[str, str]:
    """Construct path of a store -> its key, by the encryption map."""
    found: dict[str, str] = {}
    for row in encryption.encryption_map(templates):
        if isinstance(row, encryption.Store):
            found.setdefault(row.path, row.key)
    return found


def _units(templates: Templates) -> dict[str, Unit]:
    found = {}
    for identity in templates.of("AWS::IAM::Role", "AWS::IAM::User"):
        stack, _, rest = identity.path.partition("/")
        label = rest.removesuffix("Role").rstrip("/") or rest
        boundary = PEOPLE if _is_for_people(identity) else stack
        found[identity.path] = Unit(boundary=boundary, label=label, path=identity.path)
    return found


def _is_for_people(identity: Resource) -> bool:
    """A user, or a role that principals of an account take on, and no service."""
    trusts = listed(identity.get("AssumeRolePolicyDocument", "Statement"))
    principals = [each.get("Principal") for each in trusts if isinstance(each, Mapping)]
    named = [each for each in principals if isinstance(each, Mapping)]
    return identity.type == "AWS::IAM::User" or any("AWS" in each for each in named)


def _unit_outside(principal: str) -> Unit:
    kind, _, name = principal.partition(" ")
    boundary = SERVICES if kind == "service" else OUTSIDE
    return Unit(boundary=boundary, label=name if kind == "service" else principal, path=principal)


# ---- where everything stands ----


@dataclass(frozen=True, kw_only=True)
class _Box:
    top: float
    height: float

    @property
    def middle(self) -> float:
        return self.top + self.height / 2


def _svg(flows: Sequence[Flow]) -> str:
    stores = list(dict.fromkeys(flow.store for flow in flows))
    rank = {store: at / max(1, len(stores) - 1) for at, store in enumerate(stores)}
    sides = [[flow for flow in flows if flow.is_read is reads] for reads in (False, True)]
    columns = [_column(_ordered(side, rank)) for side in sides]
    least = len(stores) * (STORE + GAP)
    height = max(least, *(bottom for _, _, bottom in columns)) + 34
    step = (height - 34) / len(stores)
    places = {store: _Box(top=34 + at * step + (step - STORE) / 2, height=STORE) for store, at in _at(stores)}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="Who may change and who may read each store" class="drawing">',
        _arrows(),
        _text(0, 14, "may change", "title"),
        _text((WIDTH - MIDDLE) / 2, 14, "holds data", "title"),
        _text(WIDTH - SIDE, 14, "may read", "title"),
    ]
    for side, (boxes, groups, _), is_read in zip(sides, columns, (False, True), strict=True):
        left = WIDTH - SIDE if is_read else 0
        parts += _lines(side, boxes, places, stores, is_read)
        parts += [_group(name, box, left) for name, box in groups]
        parts += [_unit(unit, box, left) for unit, box in boxes.items()]
    parts += [_store(store, places[store], COLOURS[at % len(COLOURS)]) for store, at in _at(stores)]
    return "\n".join([*parts, "</svg>"])


def _at(stores: Sequence[Store]) -> list[tuple[Store, int]]:
    return [(store, at) for at, store in enumerate(stores)]


def _ordered(side: Sequence[Flow], rank: Mapping[Store, float]) -> list[tuple[str, list[Unit]]]:
    """Boundaries, and units in them, by the middle of the stores that they reach: few lines then cross."""
    reached: dict[Unit, list[float]] = defaultdict(list)
    for flow in side:
        reached[flow.unit].append(rank[flow.store])
    middle = {unit: sum(ranks) / len(ranks) for unit, ranks in reached.items()}
    by_boundary: dict[str, list[Unit]] = defaultdict(list)
    for unit in sorted(reached, key=lambda each: (middle[each], each)):
        by_boundary[unit.boundary].append(unit)
    return sorted(
        by_boundary.items(), key=lambda each: (sum(middle[unit] for unit in each[1]) / len(each[1]), each[0])
    )


def _column(
    groups: Iterable[tuple[str, list[Unit]]],
) -> tuple[dict[Unit, _Box], list[tuple[str, _Box]], float]:
    """Boxes of units, boxes of boundaries, and where the column ends."""
    units, boundaries, top = {}, [], 34.0
    for name, members in groups:
        height = HEAD + ROW * len(members) + 6
        boundaries.append((name, _Box(top=top, height=height)))
        for at, unit in enumerate(members):
            units[unit] = _Box(top=top + HEAD + at * ROW, height=ROW)
        top += height + GAP
    return units, boundaries, top


# ---- how it looks ----


def _lines(
    side: Sequence[Flow],
    units: Mapping[Unit, _Box],
    places: Mapping[Store, _Box],
    stores: Sequence[Store],
    is_read: bool,
) -> list[str]:
    lines = []
    for store, flows in groupby(
        sorted(side, key=lambda flow: (stores.index(flow.store), units[flow.unit].top)), lambda f: f.store
    ):
        here, box = list(flows), places[store]
        for at, flow in enumerate(here, start=1):
            port = box.top + box.height * at / (len(here) + 1)
            unit = units[flow.unit].middle
            inner, outer = (WIDTH - MIDDLE) / 2, float(SIDE)
            if is_read:
                inner, outer = WIDTH - inner, WIDTH - outer
            bend = (inner - outer) / 2
            start, end = ((inner, port), (outer, unit)) if is_read else ((outer, unit), (inner, port))
            first, second = (-bend, bend) if is_read else (bend, -bend)
            dash = ' stroke-dasharray="5 3"' if flow.is_risky else ""
            colour = COLOURS[stores.index(store) % len(COLOURS)]
            lines.append(
                f'<path d="M{start[0]:.0f} {start[1]:.1f} C{start[0] + first:.0f} {start[1]:.1f} '
                f'{end[0] + second:.0f} {end[1]:.1f} {end[0]:.0f} {end[1]:.1f}" stroke="{colour}"{dash} '
                f'marker-end="url(#arrow{stores.index(store) % len(COLOURS)})">'
                f"<title>{escape(_told(flow))}</title></path>"
            )
    return lines


def _arrows() -> str:
    """One head for each colour: a marker does not take on its line's in every browser."""
    heads = [
        f'<marker id="arrow{at}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" '
        f'orient="auto"><polygon points="0,0.5 8,4 0,7.5" fill="{colour}"/></marker>'
        for at, colour in enumerate(COLOURS)
    ]
    return f"<defs>{''.join(heads)}</defs>"


def _told(flow: Flow) -> str:
    return f"{flow.unit.path}: {', '.join(flow.capabilities)} {', '.join(flow.store.paths)}"


def _group(name: str, box: _Box, left: float) -> str:
    frame = (
        f'<rect x="{left + 0.5}" y="{box.top:.1f}" width="{SIDE - 1}" height="{box.height:.1f}" rx="6" '
        'class="boundary"/>'
    )
    return frame + _text(left + 10, box.top + 16, _short(name, SIDE - 20), "head")


def _unit(unit: Unit, box: _Box, left: float) -> str:
    label = _text(left + 10, box.middle + 4, _short(unit.label, SIDE - 20), "unit")
    return f"<g><title>{escape(unit.path)}</title>{label}</g>"


def _store(store: Store, box: _Box, colour: str) -> str:
    left = (WIDTH - MIDDLE) / 2
    name = store.paths[0].partition("/")[2] or store.paths[0]
    more = f" and {len(store.paths) - 1} more" if len(store.paths) > 1 else ""
    under = f"{store.kind}, key {store.key}" if store.key else store.kind
    return (
        f"<g><title>{escape(', '.join(store.paths))}</title>"
        f'<rect x="{left}" y="{box.top:.1f}" width="{MIDDLE}" height="{box.height}" rx="6" class="store" '
        f'stroke="{colour}"/>'
        + _text(left + 10, box.top + 17, _short(name, MIDDLE - 20 - LETTER * len(more)) + more, "name")
        + _text(left + 10, box.top + 33, _short(under, MIDDLE - 20), "kind")
        + "</g>"
    )


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.1f}" class="{style}">{escape(text)}</text>'


def _short(text: str, width: float) -> str:
    """With the middle left out where it is too long: what a name begins and ends with tells it apart."""
    most = max(8, int(width / LETTER))
    if len(text) <= most:
        return text
    half = (most - 1) // 2
    return f"{text[: most - 1 - half]}…{text[len(text) - half :]}"
