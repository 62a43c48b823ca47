"""How features become model columns: the contract's part for the preparation that training fits."""

import math
from typing import Any

from contracts import preparation_options as options
from contracts.errors import ContractError, one_of, only_keys

ENCODINGS = {
    "numeric": {"passthrough", "bins", "cyclic"},
    "categorical": {"one_hot", "ordinal", "target"},
    "text": {"tf_idf", "hashing", "lsa"},
}
IMPUTATIONS = {
    "numeric": {"none", "mean", "median", "mode", "constant", "knn", "iterative", "drop"},
    "categorical": {"none", "mode", "constant", "drop"},
    "text": {"none", "constant", "drop"},
}
# Imputations whose filling value stands in the contract: of `drop` it is what a served row gets.
WITH_VALUE = {"constant", "drop"}
SCALINGS = {"none", "min_max", "z_score"}
# Beside kind, encoding and imputation.
KEYS = {
    "numeric": {"value", "outliers", "scaling", "bins", "period"},
    "categorical": {"value"},
    "text": {"value", "terms", "dimensions", "stop_words"},
}
STOP_WORDS = {"none", "english"}
# What each encoding of text needs.
TEXT_NEEDS = {"tf_idf": {"terms"}, "hashing": {"dimensions"}, "lsa": {"terms", "dimensions"}}
MOST_TERMS, MOST_DIMENSIONS = 2_000, 1_024
# Problems whose label is one of several classes, and those without any label.
CLASSIFICATION = {"binary", "multiclass"}
UNLABELLED = {"clustering"}
SECTION = "customProperties.model.preparation"


def check_feature(place: str, name: str, entry: Any, columns: dict[str, str]) -> None:
    """One entry of `model.features` against the column of the feature table that it prepares."""
    one_of(place, name, columns, "name a column of the feature table")
    place = f"{place}.{name}"
    required = {"kind", "encoding", "imputation"}
    only_keys(place, entry, required=required, optional=set().union(*KEYS.values()))
    kind = entry["kind"]
    one_of(f"{place}.kind", kind, ENCODINGS, "say what it is")
    if (kind == "numeric") != (columns[name] == "double"):
        raise ContractError(f"{place}.kind", kind, f"what fits {columns[name]}", "correct kind or type")
    one_of(f"{place}.encoding", entry["encoding"], ENCODINGS[kind], f"encodings of {kind} features")
    one_of(f"{place}.imputation", entry["imputation"], IMPUTATIONS[kind], f"ways to fill {kind} features")
    for key in sorted(entry.keys() - required - KEYS[kind]):
        allowed = ", ".join(sorted(required | KEYS[kind]))
        raise ContractError(f"{place}.{key}", entry[key], f"for {kind}: {allowed}", f"remove {key}")
    _value(place, entry)
    if kind == "numeric":
        _numeric(place, entry)
    if kind == "text":
        _text(place, entry)


def compile_preparation(section: Any, features: dict[str, Any], problem: str) -> dict[str, Any]:
    """What several features go into together; an absent section asks for nothing."""
    section = {} if section is None else section
    only_keys(SECTION, section, required=set(), optional=set(options.TOGETHER))
    if problem in UNLABELLED:
        for name, entry in features.items():
            if entry["encoding"] == "target":
                raise ContractError(
                    f"customProperties.model.features.{name}.encoding", "target", "one_hot, ordinal",
                    f"{problem} has no label to average",
                )  # fmt: skip
    return {
        "interactions": _interactions(f"{SECTION}.interactions", section.get("interactions"), features),
        "pca": _pca(f"{SECTION}.pca", section.get("pca"), features),
        "imbalance": _imbalance(f"{SECTION}.imbalance", section.get("imbalance"), problem),
        "knn": _across(f"{SECTION}.knn", "knn", section.get("knn"), features),
        "iterative": _across(f"{SECTION}.iterative", "iterative", section.get("iterative"), features),
        "known_before": _names(f"{SECTION}.known_before", section.get("known_before"), features),
    }


def _value(place: str, entry: dict[str, Any]) -> None:
    needs, got = entry["imputation"] in WITH_VALUE, "value" in entry
    if needs != got:
        raise ContractError(
            place, sorted(entry), "a value with imputation constant or drop, and only then",
            "correct it; of drop it is what a served row gets, which cannot be deleted",
        )  # fmt: skip
    if not got:
        return
    value, is_number = entry["value"], options.is_number(entry["value"])
    if entry["kind"] == "numeric" and not (is_number and math.isfinite(value)):
        raise ContractError(f"{place}.value", value, "a finite number", "correct it")
    if entry["kind"] != "numeric" and not isinstance(value, str):
        raise ContractError(f"{place}.value", value, "text", "write it in quotation marks")


