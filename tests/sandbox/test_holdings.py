"""The search through everything that the account holds finds a value wherever it is, however packed."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox import account as sandbox_account
from sandbox import clock, work
from sandbox.account import client
from sandbox.holdings import Needles, Search
from tests.sandbox.flow_account import account, any_machine, any_queue, any_role

__all__ = ["account"]
pytestmark = pytest.mark.usefixtures("account")
VALUE = "N87654"
TEXT = f"flight of {VALUE}, late"


def search(*allowed: str) -> dict[str, Any]:
    return Search(Needles([VALUE, "JOHN DOE & SONS"]), allowed).run()


def places(found: dict[str, Any]) -> list[str]:
    return [each["place"] for each in found["forbidden"]]


def put(body: bytes, key: str = "a") -> None:
    if "held" not in [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]]:
        client("s3").create_bucket(Bucket="held")
        client("s3").put_bucket_versioning(Bucket="held", VersioningConfiguration={"Status": "Enabled"})
    client("s3").put_object(Bucket="held", Key=key, Body=body)


def parquet() -> bytes:
    body = io.BytesIO()
    column = pa.array(["x", VALUE, None]).dictionary_encode()
    pq.write_table(pa.table({"n": [1, 2, 3], "tail": column}), body)
    return body.getvalue()


def tar() -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as archive:
        member = tarfile.TarInfo("inner.json")
        member.size = len(TEXT)
        archive.addfile(member, io.BytesIO(TEXT.encode()))
    return body.getvalue()


def zipped() -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("a.txt", TEXT)
    return body.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(TEXT.encode(), id="text"),
        pytest.param(f"x,{VALUE},y".encode(), id="a field of a line"),
        pytest.param(gzip.compress(TEXT.encode()), id="gzip"),
        pytest.param(parquet(), id="parquet"),
        pytest.param(tar(), id="tar.gz"),
        pytest.param(zipped(), id="zip"),
        pytest.param(json.dumps({"rawData": base64.b64encode(TEXT.encode()).decode()}).encode(), id="base64"),
        pytest.param(
            gzip.compress(
                json.dumps({"data": base64.b64encode(gzip.compress(TEXT.encode())).decode()}).encode()
            ),
            id="gzip in base64 in gzip",
        ),
        pytest.param(b"built by JOHN DOE & SONS.", id="a value of several words"),
    ],
)
def test_value_is_found_in_an_object_and_an_earlier_version_of_it(body: bytes) -> None:
    put(body)
    assert places(search()) == ["s3://held/a"]
    client("s3").put_object(Bucket="held", Key="a", Body=b"nothing")
    client("s3").delete_object(Bucket="held", Key="a")
    assert places(search()) == ["s3://held/a"]
    versions = client("s3").list_object_versions(Bucket="held")
    for version in [*versions["Versions"], *versions["DeleteMarkers"]]:
        client("s3").delete_object(Bucket="held", Key="a", VersionId=version["VersionId"])
    assert places(search()) == []


def log_line() -> None:
    client("logs").create_log_group(logGroupName="held")
    client("logs").create_log_stream(logGroupName="held", logStreamName="s")
    events = [{"timestamp": int(clock.now().timestamp() * 1000), "message": f"log: {TEXT}"}]
    client("logs").put_log_events(logGroupName="held", logStreamName="s", logEvents=events)


def metric() -> None:
    dimension = {"Name": "Tail", "Value": VALUE}
    data = [{"MetricName": "m", "Dimensions": [dimension], "Value": 1}]
    client("cloudwatch").put_metric_data(Namespace="held", MetricData=data)


def message() -> None:
    client("sqs").send_message(QueueUrl=any_queue("held"), MessageBody=f"message: {TEXT}")


def execution() -> None:
    role = any_role("held", "states.amazonaws.com")
    machine = any_machine("held", {"Only": {"Type": "Pass", "End": True}}, role)
    client("stepfunctions").start_execution(stateMachineArn=machine, input=json.dumps({"tail": VALUE}))
    assert work.idle(20)


def item() -> None:
    schema = [{"AttributeName": "id", "KeyType": "HASH"}]
    types = [{"AttributeName": "id", "AttributeType": "S"}]
    dynamodb = client("dynamodb")
    dynamodb.create_table(
        TableName="held", KeySchema=schema, AttributeDefinitions=types, BillingMode="PAY_PER_REQUEST"
    )
    dynamodb.put_item(TableName="held", Item={"id": {"S": "1"}, "said": {"S": f"item: {TEXT}"}})


def parameter() -> None:
    client("ssm").put_parameter(Name="/held", Value=f"parameter: {TEXT}", Type="String")


def name_of_an_object() -> None:
    put(b"x", key=f"tail={VALUE}/a")


def failure() -> None:
    work.fail("held", ValueError(TEXT))


def file_of_a_job() -> None:
    (sandbox_account.workdir() / "left.txt").write_text(TEXT)


@pytest.mark.parametrize(
    ("plant", "place"),
    [
        pytest.param(log_line, "logs/", id="log line"),
        pytest.param(metric, "cloudwatch/", id="metric"),
        pytest.param(message, "sqs/", id="message"),
        pytest.param(execution, "stepfunctions/", id="execution"),
        pytest.param(item, "dynamodb/", id="item"),
        pytest.param(parameter, "ssm/", id="parameter"),
        pytest.param(name_of_an_object, "s3/", id="name of an object"),
        pytest.param(failure, "sandbox.work:_failures/", id="error behind the calls"),
        pytest.param(file_of_a_job, "disk/left.txt", id="file of a job"),
    ],
)
def test_value_is_found_wherever_else_it_is(plant: Callable[[], None], place: str) -> None:
    before = set(places(search()))  # a text is told once: what is planted here is like nothing else
    plant()
    found = set(places(search())) - before
    assert found
    assert any(each.startswith(place) for each in found), found


def test_value_may_be_where_it_is_allowed_and_a_copy_elsewhere_may_not() -> None:
    """The same text in both: the one that is allowed must not hide the other."""
    allowed = "cloudwatch/"
    client("cloudwatch").put_metric_data(
        Namespace=f"of N11111 {VALUE}", MetricData=[{"MetricName": "m", "Value": 1}]
    )
    client("ssm").put_parameter(Name="/copy", Value=f"of N11111 {VALUE}", Type="String")
    found = Search(Needles(["N11111"]), [allowed]).run()
    assert found["allowed"] == {allowed: 1}
    assert [place.split("/")[0] for place in places(found)] == ["ssm"]


def test_text_is_hidden_by_no_other_with_the_same_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    class Anycase(str):
        __slots__ = ()

        def __hash__(self) -> int:
            return hash(self.lower())

    name = "JÖRG"  # its letters in memory are those of the first, its text is another one
    texts = [name.encode("latin-1"), name, Anycase("of n55555"), Anycase("of N55555")]
    monkeypatch.setattr(work, "planted", texts, raising=False)
    found = Search(Needles([name, "N55555"]), ()).run()
    assert {each["place"] for each in found["forbidden"]} == {
        "sandbox.work:planted/1",
        "sandbox.work:planted/3",
    }


@pytest.mark.parametrize(("allowed", "forbidden"), [("0", "1"), ("1", "0")])
def test_of_two_like_texts_side_by_side_each_is_told(
    monkeypatch: pytest.MonkeyPatch, allowed: str, forbidden: str
) -> None:
    monkeypatch.setattr(work, "planted", ["of N66666", "of N66666"], raising=False)
    place = "sandbox.work:planted/"
    found = Search(Needles(["N66666"]), [place + allowed]).run()
    assert found["allowed"] == {place + allowed: 1}
    assert places(found) == [place + forbidden]


def test_part_of_a_longer_word_is_none() -> None:
    assert Needles([VALUE]).found(f"x{VALUE} {VALUE}0 A{VALUE}".encode()) == set()
    assert Needles([VALUE]).found(f"tail_{VALUE}|".encode()) == {VALUE.encode()}
