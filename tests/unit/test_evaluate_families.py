"""Trained models of every problem type go through the whole evaluation: chosen, judged, described, packed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import evaluate
import jsonschema
import pyarrow as pa
import pytest
from sklearn import metrics as oracle
from tabular import models, packaging, rules, source

from sandbox.engines.model_cards import SCHEMA
from tests.any_model import WINDOWS, agreed, read_json, write_features
from tests.unit import test_problem_types as problems


def evaluated(
    folder: Path, compiled: dict[str, Any], table: pa.Table, windows: dict[str, str], **given: Any
) -> tuple[dict[str, Any], Path]:
    """All candidates of the contract are trained and laid out as the job gets them."""
    places = evaluate.Places.below(folder)
    listed = []
    for entry in compiled["model"]["candidates"]:
        name = entry["name"]
        problems.trained(folder / name, compiled, table, **windows, candidate=name, **given)
        files = {path.name: path.read_bytes() for path in (folder / name / "model").iterdir()}
        at = places.candidates / name / "job" / "output"
        at.mkdir(parents=True)
        (at / "model.tar.gz").write_bytes(packaging.archive(files))
        listed.append({"name": name, "family": entry["family"], "seconds": 1, "billable_seconds": 1})
    content = {"format": 1, "run_id": "r1", "candidates": listed, "failed": [], "tuning": None}
    (places.candidates / "candidates.json").write_text(json.dumps(content))
    places.champion.mkdir(parents=True)
    rule = packaging.servable(rules.rule_model(compiled), None, source.files())
    (places.champion / "model.tar.gz").write_bytes(rule)
    write_features(places.features, table)
    report = evaluate.run(agreed(compiled), {**windows, "run_id": "r1"}, places)
    card = read_json(places.output / "evaluation/model_card.json")
    jsonschema.Draft201909Validator(json.loads(SCHEMA.read_text())).validate(card)
    return report, places.output


def served(output: Path, folder: Path) -> Any:
    return models.load(models.unpacked(output / "model", folder / "served"))


CASES: dict[str, tuple[Callable[[], dict[str, Any]], Callable[[], pa.Table], dict[str, str]]] = {
    "multiclass": (problems.digits, lambda: problems.bundled("digits"), WINDOWS),
    "forecasting": (problems.forecast, problems.weather, problems.YEAR),
    "clustering": (lambda: problems.wine(clusters=3), lambda: problems.bundled("wine"), WINDOWS),
    "recommendation": (lambda: problems.routes(factors=8), problems.journeys, WINDOWS),
}


@pytest.mark.parametrize("problem", CASES)
def test_every_problem_goes_from_candidates_to_a_model_with_a_card(tmp_path: Path, problem: str) -> None:
    contract, table, windows = CASES[problem]
    compiled = contract()
    compiled["model"]["evaluation"] = {"recalibration": "platt" if problem == "multiclass" else "none"}
    report, output = evaluated(tmp_path, compiled, table(), windows)
    assert report["paired"]["rule"]["difference"] > 0, "better than the rule on later rows"
    assert report["loss"] == agreed(compiled).loss, "training and evaluation name one loss"
    model = served(output, tmp_path)
    later = problems.holdout(compiled, table())
    scores = model.scores(later)
    metrics = report["candidate"]["metrics"]
    if problem == "multiclass":
        # 270 rows of ten classes tell too little for twenty parameters: it is tried and left out.
        assert report["recalibration"]["asked"] == "platt"
        assert report["recalibration"]["reason"].startswith("left out")
        expected = oracle.roc_auc_score(later.label, scores, multi_class="ovr")
        assert metrics["roc_auc"]["value"] == pytest.approx(expected)
        assert report["classes"][3]["class"] == "digit 3"
        assert model.score(later.record(0)) == pytest.approx(scores[0].tolist(), rel=1e-4)
    if problem == "forecasting":
        assert metrics["skill"]["value"] > 0.1
        assert metrics["rmse"]["value"] == pytest.approx(oracle.root_mean_squared_error(later.label, scores))
    if problem == "clustering":
        assert report["clusters"]["clusters"] == 3
        assert sum(report["clusters"]["sizes"].values()) == len(later)
    if problem == "recommendation":
        assert metrics["ndcg_at_5"]["low"] > report["rule"]["metrics"]["ndcg_at_5"]["high"]
