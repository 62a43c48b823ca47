"""Fairness by declared attribute: rates of each group and their differences, recomputed by scikit-learn."""

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as oracle
from tabular import fairness
from tabular.frame import Frame

SIZES = {"a": 500, "b": 300, "c": 180, "d": 20}
CUT = 0.5


def rows(seed: int = 11) -> tuple[Frame, np.ndarray]:
    """Four groups over forty days; the model favours b and misses more of c."""
    random = np.random.default_rng(seed)
    group = np.repeat(np.array(list(SIZES), dtype=object), list(SIZES.values()))
    count = len(group)
    order = random.permutation(count)
    group = group[order]
    label = (random.random(count) < 0.4).astype(float)
    shift = np.array([{"a": 0.0, "b": 0.15, "c": -0.15, "d": 0.0}[name] for name in group])
    score = np.clip(random.normal(0.35 + 0.25 * label + shift, 0.2), 0.01, 0.99)
    age = random.uniform(20, 80, count)
    age[:30] = np.nan
    frame = Frame(
        key=np.arange(count).astype(object),
        date=np.array([f"2024-01-{1 + number % 28:02d}" for number in range(count)]),
        label=label,
        columns={"group": group, "age": age},
    )
    return frame, score


def asked(*attributes: Any, minimum: int = 50) -> dict[str, Any]:
    return {"attributes": list(attributes), "minimum_rows": minimum}


GROUP = {"feature": "group", "kind": "categorical"}


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    frame, score = rows()
    [entry] = fairness.report("binary", asked(GROUP), frame, score, CUT)["attributes"]
    return entry


def rates(name: str) -> dict[str, float]:
    frame, score = rows()
    inside = frame.columns["group"] == name
    label, act = frame.label[inside], score[inside] >= CUT
    negative, false_alarm, missed, hit = oracle.confusion_matrix(label, act).ravel()
    return {
        "base_rate": label.mean(),
        "selection_rate": act.mean(),
        "true_positive_rate": oracle.recall_score(label, act),
        "false_positive_rate": false_alarm / (false_alarm + negative),
        "precision": oracle.precision_score(label, act),
        "accuracy": oracle.accuracy_score(label, act),
        "mean_error": score[inside].mean() - label.mean(),
        "loss": oracle.log_loss(label, score[inside]),
    }


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_rates_of_a_group_agree_with_scikit_learn(found: dict[str, Any], name: str) -> None:
    group = next(each for each in found["groups"] if each["group"] == name)
    expected = rates(name)
    assert {rate: group[rate]["value"] for rate in expected} == pytest.approx(expected)
    assert group["rows"] == SIZES[name]
    assert all(group[rate]["low"] <= group[rate]["value"] <= group[rate]["high"] for rate in expected)


def test_differences_lie_between_the_extreme_groups(found: dict[str, Any]) -> None:
    each = {name: rates(name) for name in "abc"}

    def spread(rate: str) -> float:
        values = [group[rate] for group in each.values()]
        return max(values) - min(values)

    expected = {
        "demographic_parity_difference": spread("selection_rate"),
        "equal_opportunity_difference": spread("true_positive_rate"),
        "equalised_odds_difference": max(spread("true_positive_rate"), spread("false_positive_rate")),
        "predictive_parity_difference": spread("precision"),
        "calibration_difference": spread("mean_error"),
        "accuracy_difference": spread("accuracy"),
        "demographic_parity_ratio": each["c"]["selection_rate"] / each["b"]["selection_rate"],
    }
    differences = found["differences"]
    assert {name: differences[name]["value"] for name in expected} == pytest.approx(expected)
    parity = differences["demographic_parity_difference"]
    assert (parity["highest"], parity["lowest"]) == ("b", "c")
    assert parity["low"] < parity["value"] < parity["high"]
    assert "demographic parity difference" in found["reading"]
    assert "(b over c)" in found["reading"]


def test_small_groups_are_left_out_and_said(found: dict[str, Any]) -> None:
    assert found["left_out"] == [{"group": "d", "rows": 20}]
    assert [group["group"] for group in found["groups"]] == ["a", "b", "c"]


