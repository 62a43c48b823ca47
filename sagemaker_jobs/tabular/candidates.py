"""The candidates of a run: read from the job's input, measured side by side, and one chosen.

Chosen is on validation rows only: the hold-out rows stay unseen, for the winner to meet champion and rule on.
What trained, for how long and at what price stands in candidates.json beside the models.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tabular import compared, comparison, metrics, models, packaging, source
from tabular.contract import ModelContract
from tabular.frame import Frame
from tabular.preparation import Preparation
from tabular.split import Windows

BUILT_IN_MODEL = "xgboost-model"
# From the simplest on: what a person can read, then one tree, many trees, models of models.
FAMILIES = ("linear", "logistic", "kmeans", "factorisation", "tree", "forest", "xgboost", "stack")
CHOICES = ("simplest", "best")
PLAN = ("run_id", "candidate", *Windows.names())
LATENCY_ROWS = 200
WARM_UP = 20


class NoCandidateError(models.ArtefactError):
    """There is nothing to evaluate."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """facts  what candidates.json says of it; story: the training.json in its archive, empty without one"""

    name: str
    family: str
    model: Any
    facts: Mapping[str, Any]
    story: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Found:
    """left_out: [{name, family, reason}], candidates that did not train or cannot be loaded."""

    candidates: Sequence[Candidate]
    left_out: Sequence[Mapping[str, Any]]
    usd_per_hour: float | None
    instance_type: str | None
    tuning: Mapping[str, Any] | None


def read(
    contract: ModelContract,
    windows: Windows,
    run_id: str,
    *,
    several: Path,
    preparation: Path,
    folder: Path,
) -> Found:
    """The models below `several`, as its candidates.json lists them; unpacked into `folder`."""
    listed = several / "candidates.json"
    if not listed.is_file():
        present = ", ".join(sorted(entry.name for entry in several.glob("*"))) or "nothing"
        raise models.ArtefactError(
            f"no candidates.json in the input candidates, it holds {present}: record the candidates first"
        )
    content = json.loads(listed.read_text())
    found = []
    left_out = [
        {"name": entry["name"], "family": entry["family"], "reason": entry["reason"]}
        for entry in content.get("failed", [])
    ]
    for entry in content["candidates"]:
        name, family = entry["name"], entry["family"]
        try:
            model, story = _load(contract, windows, run_id, several / name, preparation, folder / name)
        except models.ArtefactError as error:
            # The others can still compete; of all being damaged the error below tells.
            left_out.append({"name": name, "family": family, "reason": str(error)})
            continue
        found.append(Candidate(name=name, family=family, model=model, facts=entry, story=story))
    if not found:
        why = "; ".join(f"{entry['name']}: {entry['reason']}" for entry in left_out) or "none was trained"
        raise NoCandidateError(f"no candidate can be evaluated, at least one is needed: {why}")
    return Found(
        candidates=found,
        left_out=left_out,
        usd_per_hour=content.get("usd_per_hour"),
        instance_type=content.get("instance_type"),
        tuning=content.get("tuning"),
    )


def _load(
    contract: ModelContract, windows: Windows, run_id: str, place: Path, preparation: Path, folder: Path
) -> tuple[Any, dict[str, Any]]:
    """Ours as it is; the built-in algorithm's with a model.json made of the preparation."""
    models.unpacked(place, folder)
    told = folder / "training.json"
    story = json.loads(told.read_text()) if told.is_file() else {}
    if (folder / BUILT_IN_MODEL).is_file():
        return built_in(contract, windows, run_id, folder / BUILT_IN_MODEL, preparation), story
    model = models.load(folder)
    if model.content["kind"] == "rule":
        raise models.ArtefactError("the candidate is a rule, allowed is a trained model: check its location")
    return replace(model, content={**model.content, "run_id": run_id or model.content["run_id"]}), story


def built_in(
    contract: ModelContract, windows: Windows, run_id: str, booster: Path, preparation: Path
) -> models.TrainedModel:
    prepared = Preparation.from_json(json.loads((preparation / "preparation.json").read_text()))
    return models.built_in(contract, prepared, windows, booster, run_id)


def packed(model: Any) -> bytes:
    """The model as an archive that serves."""
    return packaging.servable(model.content, model.predictor.files(), source.files())


