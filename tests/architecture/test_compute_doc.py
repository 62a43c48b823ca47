"""docs/compute.md names each machine of the settings, with the quota of a new account and its price."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from audit import quotas
from audit.bill import prices
from settings import PROFILES, Settings

TEXT = (Path(__file__).parents[2] / "docs/compute.md").read_text(encoding="utf-8")
WORKERS = {"G.1X": 1, "G.2X": 2, "G.4X": 4}  # DPUs


def machines(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Setting, type, and what it is used for in the words of Service Quotas."""
    training = "spot training job" if settings.train.use_spot else "training job"
    yield "train.instance_type", settings.train.instance_type, training
    yield "evaluate.instance_type", settings.evaluate.instance_type, "processing job"
    yield "deploy.instance_type", settings.deploy.instance_type, "endpoint"
    yield "deploy.instance_type", settings.deploy.instance_type, "transform job"
    yield "monitor.instance_type", settings.monitor.instance_type, "processing job"


def rows(profile: str) -> Iterator[str]:
    known, table = quotas.table(), prices.read()
    for setting, kind, use in machines(PROFILES[profile]):
        quota = known["sagemaker", f"{kind} for {use} usage"]
        price = table.get(f"sagemaker.{kind}")
        assert price is not None, f"audit/bill/prices.yaml has no price for {kind}"
        yield f"| {profile} | `{setting}` | {kind} | {use} | {quota.default:g} | {price.usd:g} |"


@pytest.mark.parametrize("profile", PROFILES)
def test_each_machine_of_the_settings_stands_there_with_quota_and_price(profile: str) -> None:
    lines = TEXT.splitlines()
    expected = list(rows(profile))
    assert [row for row in expected if row not in lines] == []
    assert [line for line in lines if line.startswith(f"| {profile} | `") and ".instance_type" in line] == [
        *expected
    ]


@pytest.mark.parametrize("profile", PROFILES)
def test_sparks_workers_stand_there_with_their_price(profile: str) -> None:
    transform = PROFILES[profile].transform
    price = prices.read().get("glue.dpu")
    assert price is not None
    usd = transform.workers * WORKERS[transform.worker_type] * price.usd
    expected = f"| {profile} | `transform.worker_type`, `transform.workers` | {transform.worker_type} | "
    assert f"{expected}{transform.workers} | {usd:g} |" in TEXT.splitlines()
