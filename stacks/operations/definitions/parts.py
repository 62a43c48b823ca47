"""What the definitions are built from: names and requests that the stages hand over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Request = Mapping[str, Any]  # the parameters of an API call; a key that ends in `.$` is read from the state


@dataclass(frozen=True, kw_only=True)
class Functions:
    """ARNs."""

    plan_run: str
    publish_partitions: str
    put_features: str | None  # None: there is no feature store
    record_candidates: str
    decide_promotion: str
    judge_challenger: str
    publish_metrics: str
    explain_failure: str


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """Names of the Glue jobs, and the longest that each may run."""

    clean: str
    quality: str
    features: str
    timeout_seconds: int


class Search(Protocol):
    """A tuning job: `warm` is its request when it goes on from an earlier one, None if it never does."""

    @property
    def candidate(self) -> str: ...
    @property
    def request(self) -> Request: ...
    @property
    def warm(self) -> Request | None: ...
    @property
    def seconds(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Requests:
    """Complete requests of the jobs, from the stages that own their roles."""

    prepare: Request | None  # only the built-in algorithm needs its input prepared
    train: Request  # of one candidate
    parallel_jobs: int  # how many candidates train at once
    tuning: Search | None
    script_parameters: Mapping[str, str]  # what every training gets beside the plan's hyperparameters
    evaluate: Request
    train_seconds: int
    evaluate_seconds: int
    explore: Request
    explore_seconds: int


@dataclass(frozen=True, kw_only=True)
class Release:
    """How a model gets on the endpoint and stays there."""

    endpoint: str
    package: Request
    model: Request
    champion_config: Request
    challenger_config: Request
    alarms: Sequence[str]  # names: what rings rolls the challenger back
    watch_seconds: int  # from an update to the first look at them
    champion_parameter: str
    model_data_url: str  # intrinsic functions that give the URIs of the run's model
    baseline_uri: str  # ... and of the statistics that its monitoring compares with
    bake_seconds: int
    max_checks: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """Where a run leaves its traces."""

    table: str
    topic: str
    workflow: str  # how the messages call it
