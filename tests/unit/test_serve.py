"""Serving: an accepted payload gets its scores, any other a 4xx: what was sent and what is allowed."""

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import inference
import numpy as np
import pyarrow.parquet as pq
import pytest
import xgboost
from tabular import families, models, packaging, payload, preparation, rules, source, split, training
from tabular.families import arguments
from tabular.frame import Frame

from tests.any_model import SMALL, WINDOWS, agreed, any_contract, any_frame, any_table, training_rows

LINES = "application/jsonlines"


def save_booster(folder: Path, problem: str = "binary") -> Path:
    contract = agreed(any_contract(problem))
    train = training_rows(any_frame(problem), WINDOWS["train_start"], WINDOWS["train_end"])
    prepared, matrix = preparation.fit(train, contract.features)
    objective = "binary:logistic" if contract.is_binary else "reg:squarederror"
    parameters = {"objective": objective, "max_depth": SMALL["max_depth"], "nthread": 1}
    booster = xgboost.train(parameters, xgboost.DMatrix(matrix, train.label), 15)
    content = models.content(
        contract,
        prepared,
        split.Windows.of(WINDOWS),
        kind="xgboost",
        family="xgboost",
        run_id="r1",
        threshold=0.4 if contract.is_binary else None,
        algorithm="script",
    )
    folder.mkdir(exist_ok=True)
    (folder / "model.json").write_text(json.dumps(content))
    booster.save_model(folder / "booster.ubj")
    return folder


def save_rule(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "model.json").write_text(json.dumps(rules.rule_model(any_contract())))
    return folder


@pytest.fixture(scope="module")
def booster(tmp_path_factory: pytest.TempPathFactory) -> models.Model:
    return inference.model_fn(str(save_booster(tmp_path_factory.mktemp("m") / "model")))


@pytest.fixture(scope="module")
def rule(tmp_path_factory: pytest.TempPathFactory) -> models.Model:
    return inference.model_fn(str(save_rule(tmp_path_factory.mktemp("m") / "model")))


def answer(model: models.Model, body: Any, content_type: str, accept: str = LINES) -> Any:
    """As the image's server calls the handlers."""
    return inference.output_fn(inference.predict_fn(inference.input_fn(body, content_type), model), accept)


def scores(model: models.Model, body: Any, content_type: str) -> list[float]:
    text, given = answer(model, body, content_type)
    assert given == LINES
    return [json.loads(line)["score"] for line in text.splitlines()]


def bodies(frame: Frame) -> dict[str, Any]:
    records = [frame.record(index) for index in range(len(frame))]
    text = "\n".join(
        ",".join("" if value is None else str(value) for value in record.values()) for record in records
    )
    buffer = io.BytesIO()
    pq.write_table(any_table().slice(0, len(frame)), buffer)
    return {
        "application/json": json.dumps({"instances": records}),
        LINES: "\n".join(json.dumps(record) for record in records).encode(),
        "text/csv": text,
        "application/x-parquet": buffer.getvalue(),
    }


@pytest.mark.parametrize("content_type", ["application/json", LINES, "text/csv", "application/x-parquet"])
@pytest.mark.parametrize("rows", [3, 200], ids=["row by row", "by columns"])
def test_every_format_gets_the_scores_of_the_evaluation(
    booster: models.Model, rule: models.Model, content_type: str, rows: int
) -> None:
    frame = any_frame().take(np.arange(rows))
    for model in (booster, rule):
        expected = model.scores(frame)
        found = scores(model, bodies(frame)[content_type], content_type)
        np.testing.assert_array_equal(found, expected)


def test_one_object_gets_one_object_and_its_key(booster: models.Model) -> None:
    record = any_frame().record(0)
    text, given = answer(booster, json.dumps(record), "application/json; charset=utf-8", "application/json")
    content = json.loads(text)
    assert given == "application/json"
    assert content["key"] == record["key"]
    assert content["label"] == int(content["score"] >= 0.4)


def test_instances_get_predictions_in_their_order(booster: models.Model) -> None:
    records = [any_frame().record(index) for index in range(3)]
    text, _ = answer(booster, json.dumps({"instances": records}), "application/json", "application/json")
    assert [entry["key"] for entry in json.loads(text)["predictions"]] == [
        record["key"] for record in records
    ]


def test_csv_scores_on_request(booster: models.Model) -> None:
    text, given = answer(booster, bodies(any_frame().take(np.arange(2)))["text/csv"], "text/csv", "text/csv")
    assert given == "text/csv"
    assert [float(line) for line in text.split()] == booster.scores(any_frame().take(np.arange(2))).tolist()


def test_a_regression_model_answers_without_a_label(tmp_path: Path) -> None:
    model = inference.model_fn(str(save_booster(tmp_path / "model", "regression")))
    text, _ = answer(model, json.dumps(any_frame("regression").record(0)), "application/json")
    content = json.loads(text)
    assert "label" not in content
    assert 0 < content["score"] < 200