def _numeric(place: str, entry: dict[str, Any]) -> None:
    encoding, scaling = entry["encoding"], entry.get("scaling", "none")
    one_of(f"{place}.scaling", scaling, SCALINGS, "choose a scale, or leave it out")
    if scaling != "none" and encoding != "passthrough":
        raise ContractError(
            f"{place}.scaling", scaling, "none beside encoding " + encoding,
            "remove it: what bins and circles give has its scale",
        )  # fmt: skip
    for key, needed in (("bins", "bins"), ("period", "cyclic")):
        if (key in entry) != (encoding == needed):
            raise ContractError(
                place, sorted(entry), f"{key} with encoding {needed}, and only then",
                f"add {key}" if encoding == needed else f"remove {key}, or choose encoding {needed}",
            )  # fmt: skip
    if encoding == "bins":
        options.check(f"{place}.bins", entry["bins"], options.BINS, "correct the bins")
    if encoding == "cyclic":
        options.number(
            f"{place}.period", entry["period"], (1e-9, 1e12, False), "the length of a round in its unit"
        )
    if "outliers" in entry:
        _outliers(f"{place}.outliers", entry["outliers"])


def _outliers(place: str, outliers: Any) -> None:
    only_keys(place, outliers, required={"method"}, optional=options.OUTLIER_KEYS)
    one_of(f"{place}.method", outliers["method"], options.OUTLIER_METHODS, "say what becomes of outliers")
    if outliers["method"] == "log":
        only_keys(place, outliers, required={"method"})
        return
    rule = outliers.get("rule", "iqr")
    one_of(f"{place}.rule", rule, options.OUTLIER_RULES, "say what an outlier is")
    allowed = options.OUTLIER_RULES[rule]
    only_keys(place, outliers, required={"method"}, optional={"rule", *allowed})
    for key, limits in allowed.items():
        if key in outliers:
            options.number(f"{place}.{key}", outliers[key], limits, "correct it")
    if rule == "quantile" and outliers.get("lower", 0.01) >= outliers.get("upper", 0.99):
        raise ContractError(place, outliers, "lower < upper", "exchange them")


def _text(place: str, entry: dict[str, Any]) -> None:
    encoding = entry["encoding"]
    one_of(
        f"{place}.stop_words", entry.get("stop_words", "none"), STOP_WORDS,
        "only of these languages are there stop words",
    )  # fmt: skip
    needed = TEXT_NEEDS[encoding]
    for key, most in (("terms", MOST_TERMS), ("dimensions", MOST_DIMENSIONS)):
        if (key in entry) != (key in needed):
            raise ContractError(
                place, sorted(entry), f"{' and '.join(sorted(needed))} with encoding {encoding}",
                f"add {key}" if key in needed else f"remove {key}",
            )  # fmt: skip
        if key in entry:
            options.number(f"{place}.{key}", entry[key], (2, most, True), "correct it")
    if encoding == "lsa" and entry["dimensions"] >= entry["terms"]:
        raise ContractError(
            f"{place}.dimensions", entry["dimensions"], f"fewer than the {entry['terms']} terms", "lower it"
        )


def _interactions(place: str, pairs: Any, features: dict[str, Any]) -> list[list[str]]:
    compiled: list[list[str]] = []
    for index, pair in enumerate(_list(place, pairs, "pairs of features, like [[a, b]]")):
        here = f"{place}.{index}"
        if not isinstance(pair, list) or len(pair) != 2:
            raise ContractError(here, pair, "a pair of features, like [a, b]", "name two")
        for name in pair:
            _plain_number(here, name, features, "multiply")
        if sorted(pair) in [sorted(other) for other in compiled]:
            raise ContractError(here, pair, "each pair once", "remove it")
        compiled.append(list(pair))
    return compiled


