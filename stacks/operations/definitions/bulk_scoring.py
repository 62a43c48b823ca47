"""The BulkScore state machine: the champion answers for a whole folder of Parquet files (batch transform)."""

from __future__ import annotations

from stacks.operations.definitions import ending
from stacks.operations.definitions.parts import Request
from stacks.operations.definitions.states import (
    FAILED,
    State,
    choose,
    equals,
    fail,
    machine,
    note,
    succeed,
    task,
)

COMMENT = "Scores a folder of features with the champion; `input_uri` of the input names it."


def bulk_scoring(
    request: Request, explain_failure: str, *, champion_parameter: str, baseline_model: str, job_seconds: int
) -> State:
    return machine(
        COMMENT,
        "ReadChampion",
        task(
            "ReadChampion",
            "aws-sdk:ssm:getParameter",
            {"Name": champion_parameter},
            then="WhichModel",
            seconds=60,
            keep={"value.$": "$.Parameter.Value"},
            into="$.champion",
        ),
        choose(
            "WhichModel", (equals("$.champion.value", "baseline"), "UseBaseline"), otherwise="UseChampion"
        ),
        note("UseBaseline", {"model_name": baseline_model}, into="$.model", then="Score"),
        {
            "UseChampion": {
                "Type": "Pass",
                "Parameters": {"value.$": "States.StringToJson($.champion.value)"},
                "ResultPath": "$.parsed",
                "Next": "TakeName",
            }
        },
        note("TakeName", {"model_name.$": "$.parsed.value.model_name"}, into="$.model", then="Score"),
        task(
            "Score",
            "sagemaker:createTransformJob.sync",
            request,
            then="Done",
            seconds=job_seconds,
            keep={"output_uri.$": "$.TransformOutput.S3OutputPath"},
            into="$.scores",
        ),
        succeed("Done"),
        # The caller waits for the answer: a failed execution is the message.
        ending.failure(FAILED, then="Explain"),
        ending.explain("Explain", explain_failure, "$$.Execution.Name", then="Stop"),
        fail("Stop"),
        seconds=job_seconds + 600,
    )
