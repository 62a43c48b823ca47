"""Tables: columns with types and ranges, keys, classification. Door, catalogue and Spark read them."""

import re
from typing import Any

from contracts import privacy
from contracts.errors import ContractError, one_of, only_keys
from contracts.expressions import check_expression
from contracts.standard import custom
from glue_jobs.lake.dqdl import DqdlError, parse_rule

TYPES = {"string", "integer", "number", "boolean", "timestamp", "date"}
SOURCES = {"stream", "batch"}
OPTIONS = {"minimum", "maximum", "pattern", "maxLength"}
NAME = re.compile(r"[a-z][a-z0-9_]*")
RESERVED = {"month": "the partition key of the lake", "unknown": "the quarantine of what has no table"}
MAX_REJECTED_SHARE = 0.2


def compile_tables(document: dict[str, Any]) -> dict[str, Any]:
    """The tables by name; every column checked."""
    compiled: dict[str, Any] = {}
    for table in document["schema"]:
        name = _name(f"schema.{table['name']}", table["name"])
        if name in compiled:
            raise ContractError(f"schema.{name}", name, "each table once", "remove or rename one of the two")
        compiled[name] = _table(table)
    _shared_identifiers(compiled)
    for table in document["schema"]:
        name, place = table["name"], f"schema.{table['name']}"
        wish = custom(table, place).get("anonymity")
        compiled[name]["anonymity"] = privacy.anonymity(place, wish, compiled[name]["columns"])
    return compiled


def _table(table: dict[str, Any]) -> dict[str, Any]:
    place = f"schema.{table['name']}"
    settings = custom(table, place)
    only_keys(
        f"{place}.customProperties",
        settings,
        required={"source"},
        optional={"anonymity", "eventTime", "maxRejectedShare"},
    )
    one_of(f"{place}.source", settings["source"], SOURCES, "say how the table arrives")
    columns: dict[str, Any] = {}
    for column in table.get("properties") or []:
        name = _name(f"{place}.{column['name']}", column["name"])
        if name in columns:
            raise ContractError(
                f"{place}.{name}", name, "each column once", "remove or rename one of the two"
            )
        columns[name] = _column(f"{place}.{name}", column)
    share = settings.get("maxRejectedShare", MAX_REJECTED_SHARE)
    if not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ContractError(f"{place}.maxRejectedShare", share, "a share between 0 and 1", "correct it")
    compiled = {
        "description": table.get("description", ""),
        "source": settings["source"],
        "primary_key": _primary_key(place, table, columns),
        "event_time": _event_time(place, settings.get("eventTime"), columns),
        "max_rejected_share": share,
        "columns": columns,
    }
    privacy.check_generalised(place, compiled)
    return compiled


def _name(place: str, got: str) -> str:
    if not NAME.fullmatch(got):
        raise ContractError(
            place, got, "lower case letters, digits and _", "rename it: it becomes a folder and a column"
        )
    if got in RESERVED:
        raise ContractError(place, got, f"any name but {got}, {RESERVED[got]}", "rename it")
    return got


def _column(place: str, column: dict[str, Any]) -> dict[str, Any]:
    kind = str(column.get("logicalType"))
    one_of(f"{place}.logicalType", kind, TYPES, "choose the nearest of these")
    compiled: dict[str, Any] = {"type": kind, "required": bool(column.get("required"))}
    compiled |= _limits(place, kind, column.get("logicalTypeOptions") or {})
    if column.get("description"):
        compiled["description"] = str(column["description"])
    if column.get("enum"):
        compiled["enum"] = _enum(place, kind, [entry["value"] for entry in column["enum"]])
    settings = custom(column, place)
    only_keys(f"{place}.customProperties", settings, required=set(), optional={"generalise", "tokenDomain"})
    if column.get("classification") not in (None, "public"):
        compiled |= privacy.classification(place, kind, column, settings)
    elif settings:
        raise ContractError(
            f"{place}.customProperties",
            sorted(settings),
            "only on classified columns",
            "add the classification",
        )
    return compiled


