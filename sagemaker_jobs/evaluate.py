"""Evaluates a candidate on the hold-out window and packs what may go live: evaluation/, model/ and baseline/.

Reads  candidates (candidates.json, and model.tar.gz of train.py or of the built-in algorithm for each),
       champion (model.tar.gz), features; preparation (preparation.json) with the built-in algorithm.

Of several candidates the one with the smallest loss on the validation rows meets champion and rule.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tabular import contract, evaluation, frame, metrics, models, packaging, rules, source, split, statistics
from tabular.preparation import Preparation

BUILT_IN_MODEL = "xgboost-model"


@dataclass(frozen=True, kw_only=True)
class Places:
    candidates: Path
    champion: Path
    features: Path
    preparation: Path
    output: Path

    @classmethod
    def below(cls, root: Path) -> "Places":
        given = root / "processing" / "input"
        return cls(
            candidates=given / "candidates",
            champion=given / "champion",
            features=given / "features",
            preparation=given / "preparation",
            output=root / "processing" / "output",
        )


def run(agreed: contract.ModelContract, plan: Mapping[str, Any], places: Places) -> dict[str, Any]:
    windows = split.Windows.of(plan)
    rows = frame.read(places.features, agreed.kinds, windows.train_start, windows.holdout_end)
    parts = split.split(rows, windows)
    for name, part, dates in (
        ("training", parts.train, (windows.train_start, windows.train_end)),
        ("validation", parts.validation, (windows.train_end, windows.validation_end)),
        ("hold-out", parts.holdout, (windows.validation_end, windows.holdout_end)),
    ):
        split.require_rows(part, 2, name, dates)
    with tempfile.TemporaryDirectory() as folder:
        candidate = choose(agreed, plan, windows, parts, places, Path(folder) / "candidates")
        champion = models.load(models.unpacked(places.champion, Path(folder) / "champion"))
        rule = models.RuleModel(content=rules.rule_model(agreed.compiled))
        report = evaluation.evaluate(
            agreed, windows, parts, candidate=candidate, champion=champion, rule=rule
        )
        named = [("candidate", candidate), ("champion", champion), ("rule", rule)]
        scored = [(name, model.scores(parts.holdout)) for name, model in named]
        curves = evaluation.curve_files(agreed, parts.holdout, scored)
        _write(agreed, parts, candidate, report, curves, places)
    return report


def choose(
    agreed: contract.ModelContract,
    plan: Mapping[str, Any],
    windows: split.Windows,
    parts: split.Split,
    places: Places,
    folder: Path,
) -> models.BoosterModel:
    """The best on the rows that stopped the training, so that the hold-out stays unseen."""
    listed = json.loads((places.candidates / "candidates.json").read_text())["candidates"]
    loaded = [
        load_candidate(
            agreed, plan, windows, parts, places, places.candidates / each["path"], folder / each["name"]
        )
        for each in listed
    ]
    held = parts.validation
    losses = [
        float(metrics.row_loss(agreed.problem, held.label, model.scores(held)).mean()) for model in loaded
    ]
    return loaded[losses.index(min(losses))]


def load_candidate(
    agreed: contract.ModelContract,
    plan: Mapping[str, Any],
    windows: split.Windows,
    parts: split.Split,
    places: Places,
    artefact: Path,
    folder: Path,
) -> models.BoosterModel:
    """Ours as it is; the built-in algorithm's with model.json made of preparation and validation rows."""
    models.unpacked(artefact.parent, folder)
    if not (folder / BUILT_IN_MODEL).is_file():
        model = models.load(folder)
        if not isinstance(model, models.BoosterModel):
            raise models.ArtefactError(
                "the candidate is a rule, allowed is a trained model: check its location"
            )
        content = {**model.content, "run_id": plan.get("run_id") or model.content["run_id"]}
        return replace(model, content=content)
    prepared = Preparation.from_json(json.loads((places.preparation / "preparation.json").read_text()))
    booster = models.load_booster(folder / BUILT_IN_MODEL)
    bare = models.BoosterModel(content={}, booster=booster, preparation=prepared)
    threshold = None
    if agreed.is_binary:
        threshold = metrics.cost_threshold(
            parts.validation.label, bare.scores(parts.validation), agreed.costs
        )
    content = models.booster_content(
        agreed,
        prepared,
        windows,
        run_id=str(plan.get("run_id", "")),
        threshold=threshold,
        algorithm="builtin",
    )
    return models.BoosterModel(content=content, booster=booster, preparation=prepared)


def _write(
    agreed: contract.ModelContract,
    parts: split.Split,
    candidate: models.BoosterModel,
    report: Mapping[str, Any],
    curves: Mapping[str, str],
    places: Places,
) -> None:
    booster = bytes(candidate.booster.save_raw("ubj"))
    model = packaging.servable(candidate.content, booster, source.files())
    train = parts.train
    files = {
        "evaluation/evaluation.json": _json(report),
        **{f"evaluation/{name}": text.encode() for name, text in curves.items()},
        "model/model.tar.gz": model,
        "baseline/statistics.json": _json(statistics.statistics(train)),
        "baseline/constraints.json": _json(statistics.constraints(train)),
        "baseline/baseline.json": _json(evaluation.baseline(agreed, parts, candidate)),
    }
    for name, data in files.items():
        path = places.output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1, allow_nan=False).encode()
