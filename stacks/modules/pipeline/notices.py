"""Notices: how an execution ended goes where alarms go; that an approval waits, CodePipeline says itself."""

from __future__ import annotations

from aws_cdk import aws_events as events
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

ENDS = ["FAILED", "STOPPED", "SUCCEEDED"]  # one that was superseded has a newer one behind it


def tell(scope: Construct, name: str, topic: sns.ITopic, dead_letters: sqs.IQueue) -> events.CfnRule:
    return events.CfnRule(
        scope,
        "Ended",
        description=f"How executions of {name} end",
        event_pattern={
            "source": ["aws.codepipeline"],
            "detail-type": ["CodePipeline Pipeline Execution State Change"],
            "detail": {"pipeline": [name], "state": ENDS},
        },
        targets=[
            events.CfnRule.TargetProperty(
                id="Tell",
                arn=topic.topic_arn,
                input_transformer=events.CfnRule.InputTransformerProperty(
                    input_paths_map={
                        "pipeline": "$.detail.pipeline",
                        "execution": "$.detail.execution-id",
                        "state": "$.detail.state",
                    },
                    input_template=(
                        '"pipeline: execution <execution> of <pipeline> is <state>. '
                        'What to do: docs/operations.md, Delivery"'
                    ),
                ),
                dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=dead_letters.queue_arn),
            )
        ],
    )
