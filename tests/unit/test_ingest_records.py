"""The Firehose transform: each record answered, none lost, one bad one alone."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from ingest_records import handler as module
from ingest_records.records import LARGEST_ANSWER, Batch
from shared import environment, token_keys
from shared.rules import InvalidRecordError

import bundles
import contracts
from tests.any_door import any_door, any_keys, any_tokens

DOOR = any_door(contracts.load("flights"))
FLIGHT = {
    "flight_date": "2013-01-01",
    "carrier": "UA",
    "flight": 1545,
    "origin": "EWR",
    "dest": "IAH",
    "sched_dep_time": 515,
    "sched_arr_time": 819,
    "tailnum": "N14228",
    "distance": 1400,
    "hour": 5,
    "minute": 15,
    "time_hour": "2013-01-01T10:00:00Z",
}
AT = 1_357_050_000_123


def event(*payloads: bytes) -> list[dict[str, Any]]:
    return [
        {
            "recordId": str(index),
            "approximateArrivalTimestamp": AT,
            "data": base64.b64encode(payload).decode(),
        }
        for index, payload in enumerate(payloads)
    ]


def envelope(**changes: Any) -> bytes:
    return json.dumps({"table": "flights", "record": FLIGHT} | changes).encode()


def transform(*payloads: bytes) -> list[dict[str, Any]]:
    return [Batch(DOOR).transform(record) for record in event(*payloads)]


def content(answer: dict[str, Any]) -> Any:
    return json.loads(base64.b64decode(answer["data"]))


def test_valid_record_goes_to_its_raw_partition() -> None:
    (answer,) = transform(envelope())
    assert (answer["recordId"], answer["result"]) == ("0", "Ok")
    keys = {"zone": "raw", "table": "flights", "date": "2013-01-01"}
    assert answer["metadata"]["partitionKeys"] == keys
    token = DOOR["flights"].read(FLIGHT)["tailnum"]
    stamp = {"_ingested_at": "2013-01-01T14:20:00.123Z", "_source": "stream"}
    assert content(answer) == FLIGHT | {"tailnum": token} | stamp
    assert base64.b64decode(answer["data"]).endswith(b"}\n")


def test_same_record_gives_the_same_bytes_again() -> None:
    assert transform(envelope()) == transform(envelope())


def test_invalid_record_goes_to_quarantine_with_its_reason() -> None:
    (answer,) = transform(envelope(record=FLIGHT | {"distance": 99999}))
    assert answer["result"] == "Ok"
    keys = {"zone": "quarantine", "table": "flights", "date": "2013-01-01"}
    assert answer["metadata"]["partitionKeys"] == keys
    entry = content(answer)
    assert (entry["reason"], entry["column"]) == ("out of range", "distance")
    assert (entry["got"], entry["allowed"]) == ("99999", "1 to 12500")
    assert entry["record"]["tailnum"].startswith("tok_")
    assert b"N14228" not in base64.b64decode(answer["data"])


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(b"{", "not JSON", id="half an object"),
        pytest.param(b'{"table":"flights","record":{"distance":NaN}}', "NaN is not JSON", id="NaN"),
        pytest.param(b"\xff\xfe", "not UTF-8", id="not UTF-8"),
        pytest.param(b"[" * 100_000, "not JSON", id="very deep"),
        pytest.param(b"1" * 5000, "not JSON", id="very long number"),
        pytest.param(b"[1]", "no envelope", id="a list"),
        pytest.param(b'{"table":"flights"}', "no envelope", id="no record"),
        pytest.param(b'{"table":7,"record":{}}', "no envelope", id="table that is no text"),
        pytest.param(b'{"table":"flights","record":[]}', "no envelope", id="record that is no object"),
        pytest.param(envelope(extra=1), "no envelope", id="more than an envelope"),
        pytest.param(envelope() + envelope(), "more than one JSON value", id="two in one"),
        pytest.param(
            envelope(table="../raw"), "unknown table '../raw', allowed: airlines", id="unknown table"
        ),
        pytest.param(
            envelope(record=FLIGHT | {"gate": "B2"}), "unknown column gate, allowed:", id="unknown column"
        ),
        pytest.param(envelope(seal="0" * 32), "the seal is not ours", id="forged seal"),
        pytest.param(envelope(record={"x": "y" * 1_000_001}), "bytes, allowed: 1000000", id="too large"),
    ],
)
def test_what_cannot_be_anonymised_fails_as_it_came(payload: bytes, reason: str) -> None:
    batch = Batch(DOOR)
    (record,) = event(payload)
    assert batch.transform(record) == {
        "recordId": "0",
        "result": "ProcessingFailed",
        "data": record["data"],
    }
    assert batch.counts == {"failed": 1}
    assert reason in next(iter(batch.reasons))


def test_data_that_is_not_base64_fails_alone() -> None:
    record = event(envelope())[0] | {"data": "a"}
    assert Batch(DOOR).transform(record)["result"] == "ProcessingFailed"


def test_one_bad_record_does_not_touch_the_others() -> None:
    answers = transform(envelope(), b"broken", envelope(record={}), envelope())
    assert [answer["result"] for answer in answers] == ["Ok", "ProcessingFailed", "Ok", "Ok"]
    zones = [answer.get("metadata", {}).get("partitionKeys", {}).get("zone") for answer in answers]
    assert zones == ["raw", None, "quarantine", "raw"]


def test_batch_table_on_the_stream_is_quarantined() -> None:
    record = {"carrier": "UA", "name": "United"}
    (answer,) = transform(json.dumps({"table": "airlines", "record": record}).encode())
    entry = content(answer)
    assert answer["metadata"]["partitionKeys"]["zone"] == "quarantine"
    assert entry["allowed"] == "landing/airlines/<file>"


def test_redriven_record_of_a_batch_table_is_taken_with_its_tokens() -> None:
    table = DOOR["planes"]
    token = table.read({"tailnum": "N1"}, epoch="2013")["tailnum"]
    record = {"tailnum": token, "year": 2000}
    seal = any_tokens().seal("planes", {"tailnum": token})
    (answer,) = transform(json.dumps({"table": "planes", "record": record, "seal": seal}).encode())
    assert answer["metadata"]["partitionKeys"] == {"zone": "raw", "table": "planes", "date": "all"}
    assert content(answer)["tailnum"] == token


def test_duplicates_are_let_in() -> None:
    assert [answer["result"] for answer in transform(envelope(), envelope())] == ["Ok", "Ok"]


def test_answer_stays_below_what_lambda_can_return() -> None:
    padding = {"record": FLIGHT | {"distance": 0.5, "tailnum": "x" * 9}}
    payload = envelope(**padding)
    batch = Batch(DOOR)
    records = event(*[payload] * 10_000)
    answers = [batch.transform(record) for record in records]
    assert len(json.dumps({"records": answers})) < 6_000_000 < 10_000 * len(answers[0]["data"])
    assert sum(answer["result"] == "ProcessingFailed" for answer in answers) == batch.counts["failed"] > 0
    assert LARGEST_ANSWER < 6_000_000


def test_handler_answers_every_record_and_logs_counts(monkeypatch, capsys) -> None:
    monkeypatch.setattr(module, "door", lambda: DOOR)
    answer = module.handler({"records": event(envelope(), b"broken")}, None)
    assert [record["recordId"] for record in answer["records"]] == ["0", "1"]
    assert json.loads(capsys.readouterr().out) == {
        "raw": 1,
        "quarantine": 0,
        "failed": 1,
        "reasons": {"not JSON, allowed: one JSON object": 1},
    }


def test_handler_takes_contract_and_key_from_its_environment(monkeypatch, tmp_path) -> None:
    import boto3
    from moto import mock_aws

    (tmp_path / "contract.json").write_text(json.dumps(contracts.load("flights")))
    (tmp_path / "time_zone.tzif").write_bytes(bundles.time_zone_bytes("America/New_York"))
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(tmp_path))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    environment.contract.cache_clear()
    environment.close()
    with mock_aws():
        secret = boto3.client("secretsmanager").create_secret(
            Name="token", SecretString=token_keys.text(any_keys())
        )
        monkeypatch.setenv("TOKEN_SECRET_ARN", secret["ARN"])
        answer = module.handler({"records": event(envelope())}, None)
    environment.contract.cache_clear()
    environment.close()
    assert answer["records"][0] == transform(envelope())[0]


class Secrets:
    """Secrets Manager with one secret that a test may rotate; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.rotate(any_keys(), "v1")

    def rotate(self, keys: token_keys.TokenKeys, version: str) -> None:
        self.value = {"SecretString": token_keys.text(keys), "VersionId": version}

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> dict[str, str]:  # noqa: ARG002
        self.asked += 1
        return self.value


