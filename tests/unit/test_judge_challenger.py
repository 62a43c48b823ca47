"""The verdict on a challenger: promote when it is not worse, roll back when it is, wait for labels."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from judge_challenger import handler
from judge_challenger.verdict import judge, rings

from tests.any_account import any_account, any_plan
from tests.any_model import any_contract

DEPLOYED = datetime(2024, 4, 1, 12, tzinfo=UTC)


def variant(**changes: Any) -> dict[str, Any]:
    seen = {"captured": 900, "labelled": 600, "refused": 0, "since": "2024-04-01T11:59:00Z"}
    return seen | {"calibration_gap": 0.01} | changes


def bounds(verdict: str, low: float | None, high: float | None) -> dict[str, Any]:
    """As the monitor writes them."""
    counts = {f"{who}_{what}": 600 for who in ("challenger", "champion") for what in ("rows", "requests")}
    levels = {"false_promotion": 0.05, "false_roll_back": 0.05, "margin": 0.05}
    middle = 0.0 if low is None or high is None else (low + high) / 2
    found = {"verdict": verdict, "low": low, "high": high, "difference": middle, "champion_loss": 0.5}
    return found | counts | levels


def report(**changes: Any) -> dict[str, Any]:
    variants = {"champion": variant(since="2024-03-01T00:00:00Z"), "challenger": variant()}
    return {"variants": variants, "sequential": bounds("promote", 0.005, 0.015)} | changes


def with_challenger(**changes: Any) -> dict[str, Any]:
    return report(variants={"champion": variant(), "challenger": variant(**changes)})


@pytest.mark.parametrize(
    ("given", "verdict", "says"),
    [
        pytest.param(
            report(),
            "promote",
            "is not worse by 5% of the loss: its live loss is lower than the champion's 0.5 by 0.01",
            id="better",
        ),
        pytest.param(
            report(sequential=bounds("promote", -0.01, 0.01)), "promote", "is not worse by 5%", id="as good"
        ),
        pytest.param(
            report(sequential=bounds("roll_back", -0.03, -0.01)),
            "roll_back",
            "is worse: its live loss is higher than the champion's 0.5 by 0.02",
            id="worse",
        ),
        pytest.param(
            report(sequential=bounds("wait", -0.1, 0.1)), "wait", "not decided yet", id="bounds too wide"
        ),
        pytest.param(
            report(sequential=bounds("wait", None, None)),
            "wait",
            "too few to say anything",
            id="few requests",
        ),
        pytest.param(
            with_challenger(calibration_gap=0.08),
            "roll_back",
            "off balance: its scores differ from the labels by 0.08 on average, the champion's by 0.01",
            id="off balance",
        ),
        pytest.param(
            report(
                variants={
                    "champion": variant(calibration_gap=0.04),
                    "challenger": variant(calibration_gap=0.08),
                }
            ),
            "promote",
            "is not worse",
            id="off balance, but little more than the champion",
        ),
        pytest.param(
            with_challenger(labelled=99),
            "wait",
            "99 of the challenger: 100 labelled answers of each are needed",
            id="too few labels",
        ),
        pytest.param(report(sequential=None), "wait", "no comparison", id="no comparison"),
        pytest.param(
            report(variants={"champion": variant()}), "wait", "no request of the challenger", id="no traffic"
        ),
        pytest.param(
            with_challenger(since="2024-03-10T00:00:00Z"),
            "wait",
            "reaches back to an earlier challenger, of 2024-03-10",
            id="an earlier challenger",
        ),
        pytest.param(
            with_challenger(captured=80, refused=20),
            "roll_back",
            "refused 20% of 100 requests, the champion 0%",
            id="refuses requests",
        ),
        pytest.param(
            with_challenger(captured=8, labelled=8, refused=2),
            "wait",
            "8 of the challenger",
            id="few requests prove nothing",
        ),
    ],
)
def test_judges_by_loss_labels_and_refusals(given: dict[str, Any], verdict: str, says: str) -> None:
    found = judge(given, DEPLOYED, minimum_labels=100, limit=0.05)
    assert found.verdict == verdict
    assert says in found.reason


QUIET = {"names": ["mlref errors", "mlref slow"], "states": ["OK", "INSUFFICIENT_DATA"]}


def test_an_alarm_that_rings_rolls_back_whatever_the_report_says() -> None:
    found = rings({"b": "ALARM", "c": "OK", "a": "ALARM"})
    assert found is not None
    assert (found.verdict, found.reason) == ("roll_back", "alarms ring beside the challenger: a, b")
    assert rings(dict(zip(QUIET["names"], QUIET["states"], strict=True))) is None


def test_alarms_come_before_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alarms = {**QUIET, "states": ["OK", "ALARM"]}
    event = {"plan": any_plan(), "deployed_at": "2024-04-01T12:00:00.000Z", "alarms": alarms}
    with any_account(any_contract(), tmp_path, monkeypatch) as account:
        account.put("MODELS", "monitor/2024-04-08/report.json", report())
        assert handler.handler(event, None)["verdict"] == "roll_back"


def test_reads_the_newest_report_that_saw_the_challenger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = {"plan": any_plan(), "deployed_at": "2024-04-01T12:00:00.000Z", "alarms": QUIET}
    with any_account(any_contract(), tmp_path, monkeypatch) as account:
        account.put("MODELS", "monitor/2024-04-01/report.json", report())
        account.put("MODELS", "monitor/2024-04-09/captures.manifest", [])
        assert handler.handler(event, None)["verdict"] == "wait"
        account.put("MODELS", "monitor/2024-04-02/report.json", report(sequential=None))
        assert handler.handler(event, None)["report"] == "monitor/2024-04-02/report.json"
        account.put("MODELS", "monitor/2024-04-08/report.json", report())
        assert handler.handler(event, None) | {"reason": ""} == {
            "verdict": "promote",
            "reason": "",
            "report": "monitor/2024-04-08/report.json",
        }
