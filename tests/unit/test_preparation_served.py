"""Training, batch scoring and endpoint prepare alike, by models of today and of before."""

import json
import subprocess
import sys
from pathlib import Path

import inference
import numpy as np
import prepare
import pyarrow as pa
import pytest
import train
from tabular import contract, models, preparation, split
from tabular.frame import Frame, from_table, read

import contracts
from tests.any_model import (
    WINDOWS,
    agreed,
    any_contract,
    any_table,
    training_rows,
    write_features,
)
from tests.any_preparation import STEPS, any_rows, number

RICH = {
    "size": number(imputation="knn", scaling="z_score"),
    "noise": number(imputation="iterative", outliers={"method": "cap", "rule": "z"}),
    "rain": number(imputation="constant", value=0, outliers={"method": "log"}),
    "site": {"kind": "categorical", "encoding": "one_hot", "imputation": "mode"},
    "town": {"kind": "categorical", "encoding": "target", "imputation": "none"},
    "remark": {
        "kind": "text",
        "encoding": "lsa",
        "imputation": "none",
        "terms": 6,
        "dimensions": 2,
        "stop_words": "english",
    },
}
TOGETHER = {
    "interactions": [["size", "noise"]],
    "pca": {"features": ["size", "noise"], "components": 1, "replace": False},
    "imbalance": {"method": "oversample", "ratio": 0.9},
}
# A preparation as models hold it that were trained before format 2.
FORMAT_1 = {
    "format": 1,
    "columns": ["a", "b", "site=N", "site=S", "grade", "gate"],
    "steps": [
        {"name": "a", "kind": "numeric", "encoding": "passthrough", "fill": None},
        {"name": "b", "kind": "numeric", "encoding": "passthrough", "fill": 2.5},
        {"name": "site", "kind": "categorical", "encoding": "one_hot", "fill": "S", "categories": ["N", "S"]},
        {
            "name": "grade",
            "kind": "categorical",
            "encoding": "ordinal",
            "fill": None,
            "categories": ["x", "y"],
        },
        {
            "name": "gate",
            "kind": "categorical",
            "encoding": "target",
            "fill": None,
            "categories": ["g0", "g1"],
            "means": [0.25, 0.75],
            "prior": 0.4,
        },
    ],
}


def with_remarks(table: pa.Table) -> pa.Table:
    random = np.random.default_rng(8)
    words = ["long", "queue", "at", "the", "gate", "dark", "wet", "floor", "no", "complaint", "new", "paint"]
    remarks = [
        None if random.random() < 0.1 else " ".join(random.choice(words, 5)) for _ in range(len(table))
    ]
    return table.append_column("remark", pa.array(remarks))


def test_trained_endpoint_and_batch_scores_are_equal(tmp_path: Path) -> None:
    compiled = any_contract(features=RICH, preparation=TOGETHER)
    table = with_remarks(any_table(rows_per_day=8))
    at = train.Places(
        features=write_features(tmp_path / "data", table),
        champion=tmp_path / "champion",
        model=tmp_path / "model",
        output=tmp_path / "output",
        checkpoints=tmp_path / "checkpoints",
    )
    argv = [text for name, value in WINDOWS.items() for text in (f"--{name}", value)]
    arguments = train.parse_arguments([*argv, "--num_round=10"], agreed(compiled))
    train.run(agreed(compiled), arguments, at, nthread=1)
    loaded = inference.model_fn(str(at.model))
    rows = read(at.features, agreed(compiled).kinds).between(
        WINDOWS["validation_end"], WINDOWS["holdout_end"]
    )
    assert len(rows) > inference.COLUMNWISE_FROM

    records = [rows.record(index) for index in range(len(rows))]
    one_by_one = [answer(loaded, [record])[0] for record in records]

    np.testing.assert_array_equal(one_by_one, answer(loaded, records))
    np.testing.assert_array_equal(one_by_one, loaded.scores(rows))
    assert np.std(one_by_one) > 0.05
    assert set(RICH) == set(loaded.content["features"])


def answer(model: models.Model, records: list[dict]) -> list[float]:
    body = "\n".join(map(json.dumps, records))
    scored = inference.predict_fn(inference.input_fn(body, "application/jsonlines"), model)
    assert isinstance(scored, inference.Scored)
    return list(scored.scores)


