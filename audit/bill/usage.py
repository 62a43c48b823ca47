"""How much a deployment is used: the knobs of the bill, by default a small deployment of the flights data."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from audit.templates import InputError

DAYS = 365 / 12  # a month has


def _knob(default: float, says: str) -> float:
    value: float = field(default=default, metadata={"help": says})
    return value


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Every field is an option of the command. A month is a twelfth of a year."""

    records_per_day: float = _knob(1_000, "records on the stream")
    gb_per_day: float = _knob(0.001, "GB of them")
    predictions_per_day: float = _knob(1_000, "requests to the endpoint")
    kb_per_prediction: float = _knob(4, "KB of a request and its answer")
    retrainings_per_month: float = _knob(1 / 3, "runs that train, each with a challenger")
    challenge_days: float = _knob(30, "days that a challenger bakes before it is judged")
    refreshes_per_month: float = _knob(1, "runs that rebuild data only")
    monitorings_per_month: float = _knob(1, "looks at the endpoint")
    scorings_per_month: float = _knob(0, "batch transforms")
    other_runs_per_month: float = _knob(1, "executions of each other state machine")
    glue_minutes: float = _knob(5, "minutes of one Glue job")
    training_minutes: float = _knob(10, "minutes of one training job")
    candidates: float = _knob(1, "candidates that one run trains, where it trains several side by side")
    trial_minutes: float = _knob(5, "minutes of one trial of a search for hyperparameters")
    processing_minutes: float = _knob(10, "minutes of one processing job")
    transform_minutes: float = _knob(15, "minutes of one batch transform")
    spot_discount: float = _knob(0.5, "what Spot takes off training, 0 to 0.9: it is the market's, not ours")
    function_seconds: float = _knob(2, "seconds of one call of a function")
    calls_per_function: float = _knob(100, "calls a month of a function that no run and no stream calls")
    stored_gb: float = _knob(5, "GB in all buckets")
    s3_writes: float = _knob(50_000, "PUT and LIST requests a month")
    s3_reads: float = _knob(200_000, "GET requests a month")
    log_gb: float = _knob(1, "GB of logs a month, kept for a month")
    queries: float = _knob(100, "Athena queries a month")
    gb_per_query: float = _knob(0.1, "GB that one of them scans")
    endpoint_gb: float = _knob(1, "GB a month through the interface endpoints")
    metric_hours: float = _knob(6, "hours a month in which metrics of our own are sent, all added up")
    deliveries_per_month: float = _knob(8, "executions of each pipeline, to their end")
    build_minutes: float = _knob(10, "minutes of one build of them")
    looked_up: float = _knob(
        1, "share of the predictions whose features are looked up, where there is a store"
    )
    entities: float = _knob(200, "records in the feature store, of 1 KB at most")
    mails: float = _knob(50, "mails and queue messages a month")

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value < 0:
                raise InputError(f"{option(each.name)} must be 0 or more, got {value:g}")
        if self.spot_discount > 0.9:
            raise InputError(
                f"{option('spot_discount')} must be between 0 and 0.9, got {self.spot_discount:g}; "
                "it is a share of the price: 0.5 for half of it"
            )

    @property
    def records(self) -> float:
        return self.records_per_day * DAYS

    @property
    def stream_gb(self) -> float:
        return self.gb_per_day * DAYS

    @property
    def predictions(self) -> float:
        return self.predictions_per_day * DAYS


IDLE = Usage(
    **{each.name: 0.0 for each in fields(Usage) if each.name not in ("spot_discount", "function_seconds")}
)


def option(name: str) -> str:
    return "--" + name.replace("_", "-")
