"""Monitoring: captures joined with labels that arrived later, quality by variant, drift, data quality."""

import json
from pathlib import Path
from typing import Any

import monitor
import numpy as np
import pytest
from tabular import capture, drift, statistics, watch
from tabular.frame import Frame

from tests.any_captures import event, live, rule_scores, traffic, write_baseline, write_captures
from tests.any_model import agreed, any_contract, any_frame, any_table, read_json, write_features

PLAN = {"start": "2024-03-15", "end": "2024-04-12", "through": "2024-04-12", "endpoint": "visits-endpoint"}
KINDS = {name: spec["kind"] for name, spec in any_contract()["model"]["features"].items()}


def monitored(folder: Path, problem: str = "binary", table: Any = None) -> dict[str, Any]:
    write_features(
        folder / "processing/input/features", any_table(problem=problem) if table is None else table
    )
    return monitor.run(agreed(any_contract(problem)), PLAN, monitor.Places.below(folder))


@pytest.mark.parametrize(("problem", "metric"), [("binary", "roc_auc"), ("regression", "rmse")])
def test_steady_traffic_shows_no_drop_and_no_drift(tmp_path: Path, problem: str, metric: str) -> None:
    frame = live(problem=problem)
    write_captures(tmp_path, traffic(frame, rule_scores(frame, problem)))
    write_baseline(tmp_path, problem)
    report = monitored(tmp_path, problem)
    champion = report["variants"]["champion"]
    output = tmp_path / "processing/output/report"

    assert read_json(output / "report.json") == report
    assert (report["through"], report["endpoint"]) == ("2024-04-12", "visits-endpoint")
    assert champion["captured"] == champion["labelled"] == 700
    assert champion["quality"]["metric"] == metric
    assert abs(champion["quality_drop"]) < 0.05
    assert report["drift"]["drifted"] == []
    assert 0 <= report["drift"]["prediction_psi"] < 0.1
    assert report["data_quality"] == {"checked": True, "violations": []}
    assert read_json(output / "statistics.json")["dataset"]["item_count"] == 700
    assert read_json(output / "constraint_violations.json") == {"violations": []}


def test_shuffled_answers_show_a_drop(tmp_path: Path) -> None:
    frame = live()
    write_captures(tmp_path, traffic(frame, np.random.default_rng(0).permutation(rule_scores(frame))))
    write_baseline(tmp_path)
    assert monitored(tmp_path)["variants"]["champion"]["quality_drop"] > 0.1


def test_a_moved_feature_drifts_alone(tmp_path: Path) -> None:
    frame = live(shift=1.5)
    write_captures(tmp_path, traffic(frame, rule_scores(frame)))
    write_baseline(tmp_path)
    found = monitored(tmp_path, table=any_table(shift=1.5))["drift"]
    assert found["drifted"] == ["size"]
    assert found["prediction_psi"] > 0.2


def test_too_few_labels_give_no_metric_but_a_reason(tmp_path: Path) -> None:
    frame = live()
    table = any_table()
    known = np.array(table.column("event_date").to_pylist()) < "2024-03-16"
    write_captures(tmp_path, traffic(frame, rule_scores(frame)))
    write_baseline(tmp_path)
    champion = monitored(tmp_path, table=table.filter(known))["variants"]["champion"]
    assert champion["labelled"] == 25
    assert champion["metrics"] is None
    assert champion["quality_drop"] is None
    assert champion["reason"] == "25 of 700 captured rows have a label, at least 100 are needed"


def test_without_a_baseline_the_metrics_stand_alone(tmp_path: Path) -> None:
    frame = live()
    write_captures(tmp_path, traffic(frame, rule_scores(frame)))
    report = monitored(tmp_path)
    champion = report["variants"]["champion"]
    assert champion["metrics"]["roc_auc"]["value"] > 0.6
    assert champion["quality"]["reason"] == "the champion has no baseline"
    assert report["drift"]["reason"] == "the champion has no baseline"
    assert report["data_quality"]["checked"] is False


