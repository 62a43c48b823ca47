"""Every candidate of the plan trains, some at once; one that fails does not stop the others, all failing do.

`$.trained` has an entry for each, in the plan's order: what it left, or why it was lost, in words.
"""

from __future__ import annotations

from stacks.operations.definitions import ledger
from stacks.operations.definitions.ending import explain, failure
from stacks.operations.definitions.parts import Functions, Requests
from stacks.operations.definitions.states import (
    States,
    choose,
    compute,
    for_each,
    note,
    result,
    task,
)


def candidates(functions: Functions, requests: Requests, *, start: str, then: str, failing: str) -> States:
    """`failing`: where it goes on, with the error below `$.failure`, when there is no candidate."""
    merged = "States.JsonMerge($.candidate.hyperparameters, $.script, false)"
    name = "'name': $states.input.candidate.name, 'family': $states.input.candidate.family"
    return {
        **for_each(
            start,
            "$.plan.candidates",
            "candidate",
            ("plan", "publication", "script"),
            "Hyperparameters",
            note("Hyperparameters", {"hyperparameters.$": merged}, into="$.training", then="Train"),
            task(
                "Train",
                "sagemaker:createTrainingJob.sync",
                requests.train,
                then="Trained",
                seconds=requests.train_seconds + 900,
                into="$.answer",
                failing="Loss",
            ),
            # Of the description not every field is there in every job: what is not is left out.
            result(
                "Trained",
                f"$job := $states.input.answer; {{{name}, 'job': $job.TrainingJobName, "
                "'model': $job.ModelArtifacts.S3ModelArtifacts, 'seconds': $job.TrainingTimeInSeconds, "
                "'billable_seconds': $job.BillableTimeInSeconds}",
            ),
            failure("Loss", state="'Train'", then="ExplainLoss"),
            explain("ExplainLoss", functions.explain_failure, ledger.RUN, then="Lost"),
            result(
                "Lost",
                f"$failure := $states.input.failure; {{{name}, "
                '\'job\': $match($failure.Cause, /"TrainingJobName": ?"([^"]+)"/).groups[0], '
                "'error': $states.input.fault.error, 'reason': $states.input.fault.reason, "
                "'failure': {'Error': $failure.Error, 'Cause': $failure.Cause}}",
            ),
            at_once=requests.parallel_jobs,
            into="$.trained",
            then="CountTrained",
            failing=failing,
        ),
        **compute(
            "CountTrained",
            "{'trained': $count($states.input.trained.model), 'all': $count($states.input.trained)}",
            into="counts",
            then="AnyTrained",
        ),
        **choose(
            "AnyTrained",
            ({"Variable": "$.counts.trained", "NumericGreaterThan": 0}, then),
            otherwise="NoneTrained",
        ),
        # Of a single one the whole story goes on, as of any state that fails.
        **compute(
            "NoneTrained",
            "$lost := $states.input.trained; $count($lost) = 1 ? $lost[0].failure : "
            "{'Error': 'NoCandidateTrained', 'Cause': 'none of the ' & $count($lost) "
            "& ' candidates trained: ' & $join($lost.(name & ': ' & error & ': ' & reason), '; ')}",
            into="failure",
            then=failing,
        ),
    }
