"""An account in memory with what the steps of the state machines read and write."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import moto
import pytest
from shared import aws, environment

import bundles

BUCKETS = ("RAW", "CURATED", "FEATURES", "MODELS", "CAPTURES")
ENVIRONMENT = {
    **{f"{name}_BUCKET": f"{name.lower()}-bucket" for name in BUCKETS},
    "DATABASE": "visits_db",
    "LEDGER_TABLE": "ledger",
    "CHAMPION_PARAMETER": "/mlref-sandbox/champion",
    "ENDPOINT_NAME": "mlref-sandbox-endpoint",
    "BASELINE_MODEL_NAME": "BaselineModel-1",
    "BASELINE_MODEL_URL": "s3://assets/rule.tar.gz",
    "BASELINE_CONFIG_NAME": "BaselineConfig-1",
    "ALGORITHM": "script",
    "METRIC_NAMESPACE": "mlref/model",
    "NAME_PREFIX": "mlref-sandbox-",
    "MODEL_PACKAGE_GROUP": "mlref-sandbox-models",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
}


class Account:
    def __init__(self) -> None:
        self.s3 = boto3.client("s3")
        self.glue = boto3.client("glue")
        self.ssm = boto3.client("ssm")
        self.dynamodb = boto3.client("dynamodb")

    def put(self, bucket: str, key: str, content: Any = "") -> None:
        body = content if isinstance(content, str | bytes) else json.dumps(content)
        self.s3.put_object(Bucket=ENVIRONMENT[f"{bucket}_BUCKET"], Key=key, Body=body)

    def get(self, uri: str) -> Any:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return json.loads(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    def model_object(self, key: str) -> Any:
        return self.get(f"s3://{ENVIRONMENT['MODELS_BUCKET']}/{key}")

    def publish(self, table: str, month: str, location: str) -> None:
        self.glue.create_partition(
            DatabaseName=ENVIRONMENT["DATABASE"],
            TableName=table,
            PartitionInput={"Values": [month], "StorageDescriptor": {"Location": location}},
        )

    def locations(self, table: str) -> dict[str, str]:
        found = self.glue.get_partitions(DatabaseName=ENVIRONMENT["DATABASE"], TableName=table)["Partitions"]
        return {entry["Values"][0]: entry["StorageDescriptor"]["Location"] for entry in found}

    def set_champion(self, value: str) -> None:
        name = ENVIRONMENT["CHAMPION_PARAMETER"]
        self.ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)


@contextmanager
def any_account(contract: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    (folder / "contract.json").write_text(json.dumps(contract))
    (folder / "time_zone.tzif").write_bytes(bundles.time_zone_bytes(contract["time_zone"]))
    for name, value in {**ENVIRONMENT, "LAMBDA_TASK_ROOT": str(folder)}.items():
        monkeypatch.setenv(name, value)
    aws.client.cache_clear()
    environment.contract.cache_clear()
    with moto.mock_aws():
        account = Account()
        for name in BUCKETS:
            account.s3.create_bucket(Bucket=ENVIRONMENT[f"{name}_BUCKET"])
        account.glue.create_database(DatabaseInput={"Name": ENVIRONMENT["DATABASE"]})
        for table in (*contract["tables"], "features"):
            columns = [{"Name": "key", "Type": "string"}]
            descriptor = {"Columns": columns, "Location": f"s3://x/{table}", "InputFormat": "parquet"}
            account.glue.create_table(
                DatabaseName=ENVIRONMENT["DATABASE"],
                TableInput={"Name": table, "StorageDescriptor": descriptor},
            )
        account.dynamodb.create_table(
            TableName=ENVIRONMENT["LEDGER_TABLE"],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        account.set_champion("baseline")
        yield account
    aws.client.cache_clear()
    environment.contract.cache_clear()


def any_plan(**changes: Any) -> dict[str, Any]:
    """The part of a plan that later steps read."""
    plan = {
        "run_id": "r20240412-0badcafe",
        "action": "retrain",
        "trigger": "manual",
        "through": "2024-04-12",
        "time": datetime(2024, 4, 12, 1, tzinfo=UTC).isoformat(),
        "months": "2024-03,2024-04",
        "feature_months": "2024-03,2024-04",
        "train_start": "2024-01-01",
        "train_end": "2024-03-01",
        "validation_end": "2024-03-15",
        "holdout_end": "2024-04-12",
    }
    return plan | changes
