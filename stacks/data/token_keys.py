"""Token keys: one secret with a key for each epoch, renewed by a function that may touch this secret only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

import bundles
from security import grants
from security.functions import FunctionPlatform, ScopedFunction
from security.keys import KeyRing
from settings import Settings

# Until the first rotation, which begins with the schedule: no record passes the door with this. It must never
# change: CloudFormation would write the new text into the secret, and the keys would be gone.
EMPTY = {"format": 1, "epochs": {}, "destroyed": [], "seals": []}


class TokenKeys(Construct):
    """docs/decisions/0043-token-keys-by-epoch.md: what a rotation renews, keeps and destroys."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        contract: Mapping[str, Any],
        keys: KeyRing,
        functions: FunctionPlatform,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings, self._keys = settings, keys
        self.secret = self._secret(scope)
        self.rotate = self._rotate(contract, functions)
        self._schedule()

    def _secret(self, scope: Construct) -> secretsmanager.CfnSecret:
        """L1: the L2 adds `kms:GenerateDataKey*` for the whole account to the key's policy.

        In `scope`, under the name that it has had: another name would be another secret, without the keys.
        """
        secret = secretsmanager.CfnSecret(
            scope,
            "TokenKey",
            description="Keyed hashes that turn direct identifiers into tokens, one for each epoch",
            # The generated part is of no use; without one CloudFormation would want the text in the template.
            generate_secret_string=secretsmanager.CfnSecret.GenerateSecretStringProperty(
                exclude_punctuation=True,
                generate_string_key="unused",
                password_length=32,
                secret_string_template=json.dumps(EMPTY),
            ),
            kms_key_id=self._keys.secrets.key_arn,
        )
        keep = self._settings.base.keep_on_destroy
        secret.apply_removal_policy(RemovalPolicy.RETAIN if keep else RemovalPolicy.DESTROY)
        return secret

    def _rotate(self, contract: Mapping[str, Any], functions: FunctionPlatform) -> ScopedFunction:
        function = ScopedFunction(
            self,
            "Rotate",
            platform=functions,
            bundle=bundles.lambda_bundle("rotate_token_keys", contract),
            package="rotate_token_keys",
            environment={"SEAL_DAYS": str(self._settings.lake.quarantine_retention_days)},
            timeout=Duration.minutes(1),
            reserved_concurrency=1 if self._settings.ingest.reserved_concurrency else None,
        )
        role, secret = function.scoped_role, self.secret.ref
        grants.read_secret(role, self.secret, self._keys.secrets, stages=["AWSCURRENT", "AWSPENDING"])
        writing = ["DescribeSecret", "PutSecretValue", "UpdateSecretVersionStage"]
        grants.allow(role, [f"secretsmanager:{action}" for action in writing], [secret])
        grants.use_key(
            role,
            self._keys.secrets,
            ["kms:GenerateDataKey"],
            through="secretsmanager",
            context={"SecretARN": secret},
        )
        function.add_permission(
            "SecretsManager",
            principal=iam.ServicePrincipal("secretsmanager.amazonaws.com"),
            source_account=Aws.ACCOUNT_ID,
            source_arn=secret,
        )
        return function

    def _schedule(self) -> None:
        """L1: the L2 of a schedule gives the function grants of its own, wider than these."""
        schedule = secretsmanager.CfnRotationSchedule(
            self,
            "Schedule",
            secret_id=self.secret.ref,
            rotation_lambda_arn=self.rotate.function_arn,
            rotation_rules=secretsmanager.CfnRotationSchedule.RotationRulesProperty(
                automatically_after_days=self._settings.ingest.token_rotation_days
            ),
            rotate_immediately_on_update=True,
        )
        # The first rotation begins at once: permissions and network have to be there.
        schedule.node.add_dependency(self.rotate.node.find_child("SecretsManager"), self.rotate.scoped_role)
