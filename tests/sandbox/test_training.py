"""A training job runs the script it is given, under its role and limits, and leaves a model and the truth."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from sandbox import account, faults
from tests.sandbox.compute_account import (
    IMAGE,
    allow,
    any_bucket,
    any_key,
    any_role,
    listed,
    logged,
    put,
    read,
    wait_for,
)

_TRAIN = """
import json, os, pathlib, sys
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
files = sorted(p.relative_to(os.environ["SM_CHANNEL_DATA"]).as_posix()
               for p in pathlib.Path(os.environ["SM_CHANNEL_DATA"]).rglob("*") if p.is_file())
(model / "seen.json").write_text(json.dumps({"argv": sys.argv[1:], "files": files, "env": dict(os.environ)}))
print("validation-auc:0.5\\nvalidation-auc:0.75", flush=True)
"""


def _archive(**files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(f"{name}.py")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def place():
    with account.Account():
        bucket = any_bucket("train-data")
        key = any_key()
        put(bucket, "features/month=1/a.csv", "1,2\n")
        put(bucket, "features/month=2/b.csv", "0,3\n")
        arn = f"arn:aws:s3:::{bucket}"
        role = any_role(
            "trainer",
            "sagemaker.amazonaws.com",
            allow("s3:ListBucket", arn),
            allow("s3:GetObject s3:PutObject", f"{arn}/*"),
            allow("kms:GenerateDataKey kms:Decrypt", key),
            allow("logs:CreateLogGroup logs:CreateLogStream logs:PutLogEvents"),
        )
        yield bucket, role, key


def _channel(name, uri, kind="S3Prefix", **settings):
    return {
        "ChannelName": name,
        "DataSource": {"S3DataSource": {"S3DataType": kind, "S3Uri": uri}},
        **settings,
    }


def _request(place, name, script=_TRAIN, **changes):
    bucket, role, key = place
    put(bucket, f"code/{name}.tar.gz", _archive(train=script))
    return {
        "TrainingJobName": name,
        "RoleArn": role,
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "validation:auc", "Regex": "validation-auc:([0-9.]+)"}],
        },
        "HyperParameters": {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": f"/opt/ml/input/data/code/{name}.tar.gz",
            "max_depth": "6",
        },
        "InputDataConfig": [
            _channel("data", f"s3://{bucket}/features/"),
            _channel("code", f"s3://{bucket}/code/{name}.tar.gz"),
        ],
        "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/models", "KmsKeyId": key},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "EnableNetworkIsolation": True,
        **changes,
    }


def _train(request):
    sagemaker = account.client("sagemaker")
    sagemaker.create_training_job(**request)
    return _end(request["TrainingJobName"])


def _end(name):
    def look():
        job = account.client("sagemaker").describe_training_job(TrainingJobName=name)
        return job if job["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") else None

    return wait_for(look, 60)


def _model(place, name):
    bucket = place[0]
    body = read(bucket, f"models/{name}/output/model.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}


def test_script_gets_its_contract_and_its_model_is_kept(place):
    job = _train(_request(place, "plain"))
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    seen = json.loads(_model(place, "plain")["seen.json"])
    assert seen["argv"] == ["--max_depth", "6"]
    assert seen["files"] == ["month=1/a.csv", "month=2/b.csv"]
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == "s3://train-data/models/plain/output/model.tar.gz"
    head = account.client("s3").head_object(Bucket=place[0], Key="models/plain/output/model.tar.gz")
    assert head["SSEKMSKeyId"] == place[2]
    assert [(one["MetricName"], one["Value"]) for one in job["FinalMetricDataList"]] == [
        ("validation:auc", 0.75)
    ]
    states = [one["Status"] for one in job["SecondaryStatusTransitions"]]
    assert states == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert "validation-auc:0.75" in logged("/aws/sagemaker/TrainingJobs")
    assert job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"]


def test_isolated_container_has_no_keys_and_no_network(place):
    script = """
import os, socket, urllib.request
keys = ("AWS_ACCESS", "AWS_SECRET", "AWS_SESSION", "AWS_ENDPOINT")
assert not [name for name in os.environ if name.startswith(keys)]
for attempt in (lambda: socket.create_connection(("127.0.0.1", 9)),
                lambda: socket.getaddrinfo("example.com", 80),
                lambda: urllib.request.urlopen("http://localhost:1/")):
    try:
        attempt()
    except OSError as error:
        assert "network isolation" in str(error), error
    else:
        raise AssertionError("it went out")
import boto3
try:
    boto3.client("s3").list_buckets()
except Exception as error:
    print("refused", type(error).__name__)
"""
    job = _train(_request(place, "isolated", script))
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")


def test_container_in_the_open_is_its_role(place):
    script = "import boto3\nprint('I am', boto3.client('sts').get_caller_identity()['Arn'])\n"
    job = _train(_request(place, "open", script, EnableNetworkIsolation=False))
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert ":assumed-role/trainer/SageMaker" in logged("/aws/sagemaker/TrainingJobs")


def test_manifest_names_the_files(place):
    bucket = place[0]
    uri = put(bucket, "one.manifest", json.dumps([{"prefix": f"s3://{bucket}/features/"}, "month=2/b.csv"]))
    request = _request(place, "manifest")
    request["InputDataConfig"][0] = _channel("data", uri, "ManifestFile")
    assert _train(request)["TrainingJobStatus"] == "Completed"
    assert json.loads(_model(place, "manifest")["seen.json"])["files"] == ["month=2/b.csv"]


def test_failure_of_the_script_is_the_reason(place):
    job = _train(_request(place, "broken", "raise ValueError('label column is missing')\n"))
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert job["FailureReason"].startswith("AlgorithmError: ")
    assert "ExecuteUserScriptError" in job["FailureReason"]
    assert "label column is missing" in logged("/aws/sagemaker/TrainingJobs")


def test_missing_data_are_named(place):
    request = _request(place, "nodata")
    request["InputDataConfig"][0] = _channel("data", f"s3://{place[0]}/nothing/")
    job = _train(request)
    assert "No S3 objects found" in job["FailureReason"]


def test_role_without_the_data_fails(place):
    poor = any_role("poor", "sagemaker.amazonaws.com", allow("logs:*"))
    job = _train(_request(place, "poor", RoleArn=poor))
    assert job["TrainingJobStatus"] == "Failed"
    assert "AccessDenied" in job["FailureReason"]


def test_spot_interruption_goes_on_from_the_checkpoint(place):
    script = """
