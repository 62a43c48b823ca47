"""Which champion a standby serves, and which it refuses; what is taken down with it."""

from __future__ import annotations

import io
import json
from argparse import Namespace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from deployment import deploying, failing_over, standby
from deployment.assembly import Wanted
from deployment.errors import RefusedError
from deployment.names import Names
from deployment.place import Place
from deployment.standby import CHAMPION_KEY, Standby


def denied(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "any"}}, "DescribeEndpoint")


NOW = datetime(2013, 5, 1, 12, tzinfo=UTC)


class S3:
    """Versions of the champion's name, the newest last; and the artefacts that have arrived."""

    def __init__(self, told: list[str], arrived: set[str]) -> None:
        self.told, self.arrived = told, arrived

    def get_paginator(self, _: str) -> S3:
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        found = [
            {"Key": CHAMPION_KEY, "VersionId": str(n), "LastModified": NOW + timedelta(hours=n)}
            for n in range(len(self.told))
        ]
        return [{"Versions": [*found, {"Key": f"{CHAMPION_KEY}.old", "VersionId": "x", "LastModified": NOW}]}]

    def get_object(self, *, VersionId: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        run = self.told[int(VersionId)]
        key = "" if run == "baseline" else f"runs/{run}/model/model.tar.gz"
        content = {"run_id": run, "model_data_key": key, "region": "us-east-1"}
        return {"Body": io.BytesIO(json.dumps(content).encode())}

    def list_objects_v2(self, *, Prefix: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        found = sorted(key for key in self.arrived if key.startswith(Prefix))
        return {"Contents": [{"Key": key} for key in found[:1]]}


class Session:
    def __init__(self, **clients: Any) -> None:
        self.clients = clients

    def client(self, service: str) -> Any:
        return self.clients[service]


def any_standby(told: list[str], arrived: list[str]) -> Standby:
    keys = {f"runs/{run}/model/model.tar.gz" for run in arrived}
    return Standby(
        place=Place(account="1" * 12, region="eu-central-1", caller="arn:aws:any", session=cast(Any, None)),
        names=Names(profile="sandbox"),
        outputs={"StandbyModelsBucketName": "copies"},
        session=cast(Any, Session(s3=S3(told, keys))),
        tell=print,
        pause=lambda _: None,
    )


def test_newest_champion_with_its_artefact_is_taken() -> None:
    found = any_standby(["baseline", "r1", "r2"], ["r1", "r2"]).chosen(older=False)
    assert (found.run_id, found.since, found.region) == ("r2", NOW + timedelta(hours=2), "us-east-1")


def test_rule_needs_no_artefact() -> None:
    assert any_standby(["baseline"], []).chosen(older=False).is_rule


def test_copies_that_are_behind_are_refused_with_the_way_out() -> None:
    here = any_standby(["r1", "r2"], ["r1"])
    with pytest.raises(
        RefusedError, match=r"champion is run r2, and its artefact .* has not arrived .* --older"
    ):
        here.chosen(older=False)
    assert here.chosen(older=True).run_id == "r1"


def test_without_any_artefact_the_rule_is_offered() -> None:
    with pytest.raises(RefusedError, match=r"behind: .* serve the contract's rule: --rule"):
        any_standby(["r1"], []).chosen(older=True)


def test_no_champion_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"no champion is known in eu-central-1: .* --rule"):
        any_standby([], []).chosen(older=True)


def test_a_longer_key_is_no_artefact() -> None:
    here = any_standby(["r1"], [])
    cast(Any, here.session).clients["s3"].arrived = {"runs/r1/model/model.tar.gz.part"}
    with pytest.raises(RefusedError, match="has not arrived"):
        here.chosen(older=False)


class SageMaker:
    def __init__(self, *names: str) -> None:
        self.names, self.deleted = names, set[str]()

    def get_paginator(self, operation: str) -> Any:
        listed, field = {
            "list_endpoint_configs": ("EndpointConfigs", "EndpointConfigName"),
            "list_models": ("Models", "ModelName"),
        }[operation]
        names = self.names

        class Pages:
            def paginate(self, **_: Any) -> list[dict[str, Any]]:
                return [{listed: [{field: name} for name in names]}]

        return Pages()

    def delete_endpoint_config(self, **named: str) -> None:
        self.deleted.update(named.values())

    delete_model = delete_endpoint_config


def test_only_what_a_fail_over_made_is_removed() -> None:
    ours = "mlref-sandbox-r20130501-0a1b2c3d-s0123abcd"
    others = (
        "mlref-sandbox-r20130501-0a1b2c3d",  # the loop's, should both Regions be one day the same
        "mlref-sandbox-standby-EndpointBaselineModel-ABC",  # the stack's
        "mlref-sandbox-2-r20130501-0a1b2c3d-s0123abcd",  # a neighbour's
    )
    sagemaker = SageMaker(ours, *others)
    standby.remove_made(sagemaker, Names(profile="sandbox"), print)
    assert sagemaker.deleted == {ours}


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        pytest.param(EndpointConnectionError(endpoint_url="https://any"), "no answer", id="unreachable"),
        pytest.param(denied("ServiceUnavailable"), "no answer", id="does not work"),
        pytest.param(denied("AccessDeniedException"), RefusedError, id="may not ask"),
        pytest.param(denied("ExpiredTokenException"), ClientError, id="credentials of another day"),
    ],
)
def test_only_a_region_that_is_silent_counts_as_gone(
    error: Exception, outcome: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the caller may not know is no reason to fail over."""

    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr(standby, "endpoint", fails)
    site = SimpleNamespace(region="us-east-1", session=SimpleNamespace(client=lambda *_, **__: None))
    if isinstance(outcome, str):
        assert failing_over._endpoint_status(cast(Any, site), "any").startswith(outcome)
    else:
        with pytest.raises(outcome):
            failing_over._endpoint_status(cast(Any, site), "any")


@pytest.mark.parametrize(("mode", "warmed"), [("warm", 1), ("pilot_light", 0)])
def test_deployment_warms_what_is_to_be_warm(
    mode: str, warmed: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    class Here:
        is_warm = mode == "warm"

        def warm_up(self) -> None:
            asked.append("warm")

    def standing(place: Place, *_: Any) -> Here:
        assert place.region == "eu-central-1"
        return Here()

    monkeypatch.setattr(standby, "standing", standing)
    site = Place(account="1" * 12, region="us-east-1", caller="arn:aws:any", session=cast(Any, None))
    stacks = [
        Wanted(
            name=f"mlref-sandbox-{group}", id=group, template={}, bootstrap=0, bootstrap_parameter="",
            region=region,
        )
        for group, region in (("base", ""), ("standby", "eu-central-1"))
    ]  # fmt: skip
    done = SimpleNamespace(place=site, names=Names(profile="sandbox"), wanted=stacks)
    command = deploying.Command(
        options=Namespace(delivery=False),
        folder=tmp_path,
        tell=print,
        pause=lambda _: None,
        make_cdk=cast(Any, None),
    )
    command.warm_up(cast(Any, done))
    assert len(asked) == warmed
