"""Training: from features of the plan's windows to a model folder, or to a clear error."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import train
from tabular import contract as contract_module
from tabular import metrics, models, packaging, preparation, rules, source, split, training
from tabular.families.base import TrainingDiverged
from tabular.frame import FrameError

from tests.any_model import (
    SMALL,
    WINDOWS,
    agreed,
    any_contract,
    any_frame,
    any_table,
    read_json,
    write_features,
)


def places(folder: Path, table: pa.Table | None = None, problem: str = "binary") -> train.Places:
    write_features(folder / "data", any_table(problem=problem) if table is None else table)
    return train.Places(
        features=folder / "data",
        champion=folder / "champion",
        model=folder / "model",
        output=folder / "output",
        checkpoints=folder / "checkpoints",
    )


def run(
    at: train.Places, problem: str = "binary", contract: dict | None = None, **given: Any
) -> models.TrainedModel:
    compiled = contract or any_contract(problem)
    argv = [
        text
        for name, value in {**WINDOWS, "run_id": "r1", **given}.items()
        for text in (f"--{name}", str(value))
    ]
    arguments = train.parse_arguments(argv, agreed(compiled))
    train.run(agreed(compiled), arguments, at, nthread=1)
    model = models.load(at.model)
    assert isinstance(model, models.TrainedModel)
    return model


@pytest.mark.parametrize(
    ("problem", "loss"), [("binary", "logloss"), ("multiclass", "mlogloss"), ("regression", "rmse")]
)
def test_writes_a_model_its_curves_and_metric_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], problem: str, loss: str
) -> None:
    at = places(tmp_path, problem=problem)
    model = run(at, problem)
    story = read_json(at.model / "training.json")
    printed = capsys.readouterr().out.splitlines()

    assert model.content["windows"] == {
        name: WINDOWS[name] for name in ("train_start", "train_end", "validation_end")
    }
    assert model.content["run_id"] == "r1"
    assert (model.content["threshold"] is not None) == (problem == "binary")
    assert len(printed) == len(story["rounds"]) + 1
    assert printed[-1] == printed[story["best_round"]], "what a search reads last is what is kept"
    assert f"validation-{loss}:{story['rounds'][0]['validation'][loss]:.6f}" in printed[0]
    assert model.predictor.booster.num_boosted_rounds() == story["best_round"] + 1
    assert story["rows"] == {"train": 60 * 25, "validation": 14 * 25, "fitted": 60 * 25}
    assert read_json(at.output / "training.json") == story


CANDIDATES = [
    {"name": "boosted", "family": "xgboost", "hyperparameters": dict(SMALL)},
    {"name": "simple", "family": "logistic", "hyperparameters": {"alpha": 0.001}},
    {"name": "forest", "family": "forest", "hyperparameters": {"trees": 20}},
    {"name": "together", "family": "stack", "hyperparameters": {"members": "boosted, simple", "folds": 3}},
]


@pytest.mark.parametrize("problem", ["binary", "multiclass"])
@pytest.mark.parametrize(
    ("name", "kind", "file"),
    [
        ("simple", "linear", "coefficients.json"),
        ("forest", "xgboost", "booster.ubj"),
        ("together", "stack", "members/1/coefficients.json"),
    ],
)
def test_trains_the_candidate_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], problem: str, name: str, kind: str, file: str
) -> None:
    at = places(tmp_path, problem=problem)
    model = run(at, problem, any_contract(problem, candidates=CANDIDATES), candidate=name)
    story = read_json(at.model / "training.json")
    assert (model.content["kind"], model.content["candidate"]) == (kind, name)
    assert (at.model / file).is_file()
    assert story["validation_loss"] < story["rule_loss"]
    loss = {"binary": "logloss", "multiclass": "mlogloss"}[problem]
    assert f"validation-{loss}:{story['validation_loss']:.6f}" in capsys.readouterr().out
    later = any_frame(problem).between(WINDOWS["validation_end"], WINDOWS["holdout_end"])
    rule = models.RuleModel(content=rules.rule_model(any_contract(problem)))
    found, bar = (metrics.row_loss(problem, later.label, one.scores(later)).mean() for one in (model, rule))
    assert found < bar


def test_arguments_override_the_candidate_and_these_the_defaults(tmp_path: Path) -> None:
    at = places(tmp_path)
    run(at, contract=any_contract(candidates=CANDIDATES), candidate="forest", trees=3, max_depth=4)
    given = read_json(at.model / "training.json")["hyperparameters"]
    assert (given["trees"], given["max_depth"], given["subsample"]) == (3, 4, 0.632)


def test_a_candidate_that_the_contract_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        contract_module.ContractError, match="'deep' is not in the contract, allowed are boosted"
    ):
        run(places(tmp_path), candidate="deep")


def test_a_hyperparameter_of_another_family_is_refused(tmp_path: Path) -> None:
    with pytest.raises(train.HyperparameterError, match="--eta is unknown to the family forest, allowed are"):
        run(places(tmp_path), contract=any_contract(candidates=CANDIDATES), candidate="forest", eta=0.1)


def test_stops_when_the_validation_loss_no_longer_falls(tmp_path: Path) -> None:
    at = places(tmp_path)
    run(at, num_round=200, early_stopping_rounds=4)
    story = read_json(at.model / "training.json")
    losses = [scores["validation"]["logloss"] for scores in story["rounds"]]
    assert story["stopped_early"]
    assert len(losses) == story["best_round"] + 1 + 4
    assert story["best_round"] == int(np.argmin(losses))


def test_equal_input_gives_an_equal_model(tmp_path: Path) -> None:
    first, second = places(tmp_path / "a"), places(tmp_path / "b")
    run(first)
    run(second)
    for name in ("model.json", "booster.ubj"):
        assert (first.model / name).read_bytes() == (second.model / name).read_bytes()
    stories = [read_json(at.model / "training.json") | {"seconds": 0} for at in (first, second)]
    assert stories[0] == stories[1]


def test_an_interrupted_training_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = places(tmp_path / "whole"), places(tmp_path / "broken")
    run(whole, checkpoint_rounds=5)

    def interrupt(number: int, _scores: object) -> None:
        if number == 12:
            raise KeyboardInterrupt

    monkeypatch.setattr(train, "_report", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(broken, checkpoint_rounds=5)
    monkeypatch.undo()
    run(broken, checkpoint_rounds=5)

    assert read_json(broken.model / "training.json")["resumed_at"] == 10
    for name in ("model.json", "booster.ubj"):
        assert (whole.model / name).read_bytes() == (broken.model / name).read_bytes()


def test_a_checkpoint_of_other_settings_or_damaged_is_left_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = places(tmp_path)
    run(at, checkpoint_rounds=5)
    newest = sorted(at.checkpoints.iterdir())[-1]
    newest.write_bytes(b"half a file")
    run(at, checkpoint_rounds=5, eta=0.2)
    printed = capsys.readouterr().out
    assert "is damaged and is left aside" in printed
    assert "is of other data or settings and is left aside" in printed
    assert read_json(at.model / "training.json")["resumed_at"] is None


def test_the_rows_after_the_validation_window_change_nothing(tmp_path: Path) -> None:
    table = any_table()
    known = np.array(table.column("event_date").to_pylist()) < WINDOWS["validation_end"]
    first, second = places(tmp_path / "a", table), places(tmp_path / "b", table.filter(pa.array(known)))
    run(first)
    run(second)
    assert (first.model / "booster.ubj").read_bytes() == (second.model / "booster.ubj").read_bytes()


def test_fails_when_the_model_is_no_better_than_the_rule(tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged, match="the rule baseline reaches"):
        run(places(tmp_path), eta=30.0, num_round=3)


def test_fails_when_the_loss_is_not_a_number(tmp_path: Path) -> None:
    table = any_table(problem="regression")
    label = np.array(table.column("label").to_pylist())
    label[5] = 3e38
    wild = table.set_column(table.column_names.index("label"), "label", pa.array(label))
    with pytest.raises(TrainingDiverged, match="round 0: train rmse is (inf|nan)"):
        run(places(tmp_path, wild), "regression", eta=1.0)


def with_label(value: float, every: int = 1, problem: str = "binary") -> pa.Table:
    table = any_table(problem=problem)
    label = np.array(table.column("label").to_pylist())
    label[::every] = value
    return table.set_column(table.column_names.index("label"), "label", pa.array(label))


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (with_label(3.0, 7, "multiclass"), "label 3 in a problem of 3 classes, allowed are 0 to 2"),
        (with_label(0.5, 7, "multiclass"), "label 0.5 in a problem of 3 classes"),
        (any_table(), "no training row is of class high: the contract names classes that"),
    ],
)
def test_labels_that_are_no_class_and_classes_without_a_label_are_refused(
    tmp_path: Path, table: pa.Table, says: str
) -> None:
    with pytest.raises(training.TrainingDataError, match=says):
        run(places(tmp_path, table), "multiclass")


def test_a_loss_that_is_worse_than_the_rules_fails_any_family(tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged, match="the rule baseline reaches"):
        run(
            places(tmp_path),
            contract=any_contract(candidates=CANDIDATES),
            candidate="simple",
            alpha=1e6,
        )


def test_each_fold_fits_its_own_preparation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = []
    original = preparation.training

    def watched(rows: Any, contract: Any) -> Any:
        fitted.append((min(rows.date), max(rows.date)))
        return original(rows, contract)

    monkeypatch.setattr(preparation, "training", watched)
    at = places(tmp_path)
    run(at, cross_validation=3)
    folds = read_json(at.model / "training.json")["cross_validation"]["folds"]
    whole, *parts = fitted
    assert whole[1] == "2024-02-29"
    for (_, last), fold in zip(parts, folds, strict=True):
        # Not even the days by which the fold's training stops.
        assert last < fold["train"]["until"] < fold["held_out"]["from"]


def test_cross_validation_and_learning_curve_are_told_when_asked_for(tmp_path: Path) -> None:
    at = places(tmp_path)
    run(at, cross_validation=3, learning_curve=3)
    story = read_json(at.model / "training.json")
    found = story["cross_validation"]
    assert [fold["train"]["until"] < fold["held_out"]["from"] for fold in found["folds"]] == [True] * 3
    assert found["mean"] == pytest.approx(np.mean([fold["loss"] for fold in found["folds"]]))
    assert found["mean"] < found["rule_mean"]
    curve = story["learning_curve"]
    assert [point["rows"] for point in curve] == [500, 1000, 1500]
    assert curve[-1]["validation"] == pytest.approx(story["validation_loss"])
    assert curve[-1]["validation"] - curve[-1]["train"] < curve[0]["validation"] - curve[0]["train"]


@pytest.mark.parametrize(
    ("table", "given", "error", "says"),
    [
        pytest.param(
            with_label(1.0),
            {},
            training.TrainingDataError,
            "every label of the training window is 1",
            id="one class",
        ),
        pytest.param(
            with_label(np.nan), {}, split.SplitError, "holds 0 labelled rows", id="no label is known"
        ),
        pytest.param(
            with_label(2.0, every=3),
            {},
            training.TrainingDataError,
            "label 2 in a binary problem",
            id="a third class",
        ),
        pytest.param(
            any_table(1),
            {},
            split.SplitError,
            r"the training window \[2024-01-01, 2024-03-01\) holds 60 labelled rows, at least 100",
            id="too few rows",
        ),
        pytest.param(
            any_table().drop_columns(["town"]),
            {},
            FrameError,
            "lacks the column town",
            id="a feature is absent",
        ),
        pytest.param(
            any_table(),
            {"train_start": "2023-01-01", "train_end": "2023-06-01"},
            split.SplitError,
            "holds 0 labelled rows",
            id="empty window",
        ),
        pytest.param(
            any_table(),
            {"validation_end": "2024-02-01"},
            split.SplitError,
            "the windows overlap",
            id="windows overlap",
        ),
        pytest.param(
            any_table(),
            {"train_end": "March"},
            split.SplitError,
            "train_end is 'March': allowed is a date",
            id="no date",
        ),
        pytest.param(
            any_table(),
            {"depth": 3},
            train.HyperparameterError,
            "--depth is unknown to the family xgboost, allowed are alpha",
            id="unknown hyperparameter",
        ),
        pytest.param(
            any_table(),
            {"max_depth": "deep"},
            train.HyperparameterError,
            "invalid int value: 'deep'",
            id="hyperparameter of the wrong type",
        ),
    ],
)
def test_says_why_it_cannot_train(
    tmp_path: Path, table: pa.Table, given: dict, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        run(places(tmp_path, table), **given)
    assert not (tmp_path / "model").exists()


def test_a_key_that_comes_twice_is_refused(tmp_path: Path) -> None:
    table = any_table()
    with pytest.raises(FrameError, match="1 keys more than once"):
        run(places(tmp_path, pa.concat_tables([table, table.slice(0, 1)])))


def test_uses_the_processors_of_the_instance() -> None:
    assert [train.threads({"SM_NUM_CPUS": count}) for count in ("1", "2", "16")] == [1, 2, 16]
    assert train.threads({}) == 1


def test_the_model_answers_better_than_chance_on_later_rows(tmp_path: Path) -> None:
    model = run(places(tmp_path))
    later = any_frame().between(WINDOWS["validation_end"], WINDOWS["holdout_end"])
    scores = model.scores(later)
    assert scores[later.label == 1].mean() > scores[later.label == 0].mean() + 0.15


# A quarter before WINDOWS: what the champion of a later run was trained on.
EARLIER = {
    "train_start": WINDOWS["train_start"],
    "train_end": str(date.fromisoformat(WINDOWS["train_end"]) - timedelta(days=30)),
    "validation_end": str(date.fromisoformat(WINDOWS["train_end"]) - timedelta(days=16)),
    "holdout_end": WINDOWS["train_end"],
}


def with_champion(folder: Path, **given: Any) -> train.Places:
    """Places of a run whose champion was trained earlier on the same rows."""
    before = places(folder / "before")
    run(before, **{**EARLIER, "run_id": "r0", **given})
    at = places(folder / "now")
    at.champion.mkdir()
    model, booster = read_json(before.model / "model.json"), (before.model / "booster.ubj").read_bytes()
    packed = packaging.servable(model, {"booster.ubj": booster}, source.files())
    (at.champion / "runs" / "r0" / "model").mkdir(parents=True)
    (at.champion / "runs" / "r0" / "model" / "model.tar.gz").write_bytes(packed)
    return at


def test_goes_on_from_the_champion_with_rows_that_it_has_not_seen(tmp_path: Path) -> None:
    at = with_champion(tmp_path)
    before = models.load(tmp_path / "before" / "model")
    model = run(at, start_from="champion")
    story = read_json(at.model / "training.json")

    first = before.predictor.booster.num_boosted_rounds()
    assert (story["started_from"], story["rounds_before"]) == ("r0", first)
    assert model.predictor.booster.num_boosted_rounds() == first + story["best_round"] + 1
    assert model.predictor.booster[:first].get_dump() == before.predictor.booster.get_dump(), "its trees stay"
    assert story["rows"]["train"] == 30 * 25
    assert model.content["preparation"] == before.content["preparation"]
    # What its trees have seen, the model has: an evaluation keeps away from all of it.
    assert model.content["windows"]["train_start"] == EARLIER["train_start"]
    assert model.content["windows"]["train_end"] == WINDOWS["train_end"]


def test_both_starts_are_compared_on_the_same_rows(tmp_path: Path) -> None:
    at = with_champion(tmp_path)
    model = run(at, start_from="champion", compare_starts=1)
    found = read_json(at.model / "training.json")["starts"]
    alone = places(tmp_path / "alone")
    scratch = run(alone)

    rows = {name: found[name]["rows"] for name in ("incremental", "from_nothing")}
    assert rows == {"incremental": 30 * 25, "from_nothing": 60 * 25}
    held = any_frame().between(WINDOWS["train_end"], WINDOWS["validation_end"])
    losses = [metrics.row_loss("binary", held.label, one.scores(held)) for one in (model, scratch)]
    assert found["incremental"]["validation_loss"] == pytest.approx(losses[0].mean(), abs=1e-5)
    assert found["from_nothing"]["validation_loss"] == pytest.approx(losses[1].mean(), abs=1e-5)
    assert found["paired"]["difference"] == pytest.approx((losses[1] - losses[0]).mean(), abs=1e-6)


def test_new_trees_improve_on_the_champion(tmp_path: Path) -> None:
    at = with_champion(tmp_path, num_round=3)
    model = run(at, start_from="champion")
    later = any_frame().between(WINDOWS["validation_end"], WINDOWS["holdout_end"])
    before = models.load(tmp_path / "before" / "model")
    losses = [metrics.row_loss("binary", later.label, one.scores(later)).mean() for one in (before, model)]
    assert losses[1] < losses[0]


def test_an_interrupted_training_on_the_champion_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = with_champion(tmp_path)
    given = {"start_from": "champion", "checkpoint_rounds": 2, "early_stopping_rounds": 50, "num_round": 8}
    run(at, **given)
    whole = (at.model / "booster.ubj").read_bytes()
    for file in at.checkpoints.iterdir():
        file.unlink()

    def interrupt(number: int, _scores: object) -> None:
        if number == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(train, "_report", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(at, **given)
    monkeypatch.undo()
    run(at, **given)
    assert read_json(at.model / "training.json")["resumed_at"] == 4
    assert (at.model / "booster.ubj").read_bytes() == whole


def test_a_checkpoint_of_another_champion_is_left_aside(tmp_path: Path) -> None:
    at = with_champion(tmp_path / "a")
    other = with_champion(tmp_path / "b", num_round=4)
    given = {"start_from": "champion", "checkpoint_rounds": 2, "num_round": 4}
    run(at, **given)
    run(replace(other, checkpoints=at.checkpoints), **given)
    assert read_json(other.model / "training.json")["resumed_at"] is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        pytest.param(EARLIER, "there must be new rows to train on", id="nothing new"),
        pytest.param(
            {**WINDOWS, "validation_end": EARLIER["validation_end"], "train_end": "2024-02-10"},
            "there must be new rows to train on",
            id="its validation rows are our hold-out",
        ),
    ],
)
def test_does_not_go_on_from_a_champion_that_knows_too_much(
    tmp_path: Path, given: dict[str, str], says: str
) -> None:
    at = with_champion(tmp_path, validation_end="2024-02-25", holdout_end="2024-03-20")
    with pytest.raises(train.StartError, match=says):
        run(at, **{**given, "start_from": "champion"})
    assert not at.model.exists()


def test_does_not_go_on_from_a_champion_of_other_features(tmp_path: Path) -> None:
    at = with_champion(tmp_path)
    changed = any_contract()
    dropped = next(iter(changed["model"]["features"]))
    changed["model"]["features"].pop(dropped)
    with pytest.raises(train.StartError, match="whose features are"):
        run(at, contract=changed, start_from="champion")


@pytest.mark.parametrize("name", ["simple", "forest", "together"])
def test_does_not_go_on_with_a_family_that_cannot(tmp_path: Path, name: str) -> None:
    family = next(entry["family"] for entry in CANDIDATES if entry["name"] == name)
    given = {"contract": any_contract(candidates=CANDIDATES), "candidate": name, "start_from": "champion"}
    with pytest.raises(train.StartError, match=f"the family {family} cannot go on from a model"):
        run(with_champion(tmp_path), **given)


def test_does_not_go_on_from_a_champion_of_a_family_that_cannot(tmp_path: Path) -> None:
    at = with_champion(tmp_path, contract=any_contract(candidates=CANDIDATES), candidate="forest")
    with pytest.raises(train.StartError, match="which is of the family forest, allowed is xgboost"):
        run(at, start_from="champion")


def test_does_not_go_on_from_a_rule_or_from_nothing_at_all(tmp_path: Path) -> None:
    at = places(tmp_path)
    at.champion.mkdir()
    (at.champion / "start.manifest").write_text("[]")
    with pytest.raises(models.ArtefactError, match="holds 0 files"):
        run(at, start_from="champion")
    rule = packaging.servable(rules.rule_model(any_contract()), None, source.files())
    (at.champion / "model.tar.gz").write_bytes(rule)
    with pytest.raises(train.StartError, match="a rule without trees"):
        run(at, start_from="champion")
    with pytest.raises(train.HyperparameterError, match="invalid choice: 'scratch'"):
        run(at, start_from="scratch")


def under_the_toolkit(base: Path, **given: str) -> subprocess.CompletedProcess[str]:
    """A training container's life with the toolkit's own command; what is below `base` stays."""
    code = base / "input" / "data" / "code"
    code.mkdir(parents=True, exist_ok=True)
    files = source.files() | {"contract.json": json.dumps(any_contract()).encode()}
    (code / "sourcedir.tar.gz").write_bytes(packaging.archive(files))
    write_features(base / "input" / "data" / "features", any_table())
    config = base / "input" / "config"
    for folder in (config, base / "output"):
        folder.mkdir(exist_ok=True)
    hyperparameters = {
        **WINDOWS,
        "run_id": "r1",
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": str(code / "sourcedir.tar.gz"),
        **given,
    }
    channels = {name: {"TrainingInputMode": "File"} for name in ("features", "champion", "code")}
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    (config / "inputdataconfig.json").write_text(json.dumps(channels))
    (config / "resourceconfig.json").write_text(
        json.dumps({"current_host": "localhost", "hosts": ["localhost"]})
    )
    return subprocess.run(
        [str(Path(sys.executable).parent / "train")],
        env={**os.environ, "SAGEMAKER_BASE_DIR": str(base), "ML_ROOT": str(base)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_runs_under_the_training_toolkit(tmp_path: Path) -> None:
    done = under_the_toolkit(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "validation-logloss:" in done.stdout
    assert models.load(tmp_path / "model").content["kind"] == "xgboost"
    assert not (tmp_path / "checkpoints" / "failure.json").exists()


def test_leaves_its_own_words_beside_the_checkpoints_and_goes_on_from_them_all_the_same(
    tmp_path: Path,
) -> None:
    failed = under_the_toolkit(tmp_path, checkpoint_rounds="1", eta="30", num_round="3")
    assert failed.returncode != 0
    assert "TrainingDiverged" in failed.stderr, "the log has the traceback"
    left = tmp_path / "checkpoints" / "failure.json"
    assert read_json(left)["error"] == "TrainingDiverged"
    assert "the rule baseline reaches" in read_json(left)["message"]
    assert "the rule baseline" not in (tmp_path / "output" / "failure").read_text(), (
        "so SageMaker never hears"
    )

    again = under_the_toolkit(tmp_path, checkpoint_rounds="1", eta="30", num_round="3")
    assert again.returncode != 0
    assert "is damaged" not in again.stdout

    good = under_the_toolkit(tmp_path)
    assert good.returncode == 0, good.stdout + good.stderr
    assert read_json(left) == {}, "S3 hears of it whatever the role may delete"
