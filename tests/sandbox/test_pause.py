"""A pause takes away what costs by existing; after it the same champion gives the same answers."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Iterator

import pytest

from deployment import __main__ as destruction
from deployment import place, rightsizing, status, token_keys
from deployment.pause import main
from sandbox import account, deploy, work
from sandbox.engines.backends import backend
from tests.conftest import Assembly
from tests.sandbox.compute_models import settled

ENDPOINT = "mlref-sandbox-endpoint"
RUN = "mlref-sandbox-r20130501-0a1b2c3d"
KNOWN = {"carrier": "UA", "minute_of_day": 1_100, "origin": "EWR"}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The command in this process, with the account's credentials in its environment."""
    with account.Account():
        for name, value in deploy.environment().items():
            monkeypatch.setenv(name, value)
        yield


def score() -> float:
    """The answer to one question in the evening; of most features the value is not known."""
    sagemaker = account.client("sagemaker")
    [name] = {each["ModelName"] for each in sagemaker.list_models()["Models"]} - {RUN}
    served = sagemaker.describe_model(ModelName=name)["PrimaryContainer"]["ModelDataUrl"]
    with tarfile.open(fileobj=io.BytesIO(archive(served))) as files:
        features = json.load(files.extractfile("model.json"))["features"]  # type: ignore[arg-type]
    answer = account.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=ENDPOINT,
        Body=json.dumps(dict.fromkeys(features) | KNOWN),
        ContentType="application/jsonlines",
        Accept="application/jsonlines",
    )
    return float(json.loads(answer["Body"].read())["score"])


def promote() -> str:
    """What a run does at its end, with a model that answers otherwise than the baseline."""
    sagemaker = account.client("sagemaker")
    serving = sagemaker.describe_endpoint(EndpointName=ENDPOINT)
    config = sagemaker.describe_endpoint_config(EndpointConfigName=serving["EndpointConfigName"])
    model = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    container = model["PrimaryContainer"]
    bucket = next(
        each["Name"]
        for each in account.client("s3").list_buckets()["Buckets"]
        if "lakemodels" in each["Name"]
    )
    key = "runs/r20130501-0a1b2c3d/model/model.tar.gz"
    backend("s3").put_object(bucket, key, other_model(container["ModelDataUrl"]))
    sagemaker.create_model(
        ModelName=RUN,
        ExecutionRoleArn=model["ExecutionRoleArn"],
        PrimaryContainer={
            "Image": container["Image"],
            "Environment": container["Environment"],
            "ModelDataUrl": f"s3://{bucket}/{key}",
        },
        VpcConfig=model["VpcConfig"],
        EnableNetworkIsolation=True,
    )
    kept = {key: config[key] for key in ("DataCaptureConfig", "KmsKeyId")}
    variants = [{**config["ProductionVariants"][0], "ModelName": RUN}]
    name = f"{RUN}-champion"
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants, **kept)
    sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=name)
    assert settled(ENDPOINT)["EndpointConfigName"] == name
    run_id = RUN.removeprefix("mlref-sandbox-")
    champion = json.dumps({"endpoint_config_name": name, "model_name": RUN, "run_id": run_id})
    account.client("ssm").put_parameter(Name="/mlref-sandbox/champion", Value=champion, Overwrite=True)
    return champion


def archive(uri: str) -> bytes:
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    return bytes(backend("s3").get_object(bucket, key).value)


def other_model(uri: str) -> bytes:
    """The baseline's archive, its rule with another rate."""
    buffer = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive(uri))) as old,
        tarfile.open(fileobj=buffer, mode="w:gz") as new,
    ):
        for member in old.getmembers():
            content = old.extractfile(member).read()  # type: ignore[union-attr]
            if member.name == "model.json":
                content = changed(content)
                member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def changed(model: bytes) -> bytes:
    found = json.loads(model)
    for rule in found["rule"]["rules"]:
        rule["score"] = 0.9
    return json.dumps(found).encode()


def champion() -> str:
    parameter = account.client("ssm").get_parameter(Name="/mlref-sandbox/champion")["Parameter"]
    return str(parameter["Value"])


def interfaces() -> int:
    found = account.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    kinds = [each["VpcEndpointType"] for each in found if each["State"] == "available"]
    return kinds.count("Interface")


def states_of_starts() -> set[str]:
    scheduler = account.client("scheduler")
    listed = scheduler.list_schedules(GroupName="mlref-sandbox-schedules")["Schedules"]
    return {
        scheduler.get_schedule(GroupName="mlref-sandbox-schedules", Name=each["Name"])["State"]
        for each in listed
    }


