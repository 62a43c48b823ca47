"""The /opt/ml of a training job: what the toolkit finds there, and what is taken away when it is done."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from sandbox.engines import container, transfer
from sandbox.engines.jobs import Job, JobError

_HOST = "localhost"  # the toolkit waits for its hosts' names to resolve, and algo-1 never would


def variables(job: Job) -> dict[str, str]:
    """Without a program of one's own, the image runs its built-in algorithm: the toolkit's own switch."""
    base = {
        "TRAINING_JOB_NAME": job.name,
        "TRAINING_JOB_ARN": job.arn,
        "CURRENT_HOST": _HOST,
    }
    if "sagemaker_program" not in (job.fields.get("HyperParameters") or {}):
        base["SAGEMAKER_TRAINING_MODULE"] = "builtin_xgboost:main"
    return base


def lay_out(job: Job, root: Path, s3: Any) -> None:
    """Folders, configuration and the data of every channel."""
    for name in ("input/config", "input/data", "model", "output/data", "code"):
        (root / name).mkdir(parents=True, exist_ok=True)
    hyperparameters = job.fields.get("HyperParameters") or {}
    moved = {name: container.rooted(value, root) for name, value in hyperparameters.items()}
    _write(root, "hyperparameters", moved)
    _write(root, "resourceconfig", _resources(job))
    channels = job.fields.get("InputDataConfig") or []
    _write(root, "inputdataconfig", {one["ChannelName"]: _channel(job, one) for one in channels})
    if config := job.fields.get("CheckpointConfig"):
        local = container.rooted(config.get("LocalPath", "/opt/ml/checkpoints"), root)
        _write(root, "checkpointconfig", {**config, "LocalPath": local})
    for channel in channels:
        _download(channel, root / "input" / "data" / channel["ChannelName"], s3)


def _download(channel: dict[str, Any], folder: Path, s3: Any) -> None:
    source = channel["DataSource"]["S3DataSource"]
    uri = source["S3Uri"]
    fetch = transfer.download_manifest if source["S3DataType"] == "ManifestFile" else transfer.download_prefix
    try:
        count = fetch(s3, uri, folder)
    except transfer.TransferError as error:
        raise JobError(f"ClientError: Data download failed: {error}") from error
    if count == 0:
        raise JobError(
            f'ClientError: Data download failed: No S3 objects found under S3 URL "{uri}" given in input '
            f"data source of channel {channel['ChannelName']}. Please ensure that the bucket exists, that "
            'objects exist under that S3 prefix, and that the role has "s3:ListBucket" '
            "permission on the bucket."
        )


def _resources(job: Job) -> dict[str, Any]:
    instance = job.fields["ResourceConfig"]["InstanceType"]
    group = {"instance_group_name": "homogeneousCluster", "instance_type": instance, "hosts": [_HOST]}
    return {
        "current_host": _HOST,
        "current_instance_type": instance,
        "current_group_name": "homogeneousCluster",
        "hosts": [_HOST],
        "instance_groups": [group],
        "network_interface_name": "lo",
    }


def _channel(job: Job, channel: dict[str, Any]) -> dict[str, str]:
    mode = channel.get("InputMode") or job.fields["AlgorithmSpecification"].get("TrainingInputMode", "File")
    source = channel["DataSource"]["S3DataSource"]
    shown = {
        "TrainingInputMode": mode,
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": "None",
    }
    return shown | ({"ContentType": channel["ContentType"]} if channel.get("ContentType") else {})


def _write(root: Path, name: str, content: Any) -> None:
    (root / "input" / "config" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


def failure(root: Path) -> str:
    """The reason that the container left, in the words of SageMaker."""
    path = root / "output" / "failure"
    text = path.read_text(encoding="utf-8", errors="replace").strip() if path.exists() else ""
    return f"AlgorithmError: {text[:900]}, exit code: 1"


def upload(job: Job, root: Path, s3: Any) -> str:
    """model.tar.gz, and output.tar.gz if there is output; the address of the model."""
    config = job.fields["OutputDataConfig"]
    encryption = transfer.encrypted_with(config.get("KmsKeyId"))
    target = f"{config['S3OutputPath'].rstrip('/')}/{job.name}/output"
    transfer.upload(s3, f"{target}/model.tar.gz", packed(root / "model"), encryption)
    if any((root / "output" / "data").iterdir()):
        transfer.upload(s3, f"{target}/output.tar.gz", packed(root / "output" / "data"), encryption)
    return f"{target}/model.tar.gz"


def packed(folder: Path) -> bytes:
    """The folder's content as a gzipped tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name)
    return buffer.getvalue()