def compare(contract: ModelContract, found: Found, train: Frame, held: Frame) -> dict[str, Any]:
    """candidates.json: one line per candidate, which is chosen, and why. `held`: validation rows."""
    yardstick = compared.Yardstick(contract=contract, space=found.candidates[0].model, train=train)
    judged = [yardstick.of(each.model, held) for each in found.candidates]
    best = int(np.argmin([each.loss.mean() for each in judged]))
    against = [
        comparison.paired(judged[best].loss, each.loss, each.days, contract.gate["confidence"])
        for each in judged
    ]
    adjusted = comparison.holm([None if place == best else pair.p for place, pair in enumerate(against)])
    lines = []
    for place, (each, pair) in enumerate(zip(found.candidates, against, strict=True)):
        near = place == best or pair.difference <= (pair.standard_error or 0.0)
        lines.append(
            {
                "name": each.name,
                "family": each.family,
                "loss": judged[place].interval(contract.gate["confidence"]),
                "metric": _headline(contract, each.model, held),
                "loss_above_best": pair.to_json() | {"p_holm": adjusted[place]},
                "within_one_standard_error": bool(near),
                **costs(each, found),
                "bytes": len(packed(each.model)),
                "latency": latency(each.model, held),
                "hyperparameters": _hyperparameters(each),
            }
        )
    choice = contract.evaluation.get("choice", CHOICES[0])
    chosen = _chosen(lines, best, choice)
    return {
        "format": 1,
        "window": "validation",
        "rows": len(held),
        "loss": compared.name(contract.problem),
        "rule_of_choice": choice,
        "chosen": lines[chosen]["name"],
        "reason": _reason(lines, chosen, best, choice),
        "instance_type": found.instance_type,
        "usd_per_hour": found.usd_per_hour,
        "candidates": lines,
        "left_out": list(found.left_out),
        "tuning": found.tuning,
    }


def costs(each: Candidate, found: Found) -> dict[str, Any]:
    """Seconds and price of the training; the search that found a tuned candidate is part of its price."""
    seconds, billable = each.facts.get("seconds"), each.facts.get("billable_seconds")
    if each.name == "tuned" and found.tuning and found.tuning.get("billable_seconds") is not None:
        billable = found.tuning["billable_seconds"]
    if seconds is None:
        seconds = each.story.get("seconds")
    usd = None
    if billable is not None and found.usd_per_hour is not None:
        usd = billable / 3600 * found.usd_per_hour
    return {"seconds": seconds, "billable_seconds": billable, "usd": usd}


def latency(model: Any, rows: Frame, count: int = LATENCY_ROWS) -> dict[str, Any]:
    """Milliseconds for one row in this container, from record to score; the endpoint adds HTTP."""
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int))
    records = [rows.record(int(row)) for row in chosen]
    for record in records[:WARM_UP]:
        model.score(record)
    taken = []
    for record in records:
        start = time.perf_counter()
        model.score(record)
        taken.append(1000 * (time.perf_counter() - start))
    median, slow = np.percentile(taken, [50, 99]).tolist()
    return {"rows": len(records), "p50_ms": median, "p99_ms": slow}


def _hyperparameters(each: Candidate) -> dict[str, Any]:
    """Without what a training is told of its run: the name and the windows are told elsewhere."""
    told = each.facts.get("hyperparameters") or each.story.get("hyperparameters") or {}
    return {name: value for name, value in told.items() if name not in PLAN}


def _headline(contract: ModelContract, model: Any, held: Frame) -> dict[str, Any] | None:
    if contract.problem not in metrics.HEADLINE:
        return None
    name = metrics.HEADLINE[contract.problem][0]
    measure = metrics.Measure(contract.problem, held.label, model.scores(held))
    found = metrics.intervals(lambda weight: {name: measure(weight)[name]}, held.date, replicates=100)
    return {"name": name, **found[name]}


def _chosen(lines: Sequence[Mapping[str, Any]], best: int, choice: str) -> int:
    if choice == "best":
        return best
    near = [place for place, line in enumerate(lines) if line["within_one_standard_error"]]
    return min(near, key=lambda place: (_complexity(lines[place]["family"]), lines[place]["bytes"], place))


def _complexity(family: str) -> int:
    return FAMILIES.index(family) if family in FAMILIES else len(FAMILIES)


def _reason(lines: Sequence[Mapping[str, Any]], chosen: int, best: int, choice: str) -> str:
    ours, lowest = lines[chosen], lines[best]
    loss = f"a validation loss of {ours['loss']['value']:.5g}"
    if len(lines) == 1:
        return f"{ours['name']} is the only candidate, with {loss}"
    if chosen == best:
        simpler = [
            line["name"]
            for line in lines
            if line is not ours and _complexity(line["family"]) < _complexity(ours["family"])
        ]
        rest = (
            f"; {', '.join(simpler)} is simpler and worse by more than one standard error" if simpler else ""
        )
        return f"{ours['name']} has the lowest of {len(lines)}, {loss}" + (rest if choice != "best" else "")
    pair = ours["loss_above_best"]
    gap, error = pair["difference"], pair["standard_error"]
    return (
        f"{ours['name']} ({ours['family']}) is the simplest within one standard error of the lowest: {loss}, "
        f"{gap:.3g} above {lowest['name']} with a standard error of {error:.3g}"
    )
