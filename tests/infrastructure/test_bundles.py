"""What is shipped: the code that is needed and nothing else, with equal bytes from equal sources."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import bundles
import contracts

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    return contracts.load("flights")


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_function_ships_its_package_shared_the_contract_and_its_time_zone(contract: dict[str, Any]) -> None:
    shipped = names(bundles.lambda_bundle("ingest_records", contract))
    assert {name.split("/")[0] for name in shipped} == {
        "ingest_records",
        "shared",
        "contract.json",
        "time_zone.tzif",
    }
    assert "ingest_records/handler.py" in shipped
    assert not [name for name in shipped if "__pycache__" in name or name.endswith(".pyc")]


def test_contract_beside_the_code_is_the_compiled_one(contract: dict[str, Any]) -> None:
    folder = bundles.lambda_bundle("ingest_records", contract)
    assert json.loads((folder / "contract.json").read_text(encoding="utf-8")) == contract
    assert json.loads(bundles.contract_file(contract).read_text(encoding="utf-8")) == contract


def test_time_zone_is_that_of_the_contract() -> None:
    zone = ZoneInfo.from_file(io.BytesIO(bundles.time_zone_bytes("America/New_York")))
    moments = [datetime(2013, month, 1, tzinfo=UTC) for month in (1, 7)]
    assert [moment.astimezone(zone).hour for moment in moments] == [19, 20]


def test_unknown_time_zone_is_refused() -> None:
    with pytest.raises(bundles.BundleError, match=r"time zone 'Mars/Olympus' is not in tzdata \d+"):
        bundles.time_zone_bytes("Mars/Olympus")


def test_glue_packages_hold_every_job_and_the_shared_one() -> None:
    assert {name.split("/")[0] for name in names(bundles.glue_bundle())} >= {
        "build_features",
        "check_quality",
        "clean_events",
        "lake",
    }


def test_zip_of_the_jobs_starts_by_itself_and_carries_the_contract(contract: dict[str, Any]) -> None:
    shipped = names(bundles.sagemaker_zip(contract))
    assert {"__main__.py", "contract.json", "tabular/__init__.py"} <= shipped


def test_source_archive_has_the_training_script_at_its_top(contract: dict[str, Any]) -> None:
    members = members_of(bundles.sagemaker_source(contract))
    assert {"train.py", "contract.json", "tabular/__init__.py"} <= members.keys()


def test_first_model_is_the_rule_baseline_with_its_serving_code(contract: dict[str, Any]) -> None:
    members = members_of(bundles.baseline_model(contract))
    assert json.loads(members["model.json"])["kind"] == "rule"
    assert "code/inference.py" in members
    assert "booster.ubj" not in members


def test_archives_carry_no_time_and_no_owner(contract: dict[str, Any]) -> None:
    packed = bundles.sagemaker_source(contract).read_bytes()
    assert packed[4:8] == b"\0\0\0\0", "the gzip header holds a time"
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed))) as archive:
        assert {(member.mtime, member.uid, member.uname) for member in archive} == {(0, 0, "")}


def test_another_process_makes_equal_bytes(contract: dict[str, Any]) -> None:
    program = (
        "import bundles, contracts, hashlib;"
        "c = contracts.load('flights');"
        "f = [bundles.sagemaker_source(c), bundles.baseline_model(c), bundles.contract_file(c)];"
        "print(*[hashlib.sha256(p.read_bytes()).hexdigest() for p in f])"
    )
    there = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    here = [
        bundles.sagemaker_source(contract),
        bundles.baseline_model(contract),
        bundles.contract_file(contract),
    ]
    assert there.stdout.split() == [hashlib.sha256(path.read_bytes()).hexdigest() for path in here]


def test_missing_package_is_refused_with_those_there_are(contract: dict[str, Any]) -> None:
    with pytest.raises(
        bundles.BundleError, match="no package 'ingest_everything' in lambda/: there are .*ingest_file"
    ):
        bundles.lambda_bundle("ingest_everything", contract)


def test_job_without_a_script_is_refused_by_name() -> None:
    with pytest.raises(bundles.BundleError, match=r"no file glue_jobs/lake/job\.py"):
        bundles.glue_script("lake")


def members_of(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as opened:
        return {member.name: opened.extractfile(member).read() for member in opened}  # type: ignore[union-attr]
