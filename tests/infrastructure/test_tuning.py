"""The search: a request that the API's own model accepts, for every strategy; and what follows it."""

from __future__ import annotations

import copy
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from settings import PRODUCTION, SANDBOX
from stacks.model.tuning import LONGEST_TRIAL, LONGEST_TUNING_NAME, Tuning, TuningError, tuning
from tests.definitions import definitions, every_state, tasks

SHAPE = "CreateHyperParameterTuningJob"
RANGES = {
    "eta": {"type": "Continuous", "minimum": 0.01, "maximum": 0.5, "scale": "Logarithmic"},
    "max_depth": {"type": "Integer", "minimum": 2, "maximum": 9, "scale": "Linear"},
}
SECTION = {
    "candidate": "boosted",
    "strategy": "Bayesian",
    "jobs": 12,
    "parallel": 3,
    "early_stopping": "Auto",
    "warm_start": True,
    "resource": None,
    "seed": 5,
    "ranges": RANGES,
}
KINDS = {"type": "Categorical", "values": ["hist", "exact", 3]}


def known(request: Any) -> Any:
    """As it is sent: what is looked up in the state, replaced by what would be there."""
    at_run_time = {
        "HyperParameterTuningJobName.$": "mlref-sandbox-f6eaf0d1",
        "StaticHyperParameters.$": {"seed": "7"},
        "ParentHyperParameterTuningJobs.$": [{"HyperParameterTuningJobName": "last"}],
    }
    if isinstance(request, dict):
        return {
            key.removesuffix(".$"): at_run_time.get(key, "s3://bucket/key")
            if key.endswith(".$")
            else known(each)
            for key, each in request.items()
        }
    return [known(each) for each in request] if isinstance(request, list) else request


def mistakes(request: Any) -> str:
    model = botocore.session.get_session().get_service_model("sagemaker").operation_model(SHAPE)
    return str(ParamValidator().validate(known(request), model.input_shape).generate_report())


@pytest.fixture(scope="module")
def job(sandbox: Any) -> dict[str, Any]:
    """What a trial is made of, without what the search itself adds."""
    request = tasks(definitions(sandbox)["retrain"])["Tune"]["Parameters"]["TrainingJobDefinition"]
    return {
        key: each for key, each in request.items() if key not in ("StaticHyperParameters.$", "RetryStrategy")
    }


def asked(job: dict[str, Any], most_jobs: int = 50, **changes: Any) -> Tuning:
    return tuning(
        copy.deepcopy({**SECTION, **changes}),
        job=job,
        metric="validation:logloss",
        most_jobs=most_jobs,
        most_parallel=2,
        trial_seconds=3_600,
        attempts=3,
        tags={"project": "any"},
    )


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="Bayesian"),
        pytest.param({"strategy": "Random", "warm_start": False}, id="Random"),
        pytest.param(
            {"strategy": "Grid", "jobs": 3, "ranges": {"tree_method": KINDS}, "early_stopping": "Off"},
            id="Grid",
        ),
        pytest.param(
            {"strategy": "Hyperband", "early_stopping": "Off", "resource": {"minimum": 5, "maximum": 100}},
            id="Hyperband",
        ),
    ],
)
def test_the_api_knows_every_field_of_the_request(job: dict[str, Any], changes: dict[str, Any]) -> None:
    found = asked(job, **changes)
    for request in (found.request, found.warm):
        if request is not None:
            assert mistakes(request) == ""


def test_the_model_of_the_api_sees_a_mistake(job: dict[str, Any]) -> None:
    request = {**asked(job).request, "Strategy": "Bayesian"}
    assert "Strategy" in mistakes(request)


def test_each_strategy_asks_for_what_it_takes_and_nothing_else(job: dict[str, Any]) -> None:
    config = asked(job).request["HyperParameterTuningJobConfig"]
    assert config["ParameterRanges"] == {
        "ContinuousParameterRanges": [
            {"Name": "eta", "MinValue": "0.01", "MaxValue": "0.5", "ScalingType": "Logarithmic"}
        ],
        "IntegerParameterRanges": [
            {"Name": "max_depth", "MinValue": "2", "MaxValue": "9", "ScalingType": "Linear"}
        ],
    }
    assert config["HyperParameterTuningJobObjective"] == {
        "Type": "Minimize",
        "MetricName": "validation:logloss",
    }
    assert (config["TrainingJobEarlyStoppingType"], config["RandomSeed"]) == ("Auto", 5)
    assert "StrategyConfig" not in config
    grid = asked(job, strategy="Grid", jobs=3, ranges={"kind": KINDS}, warm_start=False)
    config = grid.request["HyperParameterTuningJobConfig"]
    assert "MaxNumberOfTrainingJobs" not in config["ResourceLimits"], "SageMaker counts the combinations"
    assert config["ParameterRanges"] == {
        "CategoricalParameterRanges": [{"Name": "kind", "Values": ["hist", "exact", "3"]}]
    }
    assert grid.warm is None
    band = asked(job, strategy="Hyperband", resource={"minimum": 5, "maximum": 100})
    assert band.request["HyperParameterTuningJobConfig"]["StrategyConfig"] == {
        "HyperbandStrategyConfig": {"MinResource": 5, "MaxResource": 100}
    }