@pytest.mark.parametrize("name", ["flights", "diabetes"])
def test_shipped_preparation_is_the_same_for_one_as_for_all(name: str) -> None:
    contract_of = contract.parse(contracts.load(name))
    random, size = np.random.default_rng(1), 400
    columns = {
        feature: np.where(
            random.random(size) < 0.1,
            np.nan if kind == "numeric" else None,
            random.gamma(4, 10, size) if kind == "numeric" else random.choice(["a", "b", "c"], size),
        )
        for feature, kind in contract_of.kinds.items()
    }
    rows = Frame(
        key=np.arange(size).astype(str).astype(object),
        date=np.full(size, "2024-01-01"),
        label=random.integers(0, 2, size).astype(float),
        columns=columns,
    )
    prepared, fitted = preparation.training(training_rows(rows), contract_of)
    restored = preparation.Preparation.from_json(json.loads(json.dumps(prepared.to_json())))
    lines = np.vstack([restored.row(rows.record(index)) for index in range(size)])
    np.testing.assert_array_equal(lines, prepared.matrix(rows))
    assert fitted.matrix.shape == lines.shape


def test_a_preparation_of_format_1_still_prepares() -> None:
    prepared = preparation.Preparation.from_json(FORMAT_1)
    nan = np.nan
    records = [
        ({"a": 1.5, "b": 3, "site": "N", "grade": "y", "gate": "g1"}, [1.5, 3, 1, 0, 1, 0.75]),
        ({"a": None, "b": None, "site": None, "grade": None, "gate": None}, [nan, 2.5, 0, 1, nan, 0.4]),
        ({"a": 0, "b": 0, "site": "W", "grade": "z", "gate": "g9"}, [0, 0, 0, 0, nan, 0.4]),
    ]
    for record, expected in records:
        np.testing.assert_allclose(prepared.row(record)[0], expected, rtol=1e-6)
    assert prepared.columns == FORMAT_1["columns"]
    assert prepared.features == ["a", "b", "site", "site", "grade", "gate"]
    again = preparation.Preparation.from_json(prepared.to_json())
    assert again.to_json() == prepared.to_json()
    assert again.to_json()["format"] == 2


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(preparation.PreparationError, match="format 3, allowed are 1 and 2"):
        preparation.Preparation.from_json({"format": 3})


def test_a_text_column_is_read_as_text() -> None:
    table = with_remarks(any_table(rows_per_day=1))
    frame = from_table(table, {"remark": "text"})
    assert frame.columns["remark"].dtype == object
    assert set(map(type, frame.columns["remark"])) == {str, type(None)}


def test_serving_needs_no_library_that_fits() -> None:
    """It would add a second or two to the start of an endpoint."""
    rows = any_rows()
    contract_of = agreed(any_contract(features=STEPS["all at once"][0], preparation=STEPS["all at once"][1]))
    prepared, _ = preparation.training(rows, contract_of)
    script = (
        "import json, sys\n"
        "from tabular.preparation import Preparation\n"
        "given = json.load(sys.stdin)\n"
        "row = Preparation.from_json(given['preparation']).row(given['record'])\n"
        "print(json.dumps([row.tolist(), sorted({'sklearn', 'scipy', 'pandas'} & set(sys.modules))]))\n"
    )
    sent = json.dumps({"preparation": prepared.to_json(), "record": rows.record(3)})
    source = Path(preparation.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script], input=sent, capture_output=True, text=True, cwd=source, check=True
    )
    line, imported = json.loads(done.stdout)
    assert imported == []
    np.testing.assert_array_equal(np.array(line, dtype=np.float32), prepared.row(rows.record(3)))


def test_the_built_in_algorithm_gets_resampled_rows_but_no_weights(tmp_path: Path) -> None:
    """Its CSV has the label first, and no column of weights."""
    write_features(tmp_path / "processing/input/features", any_table(rows_per_day=4))

    def prepared(method: str) -> list[float]:
        compiled = any_contract(preparation={"imbalance": {"method": method}})
        prepare.run(agreed(compiled), WINDOWS, tmp_path)
        lines = (tmp_path / "processing/output/train/train.csv").read_text().splitlines()
        return [float(line.split(",")[0]) for line in lines]

    assert np.mean(prepared("none")) < 0.45
    assert np.mean(prepared("oversample")) == 0.5
    with pytest.raises(preparation.PreparationError, match="weights reach no built-in algorithm"):
        prepared("weights")


def test_split_says_which_rows_train() -> None:
    rows = any_rows()
    windows = split.Windows(
        train_start="2024-01-01",
        train_end="2024-01-11",
        validation_end="2024-01-21",
        holdout_end="2024-02-01",
    )
    parts = split.split(rows, windows)
    assert [len(part) for part in (parts.train, parts.validation, parts.holdout)] == [100, 100, 100]
    assert isinstance(parts.train, split.TrainingRows)
    assert type(parts.validation) is type(parts.holdout) is Frame
