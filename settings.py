"""What differs between the profiles: one frozen dataclass per stage, `sandbox` and `production` side by side.

No environment variables, no account, no Region. A field whose name ends in a unit is in that unit; `None`
means that the feature is off, or that AWS decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

PROJECT = "mlref"

# What CloudWatch Logs accepts as retention.
LOG_RETENTION_DAYS = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)


def within(section: object, name: str, low: float, high: float) -> None:
    """Refuse a value outside [low, high]."""
    got = getattr(section, name)
    if not low <= got <= high:
        raise ValueError(
            f"{type(section).__name__}.{name} must be between {low} and {high}, got {got}: "
            "set it for the profile in settings.py"
        )


def one_of(section: object, name: str, allowed: tuple[object, ...]) -> None:
    got = getattr(section, name)
    if got not in allowed:
        known = ", ".join(str(value) for value in allowed)
        raise ValueError(
            f"{type(section).__name__}.{name} must be one of {known}, got {got!r}: "
            "set it for the profile in settings.py"
        )


def matches(section: object, name: str, pattern: str, words: str) -> None:
    got = getattr(section, name)
    if not re.fullmatch(pattern, got):
        raise ValueError(
            f"{type(section).__name__}.{name} must be {words}, got {got!r}: "
            "set it for the profile in settings.py"
        )


@dataclass(frozen=True, kw_only=True)
class BaseSettings:
    """Keys, network, trail, and what every stage takes from them."""

    cidr: str
    zones: int  # every interface endpoint is paid per zone
    keep_on_destroy: bool  # data, keys and logs outlive the stacks; the stacks refuse to be deleted
    log_retention_days: int
    trail_retention_days: int
    trail_is_locked: (
        bool  # object lock: nobody shortens the trail's retention; such a bucket cannot be emptied early
    )
    key_deletion_days: int
    # Per function that says nothing else; a new account has 10 in all, and 10 must stay unreserved.
    reserved_concurrency: int | None

    def __post_init__(self) -> None:
        within(self, "zones", 1, 2)
        within(self, "key_deletion_days", 7, 30)
        within(self, "trail_retention_days", 1, 3650)
        one_of(self, "log_retention_days", LOG_RETENTION_DAYS)


@dataclass(frozen=True, kw_only=True)
class IngestSettings:
    shards: int | None  # None: on-demand capacity
    stream_retention_hours: int
    buffer_mb: int
    buffer_seconds: int
    reserved_concurrency: int | None  # of each function that checks what comes in
    # How often token keys are renewed; the contract says for how long one holds.
    token_rotation_days: int = 30

    def __post_init__(self) -> None:
        if self.shards is not None:
            within(self, "shards", 1, 200)
        within(self, "stream_retention_hours", 24, 8760)
        within(self, "buffer_mb", 64, 128)  # Firehose asks for 64 or more when partitions are dynamic
        within(self, "buffer_seconds", 60, 900)
        within(self, "token_rotation_days", 1, 90)  # Security Hub asks for a rotation within 90 days


@dataclass(frozen=True, kw_only=True)
class LakeSettings:
    landing_retention_days: int
    raw_retention_days: int
    quarantine_retention_days: int
    error_retention_days: (
        int  # what could not be checked is not anonymised either, and is kept no longer than that
    )
    superseded_retention_days: int  # earlier versions of objects, and parts of uploads that never ended
    capture_retention_days: int
    result_retention_days: int
    access_log_retention_days: int
    infrequent_after_days: int | None  # when data moves to a cheaper storage class
    query_scan_limit_mb: int

    def __post_init__(self) -> None:
        within(self, "query_scan_limit_mb", 10, 10_000_000)
        if self.infrequent_after_days is not None:
            within(self, "infrequent_after_days", 30, 3650)  # S3 refuses earlier


@dataclass(frozen=True, kw_only=True)
class FeatureStoreSettings:
    """Values of histories to look up by entity. docs/decisions/0067-feature-store.md"""

    # A value that no run renewed is gone after this many days, instead of being served stale. None: it stays,
    # as replayed data are years old when they come.
    ttl_days: int | None

    def __post_init__(self) -> None:
        if self.ttl_days is not None:
            within(self, "ttl_days", 1, 400)


@dataclass(frozen=True, kw_only=True)
class TransformSettings:
    glue_version: str
    worker_type: str
    workers: int
    timeout_minutes: int

    def __post_init__(self) -> None:
        one_of(self, "glue_version", ("5.1", "6.0"))
        within(self, "workers", 2, 100)
        within(self, "timeout_minutes", 1, 480)


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    algorithm: str  # "script": our train.py; "builtin": XGBoost as the image brings it
    instance_type: str
    volume_gb: int
    max_run_seconds: int
    use_spot: bool
    max_wait_seconds: int  # running and waiting for Spot capacity together
    parallel_jobs: int  # candidates, and trials of a search, at once; a new account has few instances
    max_tuning_jobs: int  # the most trials of a search, also where the contract asks for more
    usd_per_hour: float | None  # of one instance on demand; None: no costs beside the candidates

    def __post_init__(self) -> None:
        one_of(self, "algorithm", ("script", "builtin"))
        within(self, "parallel_jobs", 1, 10)
        within(self, "max_tuning_jobs", 1, 100)
        within(self, "volume_gb", 1, 16384)
        within(self, "max_run_seconds", 60, 432000)
        within(self, "max_wait_seconds", self.max_run_seconds, 2 * 432000)


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    instance_type: str
    volume_gb: int
    max_run_seconds: int


@dataclass(frozen=True, kw_only=True)
class DeploySettings:
    instance_type: str
    instances: int  # per variant
    max_instances: int  # per variant, for the automatic scaling
    invocations_per_instance: int  # per minute, what the scaling aims at
    challenger_share: float  # of the traffic, while a challenger bakes
    canary_seconds: int  # from an update, or its canary, to the look at the alarms
    bake_minutes: int  # how long a challenger bakes before it is judged, and between two judgements
    max_bake_checks: (
        int  # a challenger that is not decided by then goes; labels and monthly reports need their time
    )
    capture_percent: int

    def __post_init__(self) -> None:
        within(self, "instances", 1, 100)
        within(self, "max_instances", self.instances, 100)
        within(self, "challenger_share", 0.01, 0.99)
        within(self, "canary_seconds", 60, 3600)
        within(self, "bake_minutes", 1, 525_600)
        within(self, "max_bake_checks", 1, 1_000)
        within(self, "capture_percent", 1, 100)


@dataclass(frozen=True, kw_only=True)
class MonitorSettings:
    instance_type: str
    schedule: str  # EventBridge Scheduler expression, UTC; days after the refresh, when late labels are in
    latency_ms: int  # p99 of the model, above which the alarm rings
    emails: tuple[str, ...]  # who is told; each address confirms the subscription
    budget_usd: int | None  # a month, of all that carries the tag `project`; None: no budget

    def __post_init__(self) -> None:
        if self.budget_usd is not None:
            within(self, "budget_usd", 1, 1_000_000)


@dataclass(frozen=True, kw_only=True)
class RetrainSettings:
    is_scheduled: (
        bool  # False: the schedules are there, switched off; runs are started by hand or by an alarm
    )
    refresh_schedule: str  # EventBridge Scheduler expressions, UTC
    retrain_schedule: str
    retrains_on_drift: bool  # an alarm on the model's quality starts a run
    max_attempts: int  # of a job that failed by a fault of SageMaker's

    def __post_init__(self) -> None:
        within(self, "max_attempts", 1, 5)


@dataclass(frozen=True, kw_only=True)
class DeliverySettings:
    """Optional: a workflow on GitHub deploys this profile, by a signed word instead of a key."""

    # `owner/name`; of a repository made since July 2026 with the ids that never change, `owner@1/name@2`:
    # https://github.blog/changelog/2026-04-23-immutable-subject-claims-for-github-actions-oidc-tokens/
    repository: str
    environment: str  # of the repository; who approves a deployment there is set on GitHub
    makes_provider: bool  # an account has one provider for GitHub: False where another deployment made it
    qualifier: str = "hnb659fds"  # of `cdk bootstrap`; this is its default

    def __post_init__(self) -> None:
        matches(self, "repository", r"[\w.-]+(@\d+)?/[\w.-]+(@\d+)?", "owner/name or owner@id/name@id")
        matches(self, "environment", r"[\w-]+", "letters, digits, _ and -")
        matches(self, "qualifier", r"[a-z0-9]{1,10}", "at most ten small letters and digits")


@dataclass(frozen=True, kw_only=True)
class PipelineSettings:
    """Optional: CodePipeline deploys, in the account of this profile, where GitHub's runners may not."""

    # Of CodeConnections; made and confirmed by a person in the console, once: no template can agree to it.
    connection_arn: str
    repository: str  # owner/name
    branch: str = "main"
    # In this order, each in the pipeline's account and Region; one that keeps its data asks a person first.
    profiles: tuple[str, ...] = ("sandbox", "production")
    # A release and not a moving name: `aws codebuild list-curated-environment-images` has newer ones.
    image: str = "aws/codebuild/standard:7.0-26.07.29"
    compute_type: str = "BUILD_GENERAL1_LARGE"  # the tests want 8 GB and more
    approval_hours: int = 72  # an execution that nobody has approved by then has failed
    artefact_days: int = 30
    qualifier: str = "hnb659fds"  # of `cdk bootstrap`; this is its default

    def __post_init__(self) -> None:
        connection = r"arn:aws[\w-]*:(codeconnections|codestar-connections):[\w-]+:\d{12}:connection/[\w-]+"
        matches(self, "connection_arn", connection, "the ARN of a connection of CodeConnections")
        matches(self, "repository", r"[\w.-]+/[\w.-]+", "owner/name")
        matches(self, "branch", r"[\w./-]+", "the name of a branch")
        image = r"aws/codebuild/[\w-]+:[\d.]+-\d\d\.\d\d\.\d\d"
        matches(self, "image", image, "a dated release of CodeBuild's own images")
        matches(self, "qualifier", r"[a-z0-9]{1,10}", "at most ten small letters and digits")
        one_of(self, "compute_type", tuple(f"BUILD_GENERAL1_{size}" for size in ("MEDIUM", "LARGE")))
        within(self, "approval_hours", 1, 1_440)
        within(self, "artefact_days", 7, 365)  # an execution waits for its approval and takes its time
        if self.approval_hours > 24 * self.artefact_days - 24:
            raise ValueError(
                f"PipelineSettings.approval_hours is {self.approval_hours}, what is to be approved is kept "
                f"for {self.artefact_days} days: set artefact_days to a day more than the approval may take"
            )
        if not self.profiles or len(set(self.profiles)) < len(self.profiles):
            raise ValueError(
                f"PipelineSettings.profiles must name each profile once, got {self.profiles!r}: "
                "set it for the profile in settings.py"
            )


