"""The first Region is switched off: the same champion answers in the second; then the first takes over."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

import contracts
from deployment import place
from deployment.__main__ import main
from rehearsal import holdings, quotas, shortcut
from sandbox import account, deploy, regions, work
from sandbox.engines import capture
from sandbox.engines.backends import backend
from tests.conftest import Assembly
from tests.sandbox.compute_models import settled
from tests.sandbox.test_pause import KNOWN, other_model
from tests.second_region import REGION as SECOND

FIRST = regions.HOME
ENDPOINT = "mlref-sandbox-endpoint"
RUN = "r20130501-0a1b2c3d"
ARTEFACT = f"runs/{RUN}/model/model.tar.gz"
COPIES = f"mlref-sandbox-standby-{{}}-{account.ACCOUNT}-{SECOND}"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, with_second_region: Assembly) -> Iterator[None]:
    """The commands in this process, with the account's credentials in its environment."""
    # What a Region that is off answers is repeated eight times, more and more slowly: not here.
    monkeypatch.setattr(place, "_CONFIG", Config(retries={"total_max_attempts": 1}))
    with account.Account():
        for name, value in deploy.environment().items():
            monkeypatch.setenv(name, value)
        for region in (FIRST, SECOND):
            with regions.at(region):
                deploy.bootstrap()
                quotas.granted(with_second_region.directory)
        yield


def command(*words: str, pause: Callable[[float], None] = lambda _: time.sleep(0.05)) -> int:
    return main([*words, "--profile", "sandbox"], pause, shortcut.make)


def interrupted(_: float) -> None:
    raise KeyboardInterrupt


def bucket(word: str) -> str:
    names = [each["Name"] for each in account.client("s3").list_buckets()["Buckets"]]
    return next(name for name in names if name.startswith("mlref-sandbox-data-") and word in name)


def score(region: str) -> float:
    features = contracts.load("flights")["model"]["features"]
    with regions.at(region):
        answer = account.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=ENDPOINT,
            Body=json.dumps(dict.fromkeys(features) | KNOWN),
            ContentType="application/jsonlines",
            Accept="application/jsonlines",
        )
    return float(json.loads(answer["Body"].read())["score"])


def promote() -> None:
    """What a run does at its end, with a model that answers otherwise than the rule."""
    sagemaker, models = account.client("sagemaker"), bucket("lakemodels")
    serving = sagemaker.describe_endpoint(EndpointName=ENDPOINT)
    config = sagemaker.describe_endpoint_config(EndpointConfigName=serving["EndpointConfigName"])
    model = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    container = model["PrimaryContainer"]
    backend("s3").put_object(models, ARTEFACT, other_model(container["ModelDataUrl"]))
    container["ModelDataUrl"] = f"s3://{models}/{ARTEFACT}"
    name = f"mlref-sandbox-{RUN}"
    sagemaker.create_model(
        ModelName=name,
        PrimaryContainer=container,
        **{key: model[key] for key in ("ExecutionRoleArn", "VpcConfig", "EnableNetworkIsolation")},
    )
    sagemaker.create_endpoint_config(
        EndpointConfigName=f"{name}-champion",
        ProductionVariants=[{**config["ProductionVariants"][0], "ModelName": name}],
        **{key: config[key] for key in ("DataCaptureConfig", "KmsKeyId")},
    )
    sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=f"{name}-champion")
    settled(ENDPOINT)
    told = {
        "run_id": RUN,
        "model_name": name,
        "model_data_url": container["ModelDataUrl"],
        "endpoint_config_name": f"{name}-champion",
    }
    account.client("ssm").put_parameter(
        Name="/mlref-sandbox/champion", Value=json.dumps(told), Overwrite=True
    )


def copied(zone: str) -> dict[str, Any]:
    """Key -> object of the copies, as moto keeps them: the policies keep everybody else out."""
    kept = backend("s3").buckets[COPIES.format(zone)].keys
    return {key: kept[key] for key in list(kept)}


def captures(name: str) -> set[str]:
    return {key for key in backend("s3").buckets[name].keys if key.startswith("captures/")}


