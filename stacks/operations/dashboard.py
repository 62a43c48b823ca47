"""Dashboard: the whole loop on one page, in the order the data travels.

Every alarm has a graph of its metric, by the period that it judges, with its limit drawn in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from settings import Settings
from stacks.operations.alarms import DAY_MINUTES as DAY
from stacks.operations.alarms import functions_of
from stacks.operations.alerts import Alerts, Limit, Measured, metric, name_of
from stacks.operations.deploy import endpoint_name
from stacks.operations.limits import shares
from stacks.operations.neighbours import Ingest
from stacks.operations.release import CHALLENGER, CHAMPION
from stacks.operations.steps import NAMESPACE

HALF, THIRD, QUARTER = 12, 8, 6
INSTANCES = "/aws/sagemaker/Endpoints"  # the namespace
BOOK = "docs/operations.md"
ALARMS_IN_A_ROW = 6
# What a person sees when all is well, and where to look when it is not.
STAGES = {
    "ingest": (
        "Records by stream, files by landing: checked, anonymised, filed. Well: what arrives is "
        "delivered within minutes, every share is 1, nothing fails. *Records arrive but none are "
        "delivered*: look at the shares below and at the delivery's log. What was refused lies in "
        "quarantine with its reason (`make status`)."
    ),
    "retrain": (
        "The state machines: refresh the data, train, gate, challenge, promote or roll back. Well: "
        "whatever starts succeeds; a run stays open for as long as its challenger bakes. Refused and "
        "rolled back are good ends too: why is in the ledger and in the message."
    ),
    "deploy": (
        "One endpoint: the champion, and beside it a challenger while one bakes. Well: no errors, the "
        "slowest hundredth of the answers below the line. An alarm of a variant takes a challenger or "
        "a deployment back."
    ),
    "monitor": (
        "What the model is worth, by labels that came in since; one point a report, mostly monthly. "
        "Above a line of quality or balance a retraining starts by itself. Drift alone starts none: "
        "it says what to look at."
    ),
}


class Dashboard(Construct):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        alerts: Alerts,
        ingest: Ingest,
        dead_letters: sqs.IQueue,
        workflows: Mapping[str, str],
    ) -> None:
        super().__init__(scope, construct_id)
        board = cloudwatch.Dashboard(self, "Board", dashboard_name=f"{settings.prefix}-loop")
        endpoint = endpoint_name(settings)
        _head(board, settings.prefix, alerts, endpoint)
        rows = {
            "ingest": [
                *_ingest(ingest, dead_letters),
                _Graph("Use of quotas and shards", "percent", [*shares(settings, ingest).values()], 24),
            ],
            "retrain": _runs(workflows),
            "deploy": _endpoint(endpoint),
            "monitor": _model(endpoint),
        }
        for stage, graphs in rows.items():
            board.add_widgets(_text(f"## {stage}\n{STAGES[stage]}"))
            alarms = alerts.alarms.get(stage, [])
            board.add_widgets(
                cloudwatch.AlarmStatusWidget(
                    title=f"Alarms of {stage}",
                    alarms=alarms,
                    width=24,
                    height=2 + (len(alarms) - 1) // ALARMS_IN_A_ROW,
                )
            )
            board.add_widgets(*(graph.widget(alerts.limits.get(stage, [])) for graph in graphs))


def _head(board: cloudwatch.Dashboard, prefix: str, alerts: Alerts, endpoint: str) -> None:
    """The question of every morning first: does anything ring, and what is the model worth?"""
    board.add_widgets(
        _text(
            f"# {prefix}\nproducers -> ingest -> transform -> train -> evaluate -> deploy -> monitor -> "
            "retrain. A red line is where an alarm rings; what to do then stands in "
            f"{BOOK} under the alarm's name."
        )
    )
    newest = {
        "QualityDrop": "loss of quality",
        "CalibrationGap": "off balance by",
        "LabelledRows": "rows with a label",
        "DriftedFeatures": "features that drifted",
    }
    board.add_widgets(
        cloudwatch.AlarmStatusWidget(
            title="Rings now (empty: nothing does)",
            alarms=[alarm for alarms in alerts.alarms.values() for alarm in alarms],
            states=[cloudwatch.AlarmState.ALARM],
            width=HALF,
            height=4,
        ),
        cloudwatch.SingleValueWidget(
            title="The champion, by the newest report",
            metrics=[
                metric(NAMESPACE, name, {"Endpoint": endpoint}, statistic="Maximum", minutes=DAY, label=label)
                for name, label in newest.items()
            ],
            width=HALF,
            height=4,
        ),
    )


class _Graph:
    """`divide`: the metrics' own unit by the one that is shown, for example microseconds as milliseconds."""

    def __init__(
        self, title: str, unit: str, metrics: Sequence[Measured], width: int, divide: int = 1
    ) -> None:
        self._title, self._unit, self._metrics = title, unit, metrics
        self._width, self._divide = width, divide

    def widget(self, limits: Sequence[Limit]) -> cloudwatch.GraphWidget:
        shown = {(name_of(each), each.period.to_minutes()) for each in self._metrics}
        # A limit on a day's sum says nothing about five minutes of it.
        drawn = {(limit.value, limit.is_lower) for limit in limits if (limit.name, limit.minutes) in shown}
        return cloudwatch.GraphWidget(
            title=self._title,
            left=[self._scaled(number, each) for number, each in enumerate(self._metrics)],
            left_y_axis=cloudwatch.YAxisProps(label=self._unit, show_units=False, min=0),
            left_annotations=[self._annotation(value, is_lower) for value, is_lower in sorted(drawn)],
            width=self._width,
            height=6,
        )

    def _scaled(self, number: int, measured: Measured) -> cloudwatch.IMetric:
        if self._divide == 1:
            return measured
        return cloudwatch.MathExpression(
            expression=f"m{number}/{self._divide}",
            using_metrics={f"m{number}": measured},
            label=measured.label,
            period=measured.period,
        )

    def _annotation(self, value: float, is_lower: bool) -> cloudwatch.HorizontalAnnotation:
        limit = value / self._divide
        side = "below" if is_lower else "above"
        return cloudwatch.HorizontalAnnotation(
            value=limit, label=f"alarm {side} {limit:g} {self._unit}", color=cloudwatch.Color.RED
        )