def _limits(place: str, kind: str, options: dict[str, Any]) -> dict[str, Any]:
    only_keys(f"{place}.logicalTypeOptions", options, required=set(), optional=OPTIONS)
    numeric = kind in {"integer", "number"}
    for option in options:
        if (option in {"minimum", "maximum"}) != numeric or (
            option not in {"minimum", "maximum"} and kind != "string"
        ):
            raise ContractError(
                f"{place}.logicalTypeOptions", option,
                "minimum and maximum of numbers, pattern and maxLength of strings", f"remove {option}",
            )  # fmt: skip
    low, high = options.get("minimum"), options.get("maximum")
    if low is not None and high is not None and low > high:
        raise ContractError(
            f"{place}.logicalTypeOptions", f"{low} to {high}", "minimum <= maximum", "swap them"
        )
    if "pattern" in options:
        try:
            re.compile(options["pattern"])
        except re.error as error:
            raise ContractError(
                f"{place}.pattern", options["pattern"], f"a regular expression ({error})", "correct it"
            ) from error
    names = {"maxLength": "max_length"}
    return {names.get(option, option): value for option, value in options.items()}


def _enum(place: str, kind: str, values: list[Any]) -> list[Any]:
    python: Any = {"string": str, "integer": int, "number": (int, float)}.get(kind)
    if python is None:
        raise ContractError(f"{place}.enum", kind, "enum of strings and numbers", "remove the enum")
    for value in values:
        if not isinstance(value, python) or isinstance(value, bool):
            raise ContractError(
                f"{place}.enum", value, f"values of type {kind}", "quote it, or change the type"
            )
    return values


def _primary_key(place: str, table: dict[str, Any], columns: dict[str, Any]) -> list[str]:
    keyed = [column for column in table.get("properties") or [] if column.get("primaryKey")]
    if not keyed:
        raise ContractError(
            f"{place}.primaryKey", "none", ", ".join(columns), "mark at least one column as primaryKey"
        )
    positions = [column.get("primaryKeyPosition") for column in keyed]
    if sorted(positions, key=str) != [*range(1, len(keyed) + 1)]:
        raise ContractError(
            f"{place}.primaryKeyPosition", positions, f"1 to {len(keyed)}", "number them in order"
        )
    for column in keyed:
        if not column.get("required"):
            raise ContractError(
                f"{place}.{column['name']}.required",
                False,
                "true for every column of the key",
                "add required: true",
            )
    return [column["name"] for column in sorted(keyed, key=lambda column: int(column["primaryKeyPosition"]))]


def _event_time(place: str, got: str | None, columns: dict[str, Any]) -> str | None:
    if got is None:
        return None
    one_of(f"{place}.eventTime", got, columns, "name a column of the table, or leave it out for a dimension")
    if columns[got]["type"] != "timestamp" or not columns[got]["required"]:
        kind = f"{columns[got]['type']}, required {columns[got]['required']}"
        raise ContractError(
            f"{place}.eventTime", f"{got} ({kind})", "a required timestamp", "correct the column"
        )
    return got


def _shared_identifiers(tables: dict[str, Any]) -> None:
    """A column of one name is one identifier everywhere, else a join is lost or the other table leaks it."""
    seen: dict[str, tuple[str, Any]] = {}
    for table, content in tables.items():
        for column, entry in content["columns"].items():
            if column not in seen and "token" in entry:
                seen[column] = (table, entry["token"])
    for table, content in tables.items():
        for column, entry in content["columns"].items():
            if column in seen and entry.get("token") != seen[column][1]:
                other, token = seen[column]
                raise ContractError(
                    f"schema.{table}.{column}.tokenDomain", entry.get("token"), f"{token}, as in {other}",
                    "classify both as direct_identifier with one tokenDomain",
                )  # fmt: skip


def quality_rules(document: dict[str, Any], tables: dict[str, Any]) -> dict[str, list[str]]:
    """The DQDL rules by table."""
    rules: dict[str, list[str]] = {}
    for table in document["schema"]:
        place = f"schema.{table['name']}.quality"
        rules[table["name"]] = [
            checked_rule(place, check, tables[table["name"]]["columns"])
            for check in table.get("quality") or []
        ]
    return rules


def checked_rule(place: str, check: Any, columns: Any) -> str:
    """The DQDL text of an ODCS check, or of a plain rule."""
    if isinstance(check, dict):
        if check.get("type") != "custom" or check.get("engine") != "dqdl":
            got = f"type {check.get('type')}, engine {check.get('engine')}"
            raise ContractError(place, got, "type custom, engine dqdl", "write the check as a DQDL rule")
        check = check["implementation"]
    try:
        rule = parse_rule(check)
    except DqdlError as error:
        raise ContractError(place, check, str(error), "correct the rule") from error
    if rule.where:
        check_expression(place, rule.where, allowed=set(columns))
    for column in rule.columns:
        if rule.kind != "ColumnExists":
            one_of(f"{place}: {check}", column, columns, "name a column that exists")
    return str(check)
