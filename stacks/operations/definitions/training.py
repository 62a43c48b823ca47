"""From published features to a judged candidate: train, search, compare with the champion; under a lock."""

from __future__ import annotations

from stacks.operations.definitions import deferral, ledger
from stacks.operations.definitions.candidates import candidates
from stacks.operations.definitions.parts import Functions, Requests
from stacks.operations.definitions.search import no_search, search
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
        **note("ScriptParameters", requests.script_parameters, into="$.script", then="TrainCandidates"),
        **candidates(functions, requests, start="TrainCandidates", then="Search"),
        **_search(functions, requests, table, start="Search", then="RecordCandidates"),
        **call(
            "RecordCandidates",
            functions.record_candidates,
            {"plan.$": "$.plan", "trained.$": "$.trained", "search.$": "$.search"},
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


def _search(functions: Functions, requests: Requests, table: str, *, start: str, then: str) -> States:
    if requests.tuning is None:
        return no_search(start, then=then)
    return search(functions, requests.tuning, table, start=start, then=then)
