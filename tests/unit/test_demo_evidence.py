"""Evidence and figures of every problem type: answers of classes in order, what is observed, no persons."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from demo import charts, evidence, privacy
from demo.actors import Answer

PNG = b"\x89PNG"


def test_an_answer_keeps_all_that_was_said() -> None:
    line = {"key": "k", "score": 0.7, "label": "b", "probabilities": {"b": 0.7, "a": 0.3}}
    answer = Answer.read(line, "champion")
    assert (answer.score, answer.variant, answer.values) == (0.7, "champion", (0.7, 0.3))
    assert evidence._values(answer, ["a", "b"]) == [0.3, 0.7], "in the contract's order"
    number = Answer.read({"key": "k", "score": 2})
    assert (number.values, evidence._values(number, [])) == ((2.0,), 2.0)


def test_what_is_observed_of_classes_is_how_often_the_choice_is_right() -> None:
    score = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    assert evidence._observed(np.array([0.0, 1.0, 1.0, 1.0]), score) == 0.75
    assert evidence._observed(np.array([1.0, 3.0]), np.array([0.0, 0.0])) == 2.0


def test_where_nobody_is_sent_nobody_is_looked_for() -> None:
    def ask(*_: Any, **__: Any) -> dict[str, Any]:
        raise AssertionError("the account refuses a search for nothing")

    story = SimpleNamespace(told=SimpleNamespace(identifiers={}), account=SimpleNamespace(ask=ask))
    assert privacy.search(cast(Any, story))["values"] == 0


def test_figures_of_several_classes_are_drawn() -> None:
    names = ["a", "b", "c"]
    curve = {"x": [0.0, 1.0], "y": [0.0, 1.0]}
    models = {f"{who} {name}": curve for who in ("candidate", "champion", "rule") for name in names}
    assert charts.curves(models, "x", "y", "ROC", diagonal=True).startswith(PNG)
    matrix = {"classes": names, "rows": [[5, 0, 1], [0, 4, 0], [1, 1, 6]]}
    assert charts.confusion(matrix, "Hold-out").startswith(PNG)
