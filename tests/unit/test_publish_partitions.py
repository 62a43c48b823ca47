"""Publishing: the catalogue points at a run's folders, as often as asked, and nothing else changes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from publish_partitions import handler

from tests.any_account import Account, any_account, any_plan
from tests.any_model import any_contract

RUN = any_plan()["run_id"]


def uri(kind: str, month: str, run: str = RUN, table: str = "visits") -> str:
    folder = "features" if kind == "features" else f"curated/{table}"
    return f"s3://{kind}-bucket/{folder}/run={run}/month={month}"


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """February is published by an older run, March is new; April was planned and got no rows."""
    with any_account(any_contract(), tmp_path, monkeypatch) as found:
        for month, run in (("2024-01", "old"), ("2024-02", "old"), ("2024-02", RUN), ("2024-03", RUN)):
            found.put("CURATED", f"curated/visits/run={run}/month={month}/part-0.parquet")
            found.put("FEATURES", f"features/run={run}/month={month}/part-0.parquet")
            found.put("FEATURES", f"features/run={run}/month={month}/_SUCCESS")
            if run == "old":
                found.publish("visits", month, uri("curated", month, "old") + "/")
                found.publish("features", month, uri("features", month, "old") + "/")
        mine = {month: uri("curated", month) for month in ("2024-02", "2024-03", "2024-04")}
        partitions = {
            "curated": {"visits": {"2024-01": uri("curated", "2024-01", "old"), **mine}, "sites": {}},
            "features": {month: uri("features", month) for month in ("2024-02", "2024-03")}
            | {"2024-01": uri("features", "2024-01", "old")},
        }
        found.put("MODELS", f"runs/{RUN}/partitions.json", partitions)
        yield found


def publish(**changes: Any) -> dict[str, Any]:
    return handler.handler({"plan": any_plan(**changes)}, None)


def test_months_of_the_run_are_created_or_moved_and_others_stay(account: Account) -> None:
    answer = publish()
    assert account.locations("visits") == {
        "2024-01": uri("curated", "2024-01", "old") + "/",
        "2024-02": uri("curated", "2024-02") + "/",
        "2024-03": uri("curated", "2024-03") + "/",
    }
    assert account.locations("features")["2024-02"] == uri("features", "2024-02") + "/"
    assert answer["months"] == ["2024-02", "2024-03"]
    assert answer["empty"] == ["visits/2024-04"]


def test_the_schema_comes_from_the_table(account: Account) -> None:
    publish()
    found = account.glue.get_partition(
        DatabaseName="visits_db", TableName="visits", PartitionValues=["2024-03"]
    )
    descriptor = found["Partition"]["StorageDescriptor"]
    assert descriptor["Columns"] == [{"Name": "key", "Type": "string"}]
    assert descriptor["InputFormat"] == "parquet"


def test_the_manifest_lists_the_files_that_training_reads(account: Account) -> None:
    answer = publish()
    assert answer["features_manifest"] == f"s3://models-bucket/runs/{RUN}/features.manifest"
    assert account.get(answer["features_manifest"]) == [
        {"prefix": "s3://features-bucket/"},
        "features/run=old/month=2024-01/part-0.parquet",
        f"features/run={RUN}/month=2024-02/part-0.parquet",
        f"features/run={RUN}/month=2024-03/part-0.parquet",
    ]


def test_the_manifest_stops_at_the_windows(account: Account) -> None:
    answer = publish(train_start="2024-02-10", holdout_end="2024-03-01")
    assert [key for key in account.get(answer["features_manifest"])[1:] if "2024-02" not in key] == []


def test_publishing_again_changes_nothing(account: Account) -> None:
    first = publish()
    before = account.locations("visits"), account.get(first["features_manifest"])
    again = publish()
    assert again == first
    assert (account.locations("visits"), account.get(again["features_manifest"])) == before


def test_a_refresh_needs_no_manifest(account: Account) -> None:
    assert publish(action="refresh", train_start="", holdout_end="")["features_manifest"] is None


def test_a_run_without_features_is_not_published(account: Account) -> None:
    planned = account.model_object(f"runs/{RUN}/partitions.json")
    planned["features"] = {"2024-05": uri("features", "2024-05")}
    account.put("MODELS", f"runs/{RUN}/partitions.json", planned)
    with pytest.raises(handler.PublicationError, match=f"run {RUN} wrote no feature file"):
        publish()


def test_a_refusal_of_the_catalogue_is_an_error_unless_it_has_the_partition() -> None:
    def answer(code: str) -> dict[str, Any]:
        detail = {"ErrorCode": code, "ErrorMessage": "m"}
        return {"Errors": [{"PartitionValues": ["2024-03"], "ErrorDetail": detail}]}

    handler._check("visits", answer("AlreadyExistsException"))
    with pytest.raises(
        handler.PublicationError, match="visits: the catalogue refused 2024-03: InternalServiceException m"
    ):
        handler._check("visits", answer("InternalServiceException"))


def test_a_run_without_news_publishes_nothing_and_lists_what_is_there(account: Account) -> None:
    old = {
        "curated": {"visits": {"2024-01": uri("curated", "2024-01", "old")}, "sites": {}},
        "features": {"2024-01": uri("features", "2024-01", "old")},
    }
    account.put("MODELS", f"runs/{RUN}/partitions.json", old)
    answer = publish(months="none", feature_months="none")
    assert (answer["months"], answer["empty"]) == ([], [])
    assert account.get(answer["features_manifest"])[1:] == [
        "features/run=old/month=2024-01/part-0.parquet",
        "features/run=old/month=2024-02/part-0.parquet",
    ]
