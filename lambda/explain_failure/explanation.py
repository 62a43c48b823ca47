"""From the raw cause of a failed state to a few words: who failed, why, where more of it stands. Pure.

The cause is a document of the service (the whole DescribeTrainingJob, the run of a Glue job, the answer of a
function) or a sentence with a request id. Of a document only the field that says why is used, never the rest.
"""

import builtins
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_REASON, LONGEST_NAME = 600, 80
HIDDEN = "…"
HISTORY = "the execution's history"
QUOTAS = "docs/operations.md, Quotas that a new account may lack"
RETURNED = "Returned payload: "

# `QualityError: 2 rules broken`, also with the class's module in front
NAMED = re.compile(r"(?:\w+\.)*(\w{3,}): +(.+)", re.DOTALL)
# `Error Category: UNCLASSIFIED_ERROR; Failed Line Number: 12; QualityError: 2 rules broken`
GLUE_PREFIX = re.compile(r"(?:(?:Error Category|Failed Line Number): [^;]*; *)+")
SERVICE_SUFFIX = re.compile(r" ?\(Service: [^()]*\)\s*$")
EXIT_CODE = re.compile(r",? *exit code: (\d+)\s*$", re.IGNORECASE)
KILLED = "137"
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
SECRETS = (
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"(?<![\w/+])[A-Za-z0-9/+]{40}(?![\w/+=])"),
    re.compile(r"(?<=[?&])X-Amz-[^\s,\"']+"),
    re.compile(r"\b(?:\w*(?:password|secret|token|credential)s?|authorization)[\"']?\s*[=:]\s*"
               r"(?:bearer |basic )?[^\s,;&]+", re.IGNORECASE),
    re.compile(r"\btok_[0-9a-f]{8,}\b"),
    re.compile(r"[\w.+-]+@[\w-]+\.\w[\w.-]*"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """more: where the whole story stands."""

    state: str
    error: str
    reason: str
    more: str = HISTORY


def training_job(cause: str) -> str | None:
    """The name of the training job that the cause describes."""
    return document(cause).get("TrainingJobName")


def explain(state: str, error: str, cause: str, own: Mapping[str, Any] | None = None) -> Explanation:
    """`own`: what a training script left behind, {"error": ..., "message": ...}."""
    match document(cause):
        case {"TrainingJobName": str(job)} as told:
            more = f"log group /aws/sagemaker/TrainingJobs, streams that begin with {job}/"
            name, reason = _own_words(own or {}) or _job(error, told, "TrainingJobStatus")
        case {"HyperParameterTuningJobName": str(job)} as told:
            more = f"log group /aws/sagemaker/TrainingJobs, streams that begin with {job}-"
            name, reason = _search(error, told)
        case {"ProcessingJobName": str(job)} as told:
            more = f"log group /aws/sagemaker/ProcessingJobs, streams that begin with {job}/"
            left = NAMED.fullmatch(str(told.get("ExitMessage") or ""))
            name, reason = (left[1], left[2]) if left else _job(error, told, "ProcessingJobStatus")
        case {"TransformJobName": str(job)} as told:
            more = f"log group /aws/sagemaker/TransformJobs, streams that begin with {job}/"
            name, reason = _job(error, told, "TransformJobStatus")
        case {"JobRunState": state_of_run} as told:
            more = (
                f"log groups that begin with {told.get('LogGroupName', '/aws-glue')}, stream {told.get('Id')}"
            )
            name, reason = _glue(error, str(told.get("ErrorMessage") or ""), str(state_of_run))
        case {"errorMessage": text} as told:
            more = f"the log of the function that {state} calls"
            name = str(told.get("errorType") or error)
            reason = _careful(name, str(text))
        case told:
            more = QUOTAS if "ResourceLimitExceeded" in error else HISTORY
            name, reason = error, "" if told else _sentence(state, error, cause)
    return Explanation(
        state=state,
        error=_tidy(name, LONGEST_NAME) or "unknown",
        reason=_tidy(reason, LONGEST_REASON) or f"{state} left no reason",
        more=more,
    )


def document(cause: str) -> dict[str, Any]:
    """Empty if the cause is a sentence. Lambda puts a document of an unknown kind into one."""
    try:
        found = json.loads(cause.partition(RETURNED)[2] or cause)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _own_words(own: Mapping[str, Any]) -> tuple[str, str] | None:
    error, message = own.get("error"), own.get("message")
    return (str(error), str(message)) if error and message else None


def _job(error: str, told: Mapping[str, Any], status: str) -> tuple[str, str]:
    """`ClientError: ...` is SageMaker's own finding, `AlgorithmError: ...` the container's end."""
    reason = str(told.get("FailureReason") or "")
    if not reason:
        ended = told.get("SecondaryStatus") or told.get(status)
        return error, f"the job ended as {ended}, without a reason"
    code = EXIT_CODE.search(reason)
    text = EXIT_CODE.sub("", reason)
    if code and code[1] == KILLED:
        return "OutOfMemory", "the container was killed, most likely for its memory: take a larger instance"
    if not text.startswith("AlgorithmError"):
        named = NAMED.fullmatch(text)
        return (named[1], named[2]) if named else (error, text)
    return _container(text.removeprefix("AlgorithmError").lstrip(": "), code[1] if code else "1")


def _search(error: str, told: Mapping[str, Any]) -> tuple[str, str]:
    """A tuning job has no program of its own: it fails with its trials."""
    name, reason = _job(error, told, "HyperParameterTuningJobStatus")
    counted = told.get("TrainingJobStatusCounters") or {}
    lost = sum(int(counted.get(each) or 0) for each in ("RetryableError", "NonRetryableError"))
    done = lost + sum(int(counted.get(each) or 0) for each in ("Completed", "Stopped"))
    return name, f"{reason.rstrip('.')}; {lost} of {done} trials failed" if done else reason


def _container(text: str, code: str) -> tuple[str, str]:
    """The image's toolkit reports the command line of our program, or a traceback of its own."""
    if "Traceback" in text:
        lines = [named for line in text.splitlines() if (named := NAMED.fullmatch(line.strip()))]
        if lines:
            return lines[-1][1], _careful(lines[-1][1], lines[-1][2])
    name = re.match(r"\w+Error\b", text)
    reason = f"the program ended with exit code {code} and left no words of its own, its log has them"
    return name[0] if name else "AlgorithmError", reason


def _glue(error: str, message: str, state_of_run: str) -> tuple[str, str]:
    text = GLUE_PREFIX.sub("", message)
    if not text:
        return error, f"the job ended as {state_of_run}, without a reason"
    named = NAMED.fullmatch(text)
    return (named[1], _careful(named[1], named[2])) if named else (error, QUOTED.sub(HIDDEN, text))


def _sentence(state: str, error: str, cause: str) -> str:
    if not cause and error == "States.Timeout":
        return f"{state} took longer than it may"
    return SERVICE_SUFFIX.sub("", cause)


def _careful(name: str, text: str) -> str:
    """Errors of ours are written to be read; those of Python and of libraries quote what they were given."""
    is_library = (
        hasattr(builtins, name) or name.endswith("Exception") or name.startswith(("Py4J", "PySpark", "Arrow"))
    )
    return QUOTED.sub(HIDDEN, text) if is_library else text


def _tidy(text: str, longest: int) -> str:
    """One line, no secrets, no full stop at its end: the message sets its own."""
    for secret in SECRETS:
        text = secret.sub(HIDDEN, text)
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= longest else text[: longest - 1].rsplit(" ", 1)[0] + HIDDEN