def _text(markdown: str) -> cloudwatch.TextWidget:
    return cloudwatch.TextWidget(markdown=markdown, width=24, height=2)


def _ingest(ingest: Ingest, dead_letters: sqs.IQueue) -> list[_Graph]:
    stream = {"StreamName": ingest.stream.stream_name}
    delivery = {"DeliveryStreamName": ingest.delivery.stream.ref}

    def kinesis(name: str, label: str, **more: Any) -> cloudwatch.Metric:
        return metric("AWS/Kinesis", name, stream, label=label, **more)

    def firehose(name: str, label: str, statistic: str) -> cloudwatch.Metric:
        return metric("AWS/Firehose", name, delivery, statistic=statistic, label=label)

    def of_functions(name: str) -> list[cloudwatch.Metric]:
        return [
            metric("AWS/Lambda", name, {"FunctionName": function.function_name}, label=label)
            for label, function in functions_of(ingest).items()
        ]

    arriving = [kinesis("IncomingRecords", "arrived"), firehose("DeliveryToS3.Records", "delivered", "Sum")]
    age = kinesis("GetRecords.IteratorAgeMilliseconds", "oldest on the stream", statistic="Maximum")
    shares = [
        firehose("DeliveryToS3.Success", "written to the raw zone", "Minimum"),
        firehose("ExecuteProcessing.Success", "answered by the check", "Minimum"),
    ]
    letters = dead_letters.metric_approximate_number_of_messages_visible(
        statistic="Maximum", label="waiting for a person"
    )
    return [
        _Graph("Records, by five minutes", "records", arriving, THIRD),
        _Graph("Records, by day", "records", [kinesis("IncomingRecords", "arrived", minutes=DAY)], THIRD),
        _Graph("Messages that nobody handled", "messages", [letters], THIRD),
        _Graph("Waiting on the stream", "minutes", [age], THIRD, divide=60_000),
        _Graph(
            "Waiting for delivery",
            "minutes",
            [firehose("DeliveryToS3.DataFreshness", "oldest in Firehose", "Maximum")],
            THIRD,
            divide=60,
        ),
        _Graph("Share of the deliveries that succeed", "share", shares, THIRD),
        _Graph(
            "Refused by the stream",
            "records",
            [kinesis("WriteProvisionedThroughputExceeded", "refused")],
            QUARTER,
        ),
        _Graph(
            "More partitions than Firehose takes",
            "times",
            [firehose("PartitionCountExceeded", "exceeded", "Sum")],
            QUARTER,
        ),
        _Graph("Functions that failed", "calls", of_functions("Errors"), QUARTER),
        _Graph("Functions that were throttled", "calls", of_functions("Throttles"), QUARTER),
    ]