def test_unknown_fields_and_categories_are_scored(booster: models.Model) -> None:
    record = any_frame().record(0) | {"town": "somewhere new", "comment": "hello"}
    assert 0 < scores(booster, json.dumps(record), "application/json")[0] < 1


RECORD = {"key": "k", "size": 1.0, "noise": 0.0, "rain": 0.0, "site": "N", "grade": "a", "town": "t01"}


@pytest.mark.parametrize(
    ("body", "content_type", "status", "says"),
    [
        pytest.param(
            b"", "image/png", 415, "content type 'image/png', allowed are application/json", id="content type"
        ),
        pytest.param("{", "application/json", 400, "the payload is not JSON", id="no json"),
        pytest.param(
            "3", "application/json", 400, "the payload is int, allowed is one object", id="a number"
        ),
        pytest.param("[3]", "application/json", 400, "row 1 is int, allowed is an object", id="no object"),
        pytest.param("[]", "application/json", 400, "holds no row", id="no row"),
        pytest.param(
            '{"size": 1, "sizes": 2}',
            "application/json",
            400,
            "row 1 lacks noise, rain, site, grade, town, not known are sizes",
            id="features absent",
        ),
        pytest.param(
            json.dumps(RECORD | {"size": "big"}),
            "application/json",
            400,
            "size is of type str, allowed is a number or null",
            id="text for a number",
        ),
        pytest.param(
            json.dumps(RECORD | {"size": True}),
            "application/json",
            400,
            "size is of type bool",
            id="boolean for a number",
        ),
        pytest.param(
            json.dumps(RECORD | {"town": 4}),
            "application/json",
            400,
            "town is of type int, allowed is text or null",
            id="number for text",
        ),
        pytest.param(
            json.dumps(RECORD | {"size": 1e999}),
            "application/json",
            400,
            "allowed is a finite number",
            id="infinite",
        ),
        pytest.param(b"\xff\xfe", LINES, 400, "not UTF-8", id="no text"),
        pytest.param(b'{"a": 1}\n{', LINES, 400, "line 2 is not JSON", id="no json in line 2"),
        pytest.param(
            "1,2",
            "text/csv",
            400,
            "line 1 has 2 values, allowed are 6 in the order size, noise",
            id="too few values",
        ),
        pytest.param(
            "x,0,0,N,a,t01",
            "text/csv",
            400,
            "size is of type str, allowed is a number or nothing",
            id="text in csv",
        ),
        pytest.param(b"PAR1", "application/x-parquet", 400, "not a Parquet file", id="no parquet"),
    ],
)
def test_refuses_with_what_was_sent_and_what_is_allowed(
    booster: models.Model, body: Any, content_type: str, status: int, says: str
) -> None:
    response = answer(booster, body, content_type)
    assert response.status_code == status
    assert says in json.loads(response.get_data())["error"]


def test_a_refusal_does_not_repeat_the_value(booster: models.Model) -> None:
    response = answer(booster, json.dumps(RECORD | {"size": "secret-123"}), "application/json")
    assert b"secret-123" not in response.get_data()


def test_an_answer_that_cannot_be_given_is_refused(booster: models.Model) -> None:
    response = answer(booster, json.dumps(RECORD), "application/json", "image/png")
    assert response.status_code == 406
    assert "allowed are application/jsonlines" in json.loads(response.get_data())["error"]


def test_too_many_rows_are_refused(booster: models.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload, "MAXIMUM_ROWS", 2)
    assert answer(booster, json.dumps([RECORD] * 3), "application/json").status_code == 413


def test_threads_get_the_answers_of_their_own_rows(booster: models.Model) -> None:
    frame = any_frame()
    expected, found = booster.scores(frame), np.zeros(len(frame))

    def work(start: int) -> None:
        for index in range(start, 400, 4):
            found[index] = scores(booster, json.dumps(frame.record(index)), "application/json")[0]

    workers = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    np.testing.assert_array_equal(found[:400], expected[:400])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        pytest.param(
            lambda folder: (folder / "booster.ubj").unlink(),
            "no booster.ubj in the model folder, it holds model.json",
            id="no booster",
        ),
        pytest.param(
            lambda folder: (folder / "booster.ubj").write_bytes(b"x" * 50),
            "booster.ubj is not a booster",
            id="damaged booster",
        ),
        pytest.param(
            lambda folder: (folder / "model.json").unlink(),
            "no model.json in the model folder, it holds booster.ubj",
            id="no model.json",
        ),
        pytest.param(
            lambda folder: (folder / "model.json").write_text("{"),
            "model.json is not JSON",
            id="damaged model.json",
        ),
        pytest.param(
            lambda folder: (folder / "model.json").write_text('{"format": 1, "kind": "net"}'),
            "allowed are format 1 and rule, xgboost, linear, kmeans, stack, factorisation",
            id="unknown kind",
        ),
    ],
)
def test_a_damaged_artefact_does_not_start(tmp_path: Path, damage: Any, says: str) -> None:
    folder = save_booster(tmp_path / "model")
    damage(folder)
    with pytest.raises(models.ArtefactError, match=says):
        inference.model_fn(str(folder))


