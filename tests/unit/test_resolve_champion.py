"""The custom resource: a deployment keeps the promoted model, a deletion takes along what the loop made."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from resolve_champion import handler
from shared import aws

from tests.any_account import Account, any_account
from tests.any_model import any_contract

CONTEXT = SimpleNamespace(log_stream_name="2024/04/12/[$LATEST]abc")
RUN = "mlref-sandbox-r20240412-0badcafe"


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    with any_account(any_contract(), tmp_path, monkeypatch) as found:
        yield found


def answer(monkeypatch: pytest.MonkeyPatch, request_type: str, **changes: Any) -> dict[str, Any]:
    """What CloudFormation gets at the response address."""
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(handler, "send", lambda _url, content: sent.append(dict(content)))
    event = {
        "RequestType": request_type,
        "ResponseURL": "https://cloudformation.example/answer",
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "ChampionConfig",
    }
    handler.handler(event | changes, CONTEXT)
    assert len(sent) == 1
    return sent[0]


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_before_the_first_promotion_the_baseline_serves(
    account: Account, monkeypatch: pytest.MonkeyPatch, request_type: str
) -> None:
    assert answer(monkeypatch, request_type) == {
        "Status": "SUCCESS",
        "PhysicalResourceId": "mlref-sandbox-champion",
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "ChampionConfig",
        "Data": {"EndpointConfigName": "BaselineConfig-1"},
    }


def test_a_deployment_keeps_what_the_loop_promoted(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.set_champion(json.dumps({"endpoint_config_name": f"{RUN}-champion"}))
    found = answer(monkeypatch, "Update", PhysicalResourceId="earlier")
    assert found["Data"] == {"EndpointConfigName": f"{RUN}-champion"}
    assert found["PhysicalResourceId"] == "earlier"


def test_a_failure_is_answered_at_once_and_named(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.set_champion('{"run_id": "r1"}')
    found = answer(monkeypatch, "Create")
    assert found["Status"] == "FAILED"
    assert "names no endpoint_config_name" in found["Reason"]
    assert CONTEXT.log_stream_name in found["Reason"]
    account.ssm.delete_parameter(Name="/mlref-sandbox/champion")
    assert "ParameterNotFound" in answer(monkeypatch, "Create")["Reason"]


def make(sagemaker: Any, model: str, *configs: str) -> None:
    sagemaker.create_model(
        ModelName=model,
        PrimaryContainer={"Image": "i", "ModelDataUrl": "s3://b/m.tar.gz"},
        ExecutionRoleArn="arn:aws:iam::123456789012:role/r",
    )
    for config in configs:
        variant = {"VariantName": "champion", "ModelName": model, "InstanceType": "ml.m5.large"}
        sagemaker.create_endpoint_config(
            EndpointConfigName=config, ProductionVariants=[variant | {"InitialInstanceCount": 1}]
        )


def test_a_deletion_removes_what_runs_made_and_nothing_else(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sagemaker = boto3.client("sagemaker")
    make(sagemaker, RUN, f"{RUN}-challenger", f"{RUN}-champion")
    make(sagemaker, "mlref-sandbox-by-hand", "mlref-sandbox-by-hand")
    make(sagemaker, "mlref-production-r20240412-0badcafe", "mlref-production-r20240412-0badcafe-champion")
    group = "mlref-sandbox-models"
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    package = sagemaker.create_model_package(ModelPackageGroupName=group)["ModelPackageArn"]

    deleted: list[str] = []

    # moto keeps packages and cannot delete them.
    def delete_model_package(ModelPackageName: str) -> None:
        deleted.append(ModelPackageName)

    monkeypatch.setattr(aws.client("sagemaker"), "delete_model_package", delete_model_package)

    found = answer(monkeypatch, "Delete")

    assert found["Status"] == "SUCCESS"
    assert deleted == [package]
    models = {entry["ModelName"] for entry in sagemaker.list_models()["Models"]}
    configs = {entry["EndpointConfigName"] for entry in sagemaker.list_endpoint_configs()["EndpointConfigs"]}
    assert models == {"mlref-sandbox-by-hand", "mlref-production-r20240412-0badcafe"}
    assert configs == {"mlref-sandbox-by-hand", "mlref-production-r20240412-0badcafe-champion"}
    removed = json.loads(capsys.readouterr().out)["removed"]
    assert sorted(removed) == sorted([package, RUN, f"{RUN}-challenger", f"{RUN}-champion"])


def test_a_deletion_does_not_mind_what_is_gone_already(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answer(monkeypatch, "Delete")["Status"] == "SUCCESS"


def test_the_answer_is_put_without_a_content_type(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    class Response:
        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    def urlopen(request: Any, timeout: int) -> Response:
        seen.append(request)
        return Response()

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    handler.send("https://cloudformation.example/answer", {"Status": "SUCCESS"})
    assert seen[0].get_method() == "PUT"
    assert json.loads(seen[0].data) == {"Status": "SUCCESS"}
    assert seen[0].get_header("Content-type") == ""
