"""The model's part of a contract: encodings, rule baseline, split, gate, and what monitoring tolerates."""

from typing import Any

from contracts import baseline, candidates, evaluation, online, preparation, tuning
from contracts.errors import ContractError, one_of, only_keys
from contracts.hyperparameters import DEFAULT

PROBLEMS = set(DEFAULT)
SECTIONS = {
    "problem", "features", "leak_columns", "rule_baseline", "split", "threshold", "hyperparameters", "gate",
}  # fmt: skip
# What a contract may leave out; the compiled one always has it.
OPTIONAL = {"preparation", "candidates", "tuning", "evaluation", "online", "classes", "recommendation"}
# name: (lowest, highest, whole number)
NUMBERS: dict[str, dict[str, tuple[float, float, bool]]] = {
    "split": {
        "validation_days": (1, 3650, True),
        "holdout_days": (1, 3650, True),
        "minimum_train_rows": (1, 10**9, True),
    },
    "threshold": {"cost_false_positive": (0, 1e9, False), "cost_false_negative": (0, 1e9, False)},
    "gate": {
        "confidence": (0.5, 0.9999, False),
        "minimum_gain": (-1e9, 1e9, False),
        "minimum_gain_over_rule": (-1e9, 1e9, False),
    },
    "recommendation": {"at": (1, 1000, True)},
    "monitor": {
        "minimum_labels": (1, 10**9, True),
        "quality_drop": (0, 1e9, False),
        "calibration_gap": (0, 1e9, False),
        "psi": (0, 1e9, False),
    },
}

# name: (lowest, highest, default). concept_drift: which share of the relation between scores and labels may
# be lost; false_alarm: the chance that a look rings though nothing was.
CONCEPT = {"concept_drift": (0.0, 10.0, 0.05), "false_alarm": (0.0001, 0.5, 0.01)}


def compile_model(section: Any, features: dict[str, Any]) -> dict[str, Any]:
    """The model section, checked against the feature table."""
    place = "customProperties.model"
    only_keys(place, section, required=SECTIONS, optional=OPTIONAL)
    one_of(f"{place}.problem", section["problem"], PROBLEMS, "say what kind of label it is")
    if not section["features"]:
        raise ContractError(
            f"{place}.features", {}, ", ".join(features["columns"]), "name at least one feature"
        )
    for name, entry in section["features"].items():
        preparation.check_feature(f"{place}.features", name, entry, features["columns"])
    classes = _classes(f"{place}.classes", section)
    baseline.check(f"{place}.rule_baseline", section["rule_baseline"], section, classes)
    for part in ("split", "threshold", "gate"):
        _numbers(f"{place}.{part}", section[part], NUMBERS[part])
    for name, value in section["hyperparameters"].items():
        if not isinstance(value, int | float | str) or isinstance(value, bool):
            raise ContractError(f"{place}.hyperparameters.{name}", value, "a number or text", "correct it")
    compiled = {key: section[key] for key in sorted(SECTIONS)}
    compiled["classes"] = classes
    compiled["recommendation"] = _recommendation(f"{place}.recommendation", section)
    compiled["preparation"] = preparation.compile_preparation(
        section.get("preparation"), section["features"], section["problem"]
    )
    compiled["candidates"] = candidates.compile_candidates(section.get("candidates"), section)
    compiled["tuning"] = tuning.compile_tuning(section.get("tuning"), compiled["candidates"])
    compiled["evaluation"] = evaluation.compile_evaluation(
        section.get("evaluation"), section, features["columns"]
    )
    compiled["online"] = online.compile_online(section.get("online"))
    return compiled


def compile_monitor(section: Any) -> dict[str, Any]:
    """The limits of monitoring; those of concept drift have defaults."""
    place = "customProperties.monitor"
    only_keys(place, section, required=set(NUMBERS["monitor"]), optional=set(CONCEPT))
    given = {**{name: default for name, (*_, default) in CONCEPT.items()}, **section}
    _numbers(
        place,
        given,
        NUMBERS["monitor"] | {name: (low, high, False) for name, (low, high, _) in CONCEPT.items()},
    )
    return given


def _classes(place: str, section: dict[str, Any]) -> list[str]:
    """The names of a multiclass label's values 0, 1, 2, ...; nothing for other problems."""
    got: Any = section.get("classes")
    wanted = section["problem"] == "multiclass"
    if not wanted and got is None:
        return []
    is_list = isinstance(got, list) and all(isinstance(name, str) and name for name in got)
    if not wanted or not is_list or len(set(got)) < 3 or len(set(got)) != len(got):
        raise ContractError(
            place,
            got,
            "three or more names, each once" if wanted else "classes with the problem multiclass only",
            "the label is the place of its class in this list, from 0" if wanted else "take it out",
        )
    return list(got)


def _recommendation(place: str, section: dict[str, Any]) -> dict[str, Any] | None:
    """Which features are user and item, and how long the list is that is judged."""
    got: Any = section.get("recommendation")
    if section["problem"] != "recommendation":
        if got is not None:
            allowed = "this section with the problem recommendation only"
            raise ContractError(place, got, allowed, "take it out")
        return None
    only_keys(place, got, required={"user", "item", "at"})
    for side in ("user", "item"):
        one_of(f"{place}.{side}", got[side], section["features"], "name a feature of the model")
        encoding = section["features"][got[side]]["encoding"]
        if encoding != "ordinal":
            raise ContractError(
                f"{place}.{side}", encoding, "a feature with the encoding ordinal", "correct it"
            )
    if got["user"] == got["item"]:
        raise ContractError(place, got["item"], "two different features", "name user and item")
    _numbers(place, {"at": got["at"]}, NUMBERS["recommendation"])
    return dict(got)


def _numbers(place: str, got: Any, allowed: dict[str, tuple[float, float, bool]]) -> None:
    only_keys(place, got, required=set(allowed))
    for name, (low, high, whole) in allowed.items():
        value = got[name]
        fits = isinstance(value, int) if whole else isinstance(value, int | float)
        if not fits or isinstance(value, bool) or not low <= value <= high:
            kind = "whole number" if whole else "number"
            raise ContractError(f"{place}.{name}", value, f"a {kind} from {low:g} to {high:g}", "correct it")