import os, pathlib, time
folder = pathlib.Path(os.environ["ML_ROOT"], "checkpoints")
done = len(list(folder.glob("step-*")))
print("starting at", done, flush=True)
for step in range(done, 4):
    (folder / f"step-{step}").write_text("x")
    time.sleep(0.3)
"""
    faults.add(faults.Fault(kind="spot", target="spot"))
    job = _train(
        _request(
            place,
            "spot",
            script,
            EnableManagedSpotTraining=True,
            StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120},
            CheckpointConfig={"S3Uri": f"s3://{place[0]}/checkpoints/spot"},
        )
    )
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    states = [one["Status"] for one in job["SecondaryStatusTransitions"]]
    assert "Interrupted" in states
    assert len(listed(place[0], "checkpoints/spot/")) == 4
    starts = [
        line for line in logged("/aws/sagemaker/TrainingJobs").splitlines() if line.startswith("starting at")
    ]
    assert starts[0] == "starting at 0"
    assert starts[1] != "starting at 0"
    assert job["BillableTimeInSeconds"] <= job["TrainingTimeInSeconds"]


def test_time_limit_stops_the_job_but_keeps_the_model(place):
    script = (
        "import os, pathlib, signal, sys, time\n"
        "pathlib.Path(os.environ['SM_MODEL_DIR'], 'half').write_text('x')\ntime.sleep(60)\n"
    )
    job = _train(_request(place, "late", script, StoppingCondition={"MaxRuntimeInSeconds": 2}))
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert "half" in _model(place, "late")


def test_stop_order_ends_the_job(place):
    sagemaker = account.client("sagemaker")
    sagemaker.create_training_job(**_request(place, "ordered", "import time\ntime.sleep(60)\n"))
    look = sagemaker.describe_training_job
    wait_for(lambda: look(TrainingJobName="ordered")["SecondaryStatus"] == "Training")
    sagemaker.stop_training_job(TrainingJobName="ordered")
    assert _end("ordered")["TrainingJobStatus"] == "Stopped"


def test_built_in_algorithm_trains_on_label_first_csv(place):
    import numpy
    import xgboost

    bucket = place[0]
    numbers = numpy.random.default_rng(7).normal(size=(200, 3))
    table = numpy.column_stack([(numbers[:, 0] > 0).astype(int), numbers])
    text = "\n".join(",".join(f"{value:.6g}" for value in row) for row in table)
    for name in ("train", "validation"):
        put(bucket, f"builtin/{name}/part.csv", text)
    request = _request(place, "builtin")
    request["HyperParameters"] = {
        "num_round": "5",
        "objective": "binary:logistic",
        "eval_metric": "auc",
        "max_depth": "2",
    }
    request["InputDataConfig"] = [
        _channel(name, f"s3://{bucket}/builtin/{name}/", ContentType="text/csv")
        for name in ("train", "validation")
    ]
    job = _train(request)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    metrics = {one["MetricName"]: one["Value"] for one in job["FinalMetricDataList"]}
    assert metrics["validation:auc"] > 0.9
    booster = xgboost.Booster()
    booster.load_model(bytearray(_model(place, "builtin")["xgboost-model"]))
    assert booster.num_boosted_rounds() == 5


def test_unknown_hyperparameter_of_the_built_in_is_refused(place):
    put(place[0], "builtin2/a.csv", "1,2\n0,1\n")
    request = _request(place, "odd-built-in")
    request["HyperParameters"] = {"num_round": "1", "learning": "0.1"}
    request["InputDataConfig"] = [_channel("train", f"s3://{place[0]}/builtin2/", ContentType="text/csv")]
    assert "extraneous hyperparameter found: learning" in _train(request)["FailureReason"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        pytest.param({"ResourceConfig": {"InstanceType": "ml.m5.tiny"}}, "ml.m5.tiny", id="instance type"),
        pytest.param({"ResourceConfig": {"InstanceCount": 2}}, "InstanceCount", id="two instances"),
        pytest.param(
            {"AlgorithmSpecification": {"TrainingImage": "somewhere/else:1"}}, "stand-in", id="image"
        ),
        pytest.param({"ProfilerConfig": {"DisableProfiler": True}}, "ProfilerConfig", id="unwritten field"),
        pytest.param({"RoleArn": "arn:aws:iam::123456789012:role/nobody"}, "Could not assume", id="role"),
    ],
)
def test_impossible_request_is_refused_at_once(place, change, word):
    request = _request(place, "refused")
    for name, value in change.items():
        request[name] = {**request.get(name, {}), **value} if isinstance(value, dict) else value
    with pytest.raises(account.client("sagemaker").exceptions.ClientError, match=word):
        account.client("sagemaker").create_training_job(**request)


def test_name_is_used_once(place):
    request = _request(place, "twice")
    _train(request)
    with pytest.raises(account.client("sagemaker").exceptions.ResourceInUse):
        account.client("sagemaker").create_training_job(**request)
