"""From published features to a judged candidate: train, compare with the champion, gate; under a lock."""

from __future__ import annotations

from stacks.operations.definitions import deferral, ledger
from stacks.operations.definitions.parts import Functions, Requests
from stacks.operations.definitions.states import States, call, choose, is_true, note, task


def training(
    functions: Functions,
    requests: Requests,
    table: str,
    *,
    start: str,
    promoted: str,
    refused: str,
    busy: str,
) -> States:
    first = "Prepare" if requests.prepare else "ScriptParameters"
    states = {
        # No waiting: while a challenger bakes, a second one would only disturb the comparison.
        **ledger.take_lock(start, table, "model", then=first, when_taken="WhatWasAsked", into=deferral.HELD),
        **deferral.ask(table, start="WhatWasAsked", granted=first, refused=busy),
        **task(
            "Train",
            "sagemaker:createTrainingJob.sync",
            requests.train,
            then="Evaluate",
            seconds=requests.train_seconds + 900,
            keep={"model_data_url.$": "$.ModelArtifacts.S3ModelArtifacts", "job.$": "$.TrainingJobName"},
            into="$.training",
        ),
        **task(
            "Evaluate",
            "sagemaker:createProcessingJob.sync",
            requests.evaluate,
            then="Gate",
            seconds=requests.evaluate_seconds + 900,
        ),
        **call(
            "Gate",
            functions.decide_promotion,
            {"plan.$": "$.plan"},
            then="MayChallenge",
            keep={"promote.$": "$.Payload.promote", "reason.$": "$.Payload.reason"},
            into="$.decision",
            assign={"card.$": "$.Payload.card"},
        ),
        **choose("MayChallenge", (is_true("$.decision.promote"), promoted), otherwise=refused),
    }
    if requests.prepare:
        states |= task(
            "Prepare",
            "sagemaker:createProcessingJob.sync",
            requests.prepare,
            then="Train",
            seconds=requests.evaluate_seconds + 900,
        )
    else:
        merged = "States.JsonMerge($.plan.hyperparameters, $.script, false)"
        states |= {
            **note("ScriptParameters", requests.script_parameters, into="$.script", then="Hyperparameters"),
            **note("Hyperparameters", {"hyperparameters.$": merged}, into="$.training", then="Train"),
        }
    return states
