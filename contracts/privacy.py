"""What a contract says of persons: which columns identify them, how coarse, for how long, among how many."""

import re
from typing import Any

from contracts.errors import ContractError, one_of, only_keys

CLASSIFICATIONS = {"direct_identifier", "quasi_identifier"}
# Ways to make a value coarser, by type; what a way takes beside its own size.
WAYS = {
    "integer": {"bin", "bottom", "top"},
    "number": {"bin", "bottom", "top"},
    "string": {"prefix"},
    "timestamp": {"truncate"},
    "date": {"truncate"},
}
UNITS = {"timestamp": {"hour", "day", "month", "year"}, "date": {"month", "year"}}
GRAINS = {"year": r"\d{4}", "quarter": r"\d{4}-Q[1-4]", "month": r"\d{4}-(0[1-9]|1[0-2])"}
BELOW = {"suppress", "tell"}


def token_epochs(got: Any) -> dict[str, Any]:
    """How long a person keeps one token: epochs from `first` on, each with a key of its own.

    A key is destroyed `keep_days` after its epoch ended, or after it was made, whichever is later.
    """
    place = "customProperties.tokenEpochs"
    only_keys(place, got, required={"grain", "first", "keepDays"})
    one_of(f"{place}.grain", got["grain"], GRAINS, "say how long an epoch is")
    if not re.fullmatch(GRAINS[got["grain"]], str(got["first"])):
        form = {"year": "2013", "quarter": "2013-Q2", "month": "2013-05"}[got["grain"]]
        raise ContractError(
            f"{place}.first", got["first"], f"an epoch such as {form}", "name the epoch of the oldest event"
        )
    days = got["keepDays"]
    if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= 36_500:
        raise ContractError(f"{place}.keepDays", days, "a whole number of days, 1 to 36500", "correct it")
    return {"grain": got["grain"], "first": str(got["first"]), "keep_days": days}


def classification(place: str, kind: str, column: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """`token`: in which domain equal values get equal tokens; `generalise`: how the door makes it coarser."""
    got = column["classification"]
    one_of(
        f"{place}.classification", got, CLASSIFICATIONS | {"public"}, "say how the column identifies a person"
    )
    if got == "direct_identifier":
        only_keys(f"{place}.customProperties", settings, required={"tokenDomain"})
        if kind != "string":
            raise ContractError(
                f"{place}.logicalType", kind, "string: a token is text", "declare it as string"
            )
        return {"classification": got, "token": settings["tokenDomain"]}
    only_keys(f"{place}.customProperties", settings, required=set(), optional={"generalise"})
    if "generalise" not in settings:
        return {"classification": got}
    limits = column.get("logicalTypeOptions") or {}
    general = _generalise(f"{place}.generalise", kind, settings["generalise"])
    if general.get("bin") and limits.get("minimum", 0) % general["bin"]:
        allowed = f"a minimum that is a multiple of the bin {general['bin']}"
        raise ContractError(
            f"{place}.generalise", limits["minimum"], allowed, "else a bin starts below the minimum"
        )
    if "prefix" in general and ("pattern" in limits or column.get("enum")):
        raise ContractError(
            f"{place}.generalise",
            general,
            "no pattern and no enum beside it",
            "a re-driven prefix would not match",
        )
    return {"classification": got, "generalise": general}


def _generalise(place: str, kind: str, got: Any) -> dict[str, Any]:
    ways = WAYS.get(kind)
    if ways is None:
        raise ContractError(
            place, kind, "bin, bottom, top for numbers, prefix for strings, truncate for moments and dates",
            "change the type",
        )  # fmt: skip
    only_keys(place, got, required=ways - {"bin", "bottom", "top"}, optional=ways)
    if not got:
        raise ContractError(place, got, ", ".join(sorted(ways)), "say how it becomes coarser")
    if "truncate" in got:
        one_of(f"{place}.truncate", got["truncate"], UNITS[kind], f"what is left of a {kind}")
    for way in ("bin", "prefix"):
        size = got.get(way, 1)
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ContractError(f"{place}.{way}", size, "a whole number from 1", "correct it")
    _ends(place, got)
    return dict(got)


def _ends(place: str, got: dict[str, Any]) -> None:
    """Bottom and top stand on the edges of bins, else the same value would become another the second time."""
    for end in ("bottom", "top"):
        value = got.get(end, 0)
        if isinstance(value, bool) or not isinstance(value, int) or value % got.get("bin", 1):
            allowed = f"a whole number, a multiple of {got.get('bin', 1)}"
            raise ContractError(f"{place}.{end}", value, allowed, "put it on the edge of a bin")
    if {"bottom", "top"} <= got.keys() and got["bottom"] >= got["top"]:
        raise ContractError(place, f"{got['bottom']} to {got['top']}", "bottom < top", "swap them")


def check_generalised(place: str, table: dict[str, Any]) -> None:
    """A coarse key makes rows equal that are not; a coarse event time files them in another month."""
    fixed = {*table["primary_key"], table["event_time"]}
    for name, column in table["columns"].items():
        if "generalise" in column and name in fixed:
            raise ContractError(
                f"{place}.{name}.generalise", name, "columns beside the primary key and the event time",
                "leave it as it is, or classify it as a direct identifier",
            )  # fmt: skip


def anonymity(place: str, got: Any, columns: dict[str, Any]) -> dict[str, Any] | None:
    """Among how many subjects one has to be lost, by the table's quasi-identifiers, where it leaves raw.

    `below`: what becomes of the quasi-identifiers of smaller classes: suppressed, or left and told.
    """
    quasi = [name for name, column in columns.items() if column.get("classification") == "quasi_identifier"]
    place = f"{place}.anonymity"
    if got is None:
        if quasi:
            raise ContractError(
                place, None, "k, subject and below", f"say among how many {quasi[0]} hides one"
            )
        return None
    only_keys(place, got, required={"k", "subject", "below"})
    if not isinstance(got["k"], int) or isinstance(got["k"], bool) or got["k"] < 2:
        raise ContractError(f"{place}.k", got["k"], "a whole number from 2", "one alone hides nobody")
    identifiers = {name for name, column in columns.items() if "token" in column}
    one_of(
        f"{place}.subject", got["subject"], identifiers, "name the direct identifier of whom a row is about"
    )
    one_of(f"{place}.below", got["below"], BELOW, "say what becomes of small classes")
    if not quasi:
        raise ContractError(place, "no column", "a quasi-identifier", "classify one, or remove anonymity")
    if got["below"] == "suppress" and (required := [name for name in quasi if columns[name]["required"]]):
        raise ContractError(
            f"{place}.below", f"suppress, with {required[0]} required", "columns that may be missing",
            "leave the class and tell, or make the column optional",
        )  # fmt: skip
    return {"k": got["k"], "subject": got["subject"], "below": got["below"], "quasi_identifiers": quasi}
