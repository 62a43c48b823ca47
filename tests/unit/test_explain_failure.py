"""What people read of a failure: the state, the error's name, the program's own words; no data, no keys."""

import json
from pathlib import Path
from typing import Any

import pytest
from explain_failure import handler
from explain_failure.explanation import HISTORY, LONGEST_REASON, QUOTAS, Explanation, explain
from tabular import failure

from tests.any_account import any_account
from tests.any_model import any_contract

RUN = "r20240412-0badcafe"
JOB = f"mlref-sandbox-{RUN}-train-boosted"
DIVERGED = (
    "the best validation logloss is 0.53128, the rule baseline reaches 0.52004: the model learned nothing "
    "that holds, look at eta, num_round and the training window"
)
# As sagemaker-containers 2.8.6 writes it, which is in the image.
OF_THE_IMAGE = (
    'AlgorithmError: ExecuteUserScriptError:\nCommand "/opt/venv/bin/python -m train", exit code: 1'
)
# As sagemaker-training 5 writes it.
OF_THE_TOOLKIT = (
    'AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage ""\nCommand "python train.py", '
    "exit code: 1"
)
TOOLKITS_OWN = """AlgorithmError: framework error:
Traceback (most recent call last):
  File "/opt/venv/lib/python3.12/site-packages/sagemaker_containers/_trainer.py", line 84, in train
    entrypoint()
sagemaker_algorithm_toolkit.exceptions.UserError: extraneous hyperparameter found: learning
, exit code: 2"""
NO_WORDS = "the program ended with exit code 1 and left no words of its own, its log has them"


def training(**changes: Any) -> str:
    told = {"TrainingJobName": JOB, "TrainingJobStatus": "Failed", "FailureReason": OF_THE_IMAGE}
    return json.dumps(
        told | {"HyperParameters": {"eta": "0.1"}, "RoleArn": "arn:aws:iam::1:role/x"} | changes
    )


def processing(**changes: Any) -> str:
    told = {"ProcessingJobName": f"mlref-sandbox-{RUN}-evaluate", "ProcessingJobStatus": "Failed"}
    return json.dumps(told | {"FailureReason": "AlgorithmError: , exit code: 1"} | changes)


def tuning(**changes: Any) -> str:
    told = {"HyperParameterTuningJobName": "mlref-sandbox-0badcafe"}
    told |= {"HyperParameterTuningJobStatus": "Failed", "FailureReason": "All training jobs failed."}
    counted = {"Completed": 0, "Stopped": 0, "RetryableError": 1, "NonRetryableError": 4}
    return json.dumps(told | {"TrainingJobStatusCounters": counted} | changes)


def glue(message: str) -> str:
    return json.dumps(
        {"JobRunState": "FAILED", "Id": "jr_1", "LogGroupName": "/aws-glue", "ErrorMessage": message}
    )


def function(name: str, message: str) -> str:
    return json.dumps({"errorType": name, "errorMessage": message, "stackTrace": ["File handler.py"]})


@pytest.mark.parametrize(
    ("cause", "error", "reason"),
    [
        pytest.param(training(), "ExecuteUserScriptError", NO_WORDS, id="training that said nothing"),
        pytest.param(
            training(FailureReason=OF_THE_TOOLKIT), "ExecuteUserScriptError", NO_WORDS, id="the newer toolkit"
        ),
        pytest.param(
            training(FailureReason=TOOLKITS_OWN),
            "UserError",
            "extraneous hyperparameter found: learning",
            id="an error of the image's own code",
        ),
        pytest.param(
            tuning(),
            "States.TaskFailed",
            "All training jobs failed; 5 of 5 trials failed",
            id="a search without a success",
        ),
        pytest.param(
            tuning(FailureReason=None, TrainingJobStatusCounters={}),
            "States.TaskFailed",
            "the job ended as Failed, without a reason",
            id="a search that said nothing",
        ),
        pytest.param(
            training(
                FailureReason='ClientError: Data download failed: No S3 objects found under "s3://b/k".'
            ),
            "ClientError",
            'Data download failed: No S3 objects found under "s3://b/k"',
            id="SageMaker's own finding",
        ),
        pytest.param(
            training(FailureReason="AlgorithmError: , exit code: 137"),
            "OutOfMemory",
            "the container was killed, most likely for its memory: take a larger instance",
            id="out of memory",
        ),
        pytest.param(
            training(TrainingJobStatus="Stopped", SecondaryStatus="MaxRuntimeExceeded", FailureReason=None),
            "States.TaskFailed",
            "the job ended as MaxRuntimeExceeded, without a reason",
            id="stopped at its limit",
        ),
        pytest.param(
            processing(ExitMessage="SplitError: the hold-out window holds 1 labelled rows: wait for labels"),
            "SplitError",
            "the hold-out window holds 1 labelled rows: wait for labels",
            id="processing that said why",
        ),
        pytest.param(processing(), "AlgorithmError", NO_WORDS, id="processing that said nothing"),
        pytest.param(
            json.dumps({"TransformJobName": "t", "FailureReason": "ClientError: See job logs for more."}),
            "ClientError",
            "See job logs for more",
            id="batch transform",
        ),
        pytest.param(
            glue("Error Category: UNCLASSIFIED_ERROR; Failed Line Number: 12; QualityError: 2 rules broken"),
            "QualityError",
            "2 rules broken",
            id="Glue with its category",
        ),
        pytest.param(
            glue("lake.quality.QualityError: 2 quality rules broken"),
            "QualityError",
            "2 quality rules broken",
            id="Glue with the class's module",
        ),
        pytest.param(
            glue("Command failed with exit code 137: the worker ended"),
            "States.TaskFailed",
            "Command failed with exit code 137: the worker ended",
            id="Glue in a sentence",
        ),
        pytest.param(
            glue("SparkDateTimeException: The value 'N123AB' of the type \"STRING\" cannot be cast"),
            "SparkDateTimeException",
            "The value … of the type … cannot be cast",
            id="what Spark quotes is data",
        ),
        pytest.param(
            function("WindowError", "the data begin on 2024-04-01, at least 43 are needed"),
            "WindowError",
            "the data begin on 2024-04-01, at least 43 are needed",
            id="function",
        ),
        pytest.param(function("KeyError", "'tok'"), "KeyError", "…", id="what Python quotes is data"),
        pytest.param(
            "The cause could not be determined because Lambda did not return an error type. "
            'Returned payload: {"errorMessage":"2024-04-12T01:00:00Z Task timed out after 120.00 seconds"}',
            "States.TaskFailed",
            "2024-04-12T01:00:00Z Task timed out after 120.00 seconds",
            id="function without a type of error",
        ),
        pytest.param(
            "User is not authorized to perform: sagemaker:CreateTrainingJob (Service: SageMaker; "
            "Status Code: 400; Error Code: AccessDeniedException; Request ID: 1-2; Proxy: null)",
            "States.TaskFailed",
            "User is not authorized to perform: sagemaker:CreateTrainingJob",
            id="refused call",
        ),
        pytest.param('{"Something": "data"}', "States.TaskFailed", "Train left no reason", id="unknown"),
        pytest.param("", "States.TaskFailed", "Train left no reason", id="nothing"),
    ],
)
def test_picks_the_words_that_say_why(cause: str, error: str, reason: str) -> None:
    found = explain("Train", "States.TaskFailed", cause)
    assert (found.state, found.error, found.reason) == ("Train", error, reason)