def _pca(place: str, section: Any, features: dict[str, Any]) -> dict[str, Any] | None:
    if section is None:
        return None
    only_keys(place, section, required={"features", "components"}, optional={"replace"})
    names = _names(f"{place}.features", section["features"], features)
    if len(names) < 2:
        raise ContractError(f"{place}.features", names, "two features or more", "name more, or remove pca")
    for name in names:
        _plain_number(f"{place}.features", name, features, "make components of")
        if features[name]["imputation"] == "none":
            raise ContractError(
                f"{place}.features", name, "features whose missing values are filled",
                f"give {name} an imputation: components need every value",
            )  # fmt: skip
    components = section["components"]
    options.number(
        f"{place}.components", components, (1, len(names), True),
        f"not more than the {len(names)} features: lower it, or name more features",
    )  # fmt: skip
    replace = section.get("replace", True)
    if not isinstance(replace, bool):
        raise ContractError(f"{place}.replace", replace, "true or false", "say whether the features go")
    return {"features": names, "components": components, "replace": replace}


def _imbalance(place: str, section: Any, problem: str) -> dict[str, Any]:
    if section is None:
        return {"method": "none"}
    only_keys(place, section, required={"method"}, optional=options.IMBALANCE_KEYS)
    method = section["method"]
    one_of(f"{place}.method", method, options.IMBALANCE, "say what evens out the classes")
    if method != "none" and problem not in CLASSIFICATION:
        raise ContractError(
            f"{place}.method", method, f"none for {problem}",
            f"only {' and '.join(sorted(CLASSIFICATION))} problems have classes: remove it",
        )  # fmt: skip
    allowed = options.IMBALANCE[method]
    only_keys(place, section, required={"method"}, optional=set(allowed))
    for key, limits in allowed.items():
        if key in section:
            options.number(f"{place}.{key}", section[key], limits, "correct it")
    return dict(section)


def _across(place: str, imputation: str, section: Any, features: dict[str, Any]) -> dict[str, Any] | None:
    """Options of an imputation that reads other features; defaults where a feature asks for it."""
    targets = [name for name, entry in features.items() if entry["imputation"] == imputation]
    if section is not None and not targets:
        raise ContractError(
            place, section, f"nothing while no feature has imputation {imputation}", "remove it"
        )
    if not targets:
        return None
    limits = options.ACROSS[imputation]
    section = {} if section is None else section
    only_keys(place, section, required=set(), optional={*limits, "features"})
    compiled: dict[str, Any] = {}
    for key, (low, high, default) in limits.items():
        compiled[key] = section.get(key, default)
        options.number(f"{place}.{key}", compiled[key], (low, high, True), "correct it")
    numbers = [name for name, entry in features.items() if entry["kind"] == "numeric"]
    names = _names(f"{place}.features", section.get("features", numbers), features)
    for name in names:
        if features[name]["kind"] != "numeric":
            raise ContractError(
                f"{place}.features", name, ", ".join(numbers),
                f"remove {name}: only numbers say what is near",
            )  # fmt: skip
    if unread := sorted(set(targets) - set(names)):
        raise ContractError(f"{place}.features", names, f"{', '.join(unread)} as well", "add what it fills")
    if len(names) < 2:
        raise ContractError(
            f"{place}.features", names, "two numeric features or more",
            f"a number alone has nothing to be told by: choose another imputation for {names[0]}",
        )  # fmt: skip
    if imputation == "knn" and compiled["neighbours"] > compiled["sample"]:
        raise ContractError(
            f"{place}.neighbours", compiled["neighbours"], f"at most the sample of {compiled['sample']}",
            "lower it",
        )  # fmt: skip
    return compiled | {"features": names}


def _plain_number(place: str, name: Any, features: dict[str, Any], verb: str) -> None:
    one_of(place, name, features, "name a feature of the model")
    entry = features[name]
    if entry["kind"] != "numeric" or entry["encoding"] != "passthrough":
        plain = [
            other
            for other, spec in features.items()
            if spec["kind"] == "numeric" and spec["encoding"] == "passthrough"
        ]
        raise ContractError(
            place, f"{name} ({entry['kind']}, {entry['encoding']})", ", ".join(plain) or "nothing",
            f"{verb} numeric features with encoding passthrough",
        )  # fmt: skip


def _names(place: str, names: Any, features: dict[str, Any]) -> list[str]:
    found = _list(place, names, "a list of features")
    for index, name in enumerate(found):
        one_of(place, name, features, "name a feature of the model")
        if name in found[:index]:
            raise ContractError(place, name, "each feature once", "remove it")
    return found


def _list(place: str, got: Any, allowed: str) -> list[Any]:
    if got is None:
        return []
    if not isinstance(got, list):
        raise ContractError(place, got, allowed, "write a list")
    return list(got)
