"""How each feature becomes model columns: the contract's part for the preparation that training fits."""

from typing import Any

from contracts.errors import ContractError, one_of, only_keys

ENCODINGS = {"numeric": {"passthrough"}, "categorical": {"one_hot", "ordinal", "target"}}
IMPUTATIONS = {
    "numeric": {"none", "median", "mean", "mode", "constant"},
    "categorical": {"none", "mode", "constant"},
}


def check_feature(place: str, name: str, entry: Any, columns: dict[str, str]) -> None:
    """One entry of `model.features` against the column of the feature table that it prepares."""
    one_of(place, name, columns, "name a column of the feature table")
    place = f"{place}.{name}"
    only_keys(place, entry, required={"kind", "encoding", "imputation"}, optional={"value"})
    one_of(f"{place}.kind", entry["kind"], ENCODINGS, "say what it is")
    one_of(
        f"{place}.encoding",
        entry["encoding"],
        ENCODINGS[entry["kind"]],
        f"encodings of {entry['kind']} features",
    )
    one_of(
        f"{place}.imputation",
        entry["imputation"],
        IMPUTATIONS[entry["kind"]],
        f"ways to fill {entry['kind']} features",
    )
    if (entry["kind"] == "numeric") != (columns[name] == "double"):
        raise ContractError(
            f"{place}.kind", entry["kind"], f"what fits {columns[name]}", "correct kind or type"
        )
    if (entry["imputation"] == "constant") != ("value" in entry):
        raise ContractError(
            place, sorted(entry), "a value with imputation constant, and only then", "correct it"
        )


def compile_preparation(section: Any, features: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """What several features go into together; an absent section asks for nothing."""
    only_keys("customProperties.model.preparation", section or {}, required=set())
    return {}
