"""A Glue job runs its own script on Spark, as its own role, to a state that tells the truth."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from sandbox import account, faults
from sandbox.engines import glue
from sandbox.iam import record
from tests.sandbox.compute_account import (
    allow,
    any_bucket,
    any_key,
    any_role,
    listed,
    logged,
    put,
    wait_for,
)

_ENDED = ("SUCCEEDED", "FAILED", "TIMEOUT", "STOPPED", "ERROR")
_LOGS = allow("logs:CreateLogGroup logs:CreateLogStream logs:PutLogEvents logs:AssociateKmsKey")

_COUNT = """
import sys
from awsglue.context import GlueContext
from awsglue.job import Job
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext

args = getResolvedOptions(sys.argv, ["JOB_NAME", "source", "target"])
context = GlueContext(SparkContext.getOrCreate())
job = Job(context)
job.init(args["JOB_NAME"], args)
rows = context.spark_session.read.schema("month string, n int").json(args["source"])
print("rows", rows.count())
rows.write.partitionBy("month").parquet(args["target"])
job.commit()
"""


@pytest.fixture(scope="module")
def place():
    with account.Account():
        bucket = any_bucket("glue-data")
        for day in range(3):
            put(bucket, f"raw/dt=2013-01-0{day + 1}/a.json", '{"month": "2013-01", "n": 1}\n' * 10)
        put(bucket, "secret/of-b.json", '{"month": "2013-02", "n": 2}\n')
        arn = f"arn:aws:s3:::{bucket}"
        # Without the slash: S3A asks for a folder's own key too, and a refusal there ends the job, as on AWS.
        read_all = allow("s3:GetObject", [f"{arn}/raw*", f"{arn}/code*", f"{arn}/out*"])
        write = allow("s3:PutObject s3:DeleteObject s3:AbortMultipartUpload", f"{arn}/out*")
        common = (allow("s3:ListBucket", arn), read_all, write, _LOGS)
        any_role("job-a", "glue.amazonaws.com", *common)
        any_role("job-b", "glue.amazonaws.com", *common, allow("s3:GetObject", f"{arn}/secret*"))
        yield bucket


def _job(bucket, name, script, role="job-a", **settings):
    put(bucket, f"code/{name}.py", script)
    account.client("glue").create_job(
        Name=name,
        Role=f"arn:aws:iam::{account.ACCOUNT}:role/{role}",
        Command={"Name": "glueetl", "ScriptLocation": f"s3://{bucket}/code/{name}.py", "PythonVersion": "3"},
        GlueVersion="5.1",
        WorkerType="G.1X",
        NumberOfWorkers=2,
        **settings,
    )
    return name


def _start(name, **arguments):
    given = {f"--{key}": value for key, value in arguments.items()}
    return account.client("glue").start_job_run(JobName=name, Arguments=given)["JobRunId"]


def _end(name, run_id):
    def look():
        run = account.client("glue").get_job_run(JobName=name, RunId=run_id)["JobRun"]
        return run if run["JobRunState"] in _ENDED else None

    return wait_for(look, 120)


def test_job_reads_and_writes_s3_uris_as_its_role(place):
    name = _job(place, "count", _COUNT, DefaultArguments={"--source": "s3://nowhere/", "--spare": "x"})
    run_id = _start(name, source=f"s3://{place}/raw/", target=f"s3://{place}/out/count")
    run = _end(name, run_id)
    assert run["JobRunState"] == "SUCCEEDED", run.get("ErrorMessage")
    assert run["Arguments"]["--source"] == f"s3://{place}/raw/"
    assert run["Arguments"]["--spare"] == "x"
    assert run["CompletedOn"] >= run["StartedOn"]
    assert any("month=2013-01/" in key and key.endswith(".parquet") for key in listed(place, "out/count/"))
    assert "rows 30" in logged("/aws-glue/jobs/output")


def test_job_in_a_vpc_has_to_say_in_which_region_its_buckets_are(place):
    name = _job(place, "no-region", _COUNT, Connections={"Connections": ["any"]})
    run = _end(name, _start(name, source=f"s3://{place}/raw/", target=f"s3://{place}/out/no-region"))
    assert run["JobRunState"] == "FAILED"
    assert "give the job --conf spark.hadoop.fs.s3a.endpoint.region=<Region>" in run["ErrorMessage"]


def test_job_cannot_read_what_only_the_role_of_another_may(place):
    script = _COUNT.replace('"target"]', '"target"]').replace("print(", "print('read as b', ")
    arguments = {"source": f"s3://{place}/secret/"}
    allowed = _job(place, "allowed", script, role="job-b")
    assert (
        _end(allowed, _start(allowed, target=f"s3://{place}/out/b", **arguments))["JobRunState"]
        == "SUCCEEDED"
    )
    refused = _job(place, "refused", script, role="job-a")
    run = _end(refused, _start(refused, target=f"s3://{place}/out/a", **arguments))
    assert run["JobRunState"] == "FAILED"
    assert "403" in run["ErrorMessage"] or "AccessDenied" in run["ErrorMessage"]
    assert not listed(place, "out/a/")


def test_warming_up_calls_no_service_and_the_next_job_has_its_own_keys(place):
    before = len(record.calls())
    glue.warm()
    assert len(record.calls()) == before
    name = _job(place, "after-warm", _COUNT)
    run_id = _start(name, source=f"s3://{place}/raw/", target=f"s3://{place}/out/after-warm")
    assert _end(name, run_id)["JobRunState"] == "SUCCEEDED"
    assert listed(place, "out/after-warm/")


def test_boto3_in_the_job_is_the_role_too(place):
    script = (
        "import boto3\nprint('I am', boto3.client('sts').get_caller_identity()['Arn'])\n"
        f"boto3.client('s3').get_object(Bucket='{place}', Key='secret/of-b.json')\n"
    )
    run = _end(_job(place, "boto", script), _start("boto"))
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"].startswith(
        "botocore.errorfactory.AccessDenied: An error occurred (AccessDenied)"
    )
    assert ":assumed-role/job-a/GlueJobRunnerSession" in logged("/aws-glue/jobs/output")


def test_extra_files_and_modules_are_there(place):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("lakeparts/__init__.py", "ANSWER = 42\n")
    put(place, "code/parts.zip", archive.getvalue())
    put(place, "code/note.txt", "beside me")
    script = (
        "import lakeparts\nassert lakeparts.ANSWER == 42\nassert open('note.txt').read() == 'beside me'\n"
    )
    arguments = {
        "--extra-py-files": f"s3://{place}/code/parts.zip",
        "--extra-files": f"s3://{place}/code/note.txt",
    }
    run = _end(_job(place, "extra", script, DefaultArguments=arguments), _start("extra"))
    assert run["JobRunState"] == "SUCCEEDED", run.get("ErrorMessage")


def test_security_configuration_encrypts_output_and_logs(place):
    key = any_key()
    account.client("glue").create_security_configuration(
        Name="locked",
        EncryptionConfiguration={
            "S3Encryption": [{"S3EncryptionMode": "SSE-KMS", "KmsKeyArn": key}],
            "CloudWatchEncryption": {"CloudWatchEncryptionMode": "SSE-KMS", "KmsKeyArn": key},
            "JobBookmarksEncryption": {"JobBookmarksEncryptionMode": "DISABLED"},
        },
    )
    account.client("iam").put_role_policy(
        RoleName="job-a",
        PolicyName="locked",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    allow("glue:GetSecurityConfiguration"),
                    allow("kms:GenerateDataKey kms:Decrypt", key),
                ],
            }
        ),
    )
    name = _job(place, "locked", _COUNT, SecurityConfiguration="locked")
    run = _end(name, _start(name, source=f"s3://{place}/raw/", target=f"s3://{place}/out/locked"))
    assert run["JobRunState"] == "SUCCEEDED", run.get("ErrorMessage")
    parquet = [one for one in listed(place, "out/locked/") if one.endswith(".parquet")]
    assert parquet
    head = account.client("s3").head_object(Bucket=place, Key=parquet[0])
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)
    assert run["LogGroupName"] == "/aws-glue/jobs/locked-role/job-a"
    assert "rows 30" in logged("/aws-glue/jobs/locked-role/job-a/output")


def test_fault_kills_the_run_after_it_has_written(place):
    faults.add(faults.Fault(kind="glue", target="victim"))
    script = (
        _COUNT
        + "\nimport time\nfor part in range(3):\n    rows.write.parquet(f\"{args['target']}-{part}\")\n"
    )
    name = _job(place, "victim", script)
    run = _end(name, _start(name, source=f"s3://{place}/raw/", target=f"s3://{place}/out/victim"))
    assert run["JobRunState"] == "FAILED"
    assert "executor lost" in run["ErrorMessage"]
    assert listed(place, "out/victim")
    again = _end(name, _start(name, source=f"s3://{place}/raw/", target=f"s3://{place}/out/again"))
    assert again["JobRunState"] != "ERROR"


def test_failed_run_is_retried_as_the_job_says(place):
    name = _job(place, "stubborn", "raise ValueError('no such month')", MaxRetries=1)
    first = _start(name)
    assert _end(name, first)["ErrorMessage"] == "ValueError: no such month"
    retry = _end(name, f"{first}_attempt_1")
    assert (retry["Attempt"], retry["JobRunState"]) == (1, "FAILED")


def test_second_run_at_the_same_time_is_refused_and_a_stop_ends_the_first(place):
    glue = account.client("glue")
    name = _job(place, "slow", "import time\ntime.sleep(60)\n")
    run_id = _start(name)
    with pytest.raises(glue.exceptions.ConcurrentRunsExceededException):
        _start(name)
    wait_for(lambda: glue.get_job_run(JobName=name, RunId=run_id)["JobRun"]["JobRunState"] == "RUNNING", 60)
    glue.batch_stop_job_run(JobName=name, JobRunIds=[run_id])
    assert _end(name, run_id)["JobRunState"] == "STOPPED"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        pytest.param(
            {"--additional-python-modules": "x"}, "--additional-python-modules", id="modules from afar"
        ),
        pytest.param({"--job-bookmark-option": "job-bookmark-enable"}, "bookmarks", id="bookmarks"),
    ],
)
def test_what_the_sandbox_does_not_do_fails_by_name(place, arguments, word):
    name = _job(place, f"odd{len(word)}", "", DefaultArguments=arguments)
    run = _end(name, _start(name))
    assert run["JobRunState"] == "FAILED"
    assert word in run["ErrorMessage"]


def test_role_that_does_not_trust_glue_is_refused(place):
    any_role("stranger", "lambda.amazonaws.com", _LOGS)
    run = _end(_job(place, "strange", "", role="stranger"), _start("strange"))
    assert run["JobRunState"] == "FAILED"
    assert "glue.amazonaws.com may not sts:AssumeRole" in run["ErrorMessage"]
