"""Feature store: histories to look up by entity, online for serving, offline to see later what was served."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from security import grants
from security.roles import REGION, ServiceRole, arn
from settings import FeatureStoreSettings, Settings
from stacks.data.lake import FEATURE_STORE, Lake

EVENT_TIME = "event_time"
IDENTIFIER = "entity"  # the group's columns, joined with "|"
OFFLINE = "store/"  # in the features bucket
_NAME_LENGTH = 64


@dataclass(frozen=True, kw_only=True)
class Group:
    """
    entity  its name in the contract
    name    of the feature group
    table   of the offline store in the lake's database
    """

    entity: str
    name: str
    table: str

    @property
    def arn(self) -> str:
        return arn("sagemaker", f"feature-group/{self.name}")


class FeatureStore(Construct):
    """
    groups  one per entity of the contract: the day's values of its histories, by the entity's key
    key     of both halves
    role    which the offline half is written with

    Nothing of a feature group but its lifetime can be changed in place, and its name is needed before it
    exists. So the name carries a digest of what the group is: a contract with other histories gets a new
    group beside the lake, which the next run fills.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        store: FeatureStoreSettings,
        contract: Mapping[str, Any],
        lake: Lake,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, construct_id)
        self.key, self._settings, self._store, self._lake = key, settings, store, lake
        self.role = self._role()
        self.groups = [self._group(entity) for entity in contract["features"]["entities"]]

    def _role(self) -> ServiceRole:
        """Adds files below its prefix and reads nothing back. The bucket's policy knows the role's folder."""
        role = ServiceRole(
            self, "Role", service="sagemaker", path=f"/{self._settings.prefix}/{FEATURE_STORE}/"
        )
        bucket = self._lake.features
        # SageMaker says with each file that the bucket's owner owns it, and looks at the bucket first.
        grants.allow(role, ["s3:PutObject", "s3:PutObjectAcl"], [bucket.arn_for_objects(f"{OFFLINE}*")])
        grants.allow(role, ["s3:GetBucketAcl"], [bucket.bucket_arn])
        # S3 asks for the key of a file that is written; SageMaker alone is documented not to be enough.
        services = [f"{service}.{REGION}.amazonaws.com" for service in ("s3", "sagemaker")]
        through = {"StringEquals": {"kms:ViaService": services}}
        grants.allow(role, ["kms:GenerateDataKey"], [self.key.key_arn], conditions=through)
        return role

    def _group(self, entity: Mapping[str, Any]) -> Group:
        features = entity["features"]
        digest = hashlib.sha256(json.dumps([entity, EVENT_TIME, IDENTIFIER]).encode()).hexdigest()[:8]
        room = _NAME_LENGTH - len(self._settings.prefix) - len(digest) - 2
        name = f"{self._settings.prefix}-{entity['name'][:room].rstrip('_')}-{digest}"
        group = Group(entity=entity["name"], name=name, table=f"store_{entity['name']}_{digest}")
        definition, made = sagemaker.CfnFeatureGroup.FeatureDefinitionProperty, sagemaker.CfnFeatureGroup
        resource = made(
            self,
            "".join(part.capitalize() for part in entity["name"].split("_")),
            feature_group_name=name,
            description=f"{', '.join(features)} by {', '.join(entity['columns'])}"[:128],
            record_identifier_feature_name=IDENTIFIER,
            event_time_feature_name=EVENT_TIME,
            feature_definitions=[
                definition(feature_name=IDENTIFIER, feature_type="String"),
                definition(feature_name=EVENT_TIME, feature_type="String"),
                *(definition(feature_name=feature, feature_type="Fractional") for feature in features),
            ],
            online_store_config=self._online(),
            offline_store_config={
                "S3StorageConfig": {
                    "S3Uri": f"s3://{self._lake.features.bucket_name}/{OFFLINE.rstrip('/')}",
                    "KmsKeyId": self.key.key_arn,
                },
                # In our database instead of one that nobody would delete.
                "DisableGlueTableCreation": False,
                "DataCatalogConfig": {
                    "Catalog": "AwsDataCatalog",
                    "Database": self._settings.database,
                    "TableName": group.table,
                },
                "TableFormat": "Glue",
            },
            role_arn=self.role.role_arn,
            throughput_config=made.ThroughputConfigProperty(throughput_mode="OnDemand"),
        )
        # SageMaker tries the role at once; and the table lies in the lake's database.
        resource.node.add_dependency(self.role)
        resource.node.add_dependency(self._lake.database)
        return group

    def _online(self) -> dict[str, Any]:
        online = {
            "EnableOnlineStore": True,
            "SecurityConfig": {"KmsKeyId": self.key.key_arn},
            "StorageType": "Standard",
        }
        days = self._store.ttl_days
        return online if days is None else online | {"TtlDuration": {"Unit": "Days", "Value": days}}
