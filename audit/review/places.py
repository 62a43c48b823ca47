"""What the diagram shows: units of work and stores by stage and trust zone, and what goes between them.

Computed: stages from tags and paths, zones from networks and trust policies, ways from the access matrix.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from audit import encryption, matrix
from audit.capabilities import TARGETS
from audit.diagram import LEFT_OUT
from audit.policies import listed, matches, statements
from audit.reachability.units import units
from audit.templates import Resource, Templates

# The way of the data; other stages come after those, in the order of the templates.
ORDER = (
    "base",
    "ingest",
    "lake",
    "transform",
    "explore",
    "train",
    "evaluate",
    "deploy",
    "monitor",
    "retrain",
)
STARTING = ("glue:StartJobRun", "lambda:InvokeFunction", "states:StartExecution", "iam:PassRole")
OUTSIDE = "outside"


class Zone(IntEnum):
    """From the outside in."""

    OUTSIDE = 0  # people, programs, other accounts, services that AWS sends
    ACCOUNT = 1  # runs on AWS's side, reached over its APIs
    NETWORK = 2  # runs in subnets of ours


@dataclass(frozen=True, kw_only=True, order=True)
class Seat:
    """Where the units of one stage and one zone stand: what the diagram draws ways from."""

    stage: str
    zone: Zone


@dataclass(frozen=True, kw_only=True)
class Worker:
    """`isolated`: its containers have no network of their own; `paths` for marking what changed."""

    label: str
    seat: Seat
    isolated: bool
    paths: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Storage:
    """`paths`: construct paths of the resources that everybody treats alike, drawn as one."""

    label: str
    kind: str
    key: str
    stage: str
    paths: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Way:
    """What some unit of a seat may do with a store. `risky`: delete or administer, too."""

    seat: Seat
    reads: bool
    writes: bool
    risky: bool


@dataclass(frozen=True, kw_only=True)
class Picture:
    """`starts`: stage -> seats whose work it may start."""

    stages: tuple[str, ...]
    workers: tuple[Worker, ...]
    ways: Mapping[Storage, tuple[Way, ...]]
    starts: Mapping[str, tuple[Seat, ...]]
    has_exit: bool


def picture(templates: Templates) -> Picture:
    return _Reader(templates).picture()


class _Reader:
    def __init__(self, templates: Templates) -> None:
        self.templates = templates

    def picture(self) -> Picture:
        ways = self._ways()
        starts = self._starts()
        workers = tuple(self._workers())
        used = {each.seat.stage for each in workers} | {each.stage for each in ways} | set(starts)
        known = [stage for stage in ORDER if stage in used]
        order = [*dict.fromkeys(self.stages.values()), OUTSIDE]
        rest = [stage for stage in order if stage in used and stage not in known and stage != OUTSIDE]
        first = [OUTSIDE] if OUTSIDE in used else []
        exits = ("AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::EgressOnlyInternetGateway")
        return Picture(
            stages=(*first, *known, *rest),
            workers=workers,
            ways=ways,
            starts=starts,
            has_exit=bool(self.templates.of(*exits)),
        )

    @cached_property
    def stages(self) -> dict[str, str]:
        return stages_of(self.templates)

    @cached_property
    def seats(self) -> dict[str, Seat]:
        """Construct path of a role -> its seat."""
        placed = {unit.role.path for unit in units(self.templates) if unit.role and unit.subnets}
        return {
            role.path: Seat(stage=self.stages[role.path], zone=_zone(role, role.path in placed))
            for role in self.templates.of("AWS::IAM::Role", "AWS::IAM::User")
        }

    def _workers(self) -> Iterator[Worker]:
        isolated = {unit.role.path for unit in units(self.templates) if unit.role and unit.isolated}
        for path, seat in self.seats.items():
            if path in self._active:
                yield Worker(
                    label=_label(path, seat.stage), seat=seat, isolated=path in isolated, paths=(path,)
                )
        outsiders = sorted(self._active - set(self.seats))
        for name in outsiders:
            yield Worker(
                label=name, seat=Seat(stage=OUTSIDE, zone=Zone.OUTSIDE), isolated=False, paths=(name,)
            )

    @cached_property
    def _rows(self) -> list[matrix.Row]:
        return [row for row in matrix.matrix(self.templates) if row.kind not in LEFT_OUT and row.address]

    @cached_property
    def _active(self) -> set[str]:
        """Who has something to do with a store, or starts work."""
        starters = {role.path for role, _ in self._started}
        started = {path for _, target in self._started for path in [target]}
        return {row.principal for row in self._rows} | starters | started

    def _ways(self) -> dict[Storage, tuple[Way, ...]]:
        held: dict[str, dict[Seat, set[str]]] = defaultdict(lambda: defaultdict(set))
        for row in self._rows:
            seat = self.seats.get(row.principal) or Seat(stage=OUTSIDE, zone=Zone.OUTSIDE)
            held[row.address][seat].add(str(row.capability))
        keys = _keys(self.templates)
        alike: dict[tuple[str, str, str, str], list[Resource]] = defaultdict(list)
        for resource in self.templates.resources:
            if resource.address in held:
                kind = TARGETS[resource.type][0]
                who = repr(sorted((seat, sorted(may)) for seat, may in held[resource.address].items()))
                alike[kind, keys.get(resource.path, ""), self.stages[resource.path], who].append(resource)
        found = {}
        for (kind, key, stage, _), resources in alike.items():
            store = Storage(
                label=_many([_label(each.path, stage) for each in resources], kind),
                kind=kind,
                key=key,
                stage=stage,
                paths=tuple(each.path for each in resources),
            )
            found[store] = tuple(_way(seat, may) for seat, may in sorted(held[resources[0].address].items()))
        return found

    @cached_property
    def _started(self) -> list[tuple[Resource, str]]:
        """(role that starts, path of the role whose work it starts)."""
        runs = {}
        for resource in self.templates.resources:
            for name in ("Role", "RoleArn", "ExecutionRoleArn"):
                if isinstance(role := resource.get(name), str):
                    runs[self.templates.arn(resource)] = role
        roles = {self.templates.arn(role): role for role in self.templates.of("AWS::IAM::Role")}
        found = []
        for statement in statements(self.templates):
            if statement.kind == "identity" and statement.allows and set(statement.actions) & set(STARTING):
                for pattern in map(str, statement.resources):
                    wanted = [role for arn, role in runs.items() if matches(pattern, arn)]
                    wanted += [arn for arn in roles if matches(pattern, arn)]
                    for holder in statement.identities:
                        for arn in wanted:
                            if holder in self.templates.by_address and arn in roles:
                                found.append((self.templates.by_address[holder], roles[arn].path))
        return found

    def _starts(self) -> dict[str, tuple[Seat, ...]]:
        found: dict[str, set[Seat]] = defaultdict(set)
        for starter, target in self._started:
            if self.stages[starter.path] != self.stages[target]:
                found[self.stages[starter.path]].add(self.seats[target])
        return {stage: tuple(sorted(seats)) for stage, seats in sorted(found.items())}


def stages_of(templates: Templates) -> dict[str, str]:
    """Construct path -> stage: its tag, the stage that its path names, that of its neighbours, its stack."""
    tags = {resource.path: tag for resource in templates.resources if (tag := _tag(resource))}
    words = {*tags.values(), *(ORDER if tags else ())}
    near: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for path, tag in tags.items():
        near[tuple(path.split("/")[:2])][tag] += 1
    found = {}
    for resource in templates.resources:
        parts = resource.path.split("/")
        named = next((part.lower() for part in parts if part.lower() in words), "")
        beside = near[tuple(parts[:2])].most_common(1)
        found[resource.path] = (
            tags.get(resource.path) or named or (beside[0][0] if beside else resource.stack)
        )
    return found


def _tag(resource: Resource) -> str:
    tags = resource.get("Tags")
    if isinstance(tags, Mapping):
        return str(tags.get("stage", ""))
    known = [each for each in listed(tags) if isinstance(each, Mapping)]
    return next((str(each.get("Value")) for each in known if each.get("Key") == "stage"), "")


def _zone(role: Resource, is_placed: bool) -> Zone:
    trusts = listed(role.get("AssumeRolePolicyDocument", "Statement"))
    named = [each.get("Principal") for each in trusts if isinstance(each, Mapping)]
    is_for_people = role.type == "AWS::IAM::User" or any(
        isinstance(each, Mapping) and ("AWS" in each or "Federated" in each) for each in named
    )
    return Zone.OUTSIDE if is_for_people else Zone.NETWORK if is_placed else Zone.ACCOUNT


def _keys(templates: Templates) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in encryption.encryption_map(templates):
        if isinstance(row, encryption.Store):
            found.setdefault(row.path, row.key.rpartition("/")[2])
    return found


# Last words of a path that say nothing without the one before.
_GENERIC = ("Bucket", "Group", "Handler", "Key", "Queue", "Stream", "Workflow")
_PLAIN = ("Role", "Resource", "Table", "Topic", "Database")


def _label(path: str, stage: str) -> str:
    """What a path says beside its stack, its stage and that it is a role."""
    parts = path.split("/")[1:] or [path]
    told = [part for part in parts if part not in _PLAIN] or parts
    own = [part for part in told if part.lower() != stage] or told
    last = own[-2:] if own[-1] in _GENERIC else own[-1:]
    return "/".join(last).removesuffix("Role") or path


def _many(labels: list[str], kind: str) -> str:
    if len(labels) == 1:
        return labels[0]
    return f"{len(labels)} {kind.removesuffix('y') + 'ies' if kind.endswith('y') else kind + 's'}"


def _way(seat: Seat, may: Iterable[str]) -> Way:
    has = set(may)
    return Way(
        seat=seat,
        reads=bool(has & {"read", "decrypt", "unknown"}),
        writes=bool(has - {"read", "decrypt", "unknown"}),
        risky=bool(has & {"delete", "administer", "unknown"}),
    )
