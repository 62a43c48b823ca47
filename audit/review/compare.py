"""All differences between two sets of templates, each once and in the class that fits it, the worst first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from audit.policies import RESOURCE_POLICIES
from audit.review import access, cdk, cost, loss, openings, replacement, rest
from audit.review.difference import Change, Kind, worst_first
from audit.review.pairs import Pair, pair
from audit.templates import Templates

# Properties that are read as statements, and attributes that only policies have: what changes in them and
# opens nothing is behaviour.
_POLICIES = {
    **RESOURCE_POLICIES,
    "AWS::IAM::Policy": "PolicyDocument",
    "AWS::IAM::ManagedPolicy": "PolicyDocument",
    "AWS::IAM::Role": "Policies",
    "AWS::KMS::Key": "KeyPolicy",
    "AWS::EC2::VPCEndpoint": "PolicyDocument",
}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """
    changes  the worst first
    touched  construct paths now -> the worst class of what changes there, for the drawing and the list
    source   what said which change replaces
    """

    changes: tuple[Change, ...]
    touched: dict[str, Kind]
    added: frozenset[str]
    source: str


def compare(base: Templates, new: Templates, modules: Path) -> Difference:
    """`modules`: the node_modules with the CDK CLI, whose diff is asked."""
    said = cdk.ask(base, new, modules)
    pairs = pair(base, new, said)
    spoken: dict[str, set[str]] = defaultdict(set)
    changes = [*_by_access(base, new, pairs, spoken)]
    importers = replacement.importers_of(base)
    referred = replacement.referred_to(base)
    for one in pairs:
        address = one.one.address
        for change, places in [
            *loss.losses(one),
            *replacement.replacements(one, importers, referred),
            *openings.openings(one),
            *cost.costs(one, base, new),
        ]:
            changes.append(_with_obstacles(change, one, importers))
            spoken[address] |= set(places)
        changes += rest.rest(one, spoken[address])
    changes += _seen_by_cdk(said, changes)
    changes += rest.sections(base, new)
    return Difference(
        changes=tuple(worst_first(changes)),
        touched=_touched(changes),
        added=frozenset(one.one.path for one in pairs if one.old is None),
        source=said.source,
    )


def _by_access(
    base: Templates, new: Templates, pairs: list[Pair], spoken: dict[str, set[str]]
) -> Iterator[Change]:
    """Marks what it speaks of: a policy is then not told again as behaviour."""
    moved = [one for one in pairs if one.is_renamed and one.old and one.new]
    renamed = {one.old.path: one.new.path for one in moved if one.old and one.new}
    names = {one.old.address: one.new.address for one in moved if one.old and one.new}
    addresses = {resource.path: resource for resource in new.resources}
    told: set[str] = set()
    for change, sources in access.rows_wider(base, new, renamed):
        told |= sources
        yield change
    holders = {source.rpartition("#")[0] for source in told}
    for change, holder in access.statements_wider(base, new, renamed, told):
        holders.add(holder)
        yield change
    for path in holders:
        if (resource := addresses.get(path)) is not None:
            name = _POLICIES.get(resource.type, "AssumeRolePolicyDocument")
            spoken[resource.address] |= {name, "AssumeRolePolicyDocument"}
    for change, address in openings.firewall(base, new, names):
        spoken[address] |= {"SecurityGroupIngress", "SecurityGroupEgress"}
        yield change
    yield from openings.keys(base, new, renamed)
    yield from openings.asked(base, new)


def _with_obstacles(change: Change, one: Pair, importers: dict[str, set[str]]) -> Change:
    if change.kind is not Kind.DATA_LOSS or not change.what.startswith(
        ("is deleted", "is made", "may be made")
    ):
        return change
    why = "; ".join([change.why, *replacement.obstacles(one, importers)])
    return Change(**{**vars(change), "why": why})


def _seen_by_cdk(said: cdk.Said, changes: list[Change]) -> Iterator[Change]:
    """Where the CDK's diff finds broader permissions and nothing here does: a second look is cheap."""
    for stack in sorted(said.broadened):
        if not any(one.kind is Kind.WIDER_ACCESS and one.stack == stack for one in changes):
            yield Change(
                kind=Kind.WIDER_ACCESS,
                stack=stack,
                path=stack,
                type="",
                what="the CDK's diff finds broader permissions, which nothing above explains",
                why=f"`cdk diff --security-only --exclusively --template <base> {stack}` shows them",
            )


def _touched(changes: list[Change]) -> dict[str, Kind]:
    found: dict[str, Kind] = {}
    for one in changes:
        found[one.path] = max(one.kind, found.get(one.path, one.kind))
    return found