def test_the_training_scripts_own_words_come_first() -> None:
    own = {"error": "TrainingDiverged", "message": DIVERGED}
    assert explain("Train", "States.TaskFailed", training(), own) == Explanation(
        state="Train",
        error="TrainingDiverged",
        reason=DIVERGED,
        more=f"log group /aws/sagemaker/TrainingJobs, streams that begin with {JOB}/",
    )


@pytest.mark.parametrize("own", [{}, {"error": "", "message": ""}, {"other": 1}, None])
def test_an_emptied_file_of_an_earlier_attempt_says_nothing(own: Any) -> None:
    assert explain("Train", "States.TaskFailed", training(), own).error == "ExecuteUserScriptError"


def test_says_where_more_of_it_stands() -> None:
    limit = explain("Train", "SageMaker.ResourceLimitExceededException", "limit is 0 (Service: SageMaker)")
    assert (limit.reason, limit.more) == ("limit is 0", QUOTAS)
    assert explain("Judge", "States.Timeout", "") == Explanation(
        state="Judge", error="States.Timeout", reason="Judge took longer than it may", more=HISTORY
    )
    assert explain("Clean", "x", glue("A: b")).more == "log groups that begin with /aws-glue, stream jr_1"
    assert explain("Plan", "x", function("A", "b")).more == "the log of the function that Plan calls"


@pytest.mark.parametrize(
    "secret",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "aws_session_token=FwoGZXIvYXdzEJr",
        '"password": "hunter2"',
        "https://b.s3.amazonaws.com/k?X-Amz-Signature=abc123",
        "Authorization: Bearer eyJhbGciOi",
        "tok_0123456789abcdef",
        "ada@example.com",
    ],
)
def test_hides_keys_tokens_and_addresses(secret: str) -> None:
    found = explain("Clean", "States.TaskFailed", glue(f"QualityError: refused {secret}, look again"))
    assert found.reason.startswith("refused ") and found.reason.endswith(", look again")
    hidden = ("AKIA", "wJal", "FwoG", "hunter2", "abc123", "eyJ", "0123456789abcdef", "ada@")
    assert not any(part in found.reason for part in hidden)


def test_of_a_document_only_the_reason_is_told_and_it_is_cut_between_words() -> None:
    message = "word " * 300
    found = explain("Train", "States.TaskFailed", training(FailureReason=f"ClientError: {message}"))
    assert len(found.reason) <= LONGEST_REASON
    assert found.reason.endswith("word…")
    assert "role" not in repr(found)


def event(cause: str) -> dict[str, str]:
    return {"state": "Train", "error": "States.TaskFailed", "cause": cause, "run_id": RUN}


def test_reads_what_the_script_left_beside_its_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert handler.FILE == failure.FILE
    with any_account(any_contract(), tmp_path, monkeypatch) as account:
        assert handler.handler(event(training()), None)["error"] == "ExecuteUserScriptError"
        left = {"error": "TrainingDiverged", "message": DIVERGED}
        # Another candidate's words are not its own.
        account.put("MODELS", f"checkpoints/{RUN}/linear/failure.json", left)
        assert handler.handler(event(training()), None)["error"] == "ExecuteUserScriptError"
        account.put("MODELS", f"checkpoints/{RUN}/boosted/failure.json", left)
        found = handler.handler(event(training()), None)
        assert (found["state"], found["error"], found["reason"]) == ("Train", "TrainingDiverged", DIVERGED)
        # Another state of the same run has nothing to do with it.
        assert handler.handler(event(processing()), None)["error"] == "AlgorithmError"
        with monkeypatch.context() as changed:
            changed.setattr(handler, "left_behind", None)
            assert handler.handler(event(processing()), None)["error"] == "AlgorithmError"
        account.put("MODELS", f"checkpoints/{RUN}/boosted/failure.json", "{half")
        assert handler.handler(event(training()), None)["error"] == "ExecuteUserScriptError"
        assert json.loads(capsys.readouterr().out)["unreadable"] == "failure.json"
