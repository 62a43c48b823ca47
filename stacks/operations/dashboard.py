"""Dashboard: the whole loop on one page, in the order the data travels, each alarm's limit drawn in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from settings import Settings
from stacks.operations.alarms import functions_of
from stacks.operations.alerts import Alerts, metric
from stacks.operations.deploy import endpoint_name
from stacks.operations.neighbours import Ingest
from stacks.operations.release import CHALLENGER, CHAMPION
from stacks.operations.steps import NAMESPACE

HALF, THIRD = 12, 8
STAGES = {
    "ingest": "Records by stream, files by landing; checked, anonymised, filed.",
    "retrain": "The runs: refresh the data, train, gate, challenge, promote or roll back.",
    "deploy": "One endpoint, two variants while a challenger bakes.",
    "monitor": "What the model is worth, by labels that came in since.",
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
        workflows: Mapping[str, str],
    ) -> None:
        super().__init__(scope, construct_id)
        board = cloudwatch.Dashboard(
            self,
            "Board",
            dashboard_name=f"{settings.prefix}-loop",
        )
        board.add_widgets(
            _text(
                f"# {settings.prefix}\nproducers -> ingest -> transform -> train -> evaluate -> deploy -> "
                "monitor -> retrain. Red lines are the limits of alarms; docs/operations.md says what to do."
            )
        )
        rows = {
            "ingest": _ingest(ingest),
            "retrain": _runs(workflows),
            "deploy": _endpoint(endpoint_name(settings)),
            "monitor": _model(endpoint_name(settings)),
        }
        for stage, graphs in rows.items():
            board.add_widgets(_text(f"## {stage}\n{STAGES[stage]}"))
            alarms = alerts.alarms.get(stage, [])
            board.add_widgets(
                cloudwatch.AlarmStatusWidget(title=f"Alarms of {stage}", alarms=alarms, width=24, height=3)
            )
            board.add_widgets(*(graph.widget(alerts.limits.get(stage, [])) for graph in graphs))


class _Graph:
    def __init__(self, title: str, unit: str, metrics: Sequence[cloudwatch.Metric], width: int) -> None:
        self._title, self._unit, self._metrics, self._width = title, unit, metrics, width

    def widget(self, alarms: Sequence[tuple[str, float]]) -> cloudwatch.GraphWidget:
        names = {each.metric_name for each in self._metrics}
        limits = {limit for name, limit in alarms if name in names}
        return cloudwatch.GraphWidget(
            title=self._title,
            left=list(self._metrics),
            left_y_axis=cloudwatch.YAxisProps(label=self._unit, show_units=False, min=0),
            left_annotations=[
                cloudwatch.HorizontalAnnotation(value=value, label="alarm", color=cloudwatch.Color.RED)
                for value in sorted(limits)
            ],
            width=self._width,
            height=6,
        )


def _text(markdown: str) -> cloudwatch.TextWidget:
    return cloudwatch.TextWidget(markdown=markdown, width=24, height=2)


def _ingest(ingest: Ingest) -> list[_Graph]:
    stream = {"StreamName": ingest.stream.stream_name}
    delivery = {"DeliveryStreamName": ingest.delivery.stream.ref}
    errors = [
        metric("AWS/Lambda", "Errors", {"FunctionName": function.function_name}, label=name)
        for name, function in functions_of(ingest).items()
    ]
    age = metric(
        "AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", stream, statistic="Maximum", label="oldest"
    )
    freshness = metric(
        "AWS/Firehose", "DeliveryToS3.DataFreshness", delivery, statistic="Maximum", label="oldest"
    )
    return [
        _Graph(
            "Records arriving",
            "records",
            [metric("AWS/Kinesis", "IncomingRecords", stream, label="in")],
            THIRD,
        ),
        _Graph("Waiting on the stream", "milliseconds", [age], THIRD),
        _Graph("Waiting for delivery", "seconds", [freshness], THIRD),
        _Graph(
            "Records delivered",
            "records",
            [metric("AWS/Firehose", "DeliveryToS3.Records", delivery, label="to S3")],
            HALF,
        ),
        _Graph("Functions that failed", "calls", errors, HALF),
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
                    minutes=60,
                    label=count.removeprefix("Executions"),
                )
                for count in counts
            ],
            24 // len(workflows),
        )
        for name, workflow in workflows.items()
    ]


def _endpoint(endpoint: str) -> list[_Graph]:
    def of(name: str, statistic: str, namespace: str = "AWS/SageMaker") -> list[cloudwatch.Metric]:
        return [
            metric(
                namespace,
                name,
                {"EndpointName": endpoint, "VariantName": variant},
                statistic=statistic,
                minutes=1,
                label=variant,
            )
            for variant in (CHAMPION, CHALLENGER)
        ]

    return [
        _Graph("Requests", "requests", of("Invocations", "Sum"), THIRD),
        _Graph("Answer time of the model, 99th percentile", "microseconds", of("ModelLatency", "p99"), THIRD),
        _Graph("Errors of the model (5XX)", "requests", of("Invocation5XXErrors", "Sum"), THIRD),
        _Graph("Refused requests (4XX)", "requests", of("Invocation4XXErrors", "Sum"), THIRD),
        _Graph(
            "Processor",
            "percent",
            of("CPUUtilization", "Average", "/aws/sagemaker/Endpoints"),
            THIRD,
        ),
        _Graph("Memory", "percent", of("MemoryUtilization", "Average", "/aws/sagemaker/Endpoints"), THIRD),
    ]


def _model(endpoint: str) -> list[_Graph]:
    def of(name: str) -> list[cloudwatch.Metric]:
        return [
            metric(NAMESPACE, name, {"Endpoint": endpoint}, statistic="Maximum", minutes=24 * 60, label=name)
        ]

    return [
        _Graph("Loss of quality since training", "metric points", of("QualityDrop"), THIRD),
        _Graph("Mean prediction against mean label", "difference", of("CalibrationGap"), THIRD),
        _Graph("Rows with a label", "rows", of("LabelledRows"), THIRD),
        _Graph("Features that drifted", "features", of("DriftedFeatures"), HALF),
        _Graph("Drift of the predictions (PSI)", "index", of("PredictionPsi"), HALF),
    ]
