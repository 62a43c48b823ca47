"""Every problem type on real data: named in the contract, trained, and better than its rule on later rows."""

import functools
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import inference
import numpy as np
import pyarrow as pa
import pytest
import train
from sklearn import datasets
from tabular import metrics, models, rules, training
from tabular.families import factorisation
from tabular.families.base import TrainingDiverged
from tabular.frame import Frame, from_table

from contracts.flights import replay
from tests.any_model import WINDOWS, agreed, any_contract, read_json, write_features

LINES = "application/jsonlines"
NUMERIC = {"kind": "numeric", "encoding": "passthrough", "imputation": "none"}
NAMED = {"kind": "categorical", "encoding": "ordinal", "imputation": "none"}
DAYS = np.arange(np.datetime64(WINDOWS["train_start"]), np.datetime64(WINDOWS["holdout_end"])).astype(str)


def dated(columns: dict[str, Any], label: np.ndarray, days: np.ndarray | None = None) -> pa.Table:
    """A feature table; without days the rows are spread evenly over those of WINDOWS."""
    rows = len(label)
    spread = DAYS[np.arange(rows) * len(DAYS) // rows] if days is None else days
    keys = [f"{place:06d}" for place in range(rows)]
    return pa.table({"key": keys, "event_date": spread, **columns, "label": label.astype(float)})


def contract(problem: str, features: dict[str, Any], rule: dict[str, Any], **model: Any) -> dict[str, Any]:
    return any_contract(problem, features=features, rule_baseline=rule, hyperparameters={}, **model)


def trained(folder: Path, compiled: dict[str, Any], table: pa.Table, **given: Any) -> models.TrainedModel:
    at = train.Places(
        features=write_features(folder / "data", table),
        champion=folder / "champion",
        model=folder / "model",
        output=folder / "output",
        checkpoints=folder / "checkpoints",
    )
    texts = [f"--{name}={value}" for name, value in {**WINDOWS, "run_id": "r1", **given}.items()]
    train.run(agreed(compiled), train.parse_arguments(texts, agreed(compiled)), at, nthread=1)
    model = models.load(at.model)
    assert isinstance(model, models.TrainedModel)
    return model


def holdout(compiled: dict[str, Any], table: pa.Table) -> Frame:
    frame = from_table(table, agreed(compiled).kinds)
    windows = YEAR if agreed(compiled).problem == "forecasting" else WINDOWS
    return frame.between(windows["validation_end"], windows["holdout_end"])


def losses(compiled: dict[str, Any], model: models.TrainedModel, table: pa.Table) -> tuple[float, float]:
    """Of model and rule on the hold-out rows."""
    later = holdout(compiled, table)
    rule = models.RuleModel(content=rules.rule_model(compiled))
    found = [
        metrics.row_loss(model.content["problem"], later.label, one.scores(later)) for one in (model, rule)
    ]
    return float(found[0].mean()), float(found[1].mean())


@functools.cache
def bundled(name: str) -> pa.Table:
    matrix, label = getattr(datasets, f"load_{name}")(return_X_y=True)
    order = np.random.default_rng(4).permutation(len(label))
    columns = {f"x{place:02d}": matrix[order, place] for place in range(matrix.shape[1])}
    return dated(columns, label[order])


def numbers(table: pa.Table) -> dict[str, Any]:
    return {name: NUMERIC for name in table.column_names if name.startswith("x")}


DIGITS = [f"digit {number}" for number in range(10)]
EVEN = [0.1] * 10


def digits() -> dict[str, Any]:
    return contract(
        "multiclass",
        numbers(bundled("digits")),
        {"description": "any digit", "default": EVEN, "rules": []},
        classes=DIGITS,
        candidates=[
            {"name": "simple", "family": "logistic", "hyperparameters": {"alpha": 0.001}},
            {"name": "forest", "family": "forest", "hyperparameters": {"trees": 20}},
        ],
    )


@pytest.mark.parametrize("name", ["simple", "forest"])
def test_digits_are_told_apart(tmp_path: Path, name: str) -> None:
    compiled, table = digits(), bundled("digits")
    model = trained(tmp_path, compiled, table, candidate=name)
    ours, simple = losses(compiled, model, table)
    assert ours < 0.4 * simple
    later = holdout(compiled, table)
    assert (model.scores(later).argmax(axis=1) == later.label).mean() > 0.85


def test_the_endpoint_names_the_class_and_gives_every_probability(tmp_path: Path) -> None:
    compiled, table = digits(), bundled("digits")
    trained(tmp_path, compiled, table)
    model = inference.model_fn(str(tmp_path / "model"))
    later = holdout(compiled, table)
    for rows in (1, 80):  # row by row, and by columns
        records = [later.record(place) for place in range(rows)]
        answers = inference.predict_fn(
            inference.Body(content="\n".join(map(json.dumps, records)), content_type=LINES), model
        )
        text, _ = inference.output_fn(answers, LINES)
        for place, line in enumerate(text.splitlines()):
            answer = json.loads(line)
            expected = dict(zip(DIGITS, model.scores(later.take(np.array([place])))[0], strict=True))
            assert answer["probabilities"] == pytest.approx(expected)
            assert answer["label"] == max(expected, key=expected.__getitem__)
            assert answer["score"] == pytest.approx(max(expected.values()))
    text, _ = inference.output_fn(answers, "text/csv")
    assert sum(map(float, text.splitlines()[0].split(","))) == pytest.approx(1)


def test_a_rule_may_name_a_class_and_serves_as_well(tmp_path: Path) -> None:
    compiled = digits()
    compiled["model"]["rule_baseline"] = {
        "description": "a full middle is no zero",
        "default": "digit 0",
        "rules": [{"when": [{"feature": "x28", "op": ">=", "value": 8}], "score": "digit 8"}],
    }
    rule = models.RuleModel(content=rules.rule_model(compiled))
    later = holdout(compiled, bundled("digits"))
    scores = rule.scores(later)
    assert scores.shape == (len(later), 10)
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    assert set(scores.argmax(axis=1)) == {0, 8}
    assert rule.score(later.record(3)) == scores[3].tolist()


def test_the_progression_of_a_disease_is_measured(tmp_path: Path) -> None:
    table = bundled("diabetes")
    compiled = contract(
        "regression",
        numbers(table),
        {"description": "the mean of many", "default": 150, "rules": []},
        candidates=[{"name": "ridge", "family": "linear", "hyperparameters": {"alpha": 0.1}}],
    )
    ours, simple = losses(compiled, trained(tmp_path, compiled, table), table)
    assert ours < 0.75 * simple


YEAR = {
    "train_start": "2013-01-01",
    "train_end": "2013-09-01",
    "validation_end": "2013-10-01",
    "holdout_end": "2013-12-01",
}


@functools.cache
def weather() -> pa.Table:
    """Hourly temperatures at one airport, with what was measured a day and two days before."""
    rows = [row for row in replay.records("weather", None, date(2013, 12, 1)) if row["origin"] == "JFK"]
    hours = [datetime.fromisoformat(row["time_hour"]).astimezone(UTC) for row in rows]
    place = np.array([int(hour.timestamp()) // 3600 for hour in hours])
    series = {name: _series(rows, place, name) for name in ("temp", "dewp", "pressure", "wind_speed")}
    columns = {
        "day_before": series["temp"](24),
        "two_days_before": series["temp"](48),
        "dew_point": series["dewp"](24),
        "pressure": series["pressure"](24),
        "falling": series["pressure"](24) - series["pressure"](36),
        "wind": series["wind_speed"](24),
        "warming": series["temp"](24) - series["temp"](27),
        "hour": np.array([hour.hour for hour in hours], dtype=float),
    }
    days = np.array([hour.date().isoformat() for hour in hours])
    known = np.isfinite(columns["two_days_before"])
    filtered = {name: pa.array(values[known], from_pandas=True) for name, values in columns.items()}
    return dated(filtered, series["temp"](0)[known], days[known])


def _series(rows: list[dict[str, Any]], place: np.ndarray, name: str) -> Any:
    values = np.full(place.max() + 1 - place.min(), np.nan)
    values[place - place.min()] = [np.nan if row[name] is None else row[name] for row in rows]

    def before(hours: int) -> np.ndarray:
        at = place - place.min() - hours
        return np.where(at >= 0, values[np.maximum(at, 0)], np.nan)

    return before


def forecast(**rule: Any) -> dict[str, Any]:
    features = dict.fromkeys(weather().column_names[2:-1], NUMERIC)
    return contract(
        "forecasting",
        features,
        {"description": "as warm as a day ago", "default": 55, "feature": "day_before", **rule},
        candidates=[
            {"name": "linear", "family": "linear", "hyperparameters": {"alpha": 0.01}},
            {
                "name": "boosted",
                "family": "xgboost",
                "hyperparameters": {"num_round": 200, "max_depth": 4, "eta": 0.1, "min_child_weight": 50},
            },
        ],
    )


@pytest.mark.parametrize("name", ["linear", "boosted"])
def test_tomorrows_temperature_is_forecast_better_than_by_todays(tmp_path: Path, name: str) -> None:
    model = trained(tmp_path, forecast(), weather(), **YEAR, candidate=name, cross_validation=4)
    ours, seasonal = losses(forecast(), model, weather())
    assert ours < 0.9 * seasonal
    story = read_json(tmp_path / "model" / "training.json")
    later = holdout(forecast(), weather())
    assert story["rule_loss"] > story["validation_loss"]
    lag = np.nan_to_num(later.columns["day_before"], nan=55)
    assert seasonal == pytest.approx(((later.label - lag) ** 2).mean())
    if name == "boosted":  # trees answer no temperature that they have not seen: most folds are lost
        return
    # The first fold has only seen the winter; the last one knows what the year can bring.
    first, *_, last = story["cross_validation"]["folds"]
    assert first["loss"] > first["rule"]
    assert last["loss"] < last["rule"]


def test_the_seasonal_rule_serves_the_lag_and_its_default_where_there_is_none() -> None:
    rule = models.RuleModel(content=rules.rule_model(forecast()))
    record = holdout(forecast(), weather()).record(0)
    assert rule.score(record) == record["day_before"]
    assert rule.score(record | {"day_before": None}) == 55.0
    with pytest.raises(rules.RuleError, match="'yesterday' is no numeric feature"):
        rules.rule_model(forecast(feature="yesterday"))


def test_a_forecast_that_loses_to_the_season_is_no_model(tmp_path: Path) -> None:
    compiled = forecast()
    compiled["model"]["features"] = {
        name: spec for name, spec in compiled["model"]["features"].items() if name in ("day_before", "wind")
    }
    with pytest.raises(TrainingDiverged, match="the rule baseline reaches"):
        trained(tmp_path, compiled, weather(), **YEAR, candidate="linear", alpha=100)


def wine(rule: dict[str, Any] | None = None, **hyperparameters: Any) -> dict[str, Any]:
    return contract(
        "clustering",
        numbers(bundled("wine")),
        rule or {"description": "all wines are one", "default": 0, "rules": []},
        candidates=[{"name": "clusters", "family": "kmeans", "hyperparameters": hyperparameters}],
    )


def test_wines_fall_into_their_cultivars(tmp_path: Path) -> None:
    from sklearn.metrics import adjusted_rand_score

    model = trained(tmp_path, wine(clusters=3), bundled("wine"))
    later = holdout(wine(clusters=3), bundled("wine"))
    assert adjusted_rand_score(later.label, model.scores(later)) > 0.8
    story = read_json(tmp_path / "model" / "training.json")
    assert story["rule_loss"] == 1.0, "one cluster has no silhouette"
    assert 0.5 < story["validation_loss"] < 0.8
    assert sum(story["notes"]["held_out_sizes"]) == story["rows"]["validation"]


def test_clusters_must_beat_the_groups_that_the_rule_makes(tmp_path: Path) -> None:
    """Two groups by proline lie further apart than three clusters, two by ash do not."""
    for feature, value, wins in (("x02", 2.4, False), ("x12", 800, True)):
        condition = {"feature": feature, "op": ">=", "value": value}
        rule = {"description": "two", "default": 0, "rules": [{"when": [condition], "score": 1}]}
        if wins:
            with pytest.raises(TrainingDiverged, match="one_minus_silhouette is"):
                trained(tmp_path / feature, wine(rule, clusters=3), bundled("wine"))
        else:
            trained(tmp_path / feature, wine(rule, clusters=3), bundled("wine"))


@functools.cache
def journeys() -> pa.Table:
    """Which aircraft flew where from one airport, each destination once a day."""
    found = sorted(
        {
            (row["flight_date"], row["tailnum"], row["dest"])
            for row in replay.records("flights", date(2013, 1, 1), date(2013, 4, 12))
            if row["origin"] == "LGA" and row["tailnum"]
        }
    )
    days, aircraft, places = (np.array(column) for column in zip(*found, strict=True))
    shift = np.datetime64("2024-01-01") - np.datetime64("2013-01-01")
    shifted = (days.astype("datetime64[D]") + shift).astype(str)
    return dated({"aircraft": aircraft, "place": places}, np.ones(len(days)), shifted)


def routes(**hyperparameters: Any) -> dict[str, Any]:
    return contract(
        "recommendation",
        {"aircraft": NAMED, "place": NAMED},
        {"description": "where most fly to", "default": 0, "rules": []},
        recommendation={"user": "aircraft", "item": "place", "at": 5},
        candidates=[{"name": "factors", "family": "factorisation", "hyperparameters": hyperparameters}],
    )


def test_where_an_aircraft_flies_is_known_better_than_where_all_fly(tmp_path: Path) -> None:
    from sklearn.metrics import ndcg_score

    model = trained(tmp_path, routes(factors=8), journeys())
    story = read_json(tmp_path / "model" / "training.json")
    assert story["validation_loss"] < 0.8 * story["rule_loss"]
    assert story["notes"]["held_out"]["recall"] > 1.2 * story["notes"]["popularity"]["recall"]

    # The same by the library: all pairs of who flew in these weeks and of the places that training knew.
    frame = from_table(journeys(), agreed(routes()).kinds)
    held = frame.between(WINDOWS["train_end"], WINDOWS["validation_end"])
    aircraft, places = (step.categories for step in model.preparation.steps)
    pairs = set(zip(held.columns["aircraft"], held.columns["place"], strict=True))
    users = sorted({user for user, _ in pairs if user in aircraft})
    every = [(user, place) for user in users for place in places]
    grid = held.take(np.zeros(len(every), dtype=int))
    columns = {
        name: np.array([pair[side] for pair in every], dtype=object)
        for side, name in enumerate(("aircraft", "place"))
    }
    scores = model.scores(replace(grid, columns=columns)).reshape(len(users), len(places))
    truth = np.array([pair in pairs for pair in every], dtype=float).reshape(scores.shape)
    judged = truth.any(axis=1)  # who only flew to places that training did not know scores zero with us
    expected = ndcg_score(truth[judged], scores[judged], k=5) * judged.mean()
    assert expected == pytest.approx(1 - story["validation_loss"], abs=0.005)


def test_a_stranger_is_drawn_to_what_others_take(tmp_path: Path) -> None:
    model = trained(tmp_path, routes(factors=8), journeys())
    assert model.score({"aircraft": "N0NEW", "place": "ORD"}) > model.score(
        {"aircraft": "N0NEW", "place": "SAV"}
    )
    assert model.score({"aircraft": "N0NEW", "place": "MOON"}) == 0.0
    served = inference.model_fn(str(tmp_path / "model"))
    later = holdout(routes(), journeys())
    np.testing.assert_allclose(
        [served.score(later.record(place)) for place in range(9)], model.scores(later)[:9]
    )


def test_a_recommendation_of_nothing_taken_is_refused(tmp_path: Path) -> None:
    table = journeys()
    zeros = table.set_column(table.column_names.index("label"), "label", pa.array(np.zeros(len(table))))
    with pytest.raises(training.TrainingDataError, match="the label of a recommendation says how much"):
        trained(tmp_path, routes(), zeros)


def test_recall_and_ndcg_by_hand() -> None:
    from tabular.families.base import Rows, Task

    task = Task(problem="recommendation", columns=["u", "i"], pair=(0, 1), at=2)
    taken = [(0, 0), (0, 3), (1, 2), (1, np.nan), (np.nan, 1)]
    rows = Rows(matrix=np.array(taken), label=np.ones(5), date=np.array(["2024-01-01"] * 5))
    scores = np.array([[9.0, 8.0, 1.0, 0.0], [9.0, 1.0, 8.0, 0.0]])
    found = factorisation.ranked(rows, task, lambda users: scores[users.astype(int)])
    # The first user took places 1 and 4 of the list, the second place 2 and one that training did not know.
    one, two = 1.0, 1 / np.log2(3)
    assert found["recall"] == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert found["ndcg"] == pytest.approx((one / (one + two) + two / (one + two)) / 2)