def test_numbers_are_cut_at_the_edges_and_missing_ones_are_a_group() -> None:
    frame, score = rows()
    age = {"feature": "age", "kind": "numeric", "edges": [40.0, 60.0]}
    [entry] = fairness.report("binary", asked(age, minimum=10), frame, score, CUT)["attributes"]
    values = frame.columns["age"]
    expected = {
        "below 40": int((values < 40).sum()),
        "40 to below 60": int(((values >= 40) & (values < 60)).sum()),
        "60 and above": int((values >= 60).sum()),
        "(missing)": 30,
    }
    assert {group["group"]: group["rows"] for group in entry["groups"]} == expected


def test_a_number_without_groups_is_refused() -> None:
    frame, score = rows()
    with pytest.raises(fairness.FairnessError, match=r"age is a number without groups: give edges"):
        fairness.report("binary", asked({"feature": "age", "kind": "numeric"}), frame, score, CUT)


def test_too_many_groups_are_refused() -> None:
    frame, score = rows()
    frame.columns["group"][:40] = [f"g{number}" for number in range(40)]
    with pytest.raises(fairness.FairnessError, match=r"group has 44 groups, allowed are 30"):
        fairness.report("binary", asked(GROUP), frame, score, CUT)


def test_a_group_without_positives_has_no_rate_and_no_part_in_the_difference() -> None:
    frame, score = rows()
    frame.label[frame.columns["group"] == "c"] = 0.0
    [entry] = fairness.report("binary", asked(GROUP), frame, score, CUT)["attributes"]
    group = next(each for each in entry["groups"] if each["group"] == "c")
    assert group["true_positive_rate"]["value"] is None
    both = [rates(name)["true_positive_rate"] for name in "ab"]
    assert entry["differences"]["equal_opportunity_difference"]["value"] == pytest.approx(
        max(both) - min(both)
    )


def test_one_group_has_nothing_to_compare_with() -> None:
    frame, score = rows()
    [entry] = fairness.report("binary", asked(GROUP, minimum=400), frame, score, CUT)["attributes"]
    assert entry["differences"] == {}
    assert "nothing to compare" in entry["reading"]
    assert len(entry["left_out"]) == 3


def test_errors_of_a_number_by_group_agree_with_scikit_learn() -> None:
    frame, score = rows()
    [entry] = fairness.report("regression", asked(GROUP), frame, score, None)["attributes"]
    for group in entry["groups"]:
        inside = frame.columns["group"] == group["group"]
        label, guess = frame.label[inside], score[inside]
        expected = {
            "mean_error": (guess - label).mean(),
            "mae": oracle.mean_absolute_error(label, guess),
            "rmse": oracle.root_mean_squared_error(label, guess),
        }
        assert {name: group[name]["value"] for name in expected} == pytest.approx(expected)
    assert entry["differences"]["mean_error_difference"]["highest"] == "b"


def test_several_classes_are_compared_by_their_worst_class() -> None:
    frame, score = rows()
    three = np.column_stack([1 - score, score / 2, score / 2 + 0.001])
    three /= three.sum(axis=1, keepdims=True)
    [entry] = fairness.report("multiclass", asked(GROUP), frame, three, None, classes=["no", "maybe", "yes"])[
        "attributes"
    ]
    chosen = three.argmax(axis=1)
    shares = {
        k: [float((chosen[frame.columns["group"] == name] == k).mean()) for name in "abc"] for k in range(3)
    }
    worst = max(max(values) - min(values) for values in shares.values())
    assert entry["differences"]["demographic_parity_difference"]["value"] == pytest.approx(worst)
    [first] = [group for group in entry["groups"] if group["group"] == "a"]
    inside = frame.columns["group"] == "a"
    assert first["true_positive_rate:no"]["value"] == pytest.approx(
        oracle.recall_score(frame.label[inside] == 0, chosen[inside] == 0)
    )


def test_nothing_declared_is_nothing_reported() -> None:
    frame, score = rows()
    assert fairness.report("binary", {}, frame, score, CUT)["attributes"] == []


def test_intervals_follow_the_days() -> None:
    frame, score = rows()
    few = Frame(
        key=frame.key,
        date=np.array([f"2024-01-{1 + number // 250:02d}" for number in range(len(frame))]),
        label=frame.label,
        columns=frame.columns,
    )
    wide, narrow = (
        fairness.report("binary", asked(GROUP), each, score, CUT)["attributes"][0]["groups"][0]["base_rate"]
        for each in (few, frame)
    )
    assert wide["value"] == narrow["value"]
    assert (wide["low"], wide["high"]) != (narrow["low"], narrow["high"])
