"""From raw objects to published partitions: clean, check, build features, publish, fill the feature store;
under the data lock, so that no older run's values come behind a newer one's.

What there is to do is planned under the lock: another run may have done it while this one waited. Without a
new raw object no job starts.
"""

from __future__ import annotations

from collections.abc import Mapping

from stacks.operations.definitions import ledger
from stacks.operations.definitions.parts import Functions, Jobs
from stacks.operations.definitions.states import FAILED, States, call, choose, is_true, retry, task

# Another run's refresh lasts minutes, rarely an hour; after that something is wrong and a person should look.
LOCK_PATIENCE_MINUTES = 180


def refresh(
    functions: Functions, jobs: Jobs, table: str, *, lock_seconds: Mapping[str, int], start: str, then: str
) -> States:
    work = {"--run_id.$": "$.plan.run_id", "--partitions_uri.$": "$.plan.partitions_uri"}
    return {
        **ledger.take_lock(start, table, "data", then="PlanData", patience=LOCK_PATIENCE_MINUTES),
        **plan("PlanData", functions, "data", "$.plan.request", lock_seconds, then="AnythingNew"),
        **choose("AnythingNew", (is_true("$.plan.has_new_data"), "Clean"), otherwise="Publish"),
        **glue_job("Clean", jobs.clean, jobs, work, then="CheckQuality", again=1),
        # Bad data stay bad: the check is not repeated.
        **glue_job("CheckQuality", jobs.quality, jobs, work, then="BuildFeatures", again=0),
        **glue_job("BuildFeatures", jobs.features, jobs, work, then="Publish", again=1),
        **call(
            "Publish",
            functions.publish_partitions,
            {"plan.$": "$.plan"},
            then="PutFeatures" if functions.put_features else "RecordRefresh",
            keep={"features_manifest.$": "$.Payload.features_manifest"},
            into="$.publication",
        ),
        **(
            call("PutFeatures", functions.put_features, {"plan.$": "$.plan"}, then="RecordRefresh")
            if functions.put_features
            else {}
        ),
        **ledger.record_refresh("RecordRefresh", table, then="ReleaseDataLock"),
        **ledger.release_lock("ReleaseDataLock", table, "data", then=then),
    }


def plan(
    name: str,
    functions: Functions,
    step: str,
    request: str,
    lock_seconds: Mapping[str, int],
    *,
    then: str,
    failing: str = FAILED,
) -> States:
    """One of the plan's two steps, `names` or `data`; afterwards the state is the plan. `request`: a path."""
    return call(
        name,
        functions.plan_run,
        {
            "step": step,
            "event.$": request,
            "execution": {"id.$": "$$.Execution.Id", "started_at.$": "$$.Execution.StartTime"},
            "lock_seconds": dict(lock_seconds),
        },
        then=then,
        keep={"plan.$": "$.Payload"},
        into="$",
        failing=failing,
    )


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