def is_calm() -> None:
    assert work.idle(30), work.busy()
    assert work.failures() == []


@pytest.mark.journey
def test_second_region_stands_in_for_the_first_and_hands_back(
    here: None, with_second_region: Assembly, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {region: held(region) for region in (FIRST, SECOND)}
    app = ("--app", str(with_second_region.directory))
    assert command("deploy", "--yes", *app) == 0
    settled(ENDPOINT)
    rule = score(FIRST)

    # What is written is copied, but for clear text; nothing is deleted in both.
    raw, s3 = bucket("lakeraw"), account.client("s3")
    for key in ("raw/flights/dt=2013-01-01/a.json", "quarantine/flights/b.json", "errors/c", "redriven/d"):
        backend("s3").put_object(raw, key, b"{}")
    is_calm()
    assert set(copied("raw")) == {"raw/flights/dt=2013-01-01/a.json", "quarantine/flights/b.json"}
    s3.delete_object(Bucket=raw, Key="quarantine/flights/b.json")
    is_calm()
    assert "quarantine/flights/b.json" in copied("raw")
    one = copied("raw")["raw/flights/dt=2013-01-01/a.json"]
    with regions.at(SECOND):
        key = account.client("kms").describe_key(KeyId="alias/mlref-sandbox-standby-lake")["KeyMetadata"][
            "Arn"
        ]
    assert one.kms_key_id == key
    assert one.version_id == backend("s3").buckets[raw].keys["raw/flights/dt=2013-01-01/a.json"].version_id

    promote()
    is_calm()
    champion = score(FIRST)
    assert champion != rule
    assert json.loads(copied("models")["champion/champion.json"].value)["run_id"] == RUN
    assert ARTEFACT in copied("models")

    # Bad input.
    capsys.readouterr()
    assert command("failover", "--yes", "--region", FIRST) == 2
    assert f"{FIRST} is not the second Region of mlref-sandbox" in capsys.readouterr().err
    assert command("failover", "--yes", "--region", SECOND) == 2
    assert f"the first Region, {FIRST}, still serves" in capsys.readouterr().err

    # The first Region fails.
    regions.switch(FIRST, off=True)
    with pytest.raises(ClientError, match=f"the Region {FIRST} is switched off"):
        score(FIRST)
    with regions.at(SECOND), pytest.raises(ClientError, match="switched off"):
        account.client("s3").get_bucket_location(Bucket=raw)
    assert command("failover", "--yes", "--region", SECOND, pause=interrupted) == 130
    assert command("failover", "--yes", "--region", SECOND) == 0
    said = capsys.readouterr().out
    assert f"with the champion of run {RUN}" in said
    assert f"it answers in {SECOND}" in said
    assert score(SECOND) == champion
    assert command("failover", "--yes", "--region", SECOND) == 0
    assert "as it was before, it answers" in capsys.readouterr().out
    capture.flush()
    asked = captures(COPIES.format("captures"))
    assert asked
    assert command("failback", "--yes", "--region", FIRST) != 0

    # It is back.
    regions.switch(FIRST, off=False)
    home = bucket("lakecaptures")
    assert not asked & captures(home)
    assert command("failback", "--yes", "--region", FIRST) == 0
    assert f"captures carried home: {len(asked)}; 0 were" in capsys.readouterr().out
    assert asked <= captures(home)
    assert score(FIRST) == champion
    with regions.at(SECOND):
        assert account.client("sagemaker").list_endpoints()["Endpoints"] == []
    assert command("failback", "--yes", "--region", FIRST) == 0
    assert "captures carried home: 0; " in capsys.readouterr().out

    # Nothing is left, in either Region.
    assert command("standby", "--region", SECOND) == 0
    assert score(SECOND) == champion
    assert command("destroy", "--yes", *app) == 0, capsys.readouterr()
    for region in (FIRST, SECOND):
        assert held(region) - before[region] == set()


def held(region: str) -> set[str]:
    with regions.at(region):
        return holdings.held()
