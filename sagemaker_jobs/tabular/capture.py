"""Reads what an endpoint captured (JSON lines of SageMaker data capture) into one row per scored record.

A line that cannot be read is counted with its reason and stays out; it never stops the monitor.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tabular import payload
from tabular.frame import Frame

# .../<variant>/yyyy/mm/dd/hh/<file>.jsonl
VARIANT = re.compile(r"([^/]+)/\d{4}/\d{2}/\d{2}/\d{2}/[^/]+$")
EXAMPLES = 5

# A number, or the probabilities of all classes in the contract's order.
Score = float | tuple[float, ...]


class CaptureError(ValueError):
    """One captured line cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Row:
    variant: str
    key: str | None
    time: str
    record: Mapping[str, Any]
    score: Score
    request: str  # which rows were sent, and answered by a variant, together


@dataclass(kw_only=True)
class Captures:
    rows: list[Row] = field(default_factory=list)
    files: int = 0
    lines: int = 0
    refused: dict[str, int] = field(default_factory=dict)  # by variant
    malformed: int = 0
    duplicates: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)

    def variants(self) -> list[str]:
        return sorted({row.variant for row in self.rows} | set(self.refused))

    def counts(self) -> dict[str, Any]:
        """refused: answered with an error; without_key: cannot be joined with a label."""
        return {
            "files": self.files,
            "lines": self.lines,
            "rows": len(self.rows),
            "refused": sum(self.refused.values()),
            "malformed": self.malformed,
            "duplicates": self.duplicates,
            "without_key": sum(row.key is None for row in self.rows),
            "malformed_examples": self.examples,
        }


def read(folder: Path, kinds: Mapping[str, str], classes: Sequence[str] = ()) -> Captures:
    """Every capture below `folder`; of a key that one variant scored twice, the latest answer counts.

    classes  of a multiclass label, in the contract's order: answers are their probabilities then
    """
    captures = Captures()
    for path in sorted(folder.rglob("*.jsonl")):
        captures.files += 1
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
            if not line.strip():
                continue
            captures.lines += 1
            try:
                variant, rows = _read_line(line, path, number, kinds, classes)
            except CaptureError as error:
                captures.malformed += 1
                if len(captures.examples) < EXAMPLES:
                    captures.examples.append({"file": path.name, "line": number, "reason": str(error)})
                continue
            captures.rows += rows
            if not rows:
                captures.refused[variant] = captures.refused.get(variant, 0) + 1
    _keep_latest(captures)
    return captures


def to_frame(
    rows: list[Row], kinds: Mapping[str, str], labels: Mapping[str, float], classes: Sequence[str] = ()
) -> tuple[Frame, np.ndarray]:
    """The rows with their labels (NaN where not known yet), and their scores: (n,), or (n, K) of classes."""
    columns = {
        name: np.array([row.record[name] for row in rows], dtype=np.float64 if kind == "numeric" else object)
        for name, kind in kinds.items()
    }
    frame = Frame(
        key=np.array([row.key for row in rows], dtype=object),
        date=np.array([row.time[:10] for row in rows], dtype="U10"),
        label=np.array([labels.get(row.key or "", np.nan) for row in rows], dtype=np.float64),
        columns=columns,
    )
    shape = (len(rows), len(classes)) if classes else (len(rows),)
    return frame, np.array([row.score for row in rows], dtype=np.float64).reshape(shape)


def _keep_latest(captures: Captures) -> None:
    latest: dict[tuple[str, str], Row] = {}
    without_key = [row for row in captures.rows if row.key is None]
    with_key = [row for row in captures.rows if row.key is not None]
    for row in sorted(with_key, key=lambda row: row.time):
        latest[row.variant, row.key or ""] = row
    captures.duplicates = len(with_key) - len(latest)
    captures.rows = without_key + list(latest.values())


