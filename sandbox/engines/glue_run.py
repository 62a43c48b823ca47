"""One Glue job run from its script in S3 to its last state, under the job's role and in its VPC."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sandbox import account, faults, logs, work
from sandbox.engines import glue_encryption, transfer, vpc
from sandbox.engines.spark import Outcome, Program, Spark, SparkError, s3a
from sandbox.iam import identity

if TYPE_CHECKING:
    from sandbox.engines.glue import JobRun

_SHIMS = Path(__file__).parents[1] / "shims"
_S3A_REGION = "spark.hadoop.fs.s3a.endpoint.region"
_VERSIONS = {"5.1": "3.5.6", "5.0": "3.5.4"}  # the sandbox runs both on 3.5.6
_SERVICE = "glue.amazonaws.com"

# Arguments that Glue itself acts on. True: understood here; False: without effect on one machine.
_SPECIAL = {
    "--conf": True,
    "--custom-logGroup-prefix": True,
    "--custom-logStream-prefix": True,
    "--enable-metrics": True,
    "--extra-files": True,
    "--extra-py-files": True,
    "--job-bookmark-option": True,
    "--job-language": True,
    "--continuous-log-logGroup": False,
    "--enable-auto-scaling": False,
    "--enable-continuous-cloudwatch-log": False,
    "--enable-continuous-log-filter": False,
    "--enable-glue-datacatalog": False,
    "--enable-job-insights": False,
    "--enable-observability-metrics": False,
    "--enable-s3-parquet-optimized-committer": False,
    "--enable-spark-ui": False,
    "--spark-event-logs-path": False,
}
# Arguments of Glue that would change what the job does and that nobody has written here.
_REFUSED = (
    "--additional-python-modules",
    "--class",
    "--datalake-formats",
    "--extra-jars",
    "--python-modules-installer-option",
    "--scriptLocation",
    "--user-jars-first",
    "--job-bookmark-from",
    "--job-bookmark-to",
)


class RunError(RuntimeError):
    """The run cannot start; its message is the run's ErrorMessage."""


def run(run: JobRun, spark: Spark) -> None:
    """Carries the run to its end; every outcome is a state of the run, never an exception."""
    folder = account.workdir() / "glue" / run.run_id[:40]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _check(run)
        outcome = _execute(run, spark, folder)
    except (RunError, SparkError, transfer.TransferError, vpc.AttachmentError, identity.Denied) as error:
        outcome = Outcome(ended="failed", error=str(error))
    except ClientError as error:
        outcome = Outcome(ended="failed", error=f"{type(error).__name__}: {error}")
    except BaseException as error:
        run.move("ERROR", f"sandbox: {type(error).__name__}: {error}")
        raise
    _finish(run, outcome)
    shutil.rmtree(folder, ignore_errors=True)


def _check(run: JobRun) -> None:
    job = run.job
    if job.command.get("Name") != "glueetl":
        raise RunError(f"command is {job.command.get('Name')}: the sandbox runs glueetl (Spark, Python) only")
    if job.glue_version not in _VERSIONS:
        raise RunError(
            f"Glue version is {job.glue_version}: the sandbox runs {', '.join(_VERSIONS)} on Spark 3.5.6"
        )
    if refused := sorted(set(_REFUSED) & set(run.arguments)):
        raise RunError(f"argument {refused[0]} is not in the sandbox")
    if (
        bookmark := run.arguments.get("--job-bookmark-option", "job-bookmark-disable")
    ) != "job-bookmark-disable":
        raise RunError(f"job bookmarks are not in the sandbox: --job-bookmark-option is {bookmark}")
    if (language := run.arguments.get("--job-language", "python")) != "python":
        raise RunError(f"--job-language is {language}: the sandbox runs python only")


