"""Rules of rightsizing over series made by hand, and over what a demo run in the embedded account left."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deployment import rightsizing, sizes
from deployment.sizes import FITS, OVER, UNDER, UNKNOWN, Advice
from settings import SANDBOX

RECORDED = Path(__file__).parent / "recorded" / "rightsizing_demo.json"
START = datetime(2026, 3, 1)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def series(*values: float, step: timedelta = HOUR) -> list[Any]:
    return [[f"{START + number * step:%FT%H:%M}", value] for number, value in enumerate(values)]


def flat(value: float, count: int = 336, step: timedelta = HOUR) -> list[Any]:
    """Two weeks of hours, if nothing else is said."""
    return series(*[value] * count, step=step)


def any_variant(cpu: Any, memory: Any, latency: Any = (), **changes: Any) -> dict[str, Any]:
    given = {
        "name": "champion",
        "instance_type": "ml.m5.xlarge",
        "instances": 1,
        "max_instances": 1,
        "least_instances": 1,
        "latency_limit_ms": 100.0,
    }
    return given | changes | {"series": {"cpu": cpu, "memory": memory, "latency_ms": list(latency)}}


def any_stream(bytes_: Any, records: Any, refused: Any = (), shards: int | None = 1) -> dict[str, Any]:
    return {
        "name": "s",
        "shards": shards,
        "series": {"bytes": bytes_, "records": records, "refused": list(refused)},
    }


def any_function(used: list[float], took: Any, calls: Any, **changes: Any) -> dict[str, Any]:
    given = {"name": "f", "source": "F in stacks/data/ingest.py", "memory_mb": 1024, "timeout_s": 60}
    return given | changes | {"max_memory_mb": used, "series": {"duration_ms": took, "calls": calls}}


def any_glue_job(run_seconds: list[int], needed: Any = (), **changes: Any) -> dict[str, Any]:
    given = {"name": "g", "workers": 4, "worker_type": "G.1X", "timeout_minutes": 60}
    return given | changes | {"run_seconds": run_seconds, "series": {"needed_executors": list(needed)}}


def any_job(cpu: Any, memory: Any, disk: Any = (), jobs: int = 5, **changes: Any) -> dict[str, Any]:
    given = {"kind": "training", "section": "train", "instance_type": "ml.m5.2xlarge", "volume_gb": 30}
    return given | changes | {"jobs": jobs, "series": {"cpu": cpu, "memory": memory, "disk": list(disk)}}


def any_delivery(sizes_: Any, seconds: int = 60) -> dict[str, Any]:
    return {"name": "d", "buffer_seconds": seconds, "buffer_mb": 64, "series": {"bytes": sizes_}}


def any_group(retention: int | None, stored: int) -> dict[str, Any]:
    return {"name": "/aws/any", "retention_days": retention, "stored_bytes": stored}


def any_table(throttled: Any) -> dict[str, Any]:
    return {"name": "t", "mode": "PAY_PER_REQUEST", "series": {"throttled": throttled}}


MB, GB = 1_048_576, 1_024**3
CASES = [
    # 4 vCPUs: 320 is 80 % of them.
    pytest.param(
        "variants",
        any_variant(flat(20), flat(90)),
        UNDER,
        'deploy.instance_type="ml.m5.2xlarge"',
        id="memory",
    ),
    pytest.param(
        "variants", any_variant(flat(360), flat(30)), UNDER, "deploy.max_instances=2", id="processor"
    ),
    pytest.param(
        "variants",
        any_variant(flat(200), flat(30), flat(150)),
        UNDER,
        "deploy.max_instances=2",
        id="slow and busy",
    ),
    pytest.param(
        "variants", any_variant(flat(60), flat(30), flat(150)), OVER, "ml.m5.large", id="slow, not busy"
    ),
    pytest.param(
        "variants", any_variant(flat(20), flat(30)), OVER, 'deploy.instance_type="ml.m5.large"', id="idle"
    ),
    pytest.param("variants", any_variant(flat(20), flat(45)), FITS, "", id="half the memory would be 90 %"),
    pytest.param(
        "variants", any_variant(flat(20), flat(30), instances=3), OVER, "deploy.instances=2", id="three idle"
    ),
    pytest.param(
        "variants",
        any_variant(flat(4), flat(30), instances=2, least_instances=2, instance_type="ml.m5.large"),
        FITS,
        "",
        id="one in each zone stays",
    ),
    pytest.param("variants", any_variant(flat(20, 29), flat(90, 29)), UNKNOWN, "", id="29 hours"),
    pytest.param("variants", any_variant(flat(20), flat(90, 29)), UNKNOWN, "", id="memory for 29 hours"),
    pytest.param(
        "variants", any_variant(flat(20), flat(90), instance_type="ml.x1.any"), UNKNOWN, "", id="unknown type"
    ),
    # A minute of a shard: 60 MiB, 60,000 records.
    pytest.param("streams", any_stream(flat(6 * MB), flat(1_000)), FITS, "", id="a tenth of a shard"),
    pytest.param(
        "streams", any_stream(flat(54 * MB), flat(1_000)), UNDER, "ingest.shards=2", id="nine tenths"
    ),
    pytest.param(
        "streams", any_stream(flat(MB), flat(54_000)), UNDER, "ingest.shards=2", id="many small records"
    ),
    pytest.param(
        "streams", any_stream(flat(MB), flat(100), shards=4), OVER, "ingest.shards=1", id="four for nothing"
    ),
    pytest.param(
        "streams", any_stream(flat(MB), flat(100), flat(3, 1)), UNDER, "ingest.shards=2", id="refused"
    ),
    pytest.param("streams", any_stream(flat(54 * MB), flat(100), shards=None), FITS, "", id="on demand"),
    pytest.param(
        "streams", any_stream(flat(MB, 29), flat(9, 29), shards=4), UNKNOWN, "", id="29 hours of records"
    ),
    pytest.param(
        "functions", any_function([100.0] * 60, flat(500), flat(5)), OVER, "memory_mb=128", id="much memory"
    ),
    pytest.param(
        "functions", any_function([900.0] * 60, flat(500), flat(5)), UNDER, "memory_mb=1152", id="short of it"
    ),
    pytest.param(
        "functions", any_function([500.0] * 60, flat(500), flat(5)), FITS, "", id="memory that fits"
    ),
    pytest.param(
        "functions", any_function([500.0] * 60, flat(55_000), flat(5)), UNDER, "time limit", id="time"
    ),
    pytest.param(
        "functions",
        any_function([100.0] * 60, flat(20_000), flat(5)),
        FITS,
        "",
        id="needs the processor of its memory",
    ),
    pytest.param("functions", any_function([900.0] * 49, flat(500), flat(1, 49)), UNKNOWN, "", id="49 calls"),
    pytest.param("functions", any_function([], flat(500), flat(5)), UNKNOWN, "", id="no report of memory"),
    pytest.param(
        "glue_jobs",
        any_glue_job([600] * 5, flat(7, 50, MINUTE)),
        UNDER,
        "transform.workers=8",
        id="asks for more",
    ),
    pytest.param(
        "glue_jobs",
        any_glue_job([600] * 5, flat(1, 50, MINUTE)),
        OVER,
        "transform.workers=2",
        id="asks for one",
    ),
    pytest.param(
        "glue_jobs", any_glue_job([600] * 5, flat(3, 50, MINUTE)), FITS, "", id="asks for what it has"
    ),
    pytest.param(
        "glue_jobs", any_glue_job([3_000] * 5), UNDER, "transform.workers=8", id="nearly out of time"
    ),
    pytest.param("glue_jobs", any_glue_job([600] * 5), UNKNOWN, "", id="reports nothing"),
    pytest.param("glue_jobs", any_glue_job([3_500] * 2), UNKNOWN, "", id="two runs"),
    pytest.param(
        "sagemaker_jobs",
        any_job(flat(700), flat(90)),
        UNDER,
        'train.instance_type="ml.m5.4xlarge"',
        id="full",
    ),
    pytest.param("sagemaker_jobs", any_job(flat(790), flat(20)), FITS, "", id="busy is no fault"),
    pytest.param(
        "sagemaker_jobs",
        any_job(flat(50), flat(10)),
        OVER,
        'train.instance_type="ml.m5.large"',
        id="two steps",
    ),
    pytest.param(
        "sagemaker_jobs", any_job(flat(500), flat(50), flat(95)), UNDER, "train.volume_gb=60", id="disk"
    ),
    pytest.param("sagemaker_jobs", any_job(flat(50), flat(10), jobs=2), UNKNOWN, "", id="two jobs"),
    pytest.param("sagemaker_jobs", any_job([], []), UNKNOWN, "", id="no measurement"),
    pytest.param("deliveries", any_delivery(flat(MB)), UNDER, "ingest.buffer_seconds=300", id="small files"),
    pytest.param("deliveries", any_delivery(flat(20 * MB)), FITS, "", id="large files"),
    pytest.param("deliveries", any_delivery(flat(MB), 900), FITS, "", id="no longer buffer"),
    pytest.param("deliveries", any_delivery(flat(MB, 29)), UNKNOWN, "", id="29 hours of deliveries"),
    pytest.param("log_groups", any_group(None, 5 * GB), OVER, "put-retention-policy", id="for ever"),
    pytest.param("log_groups", any_group(None, MB), FITS, "", id="for ever, but little"),
    pytest.param(
        "log_groups", any_group(365, 50 * GB), OVER, "base.log_retention_days=90", id="much, and long"
    ),
    pytest.param("tables", any_table(flat(2, 3)), UNDER, "on-demand limits", id="throttled"),
    pytest.param("tables", any_table([]), FITS, "", id="never throttled"),
]


def judged(kind: str, found: dict[str, Any]) -> list[Advice]:
    return sizes.judge({kind: [found]})


@pytest.mark.parametrize(("kind", "found", "verdict", "change"), CASES)
def test_rule(kind: str, found: dict[str, Any], verdict: str, change: str) -> None:
    advices = judged(kind, found)
    wanted = [each for each in advices if each.verdict == verdict]
    assert wanted, advices
    assert change in wanted[0].change
    assert bool(wanted[0].change) == bool(change) == (verdict in (UNDER, OVER))
    assert bool(wanted[0].confidence) == bool(change)


def test_changes_name_fields_that_settings_have() -> None:
    changes = [advice.change for case in CASES for advice in judged(case.values[0], case.values[1])]
    named = {found for change in changes for found in re.findall(r"\b([a-z]+)\.([a-z_]+)=", change)}
    assert len(named) >= 8
    for section, field in named:
        fields = {each.name for each in dataclasses.fields(getattr(SANDBOX, section))}
        assert field in fields, f"{section}.{field}"


def test_one_hour_in_two_weeks_is_no_peak_but_two_are() -> None:
    """99.5 % of 336 hours is all but one."""
    calm, once = flat(20, 335), [["2026-03-20T00:00", 99.0]]
    twice = [*once, ["2026-03-20T01:00", 99.0]]
    [advice] = judged("variants", any_variant(flat(20), calm + once, instance_type="ml.m5.large"))
    assert advice.verdict == FITS
    [advice] = judged("variants", any_variant(flat(20), flat(20, 334) + twice, instance_type="ml.m5.large"))
    assert advice.verdict == UNDER


@pytest.mark.parametrize(("hours", "confidence"), [(336, "high"), (120, "medium"), (40, "low")])
def test_confidence_grows_with_the_days(hours: int, confidence: str) -> None:
    [advice] = judged("variants", any_variant(flat(20, hours), flat(90, hours)))
    assert advice.confidence == confidence


def test_peak_is_by_the_nearest_rank() -> None:
    assert sizes.peak([]) == 0
    assert sizes.peak([3.0]) == 3
    assert sizes.peak([float(number) for number in range(1, 1_001)]) == 995


# -- recorded: a demo run of five months, of which nothing ran for 30 hours


@pytest.fixture
def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return found


def test_a_demo_run_is_too_little_to_recommend_anything(recorded: dict[str, Any]) -> None:
    assert recorded["unread"] == {}
    advices = sizes.judge(recorded)
    assert {each.verdict for each in advices} == {UNKNOWN, FITS}
    assert [each.change for each in advices if each.change] == []
    kinds = {each.resource.split()[0] for each in advices}
    assert {
        "endpoint",
        "stream",
        "function",
        "Glue",
        "training",
        "processing",
        "delivery",
        "table",
        "log",
    } <= kinds


def test_the_same_run_lived_often_enough_says_what_it_would_need(recorded: dict[str, Any]) -> None:
    """The recorded calls and deliveries, repeated over a fortnight: real shapes and not made ones."""
    often = copy.deepcopy(recorded)
    for function in often["functions"]:
        function["max_memory_mb"] *= 60
        for points in function["series"].values():
            points[:] = [point for _ in range(60) for point in points]
    for delivery in often["deliveries"]:
        shape = [value for _, value in delivery["series"]["bytes"]]
        delivery["series"]["bytes"] = series(*(shape * 20))
    advices = {each.resource.split(" (")[0]: each for each in sizes.judge(often)}
    check = next(each for name, each in advices.items() if "CheckFile" in name)
    assert check.verdict == OVER
    assert "CheckFile in stacks/data/ingest.py: memory_mb=128" in check.change
    assert check.confidence == "low"
    delivered = next(each for name, each in advices.items() if name.startswith("delivery"))
    assert (delivered.verdict, delivered.change) == (UNDER, "ingest.buffer_seconds=900")


def test_files_that_changes_name_are_there(recorded: dict[str, Any]) -> None:
    root = Path(__file__).parents[2]
    for function in recorded["functions"]:
        assert (root / function["source"].rpartition(" in ")[2]).is_file(), function["source"]


def test_command_judges_a_recording(capsys: pytest.CaptureFixture[str], recorded: dict[str, Any]) -> None:
    assert rightsizing.main(["--recorded", str(RECORDED)]) == rightsizing.FITTING
    said = capsys.readouterr().out
    assert "TOO LITTLE DATA" in said
    assert "records in 3 hours, 30 are needed" in said
    assert max(map(len, said.splitlines())) <= 110
    assert rightsizing.main(["--recorded", str(RECORDED), "--json"]) == rightsizing.FITTING
    assert json.loads(capsys.readouterr().out)["advice"]


def test_command_says_what_to_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "recorded.json"
    head = {
        "profile": "sandbox",
        "at": "2026-03-15T00:00",
        "days": 14,
        "unread": {"tables": "closed; fix: ask"},
    }
    file.write_text(json.dumps(head | {"variants": [any_variant(flat(20), flat(90))]}))
    assert rightsizing.main(["--recorded", str(file)]) == rightsizing.TO_CHANGE
    said = capsys.readouterr().out
    assert 'deploy.instance_type="ml.m5.2xlarge"' in said
    assert "unread: tables" in said


def test_a_file_that_is_no_recording_cannot_be_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rightsizing.main(["--recorded", str(tmp_path / "none")]) == rightsizing.CANNOT_LOOK
    assert "cannot look" in capsys.readouterr().err