def _runs(workflows: Mapping[str, str]) -> list[_Graph]:
    counts = ("ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut")
    return [
        _Graph(
            name,
            "executions",
            [
                metric(
                    "AWS/States",
                    count,
                    {"StateMachineArn": workflow},
                    minutes=5,
                    label=count.removeprefix("Executions"),
                )
                for count in counts
            ],
            24 // len(workflows),
        )
        for name, workflow in workflows.items()
    ]


def _endpoint(endpoint: str) -> list[_Graph]:
    def of(
        name: str, statistic: str, namespace: str = "AWS/SageMaker", minutes: int = 1
    ) -> list[cloudwatch.Metric]:
        return [
            metric(
                namespace,
                name,
                {"EndpointName": endpoint, "VariantName": variant},
                statistic=statistic,
                minutes=minutes,
                label=variant,
            )
            for variant in (CHAMPION, CHALLENGER)
        ]

    return [
        _Graph("Requests", "requests", of("Invocations", "Sum"), THIRD),
        _Graph(
            "Answer time of the model, slowest hundredth",
            "ms",
            of("ModelLatency", "p99"),
            THIRD,
            divide=1_000,
        ),
        _Graph("Errors of the model (5XX)", "requests", of("Invocation5XXErrors", "Sum"), THIRD),
        _Graph(
            "Refused requests (4XX), by five minutes",
            "requests",
            of("Invocation4XXErrors", "Sum", minutes=5),
            THIRD,
        ),
        _Graph(
            "Processor (a vCPU is 100)",
            "percent",
            of("CPUUtilization", "Average", INSTANCES, minutes=5),
            THIRD,
        ),
        _Graph("Memory", "percent", of("MemoryUtilization", "Average", INSTANCES, minutes=5), THIRD),
    ]


def _model(endpoint: str) -> list[_Graph]:
    def of(name: str, label: str) -> list[cloudwatch.Metric]:
        return [
            metric(NAMESPACE, name, {"Endpoint": endpoint}, statistic="Maximum", minutes=DAY, label=label)
        ]

    return [
        _Graph("Loss of quality since training", "points", of("QualityDrop", "of the champion"), THIRD),
        _Graph(
            "Mean prediction away from mean label", "points", of("CalibrationGap", "of the champion"), THIRD
        ),
        _Graph(
            "Relation of scores to labels that is lost", "share", of("ConceptDrift", "proved at least"), THIRD
        ),
        _Graph("Requests with a label by now", "requests", of("LabelledRows", "of all variants"), THIRD),
        _Graph("Features that drifted", "features", of("DriftedFeatures", "against training"), THIRD),
        _Graph("Drift of the predictions (PSI)", "index", of("PredictionPsi", "against training"), THIRD),
        _Graph(
            "Order of the attributions (NDCG)", "index", of("AttributionNdcg", "against evaluation"), HALF
        ),
        _Graph(
            "Differences between groups that grew",
            "measures",
            of("GrownDifferences", "against evaluation"),
            HALF,
        ),
    ]