def test_the_profile_caps_what_the_contract_asks_for(job: dict[str, Any]) -> None:
    found = asked(job, most_jobs=4)
    limits = found.request["HyperParameterTuningJobConfig"]["ResourceLimits"]
    assert limits == {
        "MaxNumberOfTrainingJobs": 4,
        "MaxParallelTrainingJobs": 2,
        "MaxRuntimeInSeconds": 2 * (3_600 + 600),
    }
    assert found.seconds == limits["MaxRuntimeInSeconds"]
    with pytest.raises(TuningError, match="a grid of 12 combinations, allowed with train.max_tuning_jobs"):
        asked(job, most_jobs=4, strategy="Grid")


def test_the_search_of_the_flights_has_the_candidates_metrics_and_no_checkpoints(sandbox: Any) -> None:
    found = tasks(definitions(sandbox)["retrain"])
    trial, train = found["Tune"]["Parameters"]["TrainingJobDefinition"], found["Train"]["Parameters"]
    metrics = train["AlgorithmSpecification"]["MetricDefinitions"]
    assert trial["AlgorithmSpecification"]["MetricDefinitions"] == metrics
    config = found["Tune"]["Parameters"]["HyperParameterTuningJobConfig"]
    assert config["HyperParameterTuningJobObjective"]["MetricName"] in {each["Name"] for each in metrics}
    assert trial["StaticHyperParameters.$"] == "$.tuning.hyperparameters"
    # Trials would share one place; and what has no checkpoints waits for Spot an hour at most.
    assert "CheckpointConfig" not in trial
    assert trial["StoppingCondition"]["MaxWaitTimeInSeconds"] == LONGEST_TRIAL
    assert trial["OutputDataConfig"]["S3OutputPath.$"].endswith("/runs/{}/training/tuned', $.plan.run_id)")
    warm = found["TuneFromLast"]["Parameters"]
    assert {**warm, "WarmStartConfig": None} == {**found["Tune"]["Parameters"], "WarmStartConfig": None}
    assert warm["WarmStartConfig"]["WarmStartType"] == "TransferLearning"


def test_a_search_that_fails_goes_on_to_the_evaluation(sandbox: Any) -> None:
    states = every_state(definitions(sandbox)["retrain"])
    for name in ("Tune", "TuneFromLast", "ListTrials", "DescribeTrials"):
        assert states[name]["Catch"][-1]["Next"] == "SearchFailed", name
    # Of a trial, of the row for the next search, and of the words: none is a reason to lose what was found.
    for name, then in (
        ("DescribeTrial", "Trial"),
        ("RecordSearch", "Learned"),
        ("ExplainSearch", "SearchLost"),
    ):
        assert states[name]["Catch"][-1]["Next"] == then, name
    assert states["SearchLost"]["Next"] == states["NoSearch"]["Next"] == "Learned"
    assert definitions(sandbox)["retrain"]["States"]["AnyModel"]["Default"] == "RecordCandidates"
    refused = {each["ErrorEquals"][0]: each["Next"] for each in states["TuneFromLast"]["Catch"]}
    assert refused["SageMaker.AmazonSageMakerException"] == "Tune", "without the parent that it does not take"


def test_names_of_jobs_have_room_in_both_profiles() -> None:
    for settings in (SANDBOX, PRODUCTION):
        assert len(f"{settings.prefix}-f6eaf0d1") <= LONGEST_TUNING_NAME
        assert len(f"{settings.prefix}-r20130402-f6eaf0d1-train-{'a' * 20}") <= 63


def test_the_trust_of_the_training_role_names_both_kinds_of_jobs(sandbox: Any) -> None:
    roles = sandbox.resources("AWS::IAM::Role")
    [trust] = [
        role["AssumeRolePolicyDocument"] for name, role in roles.items() if name.startswith("Model/TrainRole")
    ]
    sources = str(trust["Statement"][0]["Condition"]["ArnLike"]["aws:SourceArn"])
    assert ":training-job/mlref-sandbox-*" in sources
    assert ":hyper-parameter-tuning-job/mlref-sandbox-*" in sources
