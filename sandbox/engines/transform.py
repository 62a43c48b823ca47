"""Batch transform: a model's own server, put up for one job, over every object of the input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox import clock, logs, work
from sandbox.engines import transfer
from sandbox.engines.backends import backend
from sandbox.engines.hosting import HostingError, ModelServer
from sandbox.engines.jobs import Job, check_instance, check_known, check_new, refuse

LOG_GROUP = "/aws/sagemaker/TransformJobs"
_MB = 1024 * 1024
_ALLOWED = frozenset(
    {
        "TransformJobName",
        "ModelName",
        "MaxConcurrentTransforms",
        "MaxPayloadInMB",
        "BatchStrategy",
        "Environment",
        "TransformInput",
        "TransformOutput",
        "TransformResources",
        "Tags",
        "ExperimentConfig",
        "ModelClientConfig",
    }
)


class TransformError(RuntimeError):
    """A record was refused by the model."""


def create_transform_job(request: dict[str, Any]) -> dict[str, Any]:
    backends = backend("sagemaker")
    check_new("Transform", request, backends.transform_jobs)
    check_known(request, _ALLOWED, "CreateTransformJob")
    if request["ModelName"] not in backends._models:
        raise refuse(f'Could not find model "{request["ModelName"]}".')
    resources = request["TransformResources"]
    check_instance("TransformInstanceType", resources["InstanceType"], int(resources["InstanceCount"]))
    source = request["TransformInput"]
    if source["DataSource"]["S3DataSource"]["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        raise refuse("TransformInput.S3DataType: allowed are S3Prefix and ManifestFile")
    if source.get("SplitType", "None") not in ("None", "Line"):
        raise refuse(f"SplitType {source['SplitType']} is not in the sandbox; there are: None, Line")
    if source.get("CompressionType", "None") != "None":
        raise refuse(f"CompressionType {source['CompressionType']} is not in the sandbox; there is: None")
    job = Job("Transform", request)
    backends.transform_jobs[job.name] = job
    job.announce()
    work.start(f"transform {job.name}", _run, job)
    return {"TransformJobArn": job.arn}


def describe_transform_job(request: dict[str, Any]) -> dict[str, Any]:
    return dict(_found(request).response_object)


def stop_transform_job(request: dict[str, Any]) -> dict[str, Any]:
    job = _found(request)
    if job.status == "InProgress":
        job.ask_to_stop()
    return {}


def _found(request: dict[str, Any]) -> Job:
    job = backend("sagemaker").transform_jobs.get(request["TransformJobName"])
    if job is None:
        raise refuse(f"Could not find requested transform job: {request['TransformJobName']}")
    return job  # type: ignore[no-any-return]


def _run(job: Job) -> None:
    stream = f"{job.name}/i-sandbox"

    def write(lines: list[str], credentials: Any) -> None:
        logs.write(LOG_GROUP, stream, lines, credentials)

    server = None
    try:
        server = ModelServer(
            job.fields["ModelName"], write, f"transform-{job.name}", job.fields.get("Environment")
        )
        server.start()
        job.update(TransformStartTime=clock.now())
        for source, target in _objects(job, server.credentials.client("s3")):
            if job.stop.is_set():
                job.move("Stopped")
                return
            _transform(job, server, source, target)
    except (HostingError, TransformError, transfer.TransferError) as error:
        job.move("Failed", f"AlgorithmError: {error}")
    except BaseException as error:
        job.move("Failed", f"InternalServerError: sandbox: {type(error).__name__}: {error}")
        raise
    else:
        job.move("Completed")
    finally:
        if server is not None:
            server.stop()


def _objects(job: Job, s3: Any) -> Iterator[tuple[str, str]]:
    """Address of each input object, and of its output: its path below the prefix, and .out."""
    place = job.fields["TransformInput"]["DataSource"]["S3DataSource"]
    target = job.fields["TransformOutput"]["S3OutputPath"].rstrip("/")
    if place["S3DataType"] == "ManifestFile":
        pairs = transfer.manifest(s3, place["S3Uri"])
    else:
        bucket, prefix = transfer.split(place["S3Uri"])
        pairs = [
            (f"s3://{bucket}/{key}", transfer.relative(key, prefix))
            for key in transfer.keys(s3, place["S3Uri"])
        ]
    if not pairs:
        raise transfer.TransferError(f"no S3 objects found under {place['S3Uri']}")
    for source, name in pairs:
        yield source, f"{target}/{name}.out"


def _transform(job: Job, server: ModelServer, source: str, target: str) -> None:
    s3 = server.credentials.client("s3")
    given, wanted = job.fields["TransformInput"], job.fields["TransformOutput"]
    headers = {"Content-Type": given.get("ContentType", "application/octet-stream")}
    if wanted.get("Accept"):
        headers["Accept"] = wanted["Accept"]
    answers = []
    for body in payloads(transfer.read_object(s3, source), job.fields):
        answer = server.invoke(body, headers)
        if answer.status >= 400:
            text = answer.body.decode(errors="replace")[:300]
            raise TransformError(f"{source}: the model answered {answer.status}: {text}")
        answers.append(answer.body)
    ending = b"\n" if wanted.get("AssembleWith", "None") == "Line" else b""
    body = b"".join(one + ending if ending and not one.endswith(ending) else one for one in answers)
    transfer.upload(s3, target, body, transfer.encrypted_with(wanted.get("KmsKeyId")))


def payloads(body: bytes, fields: dict[str, Any]) -> Iterator[bytes]:
    """What is sent at once: the whole object, single lines, or as many lines as fit."""
    limit = int(fields.get("MaxPayloadInMB") or 6) * _MB
    if fields["TransformInput"].get("SplitType", "None") == "None":
        records = [body]
    else:
        records = [line for line in body.splitlines(keepends=True) if line.strip()]
    if too_long := next((len(one) for one in records if len(one) > limit), None):
        raise TransformError(f"a record of {too_long} bytes exceeds MaxPayloadInMB ({limit // _MB})")
    if fields.get("BatchStrategy", "MultiRecord") == "SingleRecord":
        yield from records
        return
    batch = b""
    for record in records:
        if batch and len(batch) + len(record) > limit:
            yield batch
            batch = b""
        batch += record
    if batch:
        yield batch


def reset() -> None:
    for job in backend("sagemaker").transform_jobs.values():
        job.stop.set()


OPERATIONS = {
    "create_transform_job": create_transform_job,
    "describe_transform_job": describe_transform_job,
    "stop_transform_job": stop_transform_job,
}