def _execute(run: JobRun, spark: Spark, folder: Path) -> Outcome:
    arn = run.job.arn
    role = _role_arn(run.job.role)
    service = identity.service_credentials(role, _SERVICE, session="GlueJobRunnerSession", source_arn=arn)
    with _network(run, service) as network:
        inside = identity.service_credentials(
            role, _SERVICE, session="GlueJobRunnerSession", source_arn=arn, network=network
        )
        kms_key, log_groups = _security(run, service)
        fault = faults.due("glue", run.job_name)
        program = _program(run, folder, inside, killed=fault is not None)
        with spark.turn:
            if run.stop.is_set():
                return Outcome(ended="stopped")
            run.move("RUNNING")
            with _encrypted(inside, kms_key):
                outcome = _watch(run, spark, program)
        _write_logs(run, folder, log_groups, service)
        if fault is not None and outcome.ended != "timeout":
            outcome = Outcome(
                ended="failed", error=fault.detail or "executor lost: the run was killed (fault)"
            )
        _write_metrics(run, outcome, service)
    return outcome


def _watch(run: JobRun, spark: Spark, program: Program) -> Outcome:
    """Runs the program; a stop order kills the worker under it."""
    over = threading.Event()

    def stop_when_told() -> None:
        while not over.wait(0.1):
            if run.stop.is_set():
                spark.stop()
                return

    watcher = threading.Thread(target=stop_when_told, daemon=True)
    watcher.start()
    try:
        outcome = spark.run(program, timeout=run.timeout * 60)
    finally:
        over.set()
        watcher.join()
    return Outcome(ended="stopped") if run.stop.is_set() else outcome


def _finish(run: JobRun, outcome: Outcome) -> None:
    state = {"succeeded": "SUCCEEDED", "timeout": "TIMEOUT", "stopped": "STOPPED"}.get(
        outcome.ended, "FAILED"
    )
    message = outcome.error
    if outcome.ended == "timeout":
        message = f"Job run exceeded its timeout of {run.timeout} minute(s)"
    elif outcome.ended == "lost":
        message = "Command failed with exit code 137: the Spark worker ended unexpectedly"
    run.move(state, message)


@contextlib.contextmanager
def _network(run: JobRun, credentials: Any) -> Iterator[Any]:
    """The VPC of the job's connection; None for a job without one."""
    names = (run.job.connections or {}).get("Connections") or []
    if not names:
        yield None
        return
    if _S3A_REGION not in _conf(run.arguments.get("--conf")):
        raise RunError(
            f"S3A asks us-east-2 which Region a bucket is in, to which there is no way from the VPC: "
            f"give the job --conf {_S3A_REGION}=<Region>"
        )
    glue = credentials.client("glue")
    found = [glue.get_connection(Name=name)["Connection"] for name in names]
    places = [
        one["PhysicalConnectionRequirements"] for one in found if one.get("PhysicalConnectionRequirements")
    ]
    if len(places) != 1:
        raise RunError(
            f"connections {names} give {len(places)} places in a VPC; the sandbox takes exactly one"
        )
    with vpc.attached(
        credentials,
        subnets=[places[0]["SubnetId"]],
        security_groups=places[0]["SecurityGroupIdList"],
        steps=vpc.GLUE,
        name=f"glue job {run.job_name}",
    ) as network:
        yield network


def _security(run: JobRun, credentials: Any) -> tuple[str | None, dict[str, str]]:
    """The key of what the job writes, and its log groups, as the security configuration says."""
    prefix = run.arguments.get("--custom-logGroup-prefix", "/aws-glue/jobs")
    key = None
    if run.security_configuration:
        glue = credentials.client("glue")
        answer = glue.get_security_configuration(Name=run.security_configuration)
        encryption = answer["SecurityConfiguration"]["EncryptionConfiguration"]
        for one in encryption.get("S3Encryption") or []:
            if one.get("S3EncryptionMode") == "SSE-KMS":
                key = one["KmsKeyArn"]
        cloudwatch = encryption.get("CloudWatchEncryption") or {}
        if cloudwatch.get("CloudWatchEncryptionMode") == "SSE-KMS":
            prefix = (
                f"{prefix}/{run.security_configuration}-role/{_role_arn(run.job.role).rpartition('/')[2]}"
            )
            _encrypt_logs(credentials, prefix, cloudwatch["KmsKeyArn"])
    run.log_group = prefix
    return key, {name: f"{prefix}/{name}" for name in ("output", "error")}


@contextlib.contextmanager
def _encrypted(credentials: Any, kms_key: str | None) -> Iterator[None]:
    if kms_key:
        glue_encryption.use(credentials.access_key, kms_key)
    try:
        yield
    finally:
        glue_encryption.forget(credentials.access_key)


