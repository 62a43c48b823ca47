"""Features: joins, derived columns, history, label. Refuses what multiplies rows, leaks or time-travels."""

from typing import Any

from contracts.errors import ContractError, one_of, only_keys
from contracts.expressions import check_expression
from contracts.tables import NAME, checked_rule

RESERVED = {"key", "event_time", "event_date", "label", "month", "local_date"}
FEATURE_TYPES = {"double", "string"}
ROLES = {"label", "feature"}
NUMERIC = {"integer", "number"}


def compile_features(section: Any, tables: dict[str, Any], model: Any) -> dict[str, Any]:
    """The feature steps, in the order in which the job takes them."""
    place = "customProperties.features"
    keys = {"base", "joins", "derived", "history", "label", "columns"}
    only_keys(place, section, required=keys, optional={"quality"})
    base = section["base"]
    one_of(f"{place}.base", base, tables, "name a table of the schema")
    if tables[base]["event_time"] is None:
        raise ContractError(
            f"{place}.base", base, "a table with an eventTime", "give it one, or choose another"
        )
    leaks = leak_columns(section, tables, model)
    known = {name: column["type"] for name, column in tables[base]["columns"].items()}
    joined: dict[str, str] = {}
    joins = []
    for join in section["joins"]:
        joins.append(_join(f"{place}.joins", join, tables, base))
        for new, other in join["columns"].items():
            _new_name(f"{place}.joins.{join['table']}", new, known | joined)
            joined[new] = tables[join["table"]]["columns"][other]["type"]
    known |= joined
    check_expression(
        f"{place}.label", _only_sql(f"{place}.label", section["label"]), allowed=set(known) | {"local_date"}
    )
    derived = [_derived(f"{place}.derived", entry, known, leaks) for entry in section["derived"]]
    history = [
        _history(f"{place}.history", entry, tables[base]["columns"], leaks, _classes(model))
        for entry in section["history"]
    ]
    made = {entry["name"]: entry["type"] for entry in derived} | {
        entry["name"]: "double" for entry in history
    }
    for index, entry in enumerate([*derived, *history]):
        earlier = {other["name"] for other in [*derived, *history][:index]}
        _new_name(f"{place}.{entry['name']}", entry["name"], set(known) | earlier)
    columns = _columns(f"{place}.columns", section["columns"], known | made, leaks)
    return {
        "base": base,
        "joins": joins,
        "derived": derived,
        "history": history,
        "label": {"sql": section["label"]["sql"]},
        "columns": columns,
        "entities": _entities(history, columns),
    }


def leak_columns(section: dict[str, Any], tables: dict[str, Any], model: Any) -> set[str]:
    """What is not known when a prediction is asked for: the declared, and all that a label join brings."""
    declared = set(model.get("leak_columns") or []) if isinstance(model, dict) else set()
    known = {column for table in tables.values() for column in table["columns"]}
    for column in sorted(declared):
        one_of("customProperties.model.leak_columns", column, known, "name a column of a table")
    brought = {
        name
        for join in section["joins"]
        if isinstance(join, dict) and join.get("role") == "label"
        for pair in (join.get("columns") or {}).items()
        for name in pair
    }
    return declared | brought


def _join(place: str, join: Any, tables: dict[str, Any], base: str) -> dict[str, Any]:
    only_keys(place, join, required={"table", "on", "columns", "role"}, optional={"as_of"})
    one_of(f"{place}.table", join["table"], tables, "name a table of the schema")
    place = f"{place}.{join['table']}"
    one_of(f"{place}.role", join["role"], ROLES, "say whether it brings the label or features")
    ours, theirs = tables[base]["columns"], tables[join["table"]]["columns"]
    for our, their in join["on"].items():
        one_of(f"{place}.on", our, ours, f"name a column of {base}")
        one_of(f"{place}.on", their, theirs, f"name a column of {join['table']}")
        _same_kind(f"{place}.on", our, ours[our], their, theirs[their])
    for their in join["columns"].values():
        one_of(f"{place}.columns", their, theirs, f"name a column of {join['table']}")
    as_of = join.get("as_of")
    covered = set(join["on"].values())
    if as_of is not None:
        _as_of(f"{place}.as_of", as_of, ours, theirs)
        covered.add(as_of["other"])
    key = tables[join["table"]]["primary_key"]
    if covered != set(key):
        raise ContractError(
            f"{place}.on",
            sorted(covered),
            f"the whole primary key: {', '.join(key)}",
            "join on exactly the key, else a row of the base is multiplied",
        )
    return {key: join.get(key) for key in ("table", "on", "as_of", "columns", "role")}