@dataclass(frozen=True, kw_only=True)
class SecondRegionSettings:
    """Optional: copies of lake and models in a second Region, and an endpoint that can answer there."""

    region: str
    # "pilot_light": the endpoint is made when the first Region fails. "warm": it is there all the time.
    standby: str
    instances: int  # of the standby's endpoint
    cidr: str  # of its VPC; another than the first Region's, so that the two could be joined
    # S3 promises to copy within 15 minutes and is paid for that, by GB: of raw, curated and features. Models
    # and the champion's name have it in any case.
    has_time_control: bool

    def __post_init__(self) -> None:
        matches(self, "region", r"[a-z]{2}(-[a-z]+)+-\d", "a Region's name, for example eu-central-1")
        one_of(self, "standby", ("pilot_light", "warm"))
        within(self, "instances", 1, 100)
        # Two subnets of 256 addresses; a VPC has 65,536 at most.
        matches(self, "cidr", r"\d{1,3}(\.\d{1,3}){3}/(1[6-9]|2[0-3])", "a block between /16 and /23")


@dataclass(frozen=True, kw_only=True)
class Settings:
    profile: str
    base: BaseSettings
    ingest: IngestSettings
    lake: LakeSettings
    transform: TransformSettings
    train: TrainSettings
    evaluate: EvaluateSettings
    deploy: DeploySettings
    monitor: MonitorSettings
    retrain: RetrainSettings
    # Without what is paid for existing and can be made again: interface endpoints, the model's endpoint, the
    # dashboard. docs/decisions/0053-pause.md
    is_paused: bool = False
    delivery: DeliverySettings | None = None  # stacks/modules/delivery; None: no such stack
    pipeline: PipelineSettings | None = None  # stacks/modules/pipeline; None: no such stack
    second_region: SecondRegionSettings | None = None  # stacks/modules/second_region, likewise
    feature_store: FeatureStoreSettings | None = None  # stacks/data/feature_store.py; None: no look-ups

    def for_contract(self, contract: Mapping[str, Any]) -> Settings:
        """A contract without histories has nothing to look up: no feature store, no endpoint to one."""
        return self if contract["features"]["entities"] else replace(self, feature_store=None)

    def with_feature_store(self) -> Settings:
        """No profile has one by itself: its requests have a price of which no dated copy is known."""
        # A sandbox replays data that are years old when they come.
        ttl_days = 45 if self.base.keep_on_destroy else None
        return replace(self, feature_store=FeatureStoreSettings(ttl_days=ttl_days))

    def paused(self) -> Settings:
        """Nothing starts by itself, as nothing that it would need is there."""
        idle = replace(self.retrain, is_scheduled=False, retrains_on_drift=False)
        return replace(self, is_paused=True, retrain=idle)

    @property
    def prefix(self) -> str:
        return f"{PROJECT}-{self.profile}"

    @property
    def database(self) -> str:
        """Name of the Glue database; underscores, so that queries need no quotes."""
        return self.prefix.replace("-", "_")

    def tags(self, stage: str) -> dict[str, str]:
        """For what API calls make while a state machine runs; the stacks' own resources get theirs in
        app.py.
        """
        return {"project": PROJECT, "profile": self.profile, "stage": stage}

    def stack_name(self, group: str) -> str:
        """CloudFormation puts it in front of the names it makes; endpoint policies and the trail rely on
        that.
        """
        return f"{self.prefix}-{group}"


