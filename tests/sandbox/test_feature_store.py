"""The feature store keeps the newest event time online, everything offline, and lets in who may."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import pyarrow.parquet
import pytest
import shared.aws
from botocore.exceptions import ClientError

from sandbox import account, clock
from sandbox.iam import identity
from tests.any_model import any_contract
from tests.sandbox.compute_account import allow, any_bucket, any_key, any_role, listed, put, read

RUNTIME = "sagemaker-featurestore-runtime"
NOON = "2013-03-01T12:00:00Z"


@pytest.fixture(scope="module")
def key():
    with account.Account():
        any_bucket("store-bucket")
        account.client("glue").create_database(DatabaseInput={"Name": "lake"})
        made = any_key()
        any_role(
            "keeper",
            "sagemaker.amazonaws.com",
            allow("s3:GetBucketAcl", "arn:aws:s3:::store-bucket"),
            allow("s3:PutObject s3:PutObjectAcl", "arn:aws:s3:::store-bucket/store/*"),
            allow("kms:GenerateDataKey", made),
        )
        yield made


@pytest.fixture(autouse=True)
def _noon(key):
    clock.set(datetime(2013, 3, 2, 12, tzinfo=UTC))
    yield
    clock.set(datetime.now(UTC))


@pytest.fixture
def runtime(key):
    return account.client(RUNTIME)


def any_group(name: str, key: str, **changes):
    """A group with both halves: entity, event time, and a rate."""
    request = {
        "FeatureGroupName": name,
        "RecordIdentifierFeatureName": "entity",
        "EventTimeFeatureName": "event_time",
        "FeatureDefinitions": [
            {"FeatureName": "entity", "FeatureType": "String"},
            {"FeatureName": "event_time", "FeatureType": "String"},
            {"FeatureName": "rate", "FeatureType": "Fractional"},
        ],
        "OnlineStoreConfig": {"EnableOnlineStore": True, "SecurityConfig": {"KmsKeyId": key}},
        "OfflineStoreConfig": {
            "S3StorageConfig": {"S3Uri": "s3://store-bucket/store", "KmsKeyId": key},
            "DataCatalogConfig": {
                "Catalog": "AwsDataCatalog",
                "Database": "lake",
                "TableName": name.replace("-", "_"),
            },
        },
        "RoleArn": f"arn:aws:iam::{account.ACCOUNT}:role/keeper",
    }
    account.client("sagemaker").create_feature_group(**request | changes)
    return name


def record(entity: str, event_time: str, rate: float | None):
    values = {"entity": entity, "event_time": event_time} | ({} if rate is None else {"rate": str(rate)})
    return [{"FeatureName": name, "ValueAsString": value} for name, value in values.items()]


def looked_up(runtime, name, entity, **more):
    answer = runtime.get_record(FeatureGroupName=name, RecordIdentifierValueAsString=entity, **more)
    return {one["FeatureName"]: one["ValueAsString"] for one in answer.get("Record", [])}


def test_newest_event_time_wins_whatever_the_order_of_writing(key, runtime):
    name = any_group("order", key)
    for event_time, rate in ((NOON, 0.2), ("2013-02-01T12:00:00Z", 0.1), (NOON, 0.9)):
        runtime.put_record(FeatureGroupName=name, Record=record("AA", event_time, rate))
    assert looked_up(runtime, name, "AA") == {"entity": "AA", "event_time": NOON, "rate": "0.2"}
    runtime.put_record(FeatureGroupName=name, Record=record("AA", "2013-03-01T12:00:01.000Z", 0.3))
    assert looked_up(runtime, name, "AA", FeatureNames=["rate"]) == {"rate": "0.3"}
    assert looked_up(runtime, name, "UA") == {}


def test_batch_answers_for_those_that_are_there(key, runtime):
    first, second = any_group("batch-one", key), any_group("batch-two", key)
    runtime.put_record(FeatureGroupName=first, Record=record("AA", NOON, 0.2))
    runtime.put_record(FeatureGroupName=second, Record=record("JFK", NOON, None))
    asked = [
        {"FeatureGroupName": first, "RecordIdentifiersValueAsString": ["AA", "none"]},
        {"FeatureGroupName": second, "RecordIdentifiersValueAsString": ["JFK"]},
    ]
    found = runtime.batch_get_record(Identifiers=asked)["Records"]
    assert [(one["FeatureGroupName"], one["RecordIdentifierValueAsString"]) for one in found] == [
        (first, "AA"),
        (second, "JFK"),
    ]
    assert "rate" not in {one["FeatureName"] for one in found[1]["Record"]}


def test_record_is_gone_when_its_time_is_over(key, runtime):
    online = {
        "EnableOnlineStore": True,
        "SecurityConfig": {"KmsKeyId": key},
        "TtlDuration": {"Unit": "Days", "Value": 3},
    }
    name = any_group("lifetime", key, OnlineStoreConfig=online)
    runtime.put_record(FeatureGroupName=name, Record=record("AA", NOON, 0.2))
    shown = runtime.get_record(
        FeatureGroupName=name, RecordIdentifierValueAsString="AA", ExpirationTimeResponse="Enabled"
    )
    assert shown["ExpiresAt"] == "2013-03-04T12:00:00Z"
    clock.set(datetime(2013, 3, 4, 12, tzinfo=UTC) - timedelta(seconds=5))
    assert looked_up(runtime, name, "AA")
    clock.set(datetime(2013, 3, 4, 12, tzinfo=UTC))
    assert looked_up(runtime, name, "AA") == {}


def test_soft_deletion_hides_and_keeps_older_records_out(key, runtime):
    name = any_group("soft", key)
    runtime.put_record(FeatureGroupName=name, Record=record("AA", NOON, 0.2))
    late = {"FeatureGroupName": name, "RecordIdentifierValueAsString": "AA", "EventTime": NOON}
    runtime.delete_record(**late)
    assert looked_up(runtime, name, "AA"), "a deletion that is not later deletes nothing"
    runtime.delete_record(**late | {"EventTime": "2013-03-01T13:00:00Z"})
    assert looked_up(runtime, name, "AA") == {}
    runtime.put_record(FeatureGroupName=name, Record=record("AA", "2013-03-01T12:30:00Z", 0.4))
    assert looked_up(runtime, name, "AA") == {}
    runtime.put_record(FeatureGroupName=name, Record=record("AA", "2013-03-01T13:30:00Z", 0.4))
    assert looked_up(runtime, name, "AA")["rate"] == "0.4"


def test_hard_deletion_forgets_and_refuses_to_come_late(key, runtime):
    name = any_group("hard", key)
    runtime.put_record(FeatureGroupName=name, Record=record("AA", NOON, 0.2))
    asked = {
        "FeatureGroupName": name,
        "RecordIdentifierValueAsString": "AA",
        "DeletionMode": "HardDelete",
    }
    with pytest.raises(ClientError, match="not later"):
        runtime.delete_record(**asked, EventTime=NOON)
    runtime.delete_record(**asked, EventTime="2013-03-01T13:00:00Z")
    runtime.put_record(FeatureGroupName=name, Record=record("AA", "2013-01-01T00:00:00Z", 0.1))
    assert looked_up(runtime, name, "AA")["rate"] == "0.1"


def test_offline_half_keeps_every_write_in_the_documented_place(key, runtime):
    from sandbox.engines import feature_offline

    name = any_group("offline", key)
    shown = account.client("sagemaker").describe_feature_group(FeatureGroupName=name)
    resolved = shown["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"]
    created = int(shown["CreationTime"].timestamp())
    assert resolved == (
        f"s3://store-bucket/store/{account.ACCOUNT}/sagemaker/us-east-1/offline-store/offline-{created}/data"
    )
    runtime.put_record(FeatureGroupName=name, Record=record("AA", NOON, 0.2))
    runtime.put_record(FeatureGroupName=name, Record=record("AA", "2013-03-01T12:59:00Z", None))
    runtime.put_record(FeatureGroupName=name, Record=record("AA", "2013-01-31T23:00:00Z", 0.1))
    runtime.delete_record(
        FeatureGroupName=name, RecordIdentifierValueAsString="AA", EventTime="2013-03-01T12:59:30Z"
    )
    feature_offline.flush()
    keys = listed("store-bucket", resolved.removeprefix("s3://store-bucket/"))
    files = {key.rpartition("/data/")[2].rpartition("/")[0]: key for key in keys}
    assert set(files) == {
        "year=2013/month=03/day=01/hour=12",
        "year=2013/month=01/day=31/hour=23",
    }
    newest = files["year=2013/month=03/day=01/hour=12"]
    assert newest.rpartition("/")[2].startswith("20130301T125930Z_")
    rows = pyarrow.parquet.read_table(io.BytesIO(read("store-bucket", newest))).to_pylist()
    assert [(row["rate"], row["is_deleted"]) for row in rows] == [(0.2, False), (None, False), (None, True)]
    assert rows[0]["api_invocation_time"] <= rows[0]["write_time"]
    assert abs(rows[0]["write_time"] - datetime(2013, 3, 2, 12, tzinfo=UTC)) < timedelta(minutes=5)
    head = account.client("s3").head_object(Bucket="store-bucket", Key=newest)
    assert head["SSEKMSKeyId"] == key
    glue = account.client("glue")
    table = glue.get_table(DatabaseName="lake", Name="offline")["Table"]
    assert table["StorageDescriptor"]["Location"] == resolved
    parts = glue.get_partitions(DatabaseName="lake", TableName="offline")["Partitions"]
    assert sorted(one["Values"] for one in parts) == [["2013", "01", "31", "23"], ["2013", "03", "01", "12"]]


def test_each_store_can_be_written_alone(key, runtime):
    from sandbox.engines import feature_offline

    name = any_group("alone", key)
    feature_offline.flush()
    runtime.put_record(FeatureGroupName=name, Record=record("AA", NOON, 0.2), TargetStores=["OnlineStore"])
    assert feature_offline.flush(name) == 0
    runtime.put_record(FeatureGroupName=name, Record=record("UA", NOON, 0.2), TargetStores=["OfflineStore"])
    assert looked_up(runtime, name, "UA") == {}
    assert feature_offline.flush(name) == 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"entity": "AA", "event_time": "2013-03-01"}, "event time"),
        ({"entity": "AA"}, "no event_time"),
        ({"event_time": NOON}, "no entity"),
        ({"entity": "AA", "event_time": NOON, "speed": "1"}, "feature speed is not of"),
        ({"entity": "AA", "event_time": NOON, "rate": "fast"}, "rate is not a number"),
        ({"entity": "AA", "event_time": NOON, "rate": "nan"}, "rate is not a number"),
    ],
)
def test_record_that_does_not_fit_is_refused(key, runtime, values, words):
    if (
        account.client("sagemaker").list_feature_groups(NameContains="refusing")["FeatureGroupSummaries"]
        == []
    ):
        any_group("refusing", key)
    content = [{"FeatureName": name, "ValueAsString": value} for name, value in values.items()]
    with pytest.raises(ClientError, match=words) as refused:
        runtime.put_record(FeatureGroupName="refusing", Record=content)
    assert refused.value.response["Error"]["Code"] == "ValidationError"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ThroughputConfig": {"ThroughputMode": "Provisioned"}}, "Provisioned is not in the sandbox"),
        ({"EventTimeFeatureName": "absent"}, "EventTimeFeatureName absent"),
        ({"OnlineStoreConfig": {"EnableOnlineStore": True, "StorageType": "InMemory"}}, "InMemory is not"),
        ({"RoleArn": f"arn:aws:iam::{account.ACCOUNT}:role/nobody"}, "Could not assume role"),
    ],
)
def test_group_that_is_not_emulated_is_refused_by_name(key, changes, words):
    with pytest.raises(ClientError, match=words):
        any_group("refused", key, **changes)


def test_what_is_not_emulated_says_so(key, runtime):
    name = any_group("absent", key)
    with pytest.raises(ClientError, match="BatchWriteRecord is not in the sandbox"):
        runtime.batch_write_record(Entries=[{"FeatureGroupName": name, "Record": record("AA", NOON, 0.2)}])
    with pytest.raises(ClientError, match="ListRecords is not in the sandbox"):
        runtime.list_records(FeatureGroupName=name)
    with pytest.raises(ClientError) as missing:
        runtime.get_record(FeatureGroupName="nowhere", RecordIdentifierValueAsString="AA")
    assert missing.value.response["Error"]["Code"] == "ResourceNotFound"


def test_lookups_need_the_group_and_its_key(key):
    name = any_group("guarded", key)
    arn = f"arn:aws:sagemaker:us-east-1:{account.ACCOUNT}:feature-group/{name}"
    root = account.client(RUNTIME)
    root.put_record(FeatureGroupName=name, Record=record("AA", NOON, 0.2))
    reading = allow("sagemaker:GetRecord sagemaker:BatchGetRecord", arn)
    through = {"StringEquals": {"kms:ViaService": "sagemaker.us-east-1.amazonaws.com"}}
    opening = allow("kms:Decrypt", key) | {"Condition": through}
    for role, statements, is_allowed in (
        ("reads", [reading, opening], True),
        ("reads-keyless", [reading], False),
        ("reads-another", [allow("sagemaker:GetRecord", f"{arn}-2"), opening], False),
    ):
        made = any_role(role, "lambda.amazonaws.com", *statements)
        client = identity.service_credentials(made, "lambda.amazonaws.com", session=role).client(RUNTIME)
        if is_allowed:
            assert looked_up(client, name, "AA")["rate"] == "0.2"
            identifiers = [{"FeatureGroupName": name, "RecordIdentifiersValueAsString": ["AA"]}]
            assert client.batch_get_record(Identifiers=identifiers)["Records"]
            with pytest.raises(ClientError, match="PutRecord"):
                client.put_record(FeatureGroupName=name, Record=record("AA", NOON, 0.2))
        else:
            with pytest.raises(ClientError, match="not authorized"):
                looked_up(client, name, "AA")


def test_deleted_group_leaves_its_files(key, runtime):
    name = any_group("leaving", key)
    runtime.put_record(FeatureGroupName=name, Record=record("AA", NOON, 0.2))
    account.client("sagemaker").delete_feature_group(FeatureGroupName=name)
    with pytest.raises(ClientError, match="does not exist"):
        looked_up(runtime, name, "AA")
    assert [one for one in listed("store-bucket", "store/") if f"/{name}-" in one]


def test_function_fills_and_a_client_asks_as_if_it_had_the_feature_table(key, monkeypatch):
    """The score by look-up is the score of the feature table's row, from a model trained on such rows."""
    from put_features import handler

    from demo.lookup import Lookup

    contract = any_contract()
    entities = [{"name": "site", "columns": ["site"], "features": ["rate"]}]
    contract["features"] = {**contract["features"], "entities": entities}
    groups = {"site": any_group("filled", key)}
    table = {"north": 1 / 3, "south": 0.7000000000000001, "east": None}
    content = {
        "format": 1,
        "day": "2013-03-02",
        "event_time": "2013-03-02T05:00:00Z",
        "records": {"site": [{"site": site, "rate": rate} for site, rate in table.items()]},
    }
    models = any_bucket("filled-models")
    put(models, "runs/r1/entities.json", json.dumps(content))
    group_arn = f"arn:aws:sagemaker:us-east-1:{account.ACCOUNT}:feature-group/filled"
    through = {"Condition": {"StringEquals": {"kms:ViaService": "sagemaker.us-east-1.amazonaws.com"}}}
    statements = {
        "filling": [
            allow("s3:GetObject", f"arn:aws:s3:::{models}/runs/*/entities.json"),
            allow("s3:ListBucket", f"arn:aws:s3:::{models}"),
            allow("sagemaker:PutRecord", group_arn),
        ],
        "asking": [allow("sagemaker:BatchGetRecord", group_arn)],
    }
    acting = {
        name: identity.service_credentials(
            any_role(name, "lambda.amazonaws.com", *given, allow("kms:Decrypt", key) | through),
            "lambda.amazonaws.com",
            session=name,
        )
        for name, given in statements.items()
    }
    monkeypatch.setattr(handler, "_store", lambda: acting["filling"].client(RUNTIME))
    monkeypatch.setattr(shared.aws, "client", acting["filling"].client)
    monkeypatch.setattr(handler, "client", acting["filling"].client)
    monkeypatch.setattr(handler, "contract", lambda: contract)
    monkeypatch.setenv("MODELS_BUCKET", models)
    monkeypatch.setenv("FEATURE_GROUPS", json.dumps(groups))
    event = {"plan": {"run_id": "r1"}}
    assert [handler.handler(event, None)["put"] for _ in range(2)] == [3, 3]
    assert handler.handler({"plan": {"run_id": "r2"}}, None)["put"] == 0

    known = [{"key": site, "site": site} for site in table]
    asked = Lookup(acting["asking"].client(RUNTIME), groups, entities).enriched(known)
    stored = [row | {"rate": table[row["site"]]} for row in known]
    assert asked == stored
    with pytest.raises(ClientError, match="BatchGetRecord"):
        Lookup(acting["filling"].client(RUNTIME), groups, entities).enriched(known)
    model = booster()
    assert score(model, asked) == score(model, stored)
    assert len(set(score(model, stored))) > 1, "the model does not look at the history"


def booster():
    """A model of the feature that is looked up; a missing value is one that trees know."""
    import numpy as np
    import xgboost

    rates = np.linspace(0, 1, 200).reshape(-1, 1)
    rates[::7] = np.nan
    label = (np.nan_to_num(rates[:, 0]) > 0.5).astype(float)
    matrix = xgboost.DMatrix(rates, label=label, feature_names=["rate"])
    return xgboost.train({"objective": "binary:logistic", "nthread": 1}, matrix, num_boost_round=5)


def score(model, rows):
    import numpy as np
    import xgboost

    values = np.array([[np.nan if row["rate"] is None else row["rate"]] for row in rows])
    return model.predict(xgboost.DMatrix(values, feature_names=["rate"])).tolist()