def _as_of(place: str, as_of: Any, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    only_keys(place, as_of, required={"base", "other", "offset_hours"})
    for side, columns in (("base", ours), ("other", theirs)):
        one_of(f"{place}.{side}", as_of[side], columns, "name a timestamp column")
        if columns[as_of[side]]["type"] != "timestamp":
            raise ContractError(
                f"{place}.{side}", as_of[side], "a timestamp column", "join on it in `on` instead"
            )
    offset = as_of["offset_hours"]
    if isinstance(offset, bool) or not isinstance(offset, int | float) or offset > 0:
        raise ContractError(
            f"{place}.offset_hours", offset, "0 or less", "a row of the future is not known yet"
        )


def _same_kind(place: str, our: str, ours: dict[str, Any], their: str, theirs: dict[str, Any]) -> None:
    if ours["type"] != theirs["type"]:
        raise ContractError(
            place, f"{our} {ours['type']} = {their} {theirs['type']}", "one type", "correct a type"
        )
    if ours.get("token") != theirs.get("token"):
        raise ContractError(
            place, f"{our} token {ours.get('token')}, {their} token {theirs.get('token')}",
            "the same tokenDomain on both sides", "else the tokens never match and the join is lost",
        )  # fmt: skip


def _only_sql(place: str, entry: Any) -> str:
    only_keys(place, entry, required={"sql"})
    return str(entry["sql"])


def _derived(place: str, entry: Any, known: dict[str, str], leaks: set[str]) -> dict[str, Any]:
    only_keys(place, entry, required={"name", "type", "sql"})
    place = f"{place}.{entry['name']}"
    one_of(f"{place}.type", entry["type"], FEATURE_TYPES, "features are numbers or categories")
    check_expression(place, str(entry["sql"]), allowed=(set(known) | {"local_date"}) - leaks, leaks=leaks)
    return {key: entry[key] for key in ("name", "type", "sql")}


def _classes(model: Any) -> list[Any] | None:
    """The classes of a multiclass label, None for any other."""
    if not isinstance(model, dict) or model.get("problem") != "multiclass":
        return None
    return list(model.get("classes") or [])


def _history(
    place: str, entry: Any, columns: dict[str, Any], leaks: set[str], classes: list[Any] | None
) -> dict[str, Any]:
    keys = {"name", "group", "days", "minimum_count"}
    # The mean of a class's number says nothing: a history of classes is the share of one of them.
    only_keys(place, entry, required=keys if classes is None else keys | {"class"})
    place = f"{place}.{entry['name']}"
    if not entry["group"]:
        raise ContractError(f"{place}.group", [], "one or more columns of the base table", "name them")
    for column in entry["group"]:
        _no_leak(f"{place}.group", column, leaks)
        one_of(f"{place}.group", column, columns, "name a column of the base table")
    for key, low in (("days", 1), ("minimum_count", 1)):
        if isinstance(entry[key], bool) or not isinstance(entry[key], int) or entry[key] < low:
            raise ContractError(f"{place}.{key}", entry[key], f"a whole number from {low}", "correct it")
    compiled = {key: entry[key] for key in ("name", "group", "days", "minimum_count")}
    if classes is not None:
        one_of(f"{place}.class", entry["class"], classes, "name one of model.classes")
        compiled["class"] = classes.index(entry["class"])
    return compiled


def _entities(history: list[dict[str, Any]], columns: dict[str, str]) -> list[dict[str, Any]]:
    """What features are looked up by: the groups of those histories that a model is asked with.

    One entry per group, in the order of the histories: a name, the group's columns, its features.
    """
    found: dict[tuple[str, ...], list[str]] = {}
    for entry in history:
        if entry["name"] in columns:
            found.setdefault(tuple(entry["group"]), []).append(entry["name"])
    return [
        {"name": "_".join(group), "columns": list(group), "features": features}
        for group, features in found.items()
    ]


def _columns(place: str, columns: dict[str, str], known: dict[str, str], leaks: set[str]) -> dict[str, str]:
    if not columns:
        raise ContractError(
            place, columns, "at least one feature", "name the features that the model may use"
        )
    for name, kind in columns.items():
        _no_leak(place, name, leaks)
        if name in RESERVED:
            raise ContractError(
                place, name, f"any name but {', '.join(sorted(RESERVED))}", "rename it by `derived`"
            )
        one_of(place, name, known, "name a column of the base table, a join, derived or history")
        one_of(f"{place}.{name}", kind, FEATURE_TYPES, "features are numbers or categories")
        fits = {"double"} | NUMERIC | {"boolean"} if kind == "double" else {"string"}
        if known[name] not in fits:
            raise ContractError(
                f"{place}.{name}", kind, f"what fits {known[name]}", "correct it, or cast in `derived`"
            )
    return dict(columns)


def _no_leak(place: str, name: str, leaks: set[str]) -> None:
    if name in leaks:
        raise ContractError(
            place, name, "what is known before the event", f"{name} is a leak column: remove it here"
        )


def _new_name(place: str, name: str, taken: Any) -> None:
    if not NAME.fullmatch(name) or name in RESERVED:
        raise ContractError(place, name, f"lower case, and not {', '.join(sorted(RESERVED))}", "rename it")
    if name in taken:
        raise ContractError(place, name, "a name that is not taken yet", "rename it")


def quality_rules(section: dict[str, Any], compiled: dict[str, Any]) -> list[str]:
    """The DQDL rules of the feature table."""
    columns = {*compiled["columns"], "key", "event_time", "event_date", "label"}
    return [
        checked_rule("customProperties.features.quality", rule, columns)
        for rule in section.get("quality") or []
    ]
