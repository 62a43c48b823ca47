"""Names of a deployment, by which its parts are known in an account; given by from settings.py."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from deployment.errors import RefusedError

PROJECT = "mlref"
# Each goes before those that it imports from. Written down and not worked out: a person can check a few
# names, and a wrong order does no harm, since CloudFormation refuses to delete a stack whose exports are in
# use.
MODULES = ("delivery", "pipeline", "replication", "standby")
# Those that deploy the others: a person deploys them, and they never themselves.
DELIVERING = ("delivery", "pipeline")
CORE = ("operations", "model", "data", "base")
# Nothing needs the first three. Standby is in the second Region, and data's rules write to its buckets.
GROUPS = ("delivery", "pipeline", "replication", "operations", "model", "data", "standby", "base")
_STACK = re.compile(rf"({PROJECT}-(.+))-({'|'.join(GROUPS)})")
_PROFILE = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True, kw_only=True)
class Names:
    """
    profile     as in settings.py
    neighbours  prefixes of other deployments that begin with ours: of `sandbox`, a profile `sandbox-2`
    """

    profile: str
    neighbours: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _PROFILE.fullmatch(self.profile):
            raise RefusedError(
                f"{self.profile!r} cannot be a profile; allowed: lower-case letters, digits and dashes; "
                "fix: --profile with a name of settings.py"
            )

    @property
    def prefix(self) -> str:
        return f"{PROJECT}-{self.profile}"

    def stack(self, group: str) -> str:
        return f"{self.prefix}-{group}"

    def begins(self, name: str) -> bool:
        """Whether a name is one that this deployment gave."""
        others = tuple(f"{neighbour}-" for neighbour in self.neighbours)
        return name.startswith(f"{self.prefix}-") and not name.startswith(others)

    def within(self, path: str) -> bool:
        """Whether a service's own name, such as that of a log group, has one of ours in it."""
        found = re.search(rf"(?:^|[/-])({re.escape(self.prefix)}-.*)", path)
        return found is not None and self.begins(found[1])


def names_for(profile: str, stack_names: Iterable[str]) -> Names:
    ours = Names(profile=profile)
    prefixes = {found[1] for name in stack_names if (found := _STACK.fullmatch(name))}
    beyond = sorted(other for other in prefixes if other.startswith(f"{ours.prefix}-"))
    return Names(profile=profile, neighbours=tuple(beyond))


def profiles_of(stack_names: Iterable[str]) -> list[str]:
    """The profiles that stacks of these names belong to."""
    return sorted({found[2] for name in stack_names if (found := _STACK.fullmatch(name))})
