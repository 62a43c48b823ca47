"""The champion's name among the models: where its artefact lies in any bucket; written when it is new."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from publish_champion import handler
from publish_champion.pointer import ChampionError, pointer

PARAMETER, BUCKET, KEY = "/mlref-sandbox/champion", "models", "champion/champion.json"
TOLD = {
    "run_id": "r20130501-0a1b2c3d",
    "model_name": "mlref-sandbox-r20130501-0a1b2c3d",
    "model_data_url": f"s3://{BUCKET}/runs/r20130501-0a1b2c3d/model/model.tar.gz",
    "endpoint_config_name": "any",
}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    from shared.aws import client

    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "CHAMPION_PARAMETER": PARAMETER,
        "CHAMPION_KEY": KEY,
        "MODELS_BUCKET": BUCKET,
    }.items():
        monkeypatch.setenv(name, value)
    client.cache_clear()
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        boto3.client("ssm").put_parameter(Name=PARAMETER, Value="baseline", Type="String")
        yield s3
    client.cache_clear()


def promote(**told: Any) -> None:
    boto3.client("ssm").put_parameter(Name=PARAMETER, Value=json.dumps(TOLD | told), Overwrite=True)


def written(s3: Any) -> Any:
    return json.loads(s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read())


def test_rule_is_told_before_the_first_promotion(account: Any) -> None:
    assert handler.handler({}, None) == {"run_id": "baseline", "written": True}
    assert written(account)["region"] == "us-east-1"


def test_promotion_is_told_once(account: Any) -> None:
    handler.handler({}, None)
    promote()
    assert handler.handler({}, None)["written"]
    assert written(account)["model_data_key"] == "runs/r20130501-0a1b2c3d/model/model.tar.gz"
    assert handler.handler({}, None) == {"run_id": TOLD["run_id"], "written": False}
    versions = account.list_object_versions(Bucket=BUCKET, Prefix=KEY)["Versions"]
    assert len(versions) == 2


@pytest.mark.parametrize("value", ["", "{}", "[]", '{"run_id": "r1"}', "r20130501-0a1b2c3d"])
def test_parameter_that_names_no_artefact_is_refused(value: str) -> None:
    with pytest.raises(ChampionError, match="names no run_id, model_name and model_data_url"):
        pointer(value, bucket=BUCKET, region="us-east-1")


def test_artefact_that_is_not_copied_is_refused() -> None:
    elsewhere = json.dumps(TOLD | {"model_data_url": "s3://other/model.tar.gz"})
    with pytest.raises(
        ChampionError, match="lies at s3://other/model.tar.gz, allowed is a place below s3://models/"
    ):
        pointer(elsewhere, bucket=BUCKET, region="us-east-1")
