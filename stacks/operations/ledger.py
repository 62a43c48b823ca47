"""Ledger: which run did what and how it ended, who holds which lock, what the last refresh has seen."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from settings import Settings


class Ledger(Construct):
    """
    run#<run id>            a run and its outcome
    lock#data, lock#model   owner and end (`expires`, seconds since 1970; DynamoDB clears what is long past)
    retrain#pending         a run that was skipped, and starts again when the one that holds lock#model ends
    refresh#last            what the next plan compares the raw zone with
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, key: kms.IKey) -> None:
        super().__init__(scope, construct_id)
        keep = settings.base.keep_on_destroy
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            deletion_protection=keep,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            removal_policy=RemovalPolicy.RETAIN if keep else RemovalPolicy.DESTROY,
            time_to_live_attribute="expires",
        )
