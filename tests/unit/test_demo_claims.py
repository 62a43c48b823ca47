"""What the demo claims of itself: each claim holds on a good run, and fails on a run that lacks just that."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

import contracts
from demo import claims, evidence, report
from demo.__main__ import plot_of


def good() -> dict[str, Any]:
    """The evidence of a run in which everything happened."""
    execution = {
        "name": "e1",
        "trigger": "schedule",
        "status": "SUCCEEDED",
        "failures": ["States.TaskFailed: executor lost"],
    }
    variants = {"champion": {"captured": 6}, "challenger": {"captured": 4}}
    return {
        "expects": ["drift", "promotion", "bad model", "tokens", "suppression"],
        "ingest": [
            {
                "table": "events",
                "sent": 12,
                "curated": 8,
                "quarantined": 1,
                "copies": 1,
                "rows_of_refused_files": 2,
                "refused_files": 1,
            }
        ],
        "denied": [{"role": "client", "action": "s3:GetObject", "meant": "a client reads a model"}],
        "training": [{"name": "t1", "status": "Completed", "interruptions": 1}],
        "executions": [execution, {**execution, "name": "e2", "trigger": "drift", "failures": []}],
        "months": [{"month": "2024-01", "requests": 10, "variants": variants}],
        "failures": [],
        "privacy": {
            "rotations": ["1", "2"],
            "tokens": [{"table": "events", "column": "person", "identifiers": 5, "tokens": 5, "clear": 0}],
            "anonymity": [
                {
                    "table": "people",
                    "below": "suppress",
                    "wanted": 5,
                    "smallest": 5,
                    "classes": 2,
                    "rows": 12,
                    "untold": 2,
                    "rows_below": 0,
                    "share_below": 0.0,
                }
            ],
            "search": {
                "values": 5,
                "bytes": 1e6,
                "forbidden": [],
                "allowed": {"s3://landing/": 5, "kinesis/": 4},
            },
        },
        "bulk": {"rows": 10, "largest_difference": 0.0},
        "events": [{"kind": "alarm", "text": "mlref-sandbox monitor: model got worse: ..."}],
        "runs": [
            {
                "run_id": "r1",
                "trigger": "schedule",
                "gate": "passed",
                "gate_reason": "",
                "bake": "promoted",
                "bake_reason": "",
            },
            {
                "run_id": "r2",
                "trigger": "manual",
                "gate": "refused",
                "gate_reason": "",
                "bake": "no bake",
                "bake_reason": "",
            },
        ],
    }


def test_every_claim_holds_when_everything_happened() -> None:
    checked = claims.check(good())
    assert len(checked) == len(claims.CLAIMS)
    assert [claim.title for claim in checked if not claim.holds] == []


def test_a_story_claims_what_its_data_set_expects() -> None:
    checked = claims.check(good() | {"expects": ["promotion"]})
    assert len(claims.CLAIMS) - len(checked) == 5
    assert claims.challenger_is_promoted(good()) in checked
    assert claims.bad_model_is_refused(good()) not in checked


def test_the_flights_expect_everything() -> None:
    plot = plot_of("flights")
    promised = set(plot.expects) | set(evidence._promised(contracts.load("flights")))
    assert promised == set(claims.EXPECTED.values())
    sliced = plot_of("flights", is_slice=True)
    assert sliced.months == [f"2013-{month:02d}" for month in range(1, 9)]
    assert (sliced.rows_a_month, plot.rows_a_month, sliced.expects) == (5_000, None, plot.expects)
    assert plot_of("digits", is_slice=True) == plot_of("digits")


@pytest.mark.parametrize(
    ("seconds", "said"), [(9.14, "9.1 s"), (720, "12 min"), (18_000, "5 h"), (5_265_000.1, "61 d")]
)
def test_report_says_how_long_as_people_do(seconds: float, said: str) -> None:
    assert report.duration(seconds) == said


def put(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(evidence: dict[str, Any]) -> None:
        place: Any = evidence
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("claim", "change"),
    [
        pytest.param(claims.nothing_is_lost, put("ingest", 0, "curated", value=7), id="a record is lost"),
        pytest.param(
            claims.nothing_is_lost, put("ingest", 0, "curated", value=9), id="a copy is counted twice"
        ),
        pytest.param(claims.nothing_is_lost, put("ingest", value=[]), id="nothing was sent"),
        pytest.param(
            claims.bad_data_are_set_aside, put("ingest", 0, "quarantined", value=0), id="no bad row"
        ),
        pytest.param(
            claims.bad_data_are_set_aside, put("ingest", 0, "refused_files", value=0), id="no bad file"
        ),
        pytest.param(claims.trespassers_are_refused, put("denied", value=[]), id="nobody was refused"),
        pytest.param(
            claims.trespassers_are_refused, put("denied", 0, "meant", value=None), id="a refusal nobody meant"
        ),
        pytest.param(
            claims.interrupted_training_goes_on,
            put("training", 0, "interruptions", value=0),
            id="no interruption",
        ),
        pytest.param(
            claims.interrupted_training_goes_on,
            put("training", 0, "status", value="Failed"),
            id="it did not recover",
        ),
        pytest.param(
            claims.failed_task_is_tried_again, put("executions", 0, "failures", value=[]), id="no job died"
        ),
        pytest.param(
            claims.failed_task_is_tried_again,
            put("executions", 0, "status", value="FAILED"),
            id="the run died too",
        ),
        pytest.param(
            claims.predictions_are_served_and_captured,
            put("months", 0, "requests", value=0),
            id="a month without answers",
        ),
        pytest.param(
            claims.predictions_are_served_and_captured,
            put("months", 0, "variants", "champion", "captured", value=5),
            id="a capture is missing",
        ),
        pytest.param(
            claims.predictions_are_served_and_captured,
            put("months", 0, "variants", "champion", "captured", value=7),
            id="a capture of another month",
        ),
        pytest.param(
            claims.predictions_are_served_and_captured,
            put("months", 0, "variants", value=None),
            id="no report",
        ),
        pytest.param(claims.bulk_equals_online, put("bulk", value=None), id="nothing in bulk"),
        pytest.param(
            claims.bulk_equals_online,
            put("bulk", "largest_difference", value=0.01),
            id="other scores in bulk",
        ),
        pytest.param(claims.bulk_equals_online, put("bulk", "rows", value=0), id="no rows in bulk"),
        pytest.param(
            claims.nothing_failed_unseen,
            put("failures", value=[{"name": "rule", "message": "no target"}]),
            id="a rule did not reach its target",
        ),
        pytest.param(
            claims.tokens_join_across_rotations,
            put("privacy", "tokens", 0, "tokens", value=6),
            id="somebody has two tokens",
        ),
        pytest.param(
            claims.tokens_join_across_rotations,
            put("privacy", "tokens", 0, "tokens", value=4),
            id="two have one token",
        ),
        pytest.param(
            claims.tokens_join_across_rotations,
            put("privacy", "rotations", value=["1"]),
            id="no rotation since",
        ),
        pytest.param(
            claims.tokens_join_across_rotations, put("privacy", "tokens", value=[]), id="no identifier at all"
        ),
        pytest.param(
            claims.tokens_join_across_rotations,
            put("privacy", "tokens", 0, "clear", value=1),
            id="somebody is in the clear",
        ),
        pytest.param(
            claims.nobody_is_one_of_few,
            put("privacy", "anonymity", 0, "rows_below", value=1),
            id="one of few",
        ),
        pytest.param(
            claims.nobody_is_one_of_few, put("privacy", "anonymity", value=[]), id="nothing measured"
        ),
        pytest.param(
            claims.nobody_is_one_of_few,
            put("privacy", "anonymity", 0, "untold", value=12),
            id="everything was left out",
        ),
        pytest.param(
            claims.nobody_is_in_the_clear,
            put("privacy", "search", "forbidden", value=[{"place": "logs/x", "values": 1}]),
            id="one in a log",
        ),
        pytest.param(
            claims.nobody_is_in_the_clear,
            put("privacy", "search", "allowed", "kinesis/", value=0),
            id="not found where it is: the search does not work",
        ),
        pytest.param(
            claims.nobody_is_in_the_clear,
            put("privacy", "search", "allowed", value={}),
            id="looked for nowhere",
        ),
        pytest.param(
            claims.drift_starts_a_retraining,
            put("executions", 1, "trigger", value="schedule"),
            id="no run by drift",
        ),
        pytest.param(
            claims.drift_starts_a_retraining,
            put("events", 0, "text", value="mlref-sandbox ingest: late"),
            id="another alarm",
        ),
        pytest.param(
            claims.challenger_is_promoted, put("runs", 0, "bake", value="rolled back"), id="rolled back"
        ),
        pytest.param(
            claims.bad_model_is_refused,
            put("runs", 1, "gate", value="not reached"),
            id="it failed before the gate",
        ),
        pytest.param(
            claims.bad_model_is_refused, put("runs", 1, "bake", value="rolled back"), id="it served"
        ),
    ],
)
def test_a_claim_fails_when_its_thing_did_not_happen(
    claim: Callable[[dict[str, Any]], claims.Claim], change: Callable[[dict[str, Any]], None]
) -> None:
    evidence = copy.deepcopy(good())
    change(evidence)
    assert not claim(evidence).holds
