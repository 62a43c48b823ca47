"""Who trains in a run: every candidate with its own hyperparameters, and a search after them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from plan_run import handler, request

from tests.any_account import Account, any_account
from tests.any_model import SMALL, any_contract

EXECUTION = {
    "id": "arn:aws:states:us-east-1:123456789012:execution:x:1",
    "started_at": "2024-04-12T01:00:00Z",
}
CANDIDATES = [
    {"name": "boosted", "family": "xgboost", "hyperparameters": dict(SMALL)},
    {"name": "plain", "family": "linear", "hyperparameters": {"alpha": 0.5, "members": ["a", "b"]}},
]
TUNING = {
    "candidate": "boosted",
    "strategy": "Bayesian",
    "jobs": 4,
    "parallel": 2,
    "early_stopping": "Off",
    "warm_start": True,
    "resource": None,
    "seed": 1,
    "ranges": {"eta": {"type": "Continuous", "minimum": 0.1, "maximum": 0.5, "scale": "Linear"}},
}


def fill_raw(account: Account) -> None:
    """The first day and the last: what lies between them is no matter of names."""
    for day in ("2024-01-02", "2024-04-11"):
        account.put("RAW", f"raw/visits/dt={day}/a.ndjson.gz")


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    agreed = any_contract(candidates=CANDIDATES, tuning=TUNING)
    with any_account(agreed, tmp_path, monkeypatch) as found:
        fill_raw(found)
        yield found


def plan(**hyperparameters: Any) -> dict[str, Any]:
    asked = {"through": "2024-04-12", "hyperparameters": hyperparameters}
    return handler.handler({"event": asked, "execution": EXECUTION}, None)


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("trigger", "searches"), [("schedule", True), ("manual", True), ("drift", False), ("deferred", False)]
)
def test_a_model_that_is_wanted_soon_is_not_searched_for(trigger: str, searches: bool) -> None:
    asked = {"through": "2024-04-12", "trigger": trigger}
    found = handler.handler({"event": asked, "execution": EXECUTION}, None)
    assert ("tuning" in found) is searches


def given(found: dict[str, Any], name: str) -> dict[str, str]:
    [candidate] = [each for each in found["candidates"] if each["name"] == name]
    return dict(candidate["hyperparameters"])


@pytest.mark.usefixtures("account")
def test_each_candidate_has_its_own_hyperparameters_and_the_name_by_which_the_script_knows_it() -> None:
    found = plan()
    assert [each["name"] for each in found["candidates"]] == ["boosted", "plain"]
    assert given(found, "boosted")["candidate"] == "boosted"
    assert given(found, "boosted")["max_depth"] == "3"
    # A list is no text: the script takes it from its contract.
    assert given(found, "plain").keys() - {"run_id", "candidate", "start_from"} == {
        "alpha", "train_start", "train_end", "validation_end", "holdout_end",
    }  # fmt: skip


@pytest.mark.usefixtures("account")
def test_what_the_input_sets_reaches_who_lists_it_and_a_search_keeps_its_ranges() -> None:
    found = plan(alpha=2, eta=0.7)
    assert given(found, "plain")["alpha"] == "2"
    assert "alpha" not in given(found, "boosted")
    assert given(found, "boosted")["eta"] == "0.7"
    assert "eta" not in given(found, "plain")
    assert "tuning" not in found, "who sets hyperparameters wants to see what they do"
    assert "eta" not in plan()["tuning"]["hyperparameters"], "searched, so not fixed too"
    with pytest.raises(request.HyperparameterError, match="got depth, allowed: num_round"):
        plan(depth=2)


def test_only_trees_go_on_from_the_champion(account: Account) -> None:
    fields = ("run_id", "model_name", "model_package_arn", "endpoint_config_name", "baseline_uri")
    champion = dict.fromkeys(fields, "x") | {"model_data_url": "s3://models-bucket/runs/x/model/model.tar.gz"}
    account.set_champion(json.dumps(champion))
    found = plan(start_from="champion")
    assert given(found, "boosted")["start_from"] == "champion"
    assert given(found, "plain")["start_from"] == "nothing"
    assert found["tuning"]["hyperparameters"]["start_from"] == "champion"


def test_a_contract_without_trees_cannot_go_on_from_the_champion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed = any_contract(candidates=CANDIDATES[1:])
    with any_account(agreed, tmp_path, monkeypatch) as account:
        fill_raw(account)
        with pytest.raises(
            request.HyperparameterError, match="no candidate of the contract is of the family"
        ):
            plan(start_from="champion")


@pytest.mark.usefixtures("account")
def test_the_built_in_algorithm_is_told_only_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALGORITHM", "builtin")
    assert given(plan(), "boosted") == {name: str(value) for name, value in SMALL.items()}


def test_a_search_goes_on_from_the_last_one_that_is_like_it(account: Account) -> None:
    first = plan()["tuning"]
    assert first["parents"] == []
    assert first["name"] == f"mlref-sandbox-{plan()['run_id'].rpartition('-')[2]}"

    def remember(like: str) -> None:
        item = {"id": {"S": "tuning#last"}, "job": {"S": "last"}, "like": {"S": like}}
        account.dynamodb.put_item(TableName="ledger", Item=item)

    remember(first["like"])
    assert plan()["tuning"]["parents"] == [{"HyperParameterTuningJobName": "last"}]
    # Another number of hyperparameters, another objective: SageMaker would refuse the parent.
    remember("other")
    assert plan()["tuning"]["parents"] == []


def test_what_makes_searches_alike_is_their_names_and_not_their_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def like(number: int, **model: Any) -> str:
        folder = tmp_path / str(number)
        folder.mkdir()
        agreed = any_contract(**{"candidates": CANDIDATES, "tuning": TUNING, **model})
        with any_account(agreed, folder, monkeypatch) as account:
            fill_raw(account)
            return str(plan()["tuning"]["like"])

    wider = {
        **TUNING["ranges"],
        "max_depth": {"type": "Integer", "minimum": 2, "maximum": 5, "scale": "Linear"},
    }
    assert like(1) == like(2, tuning={**TUNING, "ranges": wider}), "from fixed to searched is allowed"
    more = [{**CANDIDATES[0], "hyperparameters": {**SMALL, "gamma": 0.1}}]
    assert like(3, candidates=more) != like(4)
