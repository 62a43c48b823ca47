"""CreateHyperParameterTuningJob: what a request may say here, its trials, and the life of the search."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox import work
from sandbox.engines import tuning_run, tuning_search
from sandbox.engines.backends import backend
from sandbox.engines.jobs import (
    check_image,
    check_instance,
    check_known,
    check_new,
    check_role,
    refuse,
)

KIND = "HyperParameterTuning"
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,31}$")
_ENDED = ("Completed", "Failed", "Stopped")
_ALLOWED = frozenset(
    {
        "HyperParameterTuningJobName",
        "HyperParameterTuningJobConfig",
        "TrainingJobDefinition",
        "WarmStartConfig",
        "Tags",
    }
)
_CONFIG = frozenset(
    {
        "Strategy",
        "StrategyConfig",
        "HyperParameterTuningJobObjective",
        "ResourceLimits",
        "ParameterRanges",
        "TrainingJobEarlyStoppingType",
        "RandomSeed",
    }
)
_TRIAL = frozenset({*tuning_run.SAME, "StaticHyperParameters", "RetryStrategy"})
_STRATEGIES = ("Bayesian", "Random", "Grid", "Hyperband")
_KINDS = ("Categorical", "Integer", "Continuous")
_MOST_JOBS, _MOST_PARALLEL, _MOST_RANGES, _MOST_PARENTS = 750, 10, 30, 5  # quotas of a new account


def create_hyper_parameter_tuning_job(request: dict[str, Any]) -> dict[str, Any]:
    jobs = backend("sagemaker").hyper_parameter_tuning_jobs
    check_new(KIND, request, jobs)
    name = request["HyperParameterTuningJobName"]
    if not _NAME.match(name):
        raise refuse(f"HyperParameterTuningJobName {name!r} does not match {_NAME.pattern}: 32 characters")
    check_known(request, _ALLOWED, "CreateHyperParameterTuningJob")
    config, definition = request["HyperParameterTuningJobConfig"], request.get("TrainingJobDefinition")
    if definition is None:
        raise refuse("TrainingJobDefinition is needed: several definitions are not in the sandbox")
    check_known(config, _CONFIG, "HyperParameterTuningJobConfig")
    check_known(definition, _TRIAL, "TrainingJobDefinition")
    check_image(definition["AlgorithmSpecification"].get("TrainingImage", ""))
    resources = definition["ResourceConfig"]
    check_instance("TrainingInstanceType", resources["InstanceType"], int(resources["InstanceCount"]))
    _check_config(config)
    _check_names(config, definition)
    parents = list(_parents(request.get("WarmStartConfig"), config, definition))
    job = tuning_run.TuningJob(request)
    # SageMaker trains with the role, for a training job of this name.
    check_role(definition["RoleArn"], job.arn.replace("hyper-parameter-tuning-job", "training-job"))
    job.update(**tuning_run.counters([]))
    jobs[job.name] = job
    job.announce()
    work.start(f"tuning {job.name}", tuning_run.run, job, parents)
    return {"HyperParameterTuningJobArn": job.arn}


def _check_config(config: Mapping[str, Any]) -> None:
    strategy = config["Strategy"]
    if strategy not in _STRATEGIES:
        raise refuse(f"Strategy {strategy}; allowed: {', '.join(_STRATEGIES)}")
    limits, given = config["ResourceLimits"], config.get("ParameterRanges") or {}
    kinds = {kind: given.get(f"{kind}ParameterRanges") or [] for kind in _KINDS}
    if not 1 <= sum(map(len, kinds.values())) <= _MOST_RANGES:
        raise refuse(f"ParameterRanges must have 1 to {_MOST_RANGES} hyperparameters")
    check_known(given, frozenset(f"{kind}ParameterRanges" for kind in _KINDS), "ParameterRanges")
    try:
        list(tuning_search.ranges(given))
    except ValueError as error:
        raise refuse(f"ParameterRanges: {error}") from error
    if strategy == "Grid":
        _check_grid(kinds, limits)
    elif "MaxNumberOfTrainingJobs" not in limits:
        raise refuse(f"MaxNumberOfTrainingJobs is needed for the strategy {strategy}")
    most = int(limits.get("MaxNumberOfTrainingJobs", 1))
    parallel = int(limits["MaxParallelTrainingJobs"])
    if most > _MOST_JOBS or parallel > _MOST_PARALLEL or (strategy != "Grid" and parallel > most):
        raise refuse(
            f"MaxParallelTrainingJobs {parallel} of MaxNumberOfTrainingJobs {most}; allowed: at most "
            f"{_MOST_PARALLEL} of {_MOST_JOBS}, and no more at once than there are"
        )
    _check_stopping(config)


def _check_stopping(config: Mapping[str, Any]) -> None:
    strategy = config["Strategy"]
    shares = (config.get("StrategyConfig") or {}).get("HyperbandStrategyConfig")
    if strategy != "Hyperband":
        if shares:
            raise refuse(f"HyperbandStrategyConfig is only for Hyperband, the strategy is {strategy}")
        return
    if (config.get("TrainingJobEarlyStoppingType") or "Off") != "Off":
        raise refuse("TrainingJobEarlyStoppingType must be Off for Hyperband, which stops by itself")
    if not shares or not shares.get("MaxResource"):
        raise refuse("Hyperband needs StrategyConfig.HyperbandStrategyConfig.MaxResource")


def _check_grid(kinds: Mapping[str, list[Any]], limits: Mapping[str, Any]) -> None:
    if kinds["Integer"] or kinds["Continuous"]:
        raise refuse("Grid takes CategoricalParameterRanges only")
    size = 1
    for one in kinds["Categorical"]:
        size *= len(one["Values"])
    if int(limits.get("MaxNumberOfTrainingJobs", size)) != size:
        raise refuse(f"MaxNumberOfTrainingJobs must be {size} for this grid, or be left out")


def _check_names(config: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    """No hyperparameter both fixed and searched, and an objective that training reports."""
    fixed = definition.get("StaticHyperParameters") or {}
    twice = sorted(set(_searched(config)) & set(fixed))
    if twice:
        raise refuse(f"hyperparameters {', '.join(twice)} are both static and in ParameterRanges")
    objective = config["HyperParameterTuningJobObjective"]["MetricName"]
    known = [one["Name"] for one in definition["AlgorithmSpecification"].get("MetricDefinitions") or []]
    if known and objective not in known:
        raise refuse(f"the objective metric {objective} is not defined; there are: {', '.join(known)}")


def _searched(config: Mapping[str, Any]) -> list[str]:
    given = config.get("ParameterRanges") or {}
    return [one["Name"] for kind in _KINDS for one in given.get(f"{kind}ParameterRanges") or []]


def _parents(
    warm: Mapping[str, Any] | None, config: Mapping[str, Any], definition: Mapping[str, Any]
) -> Iterator[tuning_run.TuningJob]:
    """The jobs to go on from; refused when SageMaker would find them not comparable."""
    if not warm:
        return
    if config["Strategy"] not in ("Bayesian", "Random"):
        raise refuse(
            f"WarmStartConfig is for Bayesian and Random search, the strategy is {config['Strategy']}"
        )
    named = [one["HyperParameterTuningJobName"] for one in warm["ParentHyperParameterTuningJobs"]]
    if not 1 <= len(named) <= _MOST_PARENTS:
        raise refuse(f"{len(named)} parents; allowed: 1 to {_MOST_PARENTS}")
    count = len(definition.get("StaticHyperParameters") or {}) + len(_searched(config))
    for name in named:
        parent = _found({"HyperParameterTuningJobName": name})
        its = parent.fields["HyperParameterTuningJobConfig"]
        static = parent.fields["TrainingJobDefinition"].get("StaticHyperParameters") or {}
        if parent.status not in _ENDED:
            raise refuse(f"the parent {name} is {parent.status}; allowed: {', '.join(_ENDED)}")
        if its["HyperParameterTuningJobObjective"] != config["HyperParameterTuningJobObjective"]:
            raise refuse(f"the parent {name} has another objective metric")
        if len(static) + len(_searched(its)) != count:
            raise refuse(
                f"the parent {name} has {len(static) + len(_searched(its))} static and tunable "
                f"hyperparameters, this job has {count}: the number must stay the same"
            )
        yield parent


def describe_hyper_parameter_tuning_job(request: dict[str, Any]) -> dict[str, Any]:
    return dict(_found(request).response_object)


def stop_hyper_parameter_tuning_job(request: dict[str, Any]) -> dict[str, Any]:
    job = _found(request)
    if job.status != "InProgress":
        raise refuse(f"The request was rejected because the tuning job is in status {job.status}.")
    job.ask_to_stop()
    return {}


def list_hyper_parameter_tuning_jobs(request: dict[str, Any]) -> dict[str, Any]:
    found = [
        job
        for job in backend("sagemaker").hyper_parameter_tuning_jobs.values()
        if request.get("NameContains", "") in job.name
        and request.get("StatusEquals", job.status) == job.status
    ]
    fields = {"Name": "HyperParameterTuningJobName", "Status": "HyperParameterTuningJobStatus"}
    by = fields.get(request.get("SortBy", ""), "CreationTime")
    found.sort(key=lambda job: job.fields[by], reverse=request.get("SortOrder") == "Descending")
    shown = (
        "HyperParameterTuningJobName",
        "HyperParameterTuningJobArn",
        "HyperParameterTuningJobStatus",
        "CreationTime",
        "HyperParameterTuningEndTime",
        "LastModifiedTime",
        "TrainingJobStatusCounters",
        "ObjectiveStatusCounters",
    )
    summaries = []
    for job in found:
        config, told = job.fields["HyperParameterTuningJobConfig"], job.response_object
        own = {"Strategy": config["Strategy"], "ResourceLimits": config["ResourceLimits"]}
        summaries.append({**{name: told[name] for name in shown if name in told}, **own})
    return _page(request, "HyperParameterTuningJobSummaries", summaries)


def list_training_jobs_for_hyper_parameter_tuning_job(request: dict[str, Any]) -> dict[str, Any]:
    job = _found(request)
    summaries = [tuning_run.summary(trial) for trial in job.trials]
    if status := request.get("StatusEquals"):
        summaries = [one for one in summaries if one["TrainingJobStatus"] == status]
    by = request.get("SortBy", "Name")
    ascending = request.get("SortOrder", "Ascending") == "Ascending"
    if by == "FinalObjectiveMetricValue":
        objective = "FinalHyperParameterTuningJobObjectiveMetric"
        summaries = [one for one in summaries if objective in one]
        summaries.sort(key=lambda one: one[objective]["Value"], reverse=not ascending)
    else:
        field = {"CreationTime": "CreationTime", "Status": "TrainingJobStatus"}.get(by, "TrainingJobName")
        summaries.sort(key=lambda one: one[field], reverse=not ascending)
    return _page(request, "TrainingJobSummaries", summaries)


def _page(request: Mapping[str, Any], name: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    first, size = int(request.get("NextToken") or 0), int(request.get("MaxResults") or 10)
    answer: dict[str, Any] = {name: found[first : first + size]}
    if first + size < len(found):
        answer["NextToken"] = str(first + size)
    return answer


def _found(request: Mapping[str, Any]) -> tuning_run.TuningJob:
    name = request["HyperParameterTuningJobName"]
    job = backend("sagemaker").hyper_parameter_tuning_jobs.get(name)
    if job is None:
        raise refuse(f"Unable to find a hyperparameter tuning job with name {name}")
    return job  # type: ignore[no-any-return]


def reset() -> None:
    for job in backend("sagemaker").hyper_parameter_tuning_jobs.values():
        job.stop.set()


OPERATIONS = {
    "create_hyper_parameter_tuning_job": create_hyper_parameter_tuning_job,
    "describe_hyper_parameter_tuning_job": describe_hyper_parameter_tuning_job,
    "stop_hyper_parameter_tuning_job": stop_hyper_parameter_tuning_job,
    "list_hyper_parameter_tuning_jobs": list_hyper_parameter_tuning_jobs,
    "list_training_jobs_for_hyper_parameter_tuning_job": list_training_jobs_for_hyper_parameter_tuning_job,
}
