"""From published features to a judged candidate: learn, compare with the champion; under a lock."""

from __future__ import annotations

from stacks.operations.definitions import deferral, ledger
from stacks.operations.definitions.learning import learning
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
        **note("ScriptParameters", requests.script_parameters, into="$.script", then="Learn"),
        **learning(functions, requests, table, start="Learn", then="RecordCandidates"),
        **call(
            "RecordCandidates",
            functions.record_candidates,
            {"plan.$": "$.plan", "trained.$": "$.learned.trained", "search.$": "$.learned.search"},
            then="Evaluate",
            keep={"manifest.$": "$.Payload.manifest", "lost.$": "$.Payload.lost"},
            into="$.candidates",
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
            then="ScriptParameters",
            seconds=requests.evaluate_seconds + 900,
        )
    return states