def _encrypt_logs(credentials: Any, prefix: str, key: str) -> None:
    client = credentials.client("logs")
    for name in ("output", "error"):
        group = f"{prefix}/{name}"
        with contextlib.suppress(client.exceptions.ResourceAlreadyExistsException):
            client.create_log_group(logGroupName=group)
        client.associate_kms_key(logGroupName=group, kmsKeyId=key)


def _program(run: JobRun, folder: Path, credentials: Any, *, killed: bool) -> Program:
    s3 = credentials.client("s3")
    home = folder / "work"
    home.mkdir(exist_ok=True)
    script = transfer.download_object(s3, run.job.command["ScriptLocation"], folder)
    modules = [
        str(transfer.download_object(s3, uri, folder / "modules"))
        for uri in _listed(run.arguments.get("--extra-py-files"))
    ]
    for uri in _listed(run.arguments.get("--extra-files")):
        transfer.download_object(s3, uri, home)
    # A single .py is imported from its folder, an archive from itself.
    path = list(dict.fromkeys(str(Path(one).parent) if one.endswith(".py") else one for one in modules))
    environment = credentials.environment() | {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }
    return Program(
        script=script,
        arguments=tuple(_command_line(run)),
        directory=home,
        environment=environment,
        conf=s3a(credentials) | {"spark.app.name": run.job_name} | _conf(run.arguments.get("--conf")),
        path=(*path, str(home), str(_SHIMS)),
        kill_after_write=killed,
    )


def _command_line(run: JobRun) -> Iterator[str]:
    for name, value in run.arguments.items():
        if name not in _SPECIAL:
            yield name
            yield str(value)
    # The parts that Glue adds; an id of the job itself exists only for jobs of workflows.
    yield from ("--JOB_NAME", run.job_name, "--JOB_RUN_ID", run.run_id)
    yield from ("--job-bookmark-option", "job-bookmark-disable")


def _conf(text: str | None) -> dict[str, str]:
    """Glue takes several settings in one argument, `a=1 --conf b=2`."""
    pairs = [part.strip().partition("=") for part in (text or "").split("--conf") if part.strip()]
    return {name: value for name, _, value in pairs}


def _listed(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _role_arn(role: str) -> str:
    return role if role.startswith("arn:") else f"arn:aws:iam::{account.ACCOUNT}:role/{role}"


def _write_logs(run: JobRun, folder: Path, groups: dict[str, str], credentials: Any) -> None:
    stream = run.arguments.get("--custom-logStream-prefix", run.run_id)
    for name, file in (("output", ".stdout"), ("error", ".stderr")):
        path = folder / "work" / file
        if path.exists():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            logs.write(groups[name], stream, lines, credentials)


def _write_metrics(run: JobRun, outcome: Outcome, credentials: Any) -> None:
    """Job metrics are data of the job's role on AWS too; only the one that means the same here is written."""
    if "--enable-metrics" not in run.arguments:
        return
    dimensions = [
        {"Name": "JobName", "Value": run.job_name},
        {"Name": "JobRunId", "Value": run.run_id},
        {"Name": "Type", "Value": "count"},
    ]
    failed = {
        "MetricName": "glue.driver.aggregate.numFailedTasks",
        "Value": 0.0 if outcome.ended == "succeeded" else 1.0,
        "Unit": "Count",
        "Dimensions": dimensions,
    }
    try:
        credentials.client("cloudwatch").put_metric_data(Namespace="Glue", MetricData=[failed])
    except ClientError as error:  # as on AWS: no metrics, but the run goes on
        work.fail(f"metrics of glue job {run.job_name}", error)


def announce(run: JobRun) -> None:
    """Final states reach EventBridge."""
    if run.status not in ("SUCCEEDED", "FAILED", "TIMEOUT", "STOPPED"):
        return
    with contextlib.suppress(ImportError):
        from sandbox.engines import events

        message = run.error or f"Job run {run.status.lower()}"
        severity = "INFO" if run.status in ("SUCCEEDED", "STOPPED") else "ERROR"
        events.emit(
            source="aws.glue",
            detail_type="Glue Job State Change",
            resources=[],
            detail={
                "jobName": run.job_name,
                "severity": severity,
                "state": run.status,
                "jobRunId": run.run_id,
                "message": message,
            },
        )
