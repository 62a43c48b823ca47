"""What trained is told side by side, with its cost; the evaluation is given exactly these models."""

import json
from pathlib import Path
from typing import Any

import pytest
from record_candidates import handler
from record_candidates.table import ArtefactError, lost, table, trials

from tests.any_account import any_account
from tests.any_model import any_contract

RUN = "r20240412-0badcafe"
HOME = f"s3://models-bucket/runs/{RUN}/training/"
PLAN = {
    "run_id": RUN,
    "candidates": [
        {"name": "boosted", "family": "xgboost", "hyperparameters": {"eta": "0.3", "seed": "7"}},
        {"name": "plain", "family": "linear", "hyperparameters": {"alpha": "1"}},
    ],
    "tuning": {"hyperparameters": {"seed": "7"}},
}
TRAINED = {
    "name": "boosted",
    "family": "xgboost",
    "job": "train-boosted",
    "model": f"{HOME}boosted/train-boosted/output/model.tar.gz",
    "seconds": 40,
    "billable_seconds": 12,
}
LOST = {"name": "plain", "family": "linear", "error": "TrainingDiverged", "reason": "it learned nothing"}
NO_SEARCH = {"job": ""}


def trial(number: int, objective: float | None, **changes: Any) -> dict[str, Any]:
    job = f"t-{number:03d}"
    found = {
        "job": job,
        "status": "Completed",
        "hyperparameters": {"eta": f"0.{number}", "_tuning_objective_metric": "validation:logloss"},
        "objective": objective,
        "started": f"2024-04-12T01:0{number}:00.000Z",
        "ended": f"2024-04-12T01:0{number}:30.500Z",
        "model": f"{HOME}tuned/{job}/output/model.tar.gz",
        "billable_seconds": 9,
    }
    return {name: value for name, value in (found | changes).items() if value is not None}


SEARCH = {
    "job": "mlref-sandbox-0badcafe",
    "status": "Completed",
    "candidate": "boosted",
    "strategy": "Bayesian",
    "objective": {"metric": "validation:logloss", "type": "Minimize"},
    "best": "t-002",
    "parents": ["last"],
    "trials": [
        trial(2, 0.4, seconds=28),
        trial(1, 0.5),
        trial(3, None, status="Stopped", billable_seconds=None),
    ],
}


def told(trained: list[Any], search: Any = NO_SEARCH, **how: Any) -> dict[str, Any]:
    given = {"home": HOME, "instance_type": "ml.m5.large", "usd_per_hour": 0.115}
    return table(PLAN, trained, search, **{**given, **how})


def test_what_trained_has_its_path_its_seconds_and_its_hyperparameters() -> None:
    found = told([TRAINED, LOST])
    assert found["candidates"] == [
        {
            "name": "boosted",
            "family": "xgboost",
            "job": "train-boosted",
            "path": "boosted/train-boosted/output/model.tar.gz",
            "seconds": 40,
            "billable_seconds": 12,
            "hyperparameters": {"eta": "0.3", "seed": "7"},
        }
    ]
    assert found["failed"] == [
        {"name": "plain", "family": "linear", "job": None, "error": "TrainingDiverged",
         "reason": "it learned nothing"}
    ]  # fmt: skip
    assert (found["usd_per_hour"], found["instance_type"], found["tuning"]) == (0.115, "ml.m5.large", None)
    assert lost(found) == ". Lost: candidate plain (TrainingDiverged: it learned nothing)"
    assert lost(told([TRAINED])) == ""


def test_a_job_that_does_not_say_how_long_it_took_has_no_cost() -> None:
    silent = {name: value for name, value in TRAINED.items() if "seconds" not in name}
    [candidate] = told([silent])["candidates"]
    assert (candidate["seconds"], candidate["billable_seconds"]) == (None, None)


def test_the_best_trial_is_another_candidate_with_all_of_its_hyperparameters() -> None:
    found = told([TRAINED], SEARCH)
    tuned = found["candidates"][-1]
    assert (tuned["name"], tuned["family"], tuned["job"]) == ("tuned", "xgboost", "t-002")
    assert tuned["path"] == "tuned/t-002/output/model.tar.gz"
    assert tuned["hyperparameters"] == {"seed": "7", "eta": "0.2"}
    # The whole search is paid for, not its best trial alone; who is not known is not counted.
    assert found["tuning"] == {
        "job": SEARCH["job"], "of": "boosted", "seconds": 28 + 30 + 30, "billable_seconds": 18, "trials": 3,
        "best": "t-002", "error": None, "reason": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "search",
    [
        pytest.param({**SEARCH, "best": None}, id="no best trial"),
        pytest.param(
            {**SEARCH, "trials": [{k: v for k, v in trial(2, 0.4).items() if k != "model"}]}, id="no model"
        ),
    ],
)
def test_a_search_without_a_winner_adds_no_candidate(search: Any) -> None:
    assert [each["name"] for each in told([TRAINED], search)["candidates"]] == ["boosted"]


def test_a_search_that_failed_is_told_and_stops_nothing() -> None:
    failed = {"job": "s", "candidate": "boosted", "trials": [], "error": "E", "reason": "because"}
    found = told([TRAINED], failed)
    assert found["tuning"]["error"] == "E"
    assert found["tuning"]["billable_seconds"] is None
    assert lost(found) == ". Lost: the search s (E: because)"


def test_trials_are_told_in_the_order_of_their_start() -> None:
    found = trials(RUN, SEARCH, {"eta": {"type": "Continuous"}})
    assert [(each["number"], each["job"], each["best"]) for each in found["trials"]] == [
        (1, "t-001", False), (2, "t-002", True), (3, "t-003", False),
    ]  # fmt: skip
    first, _, third = found["trials"]
    assert first["hyperparameters"] == {"eta": "0.1"}, "without what SageMaker adds for itself"
    assert (first["seconds"], first["objective"], first["stopped_early"]) == (30, 0.5, False)
    assert (third["objective"], third["stopped_early"]) == (None, True)
    assert found["parents"] == ["last"] and found["ranges"] == {"eta": {"type": "Continuous"}}


def test_a_model_elsewhere_is_refused() -> None:
    with pytest.raises(ArtefactError, match="the model of boosted lies at s3://other/m, allowed: below"):
        told([{**TRAINED, "model": "s3://other/m"}])


def test_the_manifest_names_the_models_and_the_table_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranges = {"eta": {"type": "Continuous", "minimum": 0.1, "maximum": 0.5, "scale": "Linear"}}
    monkeypatch.setenv("INSTANCE_TYPE", "ml.m5.large")
    monkeypatch.setenv("USD_PER_HOUR", "")
    with any_account(any_contract(tuning={"ranges": ranges}), tmp_path, monkeypatch) as account:
        answer = handler.handler({"plan": PLAN, "trained": [TRAINED, LOST], "search": SEARCH}, None)
        assert account.get(answer["manifest"]) == [
            {"prefix": HOME},
            "candidates.json",
            "boosted/train-boosted/output/model.tar.gz",
            "tuned/t-002/output/model.tar.gz",
        ]
        assert "plain" in answer["lost"]
        written = account.model_object(f"runs/{RUN}/training/candidates.json")
        assert written["usd_per_hour"] is None, "no price is known, none is made up"
        record = account.model_object(f"runs/{RUN}/tuning/tuning.json")
        assert record["ranges"] == ranges and len(record["trials"]) == 3
        assert json.dumps(record)
