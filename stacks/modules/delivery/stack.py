"""Delivery: a workflow of one repository may deploy, in one of its environments; nobody holds a key for it.

GitHub signs who asks; the role believes that, for this repository and environment alone, and may do nothing
but take on the roles that `cdk bootstrap` made in this account and Region. It is deployed once, by a person.
"""

from __future__ import annotations

from aws_cdk import Aws, CfnOutput, Duration, Stack, Tags
from aws_cdk import aws_iam as iam
from constructs import Construct

from security import bootstrap, grants
from settings import DeliverySettings, Settings

ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
SESSION = Duration.hours(1)


class DeliveryStack(Stack):
    def __init__(
        self, scope: Construct, construct_id: str, *, settings: Settings, delivery: DeliverySettings
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=settings.stack_name("delivery"),
            termination_protection=settings.base.keep_on_destroy,
        )
        second = settings.second_region
        self._regions = [Aws.REGION, *([second.region] if second else [])]
        provider = self._provider(delivery)
        self.role = self._role(provider, delivery)
        Tags.of(self).add("stage", "delivery")
        CfnOutput(self, "DeliveryRoleArn", value=self.role.role_arn)

    def _provider(self, delivery: DeliverySettings) -> str:
        """Its ARN. An account has one provider for an issuer, whoever made it."""
        if not delivery.makes_provider:
            return f"arn:{Aws.PARTITION}:iam::{Aws.ACCOUNT_ID}:oidc-provider/{ISSUER}"
        # Without thumbprints: IAM checks the issuer's certificate against its own list of authorities.
        provider = iam.CfnOIDCProvider(self, "Provider", url=f"https://{ISSUER}", client_id_list=[AUDIENCE])
        return provider.attr_arn

    def _role(self, provider: str, delivery: DeliverySettings) -> iam.Role:
        subject = f"repo:{delivery.repository}:environment:{delivery.environment}"
        may = [
            bootstrap.role_arn(delivery.qualifier, word, region)
            for region in self._regions
            for word in bootstrap.DEPLOYING
        ]
        ceiling = iam.ManagedPolicy(
            self,
            "Boundary",
            description="The most that the delivery may do; grants nothing by itself",
            statements=[iam.PolicyStatement(actions=["sts:AssumeRole"], resources=may)],
        )
        role = iam.Role(
            self,
            "Role",
            description=f"Deploys for {subject}",
            assumed_by=iam.WebIdentityPrincipal(
                provider, {"StringEquals": {f"{ISSUER}:aud": AUDIENCE, f"{ISSUER}:sub": subject}}
            ),
            max_session_duration=SESSION,
            # Its own: the other roles' boundary has no business with roles of the bootstrap.
            permissions_boundary=ceiling,
        )
        grants.allow(role, ["sts:AssumeRole"], may)
        return role