SANDBOX = Settings(
    profile="sandbox",
    base=BaseSettings(
        cidr="10.20.0.0/20",
        zones=1,
        keep_on_destroy=False,
        log_retention_days=7,
        trail_retention_days=30,
        trail_is_locked=False,
        key_deletion_days=7,
        reserved_concurrency=None,
    ),
    ingest=IngestSettings(
        shards=1,
        stream_retention_hours=24,
        buffer_mb=64,
        buffer_seconds=60,
        reserved_concurrency=None,
    ),
    lake=LakeSettings(
        landing_retention_days=7,
        raw_retention_days=90,
        quarantine_retention_days=30,
        error_retention_days=7,
        superseded_retention_days=7,
        capture_retention_days=30,
        result_retention_days=7,
        access_log_retention_days=30,
        infrequent_after_days=None,
        query_scan_limit_mb=1_000,
    ),
    transform=TransformSettings(glue_version="5.1", worker_type="G.1X", workers=2, timeout_minutes=60),
    train=TrainSettings(
        algorithm="script",
        instance_type="ml.m5.large",
        volume_gb=10,
        max_run_seconds=3_600,
        use_spot=True,
        max_wait_seconds=7_200,
        parallel_jobs=2,
        max_tuning_jobs=4,
        usd_per_hour=0.115,
    ),
    evaluate=EvaluateSettings(instance_type="ml.m5.large", volume_gb=10, max_run_seconds=3_600),
    deploy=DeploySettings(
        instance_type="ml.m5.large",
        instances=1,
        max_instances=1,
        invocations_per_instance=600,
        challenger_share=0.5,
        canary_seconds=300,
        bake_minutes=1_440,
        max_bake_checks=45,
        capture_percent=100,
    ),
    monitor=MonitorSettings(
        instance_type="ml.m5.large",
        schedule="cron(0 6 6 * ? *)",
        latency_ms=100,
        emails=(),
        budget_usd=200,
    ),
    retrain=RetrainSettings(
        is_scheduled=True,
        refresh_schedule="cron(0 3 2 * ? *)",
        retrain_schedule="cron(0 4 2 1,4,7,10 ? *)",
        retrains_on_drift=True,
        max_attempts=3,
    ),
)

