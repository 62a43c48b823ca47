"""Evaluation: metrics, intervals, tests between models, and the report with the servable model."""

import io
import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import prepare
import pytest
import train
import xgboost
from scipy import stats
from sklearn import metrics as oracle
from tabular import comparison, metrics, models, packaging, rules, source, split

from tests.any_model import WINDOWS, agreed, any_contract, any_table, read_json, write_features

PLAN = {**WINDOWS, "run_id": "r20240412-0badcafe"}


def scores_and_labels(size: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    label = (random.random(size) < 0.3).astype(float)
    score = np.round(np.clip(random.normal(0.3 + 0.2 * label, 0.2), 0.01, 0.99), 2)  # rounded: ties occur
    return label, score, random.integers(0, 3, size).astype(float)


def test_binary_metrics_agree_with_scikit_learn_also_with_weights_and_ties() -> None:
    label, score, weight = scores_and_labels()
    found = metrics.Measure("binary", label, score, threshold=0.4)(weight)
    act = score >= 0.4
    expected = {
        "roc_auc": oracle.roc_auc_score(label, score, sample_weight=weight),
        "pr_auc": oracle.average_precision_score(label, score, sample_weight=weight),
        "log_loss": oracle.log_loss(label, score, sample_weight=weight),
        "brier": oracle.brier_score_loss(label, score, sample_weight=weight),
        "accuracy": oracle.accuracy_score(label, act, sample_weight=weight),
        "precision": oracle.precision_score(label, act, sample_weight=weight),
        "recall": oracle.recall_score(label, act, sample_weight=weight),
        "f1": oracle.f1_score(label, act, sample_weight=weight),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_regression_metrics_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(2)
    label, weight = random.normal(100, 10, 200), random.integers(1, 3, 200).astype(float)
    score = label + random.normal(1, 5, 200)
    found = metrics.Measure("regression", label, score)(weight)
    expected = {
        "rmse": oracle.root_mean_squared_error(label, score, sample_weight=weight),
        "mae": oracle.mean_absolute_error(label, score, sample_weight=weight),
        "r2": oracle.r2_score(label, score, sample_weight=weight),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_an_auc_of_one_class_is_absent_not_wrong() -> None:
    found = metrics.Measure("binary", np.ones(5), np.linspace(0.1, 0.9, 5), threshold=0.95)()
    assert found["roc_auc"] is None
    assert found["precision"] is None


def test_roc_points_lie_on_the_curve_of_scikit_learn() -> None:
    label, score, _ = scores_and_labels()
    rate, recall, _cuts = oracle.roc_curve(label, score, drop_intermediate=False)
    points = metrics.curves(label, score)["roc"]
    for x, y, _ in points:
        assert y == pytest.approx(np.interp(x, rate, recall), abs=0.05)
    assert points[0][:2] == (0.0, 0.0)
    assert points[-1][:2] == (1.0, 1.0)


def test_the_interval_holds_the_value_and_follows_whole_days() -> None:
    label, score, _ = scores_and_labels()
    days = np.repeat(np.arange(20), 20)

    measured = metrics.Measure("binary", label, score)

    found = metrics.intervals(measured, days)["roc_auc"]
    assert found["low"] < found["value"] < found["high"]
    assert found == metrics.intervals(measured, days)["roc_auc"]
    one_day = metrics.intervals(measured, np.zeros(400))["roc_auc"]
    assert one_day["low"] == one_day["high"]


def test_the_threshold_is_the_cheapest_cut() -> None:
    label, score, _ = scores_and_labels()
    costs = {"cost_false_positive": 1, "cost_false_negative": 3}

    def cost(cut: float) -> float:
        act = score >= cut
        return ((act & (label == 0)).sum() + 3 * (~act & (label == 1)).sum()).item()

    found = metrics.cost_threshold(label, score, costs)
    assert cost(found) == min(cost(cut) for cut in np.linspace(0, 1.01, 500))


@pytest.mark.parametrize(("labels", "acts"), [([0.0, 0.0], 0), ([1.0, 1.0], 2)])
def test_the_threshold_of_one_class_acts_never_or_always(labels: list[float], acts: int) -> None:
    score = np.array([0.2, 0.8])
    cut = metrics.cost_threshold(
        np.array(labels), score, {"cost_false_positive": 1, "cost_false_negative": 1}
    )
    assert (score >= cut).sum() == acts


def test_paired_rows_agree_with_the_paired_t_test() -> None:
    random = np.random.default_rng(3)
    ours, theirs = random.normal(0.5, 0.1, 50), random.normal(0.53, 0.1, 50)
    found = comparison.paired(ours, theirs)
    expected = stats.ttest_rel(theirs, ours)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_rows_that_share_their_days_prove_less() -> None:
    random = np.random.default_rng(4)
    days = np.repeat(np.arange(28), 100)
    gain = 0.01 + random.normal(0, 0.03, 28)[days] + random.normal(0, 0.01, 2800)
    loss = np.zeros(2800)
    by_row, by_day = comparison.paired(loss, gain), comparison.paired(loss, gain, days)
    assert by_day.groups == 28
    assert by_day.standard_error > 5 * by_row.standard_error
    daily = stats.ttest_1samp(gain.reshape(28, 100).mean(axis=1), 0)
    assert by_day.p == pytest.approx(daily.pvalue)


def test_different_rows_agree_with_welch() -> None:
    random = np.random.default_rng(5)
    ours, theirs = random.normal(0.5, 0.1, 40), random.normal(0.6, 0.3, 90)
    found = comparison.unpaired(ours, theirs)
    expected = stats.ttest_ind(theirs, ours, equal_var=False)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert comparison.unpaired(ours[:1], theirs) is None


def test_delong_agrees_with_its_definition() -> None:
    label, score, _ = scores_and_labels(120)
    other = score + np.random.default_rng(6).normal(0, 0.2, 120)
    found = comparison.delong(label, score, other)
    assert found.difference == pytest.approx(
        oracle.roc_auc_score(label, score) - oracle.roc_auc_score(label, other)
    )

    def placements(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        positive, negative = values[label == 1], values[label == 0]
        wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
        return wins.mean(axis=1), wins.mean(axis=0)

    over = [a - b for a, b in zip(placements(score), placements(other), strict=True)]
    error = np.sqrt(sum(part.var(ddof=1) / len(part) for part in over))
    assert found.standard_error == pytest.approx(error)
    assert comparison.delong(np.ones(5), np.arange(5.0), np.arange(5.0)) is None


def candidate(folder: Path, problem: str, **given: Any) -> bytes:
    compiled = any_contract(problem)
    write_features(folder / "processing/input/features", any_table(problem=problem))
    at = train.Places(
        features=folder / "processing/input/features",
        champion=folder / "nothing",
        model=folder / "model",
        output=folder / "output",
        checkpoints=folder / "checkpoints",
    )
    argv = [text for name, value in {**PLAN, **given}.items() for text in (f"--{name}", str(value))]
    arguments = train.parse_arguments(argv, agreed(compiled))
    train.run(agreed(compiled), arguments, at, nthread=1)
    return packaging.archive({path.name: path.read_bytes() for path in at.model.iterdir()})


def place(folder: Path, name: str, data: bytes) -> None:
    home = folder / "processing" / "input"
    path = home / name / "model.tar.gz"
    if name == "candidate":
        path = home / "candidates" / "boosted" / "job" / "output" / "model.tar.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if name == "candidate":
        entry = {"name": "boosted", "family": "xgboost", "path": "boosted/job/output/model.tar.gz"}
        listed = {"candidates": [entry]}
        (home / "candidates" / "candidates.json").write_text(json.dumps(listed))


def rule_archive(problem: str) -> bytes:
    return packaging.servable(rules.rule_model(any_contract(problem)), None, source.files())


def evaluated(folder: Path, problem: str) -> dict[str, Any]:
    return evaluate.run(agreed(any_contract(problem)), PLAN, evaluate.Places.below(folder))


@pytest.fixture(params=["binary", "regression"])
def problem(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_reports_candidate_champion_and_rule_on_the_same_rows(tmp_path: Path, problem: str) -> None:
    place(tmp_path, "candidate", candidate(tmp_path, problem))
    place(tmp_path, "champion", rule_archive(problem))
    report = evaluated(tmp_path, problem)
    output = tmp_path / "processing" / "output"

    assert read_json(output / "evaluation/evaluation.json") == json.loads(json.dumps(report))
    assert report["run_id"] == PLAN["run_id"]
    assert report["rows"] == {"train": 1500, "validation": 350, "holdout": 700, "days": 28}
    assert report["paired"]["champion"] == report["paired"]["rule"]
    assert report["paired"]["rule"]["low"] > 0
    assert report["paired"]["rule"]["groups"] == 28
    assert report["champion"]["overlaps_holdout"] is False
    assert report["importance"][0]["feature"] == "size"
    assert report["importance"][-1]["feature"] in ("noise", "grade", "rain")
    assert report["gap"]["validation_loss"] > report["gap"]["train_loss"]
    assert [entry["loss"] for entry in report["slices"]] == sorted(
        (e["loss"] for e in report["slices"]), reverse=True
    )
    assert sum(entry["rows"] for entry in report["calibration"]) == 700
    main = "roc_auc" if problem == "binary" else "rmse"
    metric = report["candidate"]["metrics"][main]
    assert metric["low"] < metric["value"] < metric["high"]
    if problem == "binary":
        assert sum(report["confusion"].values()) == 700
        assert (output / "evaluation/roc.csv").read_text().startswith("model,false_positive_rate")
    names = {entry["name"] for entry in read_json(output / "baseline/statistics.json")["features"]}
    assert names == set(any_contract()["model"]["features"])
    baseline = read_json(output / "baseline/baseline.json")
    assert baseline["metrics"][main] == pytest.approx(metric["value"])
    assert sum(baseline["scores"]["shares"]) == pytest.approx(1)


def test_the_servable_model_holds_the_running_code_and_loads(tmp_path: Path) -> None:
    place(tmp_path, "candidate", candidate(tmp_path, "binary"))
    place(tmp_path, "champion", rule_archive("binary"))
    evaluated(tmp_path, "binary")
    data = (tmp_path / "processing/output/model/model.tar.gz").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        packaging.extract(archive, tmp_path / "served")
    code = source.files()
    assert (tmp_path / "served/code/inference.py").read_bytes() == code["inference.py"]
    assert (tmp_path / "served/code/tabular/models.py").read_bytes() == code["tabular/models.py"]
    assert models.load(tmp_path / "served").content["run_id"] == PLAN["run_id"]


def test_a_champion_that_has_seen_the_holdout_is_reported(tmp_path: Path) -> None:
    place(tmp_path, "candidate", candidate(tmp_path, "binary"))
    later = {"train_end": "2024-03-20", "validation_end": "2024-04-05"}
    place(tmp_path, "champion", candidate(tmp_path, "binary", **later))
    report = evaluated(tmp_path, "binary")
    assert report["champion"]["fitted_until"] == "2024-04-05"
    assert report["champion"]["overlaps_holdout"] is True


def test_a_model_compared_with_itself_gains_nothing(tmp_path: Path) -> None:
    data = candidate(tmp_path, "binary")
    place(tmp_path, "candidate", data)
    place(tmp_path, "champion", data)
    paired = evaluated(tmp_path, "binary")["paired"]["champion"]
    assert (paired["difference"], paired["low"], paired["p"]) == (0.0, 0.0, 1.0)


def test_takes_the_model_of_the_built_in_algorithm(tmp_path: Path, problem: str) -> None:
    """The prepared CSV is read in the way in which the built-in algorithm reads it."""
    given = tmp_path / "processing" / "input"
    output = tmp_path / "processing" / "output"
    write_features(given / "features", any_table(problem=problem))
    prepare.run(agreed(any_contract(problem)), PLAN, tmp_path)
    lines = (output / "train/train.csv").read_text().splitlines()
    assert len(lines) == 1500
    assert any("nan" in line for line in lines)
    data = xgboost.DMatrix(f"{output}/train/train.csv?format=csv&label_column=0")
    objective = "binary:logistic" if problem == "binary" else "reg:squarederror"
    booster = xgboost.train({"objective": objective, "max_depth": 3, "nthread": 1}, data, 20)
    place(tmp_path, "candidate", packaging.archive({"xgboost-model": bytes(booster.save_raw("ubj"))}))
    place(tmp_path, "champion", rule_archive(problem))
    (given / "preparation").mkdir()
    (output / "preparation/preparation.json").rename(given / "preparation/preparation.json")

    report = evaluated(tmp_path, problem)

    assert report["paired"]["rule"]["low"] > 0
    assert (output / "model/model.tar.gz").is_file()


@pytest.mark.parametrize(
    ("archive", "says"),
    [
        pytest.param(b"not an archive", "cannot be unpacked", id="no archive"),
        pytest.param(
            packaging.archive({"readme": b""}),
            "no model.json in the model folder, it holds readme",
            id="no model",
        ),
        pytest.param(
            rule_archive("binary"), "the candidate is a rule, allowed is a trained model", id="a rule"
        ),
    ],
)
def test_a_damaged_candidate_is_named(tmp_path: Path, archive: bytes, says: str) -> None:
    write_features(tmp_path / "processing/input/features", any_table())
    place(tmp_path, "candidate", archive)
    place(tmp_path, "champion", rule_archive("binary"))
    with pytest.raises(models.ArtefactError, match=says):
        evaluated(tmp_path, "binary")


def test_a_holdout_without_labels_is_refused(tmp_path: Path) -> None:
    write_features(tmp_path / "processing/input/features", any_table().slice(0, 74 * 25))
    with pytest.raises(
        split.SplitError, match=r"the hold-out window \[2024-03-15, 2024-04-12\) holds 0 labelled"
    ):
        evaluated(tmp_path, "binary")


def from_a_zip(folder: Path, **dates: str) -> subprocess.CompletedProcess[str]:
    """As the processing job starts it."""
    code = folder / "code.zip"
    with zipfile.ZipFile(code, "w") as archive:
        for name, data in {**source.files(), "contract.json": json.dumps(any_contract()).encode()}.items():
            archive.writestr(name, data)
    environment = {
        "ML_ROOT": str(folder),
        "PATH": "/usr/bin",
        **{name.upper(): day for name, day in {**WINDOWS, **dates}.items()},
    }
    return subprocess.run(
        [sys.executable, str(code), "evaluate", "--run_id", "r1"],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_runs_from_a_zip_as_a_processing_job_does(tmp_path: Path) -> None:
    place(tmp_path, "candidate", candidate(tmp_path, "binary"))
    place(tmp_path, "champion", rule_archive("binary"))
    done = from_a_zip(tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run_id"] == "r1"
    with tarfile.open(tmp_path / "processing/output/model/model.tar.gz") as model:
        assert "code/tabular/models.py" in model.getnames()
    assert not (tmp_path / "output" / "message").exists(), "a job that went well has no message"


def test_a_processing_job_that_fails_leaves_its_own_words_as_exit_message(tmp_path: Path) -> None:
    write_features(tmp_path / "processing/input/features", any_table())
    done = from_a_zip(tmp_path, holdout_end="2024-03-15")
    assert done.returncode != 0
    assert "SplitError" in done.stderr, "the log has the traceback"
    message = (tmp_path / "output" / "message").read_text()
    assert message.startswith("SplitError: the windows overlap or are empty: train_start 2024-01-01")
