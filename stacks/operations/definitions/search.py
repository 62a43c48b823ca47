"""A search for better hyperparameters by a tuning job; when it fails the run goes on without it.

`$.search` says what came of it, with every trial; without a search its `job` is an empty text.
"""

from __future__ import annotations

from stacks.operations.definitions import ledger
from stacks.operations.definitions.ending import explain, failure
from stacks.operations.definitions.parts import Functions, Request, Search
from stacks.operations.definitions.states import (
    States,
    choose,
    compute,
    for_each,
    note,
    present,
    result,
    task,
)

DESCRIBED_AT_ONCE = 5  # calls of an API that is throttled per account
REFUSED = ("SageMaker.AmazonSageMakerException", "SageMaker.ResourceNotFoundException")


def no_search(start: str, *, then: str) -> States:
    return note(start, {"job": ""}, into="$.search", then=then)


def search(functions: Functions, asked: Search, table: str, *, start: str, then: str) -> States:
    merged = "States.JsonMerge($.plan.tuning.hyperparameters, $.script, false)"
    states = {
        # Who sets hyperparameters wants these and no search: the plan has none then.
        **choose(start, (present("$.plan.tuning"), "SearchParameters"), otherwise="NoSearch"),
        **no_search("NoSearch", then=then),
        **note(
            "SearchParameters",
            {"hyperparameters.$": merged},
            into="$.tuning",
            then="Tune" if asked.warm is None else "AnyParent",
        ),
        **_tune("Tune", asked.request, asked.seconds),
        **_trials(start="ListTrials", then="Searched"),
        **compute("Searched", _found(asked.candidate), into="search", then="RecordSearch"),
        **ledger.record_search("RecordSearch", table, then=then),
        **failure("SearchFailed", state="'Tune'", then="ExplainSearch"),
        **explain("ExplainSearch", functions.explain_failure, ledger.RUN, then="SearchLost"),
        **compute(
            "SearchLost",
            "{'job': $states.input.plan.tuning.name, "
            f"'candidate': '{asked.candidate}', 'trials': [], "
            "'error': $states.input.fault.error, 'reason': $states.input.fault.reason}",
            into="search",
            then=then,
        ),
    }
    if asked.warm is not None:
        states |= {
            **choose("AnyParent", (present("$.plan.tuning.parents[0]"), "TuneFromLast"), otherwise="Tune"),
            **_tune("TuneFromLast", asked.warm, asked.seconds, is_warm=True),
        }
    return states


def _tune(name: str, request: Request, seconds: int, *, is_warm: bool = False) -> States:
    """A parent that is gone, or not like this one, is refused at once: then the search begins anew.

    A refusal has the name of a throttled call: it is repeated too, and not often.
    """
    return task(
        name,
        "sagemaker:createHyperParameterTuningJob.sync",
        request,
        then="ListTrials",
        seconds=seconds + 900,
        into="$.tuned",
        caught=dict.fromkeys(REFUSED, "Tune") if is_warm else None,
        attempts=2 if is_warm else 5,
        failing="SearchFailed",
    )


def _trials(*, start: str, then: str) -> States:
    """The list lacks what a trial is billed for: each is looked at."""
    return {
        **task(
            start,
            "aws-sdk:sagemaker:listTrainingJobsForHyperParameterTuningJob",
            {
                "HyperParameterTuningJobName.$": "$.plan.tuning.name",
                "MaxResults": 100,
                "SortBy": "CreationTime",
                "SortOrder": "Ascending",
            },
            then="DescribeTrials",
            seconds=60,
            keep={"listed.$": "$.TrainingJobSummaries"},
            into="$.trials",
            failing="SearchFailed",
        ),
        **for_each(
            "DescribeTrials",
            "$.trials.listed",
            "trial",
            (),
            "DescribeTrial",
            task(
                "DescribeTrial",
                "aws-sdk:sagemaker:describeTrainingJob",
                {"TrainingJobName.$": "$.trial.TrainingJobName"},
                then="Trial",
                seconds=60,
                into="$.job",
                failing="Trial",
            ),
            result(
                "Trial",
                "$trial := $states.input.trial; $job := $states.input.job; "
                "{'job': $trial.TrainingJobName, 'status': $trial.TrainingJobStatus, "
                "'hyperparameters': $trial.TunedHyperParameters, "
                "'objective': $trial.FinalHyperParameterTuningJobObjectiveMetric.Value, "
                "'started': $trial.TrainingStartTime, 'ended': $trial.TrainingEndTime, "
                "'model': $job.ModelArtifacts.S3ModelArtifacts, 'seconds': $job.TrainingTimeInSeconds, "
                "'billable_seconds': $job.BillableTimeInSeconds}",
            ),
            at_once=DESCRIBED_AT_ONCE,
            into="$.trials",
            then=then,
            failing="SearchFailed",
        ),
    }


def _found(candidate: str) -> str:
    return (
        "$job := $states.input.tuned; $config := $job.HyperParameterTuningJobConfig; "
        "{'job': $job.HyperParameterTuningJobName, 'status': $job.HyperParameterTuningJobStatus, "
        f"'candidate': '{candidate}', 'strategy': $config.Strategy, "
        "'objective': {'metric': $config.HyperParameterTuningJobObjective.MetricName, "
        "'type': $config.HyperParameterTuningJobObjective.Type}, "
        "'best': $job.BestTrainingJob.TrainingJobName, "
        "'parents': [$job.WarmStartConfig.ParentHyperParameterTuningJobs.HyperParameterTuningJobName], "
        "'trials': $states.input.trials}"
    )
