"""Captured requests and a champion's baseline, as the monitor finds them."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tabular import evaluation, models, rules, split, statistics
from tabular.frame import Frame

from tests.any_model import WINDOWS, agreed, any_contract, any_frame


def live(shift: float = 0.0, problem: str = "binary") -> Frame:
    return any_frame(problem, shift=shift).between(WINDOWS["validation_end"], WINDOWS["holdout_end"])


def event(
    given: Any,
    answer: Any,
    *,
    content_type: str = "application/json",
    encoding: str = "JSON",
    **metadata: Any,
) -> str:
    """One captured line."""

    def part(data: Any, mode: str) -> dict[str, Any]:
        text = data if isinstance(data, str) else json.dumps(data)
        if encoding == "BASE64":
            text = base64.b64encode(text.encode()).decode()
        return {"observedContentType": content_type, "mode": mode, "data": text, "encoding": encoding}

    return json.dumps(
        {
            "captureData": {"endpointInput": part(given, "INPUT"), "endpointOutput": part(answer, "OUTPUT")},
            "eventMetadata": {"eventId": "e", "inferenceTime": "2024-03-20T10:00:00Z", **metadata},
            "eventVersion": "0",
        }
    )


def write_captures(
    folder: Path, lines: list[str], variant: str = "champion", day: str = "2024/03/20"
) -> None:
    path = folder / "processing/input/captures/captures/visits-endpoint" / variant / day / "10" / "a.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def traffic(
    frame: Frame,
    scores: np.ndarray,
    classes: Sequence[str] = (),
    about: Sequence[Mapping[str, str]] = (),
) -> list[str]:
    """A request per row; `scores` (n,), or (n, K) probabilities of `classes`; `about`: metadata of each."""
    return [
        event(
            frame.record(index),
            answer(frame.key[index], scores[index], classes),
            **{"inferenceTime": f"{frame.date[index]}T10:00:00Z", **(about[index] if about else {})},
        )
        for index in range(len(frame))
    ]


def answer(key: str, score: Any, classes: Sequence[str] = ()) -> dict[str, Any]:
    """As the endpoint says it."""
    if not classes:
        return {"key": key, "score": float(score)}
    best = int(score.argmax())
    shares = dict(zip(classes, score.tolist(), strict=True))
    return {"key": key, "score": float(score[best]), "label": classes[best], "probabilities": shares}


def rule_scores(frame: Frame, problem: str = "binary") -> np.ndarray:
    return models.RuleModel(content=rules.rule_model(any_contract(problem))).scores(frame)


def write_baseline(folder: Path, problem: str = "binary") -> None:
    contract = agreed(any_contract(problem))
    parts = split.split(any_frame(problem, seed=9), split.Windows.of(WINDOWS))
    rule = models.RuleModel(content=rules.rule_model(contract.compiled) | {"run_id": "r0"})
    target = folder / "processing/input/baseline"
    target.mkdir(parents=True)
    (target / "baseline.json").write_text(json.dumps(evaluation.baseline(contract, parts, rule)))
    (target / "constraints.json").write_text(json.dumps(statistics.constraints(parts.train)))