def test_a_better_challenger_shows_in_the_comparison(tmp_path: Path) -> None:
    frame = live()
    to_challenger = np.arange(len(frame)) % 2 == 1
    champion, challenger = frame.take(~to_challenger), frame.take(to_challenger)
    write_captures(tmp_path, traffic(champion, np.full(len(champion), 0.9)))
    write_captures(tmp_path, traffic(challenger, rule_scores(challenger)), "challenger")
    found = monitored(tmp_path)["comparison"]
    assert found["low"] > 0
    assert (found["champion_rows"], found["challenger_rows"]) == (350, 350)
    assert found["method"] == "welch"


def test_challenger_is_judged_by_what_both_answered_since_it_came(tmp_path: Path) -> None:
    """Answers of the champion before that count for it, and not for the verdict."""
    frame = live()
    order = np.argsort(frame.date, kind="stable")
    before, both = frame.take(order[:300]), frame.take(order[300:])
    to_challenger = np.arange(len(both)) % 2 == 1
    first = min(both.date[to_challenger].tolist())
    earlier = before.take(before.date < first)
    assert len(earlier) > 200
    champion, challenger = both.take(~to_challenger), both.take(to_challenger)
    lines = [*traffic(earlier, rule_scores(earlier)), *traffic(champion, rule_scores(champion))]
    write_captures(tmp_path, lines)
    write_captures(tmp_path, traffic(challenger, rule_scores(challenger)), "challenger")
    report = monitored(tmp_path)
    found = report["sequential"]
    assert found["since"] == f"{first}T10:00:00Z"
    assert (found["champion_rows"], found["challenger_rows"]) == (len(champion), int(to_challenger.sum()))
    assert report["variants"]["champion"]["captured"] == len(champion) + len(earlier)


RECORD = {"size": 1.0, "noise": None, "rain": 0.0, "site": "N", "grade": "a", "town": "t01"}


def test_reads_every_encoding_and_content_type(tmp_path: Path) -> None:
    folder = tmp_path / "champion/2024/03/20/10"
    folder.mkdir(parents=True)
    lines = [
        event(RECORD | {"key": "a"}, {"key": "a", "score": 0.1}),
        event(
            {"instances": [RECORD | {"key": "b"}]},
            {"predictions": [{"key": "b", "score": 0.2}]},
            encoding="BASE64",
        ),
        event("c,1,,0,N,a,t01", "0.3", content_type="text/csv", encoding="CSV"),
        event(
            "\n".join(json.dumps(RECORD | {"key": key}) for key in "de"),
            '{"key": "d", "score": 0.4}\n{"key": "e", "score": 0.5}\n',
            content_type="application/jsonlines",
        ),
        event(RECORD, {"score": 0.6}, inferenceId="f"),
    ]
    (folder / "a.jsonl").write_text("\n".join(lines))
    found = capture.read(tmp_path, KINDS)
    assert {row.key: row.score for row in found.rows} == dict(
        zip("abcdef", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], strict=True)
    )
    assert found.variants() == ["champion"]
    assert found.malformed == 0


