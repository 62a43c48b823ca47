"""The search for better hyperparameters of one candidate: strategy, budget, ranges.

What SageMaker would refuse when the run is hours old is refused here: its rules differ by strategy
(https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-how-it-works.html).
"""

from math import prod
from typing import Any

from contracts.errors import ContractError, one_of, only_keys

PLACE = "customProperties.model.tuning"
STRATEGIES = {"Bayesian", "Random", "Grid", "Hyperband"}
# Trials of an earlier search can be taken over by these.
WARM = {"Bayesian", "Random"}
# Families that print their loss round by round: only of those can a trial be stopped before its end.
CURVED = {"xgboost"}
ROUNDS = "num_round"
SCALES = {"Linear", "Logarithmic", "ReverseLogarithmic"}
EARLY = {"Auto", "Off"}
WINNER = "tuned"  # the name under which the best trial meets the candidates
MOST_JOBS = 100  # one page of ListTrainingJobsForHyperParameterTuningJob
MOST_PARALLEL = 10  # what an account may have at once of one tuning job, by default
MOST_RANGES = MOST_VALUES = 30
MOST_RESOURCE = 20_000


def compile_tuning(section: Any, candidates: list[dict[str, Any]]) -> dict[str, Any] | None:
    """None where the contract asks for no search."""
    for index, entry in enumerate(candidates):
        if entry["name"] == WINNER:
            raise ContractError(
                f"customProperties.model.candidates.{index}.name",
                WINNER,
                "any other name",
                "the best trial of a search is called so, rename the candidate",
            )
    if section is None:
        return None
    only_keys(
        PLACE,
        section,
        required={"candidate", "strategy", "ranges"},
        optional={"jobs", "parallel", "early_stopping", "warm_start", "resource", "seed"},
    )
    by_name = {entry["name"]: entry for entry in candidates}
    one_of(f"{PLACE}.candidate", section["candidate"], by_name, "name the candidate to search for")
    one_of(f"{PLACE}.strategy", section["strategy"], STRATEGIES, "choose a strategy")
    candidate, strategy = by_name[section["candidate"]], section["strategy"]
    ranges = _ranges(section["ranges"], candidate, strategy)
    jobs = _jobs(section.get("jobs"), ranges, strategy)
    parallel = section.get("parallel", 1)
    _whole(f"{PLACE}.parallel", parallel, 1, min(MOST_PARALLEL, jobs), "run fewer trials at once")
    seed = section.get("seed", 1)
    _whole(f"{PLACE}.seed", seed, 0, 2**31 - 1, "the search draws by it")
    return {
        "candidate": candidate["name"],
        "strategy": strategy,
        "jobs": jobs,
        "parallel": parallel,
        "early_stopping": _early(section.get("early_stopping", "Off"), candidate, strategy),
        "warm_start": _warm(section.get("warm_start", False), strategy),
        "resource": _resource(section.get("resource"), candidate, strategy),
        "seed": seed,
        "ranges": ranges,
    }


def _ranges(section: Any, candidate: dict[str, Any], strategy: str) -> dict[str, dict[str, Any]]:
    place = f"{PLACE}.ranges"
    if not isinstance(section, dict) or not 1 <= len(section) <= MOST_RANGES:
        raise ContractError(place, section, f"1 to {MOST_RANGES} hyperparameters", "name what is searched")
    known = candidate["hyperparameters"]
    if strategy == "Hyperband" and ROUNDS in section:
        raise ContractError(
            place, ROUNDS, "any other hyperparameter", "Hyperband shares out the rounds itself"
        )
    for name in section:
        one_of(place, name, known, f"search what the candidate {candidate['name']} lists with a value")
    return {name: _range(f"{place}.{name}", entry, strategy) for name, entry in section.items()}