@pytest.mark.journey
def test_a_pause_takes_the_cost_away_and_resume_brings_the_champion_back(
    here: None, sandbox: Assembly, paused: Assembly, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--profile", "sandbox", "--yes", "--app"]
    deploy.deploy(sandbox.directory)
    settled(ENDPOINT)
    baseline = score()
    promoted = promote()
    before = score()
    assert before != baseline
    models = {each["ModelName"] for each in account.client("sagemaker").list_models()["Models"]}

    assert main(["pause", *command, str(paused.directory)]) == 0
    said = capsys.readouterr().out
    assert account.client("sagemaker").list_endpoints()["Endpoints"] == []
    assert (interfaces(), states_of_starts()) == (0, {"DISABLED"})
    assert champion() == promoted
    assert models == {each["ModelName"] for each in account.client("sagemaker").list_models()["Models"]}
    assert f"champion: {promoted}" in said
    assert "mlref-sandbox, paused: USD a month" in said
    assert "shard-hour" in said and "endpoint-zone-hour" not in said
    assert_paused_is_said(capsys)
    # The same command again finds everything as it should be.
    assert main(["pause", *command, str(paused.directory)]) == 0
    assert "(no changes)" in capsys.readouterr().out

    assert main(["resume", *command, str(sandbox.directory)]) == 0
    said = capsys.readouterr().out
    assert settled(ENDPOINT)["EndpointConfigName"] == f"{RUN}-champion"
    assert f"endpoint {ENDPOINT} is InService on {RUN}-champion" in said
    assert score() == before
    assert (interfaces(), states_of_starts()) == (5, {"ENABLED"})
    assert champion() == promoted


def assert_paused_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """What looks at a deployment without its endpoint: it does not fail, and advises nothing on it."""
    status.main(["--profile", "sandbox", "--json"])
    seen = json.loads(capsys.readouterr().out)
    assert (seen["paused"], seen["unread"]) == (True, {})
    assert seen["sections"]["models"]["endpoint"]["status"] == "paused"
    assert {each["on"] for each in seen["sections"]["schedules"]["schedules"].values()} == {False}
    assert [line for line in seen["bad"] if not line.startswith("alarm ")] == []
    status.main(["--profile", "sandbox"])
    page = " ".join(capsys.readouterr().out.split())
    assert (
        "mlref-sandbox-endpoint is paused: clients get an error until `make resume PROFILE=sandbox`" in page
    )
    assert "no endpoints, and nothing starts by itself; back: make resume PROFILE=sandbox" in page
    assert rightsizing.main(["--profile", "sandbox", "--json"]) == rightsizing.FITTING
    advised = json.loads(capsys.readouterr().out)
    assert list(advised["unread"]) == ["variants"]
    assert "there is no endpoint to judge" in advised["unread"]["variants"]
    assert not [each for each in advised["advice"] if "endpoint" in each["resource"]]


@pytest.mark.journey
def test_nothing_is_paused_while_a_run_is_under_way_and_what_is_paused_can_be_destroyed(
    here: None, sandbox: Assembly, paused: Assembly, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy.deploy(paused.directory)  # a first deployment that is paused: its first rotation finds no endpoint
    assert work.idle(60)
    [secret] = [each["ARN"] for each in account.client("secretsmanager").list_secrets()["SecretList"]]
    site = place.here()
    assert token_keys.standing(site, secret).made is None
    assert len(work.failures()) == 1
    work.reset()
    deploy.deploy(sandbox.directory)
    said: list[str] = []
    assert token_keys.renew(site, secret, said.append, lambda _: time.sleep(0.1))
    assert said == ["the token keys are made, as they never were"]
    assert token_keys.renew(site, secret, said.append, lambda _: None), "sound: nothing is done"
    assert len(said) == 1
    states = account.client("stepfunctions")
    machine = next(
        each["stateMachineArn"]
        for each in states.list_state_machines()["stateMachines"]
        if each["name"] == "mlref-sandbox-retrain"
    )
    bakes = {"StartAt": "Bake", "States": {"Bake": {"Type": "Wait", "Seconds": 86_400, "End": True}}}
    states.update_state_machine(stateMachineArn=machine, definition=json.dumps(bakes))
    baking = states.start_execution(stateMachineArn=machine, name="baking")["executionArn"]
    command = ["pause", "--profile", "sandbox", "--yes", "--app", str(paused.directory)]
    assert main(command) == 2
    refused = capsys.readouterr().err
    assert ":baking" in refused and "nothing was changed" in refused
    assert interfaces() == 5
    assert len(account.client("sagemaker").list_endpoints()["Endpoints"]) == 1
    states.stop_execution(executionArn=baking)

    deploy.deploy(paused.directory)
    assert interfaces() == 0
    assert len(budgets()) == 1
    command = ["destroy", "--profile", "sandbox", "--yes", "--app", str(sandbox.directory)]
    assert destruction.main(command) == 0
    stacks = account.client("cloudformation").describe_stacks()["Stacks"]
    assert [each["StackName"] for each in stacks] == ["CDKToolkit"]
    assert account.client("sagemaker").list_models()["Models"] == []
    assert budgets() == []


def budgets() -> list[str]:
    found = account.client("budgets").describe_budgets(AccountId=account.ACCOUNT)
    return [each["BudgetName"] for each in found.get("Budgets", [])]