def test_counts_what_it_cannot_read_and_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "champion/2024/03/20/10"
    folder.mkdir(parents=True)
    lines = [
        "{ not json",
        '{"captureData": {}}',
        event(RECORD, {"score": 0.5}, encoding="XML"),
        event(RECORD | {"size": "big"}, {"score": 0.5}),
        event(RECORD, {"result": 1}),
        event([RECORD, RECORD], {"score": 0.5}),
        event("{", {"error": "the payload is not JSON"}),
        event(RECORD | {"key": "good"}, {"score": 0.5}),
        event(RECORD | {"key": "good"}, {"score": 0.7}, inferenceTime="2024-03-20T11:00:00Z"),
        event(RECORD, {"score": 0.5}),
    ]
    (folder / "a.jsonl").write_text("\n".join(lines))
    found = capture.read(tmp_path, KINDS)
    counts = found.counts()
    assert {
        name: counts[name] for name in ("lines", "malformed", "refused", "duplicates", "without_key", "rows")
    } == {
        "lines": 10,
        "malformed": 6,
        "refused": 1,
        "duplicates": 1,
        "without_key": 1,
        "rows": 2,
    }
    assert [row.score for row in found.rows if row.key == "good"] == [0.7]
    reasons = [example["reason"] for example in counts["malformed_examples"]]
    assert [example["line"] for example in counts["malformed_examples"]] == [1, 2, 3, 4, 5]
    assert "not a capture record, encoding 'XML', allowed are JSON, CSV and BASE64" in reasons
    assert "input: row 1: size is of type str, allowed is a number or null" in reasons


def test_nothing_captured_is_a_report_too(tmp_path: Path) -> None:
    report = watch.report(agreed(any_contract()), capture.read(tmp_path, KINDS), {}, None, None)
    assert report["variants"] == {}
    assert report["comparison"] is None
    assert report["captures"]["files"] == 0


def test_rows_of_the_baseline_itself_have_no_psi() -> None:
    frame = any_frame()
    for values in frame.columns.values():
        assert drift.psi(values, drift.bins(values)) == pytest.approx(0, abs=1e-12)


def test_zero_has_its_own_bin_where_it_is_frequent() -> None:
    """Deciles see nothing when the share of dry hours changes; the zero bin does."""
    random = np.random.default_rng(0)
    dry, wet = (
        np.where(random.random(5000) < share, 0.0, random.exponential(1, 5000)) for share in (0.95, 0.6)
    )
    bins = drift.bins(dry)
    assert bins["has_zero_bin"]
    assert bins["shares"][1] == pytest.approx(0.95, abs=0.02)
    assert drift.psi(wet, bins) > 0.5


def test_missing_and_new_categories_count_as_drift() -> None:
    known = np.array(["a", "b"] * 200, dtype=object)
    bins = drift.bins(known)
    assert drift.psi(np.array(["a", None] * 200, dtype=object), bins) > 1
    assert drift.psi(np.array(["a", "new"] * 200, dtype=object), bins) > 1
    assert drift.psi(known[:50], bins) is None


def test_violations_name_feature_check_and_numbers() -> None:
    frame = any_frame()
    expected = statistics.constraints(frame)
    columns = {**frame.columns, "rain": -1 - frame.columns["rain"], "noise": np.full(len(frame), np.nan)}
    columns["site"] = np.full(len(frame), "elsewhere", dtype=object)
    del columns["town"]
    broken = Frame(key=frame.key, date=frame.date, label=frame.label, columns=columns)
    found = {
        (entry["feature_name"], entry["constraint_check_type"])
        for entry in statistics.violations(broken, expected)
    }
    assert found == {
        ("rain", "non_negative_check"),
        ("noise", "completeness_check"),
        ("site", "categorical_values_check"),
        ("town", "missing_column_check"),
    }
    assert statistics.violations(frame, expected) == []


def test_statistics_have_the_shape_of_model_monitor() -> None:
    content = statistics.statistics(any_frame())
    features = {entry["name"]: entry for entry in content["features"]}
    size = features["size"]["numerical_statistics"]
    assert size["common"]["num_present"] + size["common"]["num_missing"] == content["dataset"]["item_count"]
    buckets = size["distribution"]["kll"]["buckets"]
    assert len(buckets) == 10
    assert sum(bucket["count"] for bucket in buckets) == size["common"]["num_present"]
    site = features["site"]["string_statistics"]
    assert site["distinct_count"] == 3
    assert (
        sum(b["count"] for b in site["distribution"]["categorical"]["buckets"])
        == content["dataset"]["item_count"]
    )