def _read_line(
    line: str, path: Path, number: int, kinds: Mapping[str, str], classes: Sequence[str]
) -> tuple[str, list[Row]]:
    """The variant, and a row per record; none for a request that was refused."""
    try:
        content = json.loads(line)
        data, metadata = content["captureData"], content.get("eventMetadata", {})
        given, answer = data["endpointInput"], data.get("endpointOutput") or {}
        answers = _answers(_decoded(answer), answer.get("observedContentType"), classes) if answer else []
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error) if isinstance(error, CaptureError) else f"{type(error).__name__}: {error}"
        raise CaptureError(f"not a capture record, {reason}") from error
    variant = _variant(path, metadata)
    if not answers:
        return variant, []
    try:
        records = payload.parse(_decoded(given), given.get("observedContentType"), kinds).records
    except payload.PayloadError as error:
        raise CaptureError(f"input: {error}") from error
    if len(records) != len(answers):
        raise CaptureError(f"{len(records)} rows were sent and {len(answers)} scores came back")
    time = str(metadata.get("inferenceTime", ""))
    # A client that sends one row without a key may name it in the request's inference id.
    fallback = metadata.get("inferenceId") if len(records) == 1 else None
    request = str(metadata.get("eventId") or f"{path.name}:{number}")
    rows = []
    for record, (key, score) in zip(records, answers, strict=True):
        found = record["key"] or key or fallback
        named = None if found is None else str(found)
        rows.append(Row(variant=variant, key=named, time=time, record=record, score=score, request=request))
    return variant, rows


def _variant(path: Path, metadata: Mapping[str, Any]) -> str:
    match = VARIANT.search(path.as_posix())
    found = metadata.get("variantName") or (match.group(1) if match else None)
    if found is None:
        raise CaptureError(f"no variant in the path {path.name}, allowed is <variant>/yyyy/mm/dd/hh/<file>")
    return str(found)


def _decoded(part: Mapping[str, Any]) -> bytes | str:
    encoding, data = part.get("encoding"), part.get("data")
    if encoding == "BASE64":
        try:
            return base64.b64decode(str(data), validate=True)
        except binascii.Error as error:
            raise CaptureError(f"data is not base64 ({error})") from error
    if encoding not in ("JSON", "CSV"):
        raise CaptureError(f"encoding {encoding!r}, allowed are JSON, CSV and BASE64")
    if not isinstance(data, str):
        raise CaptureError(f"data is of type {type(data).__name__}, allowed is text")
    return data


def _answers(
    body: bytes | str, content_type: str | None, classes: Sequence[str]
) -> list[tuple[str | None, Score]]:
    """(key, score) per row; empty when the handler refused the request."""
    text = body if isinstance(body, str) else body.decode("utf-8", errors="replace")
    try:
        if (content_type or "").startswith("text/csv"):
            return [(None, _score_of_line(line, classes)) for line in text.split()]
        answers = [json.loads(line) for line in text.splitlines() if line.strip()]
        if len(answers) == 1 and "predictions" in answers[0]:
            answers = answers[0]["predictions"]
        if any("error" in answer for answer in answers):
            return []
        return [(answer.get("key"), _score_of_answer(answer, classes)) for answer in answers]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CaptureError(f"output: no scores in it ({type(error).__name__}: {error})") from error


def _score_of_line(line: str, classes: Sequence[str]) -> Score:
    if not classes:
        return float(line)
    values = line.split(",")
    if len(values) != len(classes):
        raise ValueError(f"{len(values)} probabilities, allowed are {len(classes)}, one per class")
    return tuple(map(float, values))


def _score_of_answer(answer: Mapping[str, Any], classes: Sequence[str]) -> Score:
    """By the classes' names: what was answered by an older contract may have them in another order."""
    if not classes:
        return float(answer["score"])
    found = answer["probabilities"]
    if set(found) != set(classes):
        raise ValueError(
            f"probabilities of {len(found)} classes, allowed are the contract's: {', '.join(classes)}"
        )
    return tuple(float(found[name]) for name in classes)
