"""Says in a few words what failed, where and why; what a training script left behind comes first."""

import json
import os
from dataclasses import asdict
from typing import Any

from shared.aws import client, read_json

from explain_failure.explanation import explain, training_job

FILE = "failure.json"  # as sagemaker_jobs/tabular/failure.py calls it


def handler(event: dict[str, Any], _context: object) -> dict[str, str]:
    state, error, cause, run_id = (str(event[name]) for name in ("state", "error", "cause", "run_id"))
    job = training_job(cause)
    own = left_behind(run_id, candidate_of(job, run_id)) if job else None
    return asdict(explain(state, error, cause, own))


def candidate_of(job: str, run_id: str) -> str:
    """As the job is called for it: `<prefix>-<run_id>-train-<candidate>`."""
    return job.partition(f"-{run_id}-train-")[2]


def left_behind(run_id: str, candidate: str) -> dict[str, Any] | None:
    """Nothing, when the container ended before our code could speak."""
    s3 = client("s3")
    try:
        found = read_json(os.environ["MODELS_BUCKET"], f"checkpoints/{run_id}/{candidate}/{FILE}")
    except s3.exceptions.NoSuchKey:
        return None
    except (s3.exceptions.ClientError, ValueError) as error:
        # What SageMaker itself says is better than nothing.
        print(
            json.dumps(
                {"run_id": run_id, "candidate": candidate, "unreadable": FILE, "error": type(error).__name__}
            )
        )
        return None
    return found if isinstance(found, dict) else None
