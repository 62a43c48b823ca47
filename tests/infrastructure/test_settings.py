"""Settings refuse what AWS would refuse, and say where to mend it."""

from __future__ import annotations

import dataclasses

import pytest

from settings import PROFILES, SANDBOX, settings_for


def test_profiles_are_sandbox_and_production() -> None:
    assert set(PROFILES) == {"sandbox", "production"}
    assert all(settings.profile == name for name, settings in PROFILES.items())


def test_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown profile 'prod': choose one of production, sandbox"):
        settings_for("prod")


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        pytest.param("base", "zones", 3, id="a third zone"),
        pytest.param("base", "log_retention_days", 8, id="a retention that CloudWatch does not know"),
        pytest.param("base", "key_deletion_days", 6, id="a key deleted sooner than KMS allows"),
        pytest.param("ingest", "buffer_mb", 32, id="a buffer too small for dynamic partitions"),
        pytest.param("ingest", "buffer_seconds", 901, id="a buffer longer than Firehose holds"),
        pytest.param("ingest", "stream_retention_hours", 12, id="a stream shorter than a day"),
        pytest.param("lake", "infrequent_after_days", 29, id="a transition earlier than S3 allows"),
        pytest.param("transform", "glue_version", "4.0", id="a Glue version with another Spark"),
        pytest.param("train", "algorithm", "magic", id="an unknown algorithm"),
        pytest.param("train", "parallel_jobs", 0, id="no job at a time"),
        pytest.param("train", "max_tuning_jobs", 101, id="more trials than one page of them"),
        pytest.param("monitor", "budget_usd", 0, id="a budget of nothing"),
        pytest.param("deploy", "challenger_share", 1.0, id="all traffic to the challenger"),
    ],
)
def test_impossible_value_is_refused_with_value_and_place(section: str, field: str, value: object) -> None:
    settings = getattr(SANDBOX, section)
    with pytest.raises(
        ValueError, match=rf"{type(settings).__name__}\.{field} must be .* got {value!r}.*settings\.py"
    ):
        dataclasses.replace(settings, **{field: value})


def test_spot_waits_at_least_as_long_as_it_may_run() -> None:
    with pytest.raises(ValueError, match="max_wait_seconds must be between"):
        dataclasses.replace(SANDBOX.train, max_wait_seconds=SANDBOX.train.max_run_seconds - 1)


def test_the_price_of_training_is_that_of_the_bill() -> None:
    """Synthesis reads no table of the audit; what is told of a candidate's cost must not differ from it."""
    from audit.bill import prices

    table = prices.read()
    for settings in PROFILES.values():
        price = table.get(f"sagemaker.{settings.train.instance_type}")
        assert settings.train.usd_per_hour == (price.usd if price else None), settings.profile


def test_sandbox_can_be_destroyed_and_production_cannot() -> None:
    assert not SANDBOX.base.keep_on_destroy
    assert not SANDBOX.base.trail_is_locked
    assert settings_for("production").base.keep_on_destroy
    assert settings_for("production").base.trail_is_locked
    assert settings_for("production").base.zones == 2


def test_stack_name_leaves_room_for_what_cloudformation_appends() -> None:
    """S3 allows 63 characters: stack name, logical id and 13 random ones, of which CloudFormation keeps 24
    each.
    """
    names = [each.stack_name(group) for each in PROFILES.values() for group in ("base", "data")]
    assert all(len(name) <= 24 for name in names), "endpoint policies name buckets by the stack's whole name"