PRODUCTION = Settings(
    profile="production",
    base=BaseSettings(
        cidr="10.30.0.0/20",
        zones=2,
        keep_on_destroy=True,
        log_retention_days=365,
        trail_retention_days=400,
        trail_is_locked=True,
        key_deletion_days=30,
        reserved_concurrency=5,
    ),
    ingest=IngestSettings(
        shards=None,
        stream_retention_hours=168,
        buffer_mb=128,
        buffer_seconds=300,
        reserved_concurrency=50,
    ),
    lake=LakeSettings(
        landing_retention_days=30,
        raw_retention_days=1_096,
        quarantine_retention_days=180,
        error_retention_days=14,
        superseded_retention_days=30,
        capture_retention_days=400,
        result_retention_days=30,
        access_log_retention_days=400,
        infrequent_after_days=90,
        query_scan_limit_mb=100_000,
    ),
    transform=TransformSettings(glue_version="5.1", worker_type="G.1X", workers=4, timeout_minutes=120),
    train=TrainSettings(
        algorithm="script",
        instance_type="ml.m5.xlarge",
        volume_gb=30,
        max_run_seconds=14_400,
        use_spot=True,
        max_wait_seconds=28_800,
        parallel_jobs=4,
        max_tuning_jobs=20,
        usd_per_hour=0.23,
    ),
    evaluate=EvaluateSettings(instance_type="ml.m5.xlarge", volume_gb=30, max_run_seconds=7_200),
    deploy=DeploySettings(
        instance_type="ml.m5.large",
        instances=2,
        max_instances=6,
        invocations_per_instance=1_200,
        challenger_share=0.2,
        canary_seconds=600,
        bake_minutes=1_440,
        max_bake_checks=45,
        capture_percent=100,
    ),
    monitor=MonitorSettings(
        instance_type="ml.m5.xlarge",
        schedule="cron(0 6 6 * ? *)",
        latency_ms=50,
        emails=(),
        budget_usd=500,
    ),
    retrain=RetrainSettings(
        is_scheduled=True,
        refresh_schedule="cron(0 3 2 * ? *)",
        retrain_schedule="cron(0 4 2 1,4,7,10 ? *)",
        retrains_on_drift=True,
        max_attempts=3,
    ),
)

PROFILES: Mapping[str, Settings] = MappingProxyType({each.profile: each for each in (SANDBOX, PRODUCTION)})


def settings_for(profile: str) -> Settings:
    try:
        return PROFILES[profile]
    except KeyError:
        known = ", ".join(sorted(PROFILES))
        raise ValueError(
            f"unknown profile {profile!r}: choose one of {known}, "
            "for example `cdk synth -c profile=sandbox`, or add it to settings.py"
        ) from None
