"""The one error of a contract: where it stands, what was got, what is allowed, how to mend it."""

from collections.abc import Hashable, Set
from typing import Any


class ContractError(ValueError):
    """A contract that must not be built from."""

    def __init__(self, place: str, got: Any, allowed: Any, fix: str) -> None:
        self.place, self.got, self.allowed, self.fix = place, got, allowed, fix
        super().__init__(f"{place}: got {got!r}, allowed: {allowed}: {fix}")


def one_of(place: str, got: Any, allowed: Any, fix: str) -> None:
    """Refuse a value that is not among the allowed ones."""
    if not isinstance(got, Hashable) or got not in allowed:
        raise ContractError(place, got, ", ".join(sorted(map(str, allowed))) or "nothing", fix)


def only_keys(
    place: str, got: dict[str, Any], *, required: Set[str], optional: Set[str] = frozenset()
) -> None:
    """Refuse a mapping that lacks a key, or has one that nothing reads."""
    if not isinstance(got, dict):
        raise ContractError(
            place, got, f"a mapping with {', '.join(sorted(required))}", "write it as a mapping"
        )
    allowed = ", ".join(sorted(required | optional))
    if missing := sorted(required - got.keys()):
        raise ContractError(place, sorted(map(str, got)), allowed, f"add {', '.join(missing)}")
    if unknown := sorted(map(str, got.keys() - required - optional)):
        raise ContractError(place, unknown[0], allowed, f"remove {unknown[0]}, or correct its spelling")
