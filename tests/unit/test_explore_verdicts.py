"""Verdicts of the explore report on planted data: enough, too few, noise, leaks; p-values under the null."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from tabular.explore import association, findings, smells, sufficiency

from tests.unit.test_explore_numbers import rows, texts

KINDS = dict.fromkeys("abcdef", "numeric")


def planted(kind: str, count: int, seed: int) -> object:
    """simple: one column decides; hard: where two of six change sides together; noise: nothing does."""
    random = np.random.default_rng(seed)
    columns = {name: random.normal(0, 1, count) for name in KINDS}
    if kind == "simple":
        signal = 6 * (columns["a"] > 0) - 3
    elif kind == "hard":
        sides = [np.sign(columns[name]) for name in "abc"]
        signal = 4 * sides[0] * sides[1] * sides[2]
    else:
        signal = np.zeros(count)
    label = (random.random(count) < 1 / (1 + np.exp(-signal))).astype(float)
    return rows(label, **columns)


@pytest.mark.parametrize(
    ("kind", "train", "verdict"),
    [
        pytest.param("simple", 4_000, "enough", id="one column decides, many rows"),
        pytest.param("hard", 700, "would gain from more", id="three columns decide together, few rows"),
        pytest.param("noise", 3_000, "noise floor", id="nothing decides"),
        pytest.param("simple", 40, "not clear", id="hardly any rows"),
    ],
)
def test_sufficiency_says_what_was_planted(kind: str, train: int, verdict: str) -> None:
    found = sufficiency.assess("binary", 2, planted(kind, train, 1), planted(kind, 1_500, 2), KINDS, train)  # type: ignore[arg-type]
    assert found["verdict"] == verdict, found["why"]


def test_noise_is_told_from_signal_by_shuffled_labels() -> None:
    random = np.random.default_rng(4)
    values = {"a": random.normal(0, 1, 400)}
    noise = rows(random.normal(0, 1, 400), **values)
    found = sufficiency.assess(
        "regression", 0, noise.head(250), noise.take(slice(250, 400)), {"a": "numeric"}, 250
    )
    assert found["verdict"] == "noise floor"
    assert found["chance_p"] > 0.05


@pytest.mark.parametrize(
    "leak",
    [
        pytest.param(lambda label, random: label + random.normal(0, 0.1, len(label)), id="a number"),
        pytest.param(lambda label, _: np.where(label == 1, np.nan, 0.0), id="whether it is missing"),
        pytest.param(lambda label, _: texts(np.where(label == 1, "late", "on time")), id="a category"),
    ],
)
def test_a_planted_leak_is_smelled(leak: object) -> None:
    random = np.random.default_rng(6)
    label = random.choice(2, 600, p=[0.8, 0.2]).astype(float)
    values = leak(label, random)  # type: ignore[operator]
    kind = "categorical" if values.dtype == object else "numeric"
    table = rows(label, honest=label + random.normal(0, 2, 600), leaking=values)
    found = smells.alone("binary", 2, table, {"honest": "numeric", "leaking": kind})
    assert [(entry["feature"], entry["verdict"]) for entry in found] == [
        ("leaking", "leak"),
        ("honest", "plausible"),
    ]
    told = list(findings._leaks({"alone": found}))
    assert [(finding.level, finding.title) for finding in told] == [("alert", "Smells of a leak")]
    assert "leaking" in told[0].text and "honest" not in told[0].text


def test_a_split_by_chance_promises_more_where_days_resemble_themselves() -> None:
    random = np.random.default_rng(7)

    def days(first: int, count: int) -> object:
        day = np.repeat(np.arange(first, first + count), 40)
        level = np.random.default_rng(99).normal(0, 2, 100)[day]
        label = (random.random(len(day)) < 1 / (1 + np.exp(-level))).astype(float)
        return rows(label, a=day.astype(float), b=random.normal(0, 1, len(day)))

    found = smells.split_gap("binary", 2, days(0, 60), days(60, 20), {"a": "numeric", "b": "numeric"})  # type: ignore[arg-type]
    assert found is not None
    assert found["gap"] > 0.3
    assert found["by_time"] < 0.2


def test_columns_without_content_are_named() -> None:
    random = np.random.default_rng(8)
    value = random.normal(0, 1, 400)
    table = rows(
        a=value, b=value.copy(), c=np.ones(400), d=np.where(np.arange(400) == 7, 1.0, 0.0),
        e=texts(["x"] * 400), f=np.full(400, np.nan),
    )  # fmt: skip
    kinds = {**KINDS, "e": "categorical"}
    found = smells.without_content(table, kinds)
    assert [entry["feature"] for entry in found["constant"]] == ["c", "e", "f"]
    assert [entry["feature"] for entry in found["nearly_constant"]] == ["d"]
    assert found["duplicates"] == [["a", "b"]]


def null_p(kind: str) -> list[float]:
    random = np.random.default_rng(9)
    found = []
    for _ in range(300):
        label = random.choice(2, 120).astype(float)
        if kind == "even":
            entry = association.test("binary", "numeric", random.normal(0, 1, 120), label)
        elif kind == "skewed":
            entry = association.test("binary", "numeric", random.exponential(1, 120) ** 2, label)
        elif kind == "classes":
            entry = association.test(
                "multiclass", "numeric", random.normal(0, 1, 120), random.choice(3, 120).astype(float)
            )
        elif kind == "category":
            entry = association.test("binary", "categorical", texts(random.choice(list("wxyz"), 120)), label)
        else:
            entry = association.test(
                "regression", "numeric", random.normal(0, 1, 120), random.normal(0, 1, 120)
            )
        found.append(entry["p"])
    return found


@pytest.mark.parametrize("kind", ["even", "skewed", "classes", "category", "numbers"])
def test_without_a_relation_p_values_are_uniform(kind: str) -> None:
    p = null_p(kind)
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert np.mean(np.array(p) < 0.05) < 0.1


def test_a_gap_is_one_where_rows_were_to_be_expected() -> None:
    days = [{"day": f"2024-01-{day:02}", "rows": 0 if 10 <= day < 14 else 5} for day in range(1, 31)]
    assert findings.longest_gap(days) == (4, "2024-01-10")