def test_a_booster_of_another_model_does_not_start(tmp_path: Path) -> None:
    folder = save_booster(tmp_path / "model")
    content = json.loads((folder / "model.json").read_text())
    content["preparation"]["steps"].pop()
    (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(models.ArtefactError, match="the two files belong to different models"):
        inference.model_fn(str(folder))


def test_the_rule_baseline_serves_without_importing_xgboost(tmp_path: Path) -> None:
    folder = save_rule(tmp_path / "model")
    script = (
        "import json, sys, inference\n"
        f"model = inference.model_fn({str(folder)!r})\n"
        f"data = inference.input_fn({json.dumps(RECORD)!r}, 'application/json')\n"
        "print(inference.output_fn(inference.predict_fn(data, model), None)[0])\n"
        "assert 'xgboost' not in sys.modules and 'pandas' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=source.ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"key": "k", "score": 0.6, "label": 1}


def save_family(folder: Path, family: str, **given: Any) -> Path:
    contract = agreed(any_contract())
    rows = training_rows(any_frame(), WINDOWS["train_start"], WINDOWS["train_end"])
    prepared, fitted = training.fit_preparation(contract, rows)
    plan = training.Plan(family=family, hyperparameters=arguments.typed(family, given))
    asked = training.task(contract, prepared, plan, fitted)
    trained = families.fit(family, fitted, fitted, dict(plan.hyperparameters), asked)
    content = models.content(
        contract,
        prepared,
        split.Windows.of(WINDOWS),
        kind=trained.predictor.kind,
        family=family,
        run_id="r1",
        threshold=0.4,
        algorithm="script",
    )
    folder.mkdir()
    (folder / "model.json").write_text(json.dumps(content))
    for name, data in trained.predictor.files().items():
        (folder / name).write_bytes(data)
    return folder


def test_a_linear_model_serves_with_numpy_alone(tmp_path: Path) -> None:
    folder = save_family(tmp_path / "model", "logistic")
    script = (
        "import json, sys, inference\n"
        f"model = inference.model_fn({str(folder)!r})\n"
        f"data = inference.input_fn({json.dumps(RECORD)!r}, 'application/json')\n"
        "print(inference.output_fn(inference.predict_fn(data, model), None)[0])\n"
        "found = [name for name in ('xgboost', 'sklearn', 'scipy', 'pandas') if name in sys.modules]\n"
        "assert not found, found\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=source.ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    expected = models.load(folder).score(RECORD)
    assert json.loads(done.stdout)["score"] == expected


@pytest.mark.parametrize("family", ["logistic", "tree", "forest"])
@pytest.mark.parametrize("rows", [3, 200], ids=["row by row", "by columns"])
def test_every_family_serves_the_scores_of_the_evaluation(tmp_path: Path, family: str, rows: int) -> None:
    model = inference.model_fn(str(save_family(tmp_path / "model", family)))
    frame = any_frame().take(np.arange(rows))
    np.testing.assert_array_equal(scores(model, bodies(frame)[LINES], LINES), model.scores(frame))


def test_an_array_that_would_run_code_is_not_loaded(tmp_path: Path) -> None:
    """A pickled array can run anything when it is read: the file is refused, and nothing is run."""

    class Planted:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "was run",))

    planted = np.array([Planted()], dtype=object)
    np.savez(tmp_path / "factors.npz", users=planted, items=planted, shape=np.array([0, 1, 2]))
    with pytest.raises(models.ArtefactError, match="holds no factors"):
        families.load("factorisation", tmp_path)
    assert not (tmp_path / "was run").exists()
    np.load(tmp_path / "factors.npz", allow_pickle=True)["users"]
    assert (tmp_path / "was run").exists(), "what was planted does run"


def test_the_rule_reads_a_missing_value_as_not_met(rule: models.Model) -> None:
    assert rule.score(RECORD | {"size": None}) == 0.3
    assert rule.score(RECORD | {"site": "S"}) == 0.5


def test_equal_models_pack_to_equal_bytes() -> None:
    content = rules.rule_model(any_contract())
    first = packaging.servable(content, {"b": b"b"}, source.files())
    again = packaging.servable(
        dict(reversed(content.items())), {"b": b"b"}, dict(reversed(source.files().items()))
    )
    assert first == again
    with pytest.raises(ValueError, match=r"the source has no inference.py"):
        packaging.servable(content, None, {"tabular/models.py": b""})


def test_the_code_installs_without_a_network(tmp_path: Path) -> None:
    """The image runs `pip install .` on the code before it serves or trains, in network isolation too."""
    code = tmp_path / "code"
    for name, data in source.files().items():
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_bytes(data)
    (code / "setup.py").write_text("from setuptools import setup; setup()")  # the image adds one
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        ".",
        "--no-index",
        "--no-cache-dir",
        "--target",
        str(tmp_path / "site"),
    ]
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, cwd=code, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "inference.py").is_file()
    assert (tmp_path / "site" / "tabular" / "models.py").is_file()