def _range(place: str, entry: Any, strategy: str) -> dict[str, Any]:
    kind = entry.get("type") if isinstance(entry, dict) else None
    one_of(f"{place}.type", kind, {"Continuous", "Integer", "Categorical"}, "say what its values are")
    if kind == "Categorical":
        only_keys(place, entry, required={"type", "values"})
        return {"type": kind, "values": _values(f"{place}.values", entry["values"])}
    if strategy == "Grid":
        raise ContractError(
            f"{place}.type",
            kind,
            "Categorical",
            "a grid has values, not ranges: list them, or search by Random",
        )
    only_keys(place, entry, required={"type", "minimum", "maximum"}, optional={"scale"})
    low, high, scale = entry["minimum"], entry["maximum"], entry.get("scale", "Linear")
    one_of(f"{place}.scale", scale, SCALES, "say on which scale steps are equal")
    for name, value in (("minimum", low), ("maximum", high)):
        fits = isinstance(value, int) if kind == "Integer" else isinstance(value, int | float)
        if not fits or isinstance(value, bool):
            allowed = "a whole number" if kind == "Integer" else "a number"
            raise ContractError(f"{place}.{name}", value, allowed, "correct it")
    if not low < high:
        raise ContractError(f"{place}.maximum", high, f"more than the minimum, {low}", "widen the range")
    if scale == "Logarithmic" and low <= 0:
        raise ContractError(f"{place}.minimum", low, "more than 0 on a logarithmic scale", "use Linear")
    if scale == "ReverseLogarithmic" and (kind != "Continuous" or low < 0 or high >= 1):
        raise ContractError(
            f"{place}.scale", scale, "Continuous ranges within 0 and 1, 1 left out", "use Linear"
        )
    return {"type": kind, "minimum": low, "maximum": high, "scale": scale}


def _values(place: str, got: Any) -> list[Any]:
    if not isinstance(got, list) or not 1 <= len(got) <= MOST_VALUES:
        raise ContractError(place, got, f"a list of 1 to {MOST_VALUES} values", "list what is tried")
    for value in got:
        if not isinstance(value, int | float | str) or isinstance(value, bool):
            raise ContractError(place, value, "numbers and texts", "write what the training takes")
    if len({str(value) for value in got}) < len(got):
        raise ContractError(place, got, "every value once", "remove the repeated one")
    return got


def _jobs(got: Any, ranges: dict[str, dict[str, Any]], strategy: str) -> int:
    place = f"{PLACE}.jobs"
    if strategy == "Grid":
        whole = prod(len(entry["values"]) for entry in ranges.values())
        if got not in (None, whole):
            raise ContractError(place, got, whole, "a grid tries every combination: leave jobs out")
        got = whole
    _whole(place, got, 1, MOST_JOBS, "say how many trials the search may have")
    return int(got)


def _early(got: Any, candidate: dict[str, Any], strategy: str) -> str:
    place = f"{PLACE}.early_stopping"
    one_of(place, got, EARLY, "say whether hopeless trials end early")
    if got == "Auto" and strategy == "Hyperband":
        raise ContractError(place, got, "Off", "Hyperband stops trials by itself")
    if got == "Auto" and candidate["family"] not in CURVED:
        raise ContractError(
            place,
            got,
            f"Off, or a candidate of the family {', '.join(sorted(CURVED))}",
            f"{candidate['family']} has no learning curve by which to stop it",
        )
    return str(got)


def _warm(got: Any, strategy: str) -> bool:
    place = f"{PLACE}.warm_start"
    one_of(place, got, {True, False}, "say whether the last run's trials are taken over")
    if got and strategy not in WARM:
        raise ContractError(place, got, "false", f"only {' and '.join(sorted(WARM))} go on from other trials")
    return bool(got)


def _resource(got: Any, candidate: dict[str, Any], strategy: str) -> dict[str, int] | None:
    """How many rounds a trial gets at least and at most."""
    place = f"{PLACE}.resource"
    if strategy != "Hyperband":
        if got is not None:
            raise ContractError(
                place, got, "nothing", f"only Hyperband shares out rounds, {strategy} does not"
            )
        return None
    if candidate["family"] not in CURVED:
        raise ContractError(
            f"{PLACE}.strategy",
            strategy,
            "Bayesian, Grid, Random",
            f"{candidate['family']} has no rounds that Hyperband could share out",
        )
    if got is None:
        raise ContractError(
            place, got, "minimum and maximum", "say between how many rounds Hyperband chooses"
        )
    only_keys(place, got, required={"minimum", "maximum"})
    _whole(f"{place}.maximum", got["maximum"], 2, MOST_RESOURCE, "the most rounds of a trial")
    _whole(f"{place}.minimum", got["minimum"], 1, got["maximum"] - 1, "the rounds before the first judgement")
    rounds = candidate["hyperparameters"].get(ROUNDS, 0)
    if got["maximum"] < rounds:
        raise ContractError(
            f"{place}.maximum",
            got["maximum"],
            f"{rounds} or more, which {ROUNDS} is",
            "a trial stopped there leaves no model",
        )
    return dict(got)


def _whole(place: str, got: Any, low: int, high: int, fix: str) -> None:
    if not isinstance(got, int) or isinstance(got, bool) or not low <= got <= high:
        raise ContractError(place, got, f"a whole number from {low} to {high}", fix)
