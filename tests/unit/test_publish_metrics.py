"""Metrics of a monitoring report: what was measured, and nothing for what was not."""

import json
from pathlib import Path
from typing import Any

import pytest
from publish_metrics import handler

from tests.any_account import any_account, any_plan
from tests.any_model import any_contract


def report(**champion: Any) -> dict[str, Any]:
    measured = {"labelled": 600, "quality_drop": 0.07, "calibration_gap": 0.02} | champion
    return {
        "captures": {"rows": 1000},
        "variants": {"champion": measured, "challenger": {"labelled": 50, "quality_drop": 0.9}},
        "drift": {"features": {"size": 0.4, "rain": 0.1}, "drifted": ["size"], "prediction_psi": 0.3},
        "concept": {"at_least": -0.01},
        "attributions": {"ndcg": 0.97},
        "bias": {"reason": None, "grew": []},
    }


def test_prints_one_line_in_the_embedded_metric_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with any_account(any_contract(), tmp_path, monkeypatch) as account:
        account.put("MODELS", "monitor/2024-04-12/report.json", report())
        handler.handler({"plan": any_plan(action="monitor")}, None)
    content = json.loads(capsys.readouterr().out)
    (directive,) = content["_aws"]["CloudWatchMetrics"]
    assert content["_aws"]["Timestamp"] == 1712883600000
    assert directive["Namespace"] == "mlref/model"
    assert directive["Dimensions"] == [["Endpoint"]]
    assert content["Endpoint"] == "mlref-sandbox-endpoint"
    assert {entry["Name"]: content[entry["Name"]] for entry in directive["Metrics"]} == {
        "QualityDrop": 0.07,
        "CalibrationGap": 0.02,
        "LabelledRows": 650,
        "CapturedRows": 1000,
        "DriftedFeatures": 1,
        "PredictionPsi": 0.3,
        "ConceptDrift": -0.01,
        "AttributionNdcg": 0.97,
        "GrownDifferences": 0,
    }


def test_what_was_not_measured_is_left_out() -> None:
    found = handler.metrics(report(quality_drop=None, calibration_gap=None))
    assert "QualityDrop" not in found
    assert "CalibrationGap" not in found
    assert found["LabelledRows"] == 650


def test_an_unused_endpoint_has_counts_only() -> None:
    empty = {
        "captures": {"rows": 0},
        "variants": {},
        "drift": {"features": {}, "drifted": [], "prediction_psi": None},
        "concept": {"at_least": None},
        "attributions": {"ndcg": None},
        "bias": {"reason": "the champion has no baseline of bias", "grew": []},
    }
    found = handler.metrics(empty)
    assert found == {"LabelledRows": 0, "CapturedRows": 0}