@pytest.fixture
def secrets(monkeypatch) -> Iterator[Secrets]:
    found = Secrets()
    monkeypatch.setenv("TOKEN_SECRET_ARN", "any")
    monkeypatch.setattr("boto3.client", lambda _: found)
    monkeypatch.setattr(environment, "contract", lambda: contracts.load("flights"))
    monkeypatch.setattr(environment, "time_zone", lambda: ZoneInfo("America/New_York"))
    environment.close()
    yield found
    environment.close()


def test_warm_function_reads_the_keys_again_before_they_are_old(secrets, monkeypatch) -> None:
    times = iter([0, 299, 300, 301, 302])
    monkeypatch.setattr(environment.time, "time", lambda: next(times))
    first = environment.door()
    assert environment.door() is first
    assert secrets.asked == 1
    assert environment.door() is first, "the same version: the remembered digests stay"
    assert secrets.asked == 2


def test_warm_function_gives_up_a_destroyed_key(secrets, monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(environment.time, "time", lambda: now[0])
    before = environment.door()["flights"].read(FLIGHT)["tailnum"]
    keys = any_keys()
    kept = {epoch: key for epoch, key in keys.epochs.items() if epoch != "2013"}
    secrets.rotate(keys._replace(epochs=kept, destroyed=("2013",)), "v2")
    assert environment.door()["flights"].read(FLIGHT)["tailnum"] == before
    now[0] = environment.KEYS_SECONDS
    with pytest.raises(InvalidRecordError, match="the key of its epoch was destroyed"):
        environment.door()["flights"].read(FLIGHT)


def test_clock_that_was_put_back_makes_no_key_immortal(secrets, monkeypatch) -> None:
    times = iter([1_000.0, 500.0, 500.0])
    monkeypatch.setattr(environment.time, "time", lambda: next(times))
    environment.door()
    environment.door()
    assert secrets.asked == 2


def test_function_without_keys_fails_and_no_record_does(secrets) -> None:
    secrets.rotate(token_keys.TokenKeys({}), "v2")
    with pytest.raises(token_keys.TokenKeysError, match="its first rotation"):
        module.handler({"records": event(envelope())}, None)


def test_import_of_the_handler_leaves_boto3_out() -> None:
    script = "import sys, ingest_records.handler; sys.exit('boto3' in sys.modules)"
    folder = Path(module.__file__).parents[1]
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True)
