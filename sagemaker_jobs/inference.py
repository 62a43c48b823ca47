"""Serving: a record in, a score or all classes' probabilities out, as the XGBoost image's server asks.

A payload that cannot be scored is the client's fault and must be a 4xx, or the alarms on 5xx would roll a
healthy model back. The image's server wraps whatever a handler raises into a 500 (sagemaker_containers,
_transformer.py), but passes on a response object that output_fn returns. Hence a refusal travels through the
handlers as a value.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Idle OpenMP threads spin by default; on a small instance they take the processor from the one that works.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np  # noqa: E402
from tabular import models, payload

# From this many rows on, preparing whole columns is faster than preparing rows.
COLUMNWISE_FROM = 64
ACCEPTED = ("application/jsonlines", "application/json", "text/csv")


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A request that is answered with a 4xx `status`."""

    status: int
    message: str


@dataclass(frozen=True, kw_only=True)
class Body:
    content: bytes | str
    content_type: str | None


@dataclass(frozen=True, kw_only=True)
class Scored:
    keys: Sequence[str | None]
    scores: Sequence[float | list[float]]
    threshold: float | None
    classes: Sequence[str]
    is_list: bool


def model_fn(model_dir: str) -> models.Model:
    """Raises tabular.models.ArtefactError on a damaged artefact: the container then never gets healthy."""
    model = models.load(Path(model_dir))
    # The first prediction of a booster builds its caches: it belongs to the start, not to the first client.
    model.score(dict.fromkeys(model.content["features"]))
    return model


def input_fn(body: bytes | str, content_type: str | None) -> Body:
    """Parsing needs the model's features and therefore happens in predict_fn."""
    return Body(content=body, content_type=content_type)


def predict_fn(data: Body, model: models.Model) -> Scored | Refusal:
    try:
        request = payload.parse(data.content, data.content_type, model.content["features"])
    except payload.PayloadError as error:
        return Refusal(status=error.status, message=str(error))
    records = request.records
    scores = (
        _columnwise(records, model) if len(records) >= COLUMNWISE_FROM else [model.score(r) for r in records]
    )
    return Scored(
        keys=[record["key"] for record in records],
        scores=scores,
        threshold=model.content.get("threshold"),
        classes=model.content.get("classes") or (),
        is_list=request.is_list,
    )


def output_fn(prediction: Scored | Refusal, accept: str | None) -> Any:
    """(body, content type), or a werkzeug response with a 4xx status.

    JSON lines {"key", "score", "label"}; application/json: the object, or {"predictions": [...]} for a list;
    text/csv: one score per line. Of several classes the label is the name of the likeliest, the score its
    probability, and "probabilities" has those of all; in CSV they stand in the order of the contract.
    """
    if isinstance(prediction, Refusal):
        return _response(prediction)
    wanted = _accepted(accept)
    if wanted is None:
        return _response(Refusal(status=406, message=f"accept {accept!r}, allowed are {', '.join(ACCEPTED)}"))
    if wanted == "text/csv":
        return "".join(f"{_line(score)}\n" for score in prediction.scores), wanted
    answers = [
        _answer(key, score, prediction) for key, score in zip(prediction.keys, prediction.scores, strict=True)
    ]
    if wanted == "application/json":
        return json.dumps({"predictions": answers} if prediction.is_list else answers[0]), wanted
    return "".join(json.dumps(answer) + "\n" for answer in answers), wanted


def _answer(key: str | None, score: float | list[float], scored: Scored) -> dict[str, Any]:
    if isinstance(score, list):
        best = max(range(len(score)), key=score.__getitem__)
        return {
            "key": key,
            "score": score[best],
            "label": scored.classes[best],
            "probabilities": dict(zip(scored.classes, score, strict=True)),
        }
    answer: dict[str, Any] = {"key": key, "score": score}
    if scored.threshold is not None:
        answer["label"] = int(score >= scored.threshold)
    return answer


def _line(score: float | list[float]) -> str:
    return ",".join(map(repr, score)) if isinstance(score, list) else repr(score)


def _columnwise(records: Sequence[Mapping[str, Any]], model: models.Model) -> list[float | list[float]]:
    from tabular.frame import Frame

    columns = {}
    for name, kind in model.content["features"].items():
        values = [record[name] for record in records]
        # None becomes NaN by the conversion to float.
        columns[name] = np.array(values, dtype=np.float64 if kind == "numeric" else object)
    unknown = np.full(len(records), np.nan)
    frame = Frame(
        key=np.full(len(records), None), date=np.full(len(records), ""), label=unknown, columns=columns
    )
    found: list[float | list[float]] = model.scores(frame).tolist()
    return found


def _accepted(accept: str | None) -> str | None:
    """The first type of an Accept header that can be given; JSON lines when anything is welcome."""
    for part in (accept or "*/*").split(","):
        wanted = part.split(";")[0].strip().lower()
        if wanted in ("*/*", "application/*", "") or wanted in payload.JSON_LINES:
            return "application/jsonlines"
        if wanted in ACCEPTED:
            return wanted
    return None


def _response(refusal: Refusal) -> Any:
    # Late: the image's server runs on werkzeug, batch scoring elsewhere needs none.
    from werkzeug.wrappers import Response

    return Response(
        json.dumps({"error": refusal.message}), status=refusal.status, mimetype="application/json"
    )
