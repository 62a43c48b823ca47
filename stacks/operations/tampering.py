"""Tampering: who changes trail, keys or bucket policies by hand is told of at once.

Changes by CloudFormation are deployments, which review sees. Calls to IAM are not here: EventBridge has them
in one Region alone (us-east-1); the trail has them all.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_events as events
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from security.keys import KeyRing
from security.roles import arn
from settings import Settings
from stacks.operations.alerts import Alerts

OF_THE_TRAIL = ["DeleteTrail", "PutEventSelectors", "StopLogging", "UpdateTrail"]
OF_KEYS = ["DisableKey", "DisableKeyRotation", "PutKeyPolicy", "ScheduleKeyDeletion"]
OF_BUCKETS = [
    "DeleteBucket",
    "DeleteBucketEncryption",
    "DeleteBucketLifecycle",
    "DeleteBucketPolicy",
    "DeleteBucketPublicAccessBlock",
    "PutBucketEncryption",
    "PutBucketLifecycle",
    "PutBucketLogging",
    "PutBucketPolicy",
    "PutBucketPublicAccessBlock",
    "PutBucketReplication",
    "PutBucketVersioning",
]


class Tampering(Construct):
    """One rule per kind of thing; a target of each is the topic that alarms go to."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        keys: KeyRing,
        alerts: Alerts,
        dead_letters: sqs.IQueue,
    ) -> None:
        super().__init__(scope, construct_id)
        self._topic_arn, self._dead_letters = alerts.topic.topic_arn, dead_letters
        trail = f"{settings.prefix}-trail"
        names = [trail, arn("cloudtrail", f"trail/{trail}")]
        # PutEventSelectors says trailName, the others name.
        self._rule("Trail", "cloudtrail", OF_THE_TRAIL, {"$or": [{"name": names}, {"trailName": names}]})
        ours = [name for key in keys.all for name in (key.key_arn, key.key_id)]
        # Services ask for grants all the time; people have no reason to.
        of_people = {"userIdentity": {"invokedBy": [{"exists": False}]}}
        self._rule("Grants", "kms", ["CreateGrant"], {"keyId": ours}, **of_people)
        self._rule("Keys", "kms", OF_KEYS, {"keyId": ours})
        self._rule("Buckets", "s3", OF_BUCKETS, {"bucketName": [{"prefix": f"{settings.prefix}-"}]})

    def _rule(
        self, construct_id: str, service: str, names: list[str], about: dict[str, Any], **more: Any
    ) -> None:
        detail = {
            "eventSource": [f"{service}.amazonaws.com"],
            "eventName": names,
            "requestParameters": about,
            "sourceIPAddress": [{"anything-but": ["cloudformation.amazonaws.com"]}],
            **more,
        }
        events.CfnRule(
            self,
            construct_id,
            description=f"Somebody changes {construct_id.lower()} of this deployment by hand",
            event_pattern={
                "source": [f"aws.{service}"],
                "detail-type": ["AWS API Call via CloudTrail"],
                "detail": detail,
            },
            targets=[
                events.CfnRule.TargetProperty(
                    id="Tell",
                    arn=self._topic_arn,
                    input_transformer=events.CfnRule.InputTransformerProperty(
                        input_paths_map={
                            "call": "$.detail.eventName",
                            "who": "$.detail.userIdentity.arn",
                            "event": "$.detail.eventID",
                        },
                        input_template=(
                            '"tampering: <who> called <call>, by hand. CloudTrail event <event>. '
                            'What to do: docs/operations.md, Tampering"'
                        ),
                    ),
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(
                        arn=self._dead_letters.queue_arn
                    ),
                )
            ],
        )
