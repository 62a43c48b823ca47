"""The gate: a candidate challenges only when it beats champion and rule beyond chance."""

import json
from pathlib import Path
from typing import Any

import pytest
from decide_promotion import card, handler
from decide_promotion.gate import decide

from tests.any_account import any_account, any_plan
from tests.any_model import any_contract

GATE = {"confidence": 0.95, "minimum_gain": 0.0, "minimum_gain_over_rule": 0.01}


def paired(difference: float, low: float | None, high: float | None) -> dict[str, Any]:
    return {"difference": difference, "low": low, "high": high, "confidence": 0.95, "rows": 700}


def evaluation(**changes: Any) -> dict[str, Any]:
    content = {
        "run_id": any_plan()["run_id"],
        "loss": "log_loss",
        "rows": {"holdout": 700},
        "gap": {"train_loss": 0.4, "validation_loss": 0.5},
        "champion": {"kind": "xgboost", "overlaps_holdout": False},
        "paired": {"champion": paired(0.02, 0.01, 0.03), "rule": paired(0.05, 0.04, 0.06)},
    }
    return content | changes


def with_pairs(champion: dict[str, Any], rule: dict[str, Any]) -> dict[str, Any]:
    return evaluation(paired={"champion": champion, "rule": rule})


@pytest.mark.parametrize(
    ("given", "promote", "says"),
    [
        pytest.param(
            evaluation(),
            True,
            "lower than that of the champion by 0.02 (gain: 95% interval 0.01 to 0.03)",
            id="beats both",
        ),
        pytest.param(
            with_pairs(paired(0.02, -0.001, 0.04), paired(0.05, 0.04, 0.06)),
            False,
            "interval -0.001 to 0.04), the interval must lie above 0",
            id="may be chance",
        ),
        pytest.param(
            with_pairs(paired(0.02, 0.0, 0.04), paired(0.05, 0.04, 0.06)),
            False,
            "must lie above 0",
            id="exactly at the limit",
        ),
        pytest.param(
            with_pairs(paired(-0.02, -0.03, -0.01), paired(0.05, 0.04, 0.06)),
            False,
            "log loss is higher than that of the champion by 0.02",
            id="worse than the champion",
        ),
        pytest.param(
            with_pairs(paired(0.02, 0.01, 0.03), paired(0.02, 0.005, 0.04)),
            False,
            "the rule baseline by 0.02 (gain: 95% interval 0.005 to 0.04), the interval must lie above 0.01",
            id="too little over the rule",
        ),
        pytest.param(
            with_pairs(paired(0.02, None, None), paired(0.05, 0.04, 0.06)),
            False,
            "no interval on 700 rows",
            id="no interval",
        ),
        pytest.param(
            evaluation(rows={"holdout": 49}), False, "49 labelled rows, 50 are needed", id="too few rows"
        ),
        pytest.param(
            evaluation(gap={"train_loss": 0.1, "validation_loss": 0.5}),
            False,
            "learned its rows by heart",
            id="overfitted",
        ),
        pytest.param(
            evaluation(gap={"train_loss": 0.1, "validation_loss": 0.25, "maximum_ratio": 2.0}),
            False,
            "more than 2 times as high",
            id="wider than the contract allows",
        ),
        pytest.param(
            evaluation(gap={"train_loss": 0.1, "validation_loss": 0.5, "maximum_ratio": 6.0}),
            True,
            "lower than that of the champion",
            id="as wide as the contract allows",
        ),
        pytest.param(
            evaluation(champion={"kind": "xgboost", "overlaps_holdout": True}),
            True,
            "fitted to a part of the hold-out window",
            id="champion saw the hold-out",
        ),
    ],
)
def test_decides_in_words_with_numbers(given: dict[str, Any], promote: bool, says: str) -> None:
    decision = decide(given, GATE)
    assert decision.promote is promote
    assert says in decision.reason
    assert len(decision.reason) < 1000


def test_only_failed_checks_are_the_reason() -> None:
    reason = decide(evaluation(rows={"holdout": 10}), GATE).reason
    assert reason == "the hold-out window has 10 labelled rows, 50 are needed"


def test_the_rule_as_champion_is_compared_once() -> None:
    decision = decide(evaluation(champion={"kind": "rule", "overlaps_holdout": False}), GATE)
    assert [check.name for check in decision.checks] == ["rows", "gap", "rule"]


def any_card(run_id: str = any_plan()["run_id"]) -> dict[str, Any]:
    """The parts of a card that the gate adds to."""
    return {
        "model_overview": {"model_creator": "us"},
        "training_details": {"training_observations": "è", "training_job_details": {}},
        "evaluation_details": [{"name": "hold-out window"}],
        "additional_information": {"custom_details": {"run_id": run_id}},
    }


def test_writes_the_decision_beside_the_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = any_plan()
    with any_account(any_contract(), tmp_path, monkeypatch) as account:
        account.put("MODELS", f"runs/{plan['run_id']}/evaluation/evaluation.json", evaluation())
        account.put("MODELS", f"runs/{plan['run_id']}/evaluation/model_card.json", any_card())
        answer = handler.handler({"plan": plan}, None)
        assert answer["promote"] is True
        content = account.model_object(f"runs/{plan['run_id']}/decision.json")
        assert content == {name: value for name, value in answer.items() if name != "card"}


def test_the_card_of_a_promoted_candidate_tells_where_its_model_lies_and_why_it_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = any_plan()
    with any_account(any_contract(), tmp_path, monkeypatch) as account:
        account.put("MODELS", f"runs/{plan['run_id']}/evaluation/evaluation.json", evaluation())
        account.put("MODELS", f"runs/{plan['run_id']}/evaluation/model_card.json", any_card())
        answer = handler.handler({"plan": plan}, None)
        found = json.loads(answer["card"])
        assert found == account.model_object(f"runs/{plan['run_id']}/model_card.json")
    [model] = found["model_overview"]["model_artifact"]
    assert model.startswith("s3://") and model.endswith(f"/runs/{plan['run_id']}/model/model.tar.gz")
    [data] = found["training_details"]["training_job_details"]["training_datasets"]
    assert data.endswith("/features/")
    assert found["evaluation_details"][0]["datasets"] == [data]
    assert found["additional_information"]["custom_details"]["gate"] == answer["reason"]
    assert "\n" not in answer["card"] and answer["card"].isascii(), "the registry's pattern is one line"


def test_a_refused_candidate_has_no_card_to_register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = any_plan()
    with any_account(any_contract(), tmp_path, monkeypatch) as account:
        content = evaluation(rows={"holdout": 10})
        account.put("MODELS", f"runs/{plan['run_id']}/evaluation/evaluation.json", content)
        answer = handler.handler({"plan": plan}, None)
    assert (answer["promote"], answer["card"]) == (False, "")


def test_the_card_of_another_run_is_refused() -> None:
    with pytest.raises(card.CardError, match="the model card below runs/r2/ is of run r1"):
        card.completed(any_card("r1"), model="m", data="d", run_id="r2", reason="")


def test_a_card_that_the_registry_would_not_take_is_refused_with_its_size() -> None:
    with pytest.raises(card.CardError, match=r"has 100\d+ characters, the registry takes 100000"):
        card.text({"text": "x" * 100_000})


def test_the_evaluation_of_another_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = any_plan()
    with any_account(any_contract(), tmp_path, monkeypatch) as account:
        account.put("MODELS", f"runs/{plan['run_id']}/evaluation/evaluation.json", evaluation(run_id="r1"))
        with pytest.raises(handler.EvaluationError, match="is of run r1"):
            handler.handler({"plan": plan}, None)
