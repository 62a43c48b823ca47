"""Data capture: requests and answers of an endpoint as JSON lines in S3, in SageMaker's shape and paths."""

from __future__ import annotations

import base64
import json
import random
import threading
import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox import clock, control, regions, work
from sandbox.engines import transfer

_LINES_PER_FILE = 2000
_SECONDS_BETWEEN = 2.0  # real ones; AWS delivers within minutes


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request and its answer."""

    body: bytes
    content_type: str
    answer: bytes
    answer_type: str
    inference_id: str | None
    at: datetime


@dataclass(frozen=True, kw_only=True)
class _Line:
    text: str
    at: datetime


_lock = threading.Lock()
_Key = tuple[str, str, str]  # endpoint, variant, Region: a standby has the name of what it stands by for
_waiting: dict[_Key, list[_Line]] = defaultdict(list)
_places: dict[_Key, tuple[dict[str, Any], Any]] = {}
_chance = random.Random(1)  # noqa: S311 sampling, repeatable
_ticker: threading.Thread | None = None


def add(endpoint: str, variant: str, config: dict[str, Any], credentials: Any, exchange: Exchange) -> None:
    """Keeps the exchange, if it is sampled, until the next flush."""
    if not config.get("EnableCapture", True):
        return
    share = int(config["InitialSamplingPercentage"])
    key = (endpoint, variant, regions.current())
    with _lock:
        if share < 100 and _chance.random() * 100 >= share:
            return
        _places[key] = (config, credentials)
        lines = _waiting[key]
        lines.append(_Line(text=line(config, exchange), at=exchange.at))
        full = len(lines) >= _LINES_PER_FILE
    _tick()
    if full:
        flush(endpoint)


def line(config: dict[str, Any], exchange: Exchange) -> str:
    """One event, as SageMaker writes it."""
    modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
    headers = config.get("CaptureContentTypeHeader") or {}
    data: dict[str, Any] = {}
    if modes & {"Input", "InputAndOutput"}:
        data["endpointInput"] = _side("INPUT", exchange.body, exchange.content_type, headers)
    if modes & {"Output", "InputAndOutput"}:
        data["endpointOutput"] = _side("OUTPUT", exchange.answer, exchange.answer_type, headers)
    metadata = {"eventId": str(uuid.uuid4())}
    if exchange.inference_id:
        metadata["inferenceId"] = exchange.inference_id
    metadata["inferenceTime"] = exchange.at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps(
        {"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}, separators=(",", ":")
    )


def _side(mode: str, body: bytes, content_type: str, headers: dict[str, Any]) -> dict[str, str]:
    plain = content_type.partition(";")[0].strip()
    encoding = "BASE64"
    if plain in (headers.get("CsvContentTypes") or []):
        encoding = "CSV"
    elif plain in (headers.get("JsonContentTypes") or []):
        encoding = "JSON"
    text = base64.b64encode(body).decode() if encoding == "BASE64" else body.decode(errors="replace")
    return {"observedContentType": content_type, "mode": mode, "data": text, "encoding": encoding}


def flush(endpoint: str | None = None) -> int:
    """Writes what waits, of one endpoint or of all; how many events that were."""
    with _lock:
        keys = [key for key in _waiting if endpoint in (None, key[0]) and _waiting[key]]
        taken = {key: _waiting.pop(key) for key in keys}
    for (name, variant, region), lines in taken.items():
        config, credentials = _places[name, variant, region]
        try:
            _write(name, variant, config, credentials, lines)
        except transfer.TransferError as error:  # as on AWS: the endpoint serves on without its captures
            work.fail(f"data capture of {name}/{variant}", error)
    return sum(len(lines) for lines in taken.values())


def _write(endpoint: str, variant: str, config: dict[str, Any], credentials: Any, lines: list[_Line]) -> None:
    s3 = credentials.client("s3")
    hours: dict[str, list[_Line]] = defaultdict(list)
    for one in lines:
        hours[one.at.strftime("%Y/%m/%d/%H")].append(one)
    for hour, part in hours.items():
        first = part[0].at
        name = f"{first:%M-%S}-{first.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
        uri = f"{config['DestinationS3Uri'].rstrip('/')}/{endpoint}/{variant}/{hour}/{name}"
        body = "".join(f"{one.text}\n" for one in part).encode()
        transfer.upload(s3, uri, body, transfer.encrypted_with(config.get("KmsKeyId")))


def _tick() -> None:
    """Somebody has to write the last lines when no more requests come."""
    global _ticker
    if _ticker is None or not _ticker.is_alive():
        _ticker = threading.Thread(target=_flush_later, name="data capture", daemon=True)
        _ticker.start()


def _flush_later() -> None:
    while _busy():
        threading.Event().wait(_SECONDS_BETWEEN)
        flush()


def _busy() -> bool:
    with _lock:
        return any(_waiting.values())


def install() -> None:
    control.route("flush-captures", lambda request: {"events": flush(request.get("endpoint"))})
    clock.on_move(_on_move)
    work.probe("data capture", _busy)


def _on_move(_old: datetime, _new: datetime) -> None:
    flush()


def reset() -> None:
    with _lock:
        _waiting.clear()
        _places.clear()
        _chance.seed(1)
