"""From raw objects to published partitions: clean, check, build features, publish; under the data lock."""

from __future__ import annotations

from collections.abc import Mapping

from stacks.operations.definitions import ledger
from stacks.operations.definitions.parts import Functions, Jobs
from stacks.operations.definitions.states import States, call, retry, task

# Another run's refresh lasts minutes, rarely an hour; after that something is wrong and a person should look.
LOCK_PATIENCE_MINUTES = 180


def refresh(functions: Functions, jobs: Jobs, table: str, *, start: str, then: str) -> States:
    window = {
        "--run_id.$": "$.plan.run_id",
        "--partitions_uri.$": "$.plan.partitions_uri",
        "--months.$": "$.plan.months",
    }
    both = {**window, "--feature_months.$": "$.plan.feature_months"}
    return {
        **ledger.take_lock(start, table, "data", then="Clean", patience=LOCK_PATIENCE_MINUTES),
        **glue_job("Clean", jobs.clean, jobs, window, then="CheckQuality", again=1),
        # Bad data stay bad: the check is not repeated.
        **glue_job("CheckQuality", jobs.quality, jobs, window, then="BuildFeatures", again=0),
        **glue_job("BuildFeatures", jobs.features, jobs, both, then="Publish", again=1),
        **call(
            "Publish",
            functions.publish_partitions,
            {"plan.$": "$.plan"},
            then="RecordRefresh",
            keep={"features_manifest.$": "$.Payload.features_manifest"},
            into="$.publication",
        ),
        **ledger.record_refresh("RecordRefresh", table, then="ReleaseDataLock"),
        **ledger.release_lock("ReleaseDataLock", table, "data", then=then),
    }


def glue_job(
    name: str, job: str, jobs: Jobs, arguments: Mapping[str, str], *, then: str, again: int
) -> States:
    """The jobs give the same files for the same run, so a failed one may simply run again."""
    return task(
        name,
        "glue:startJobRun.sync",
        {"JobName": job, "Arguments": dict(arguments)},
        then=then,
        # Above the job's own limit, so that Glue ends it and says why.
        seconds=jobs.timeout_seconds + 600,
        retries=[retry(["States.TaskFailed"], attempts=again, seconds=30)] if again else [],
    )
