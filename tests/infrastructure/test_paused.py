"""Paused: what costs by existing is gone, what holds state is as it was, nothing starts by itself."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from aws_cdk import App

import app as project
from settings import PRODUCTION, SANDBOX
from tests.conftest import Assembly

TAKEN_AWAY = {
    "AWS::CloudWatch::Dashboard": 1,
    "AWS::EC2::VPCEndpoint": 5,
    "AWS::SageMaker::Endpoint": 1,
}


def kinds(assembly: Assembly) -> Counter[str]:
    return Counter(
        each["Type"] for template in assembly.templates.values() for each in template["Resources"].values()
    )


def champion_config(assembly: Assembly) -> dict[str, Any]:
    [found] = assembly.resources("Custom::ChampionConfig").values()
    return found


def test_exactly_what_can_be_made_again_is_gone(sandbox: Assembly, paused: Assembly) -> None:
    assert dict(kinds(sandbox) - kinds(paused)) == TAKEN_AWAY
    assert not kinds(paused) - kinds(sandbox)


def test_the_gateways_stay(paused: Assembly) -> None:
    found = paused.resources("AWS::EC2::VPCEndpoint").values()
    assert {each.get("VpcEndpointType") for each in found} == {"Gateway"}


@pytest.mark.parametrize("stack", ["Data", "Model"])
def test_stacks_that_hold_data_and_models_do_not_change(
    stack: str, sandbox: Assembly, paused: Assembly
) -> None:
    assert sandbox.templates[stack] == paused.templates[stack]


def test_nothing_starts_by_itself(sandbox: Assembly, paused: Assembly) -> None:
    for assembly, state in ((sandbox, "ENABLED"), (paused, "DISABLED")):
        schedules = assembly.resources("AWS::Scheduler::Schedule").values()
        assert [each["State"] for each in schedules] == [state] * 3
        rules = assembly.resources("AWS::Events::Rule")
        [drift] = [each for name, each in rules.items() if "OnDrift" in name]
        assert drift["State"] == state


def test_coming_back_asks_anew_who_is_the_champion(sandbox: Assembly, paused: Assembly) -> None:
    """CloudFormation asks a custom resource again only when its properties change."""
    awake, asleep = champion_config(sandbox), champion_config(paused)
    assert "Paused" not in awake, "a deployment that was never paused must not ask: decision 31"
    assert asleep == {**awake, "Paused": "true"}


def test_the_rule_packs_have_nothing_to_say_of_it(paused: Assembly) -> None:
    said = [finding for report in paused.report for finding in report.get("violations") or []]
    assert len(paused.report) == 5
    assert said == []


@pytest.mark.parametrize("settings", [SANDBOX, PRODUCTION], ids=["sandbox", "production"])
def test_a_pause_changes_nothing_else_in_the_settings(settings: Any) -> None:
    paused = settings.paused()
    assert paused.is_paused and not settings.is_paused
    assert (paused.retrain.is_scheduled, paused.retrain.retrains_on_drift) == (False, False)
    for section in ("base", "ingest", "lake", "transform", "train", "evaluate", "deploy", "monitor"):
        assert getattr(paused, section) == getattr(settings, section)


@pytest.mark.parametrize(
    ("said", "is_paused"),
    [
        pytest.param({}, False, id="nothing"),
        pytest.param({"paused": "false"}, False, id="false"),
        pytest.param({"paused": "true"}, True, id="true"),
    ],
)
def test_the_command_line_pauses(said: dict[str, str], is_paused: bool) -> None:
    assert project.chosen(App(context={"profile": "sandbox", **said})).is_paused is is_paused


def test_another_word_is_refused() -> None:
    with pytest.raises(ValueError, match=r"paused must be true or false, got 'yes'"):
        project.chosen(App(context={"profile": "sandbox", "paused": "yes"}))
