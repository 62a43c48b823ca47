"""What is left of a deployment after its stacks, what it costs, and what of it was kept on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deployment import stacks
from deployment.names import PROJECT, Names
from deployment.place import Place
from deployment.rest import Rest
from deployment.stacks import Retained

STORAGE = "storage, by GB and month"
TOOLKIT = "CDKToolkit"
MANAGED_RULES = "StepFunctionsGetEventsFor"
# Made by services for the whole account; other people's jobs write there too.
SHARED_LOGS = (
    "/aws/sagemaker/TrainingJobs",
    "/aws/sagemaker/ProcessingJobs",
    "/aws/sagemaker/TransformJobs",
    "/aws-glue/jobs/error",
    "/aws-glue/jobs/logs-v2",
    "/aws-glue/jobs/output",
)
_COSTS = {
    "AWS::S3::Bucket": STORAGE,
    "AWS::Logs::LogGroup": STORAGE,
    "AWS::KMS::Key": "by month",
    "AWS::DynamoDB::Table": "storage and backups, by GB and month",
    "AWS::SecretsManager::Secret": "by month",
    "AWS::Glue::Database": "",
}
_SAGEMAKER = (
    ("endpoint", "list_endpoints", "Endpoints", "EndpointName", "its instances, by the hour"),
    ("endpoint configuration", "list_endpoint_configs", "EndpointConfigs", "EndpointConfigName", ""),
    ("model", "list_models", "Models", "ModelName", ""),
    (
        "feature group",
        "list_feature_groups",
        "FeatureGroupSummaries",
        "FeatureGroupName",
        "its online storage",
    ),
    (
        "model package group",
        "list_model_package_groups",
        "ModelPackageGroupSummaryList",
        "ModelPackageGroupName",
        "",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Left:
    what: str
    costs: str  # empty: nothing
    why: str = ""  # it was kept on purpose; empty: it should have gone

    @property
    def is_wrong(self) -> bool:
        """It costs money and nobody wanted it to stay."""
        return bool(self.costs) and not self.why

    def __str__(self) -> str:
        return f"{self.what}; costs {self.costs or 'nothing'}" + (f"; {self.why}" if self.why else "")


@dataclass(frozen=True, kw_only=True)
class Search:
    place: Place
    names: Names
    rest: Rest
    gone: Sequence[Mapping[str, Any]]  # the deployment's deleted stacks

    def all(self) -> list[Left]:
        retained = [each for each in stacks.retained(self.place, self.gone) if self._exists(each)]
        kept = {each.name for each in retained}
        return [
            *self._stacks(),
            *(_retained(each) for each in retained),
            *self._buckets(kept),
            *self._logs(kept),
            *self._keys(kept),
            *self._sagemaker(),
            *self._networks(),
            *self._shared(),
        ]

    def delete_service_logs(self, tell: Callable[[str], None]) -> None:
        """Groups that Glue, SageMaker or Lambda made for this deployment alone, where ours were not there.

        What a service makes never expires, ours always do: one that was retained on purpose is not hit.
        """
        for group in self._log_groups("/aws"):
            name = group["logGroupName"]
            if self.names.within(name) and "retentionInDays" not in group:
                self.place.client("logs").delete_log_group(logGroupName=name)
                tell(f"deleted log group {name}, which a service had made")

    def _stacks(self) -> Iterator[Left]:
        for stack in stacks.present(self.place, self.names):
            yield Left(what=f"stack {stack.name} ({stack.status})", costs="what is in it")

    def _buckets(self, kept: set[str]) -> Iterator[Left]:
        for page in self.place.client("s3").get_paginator("list_buckets").paginate():
            for bucket in page["Buckets"]:
                name = bucket["Name"]
                # The list is of all Regions, and the same profile may live in another one.
                if self.names.begins(name) and name not in kept and self._is_here(name):
                    yield Left(what=f"bucket {name}", costs=STORAGE)

    def _is_here(self, bucket: str) -> bool:
        where = self.place.client("s3").get_bucket_location(Bucket=bucket)["LocationConstraint"]
        return (where or "us-east-1") == self.place.region  # S3 has no word for its first Region

    def _logs(self, kept: set[str]) -> Iterator[Left]:
        for group in [*self._log_groups("/aws"), *self._log_groups(self.names.prefix)]:
            name = group["logGroupName"]
            if self.names.within(name) and name not in kept:
                yield Left(what=f"log group {name}", costs=STORAGE)

    def _log_groups(self, beginning: str) -> list[dict[str, Any]]:
        pages = self.place.client("logs").get_paginator("describe_log_groups")
        return [group for page in pages.paginate(logGroupNamePrefix=beginning) for group in page["logGroups"]]

    def _keys(self, kept: set[str]) -> Iterator[Left]:
        """Those with this deployment's tags."""
        kms = self.place.client("kms")
        for page in kms.get_paginator("list_keys").paginate():
            for entry in page["Keys"]:
                key = self._our_key(entry["KeyId"])
                if key is None or key["KeyId"] in kept:
                    continue
                if key["KeyState"] == "PendingDeletion":
                    when = f"{key['DeletionDate']:%Y-%m-%d}"
                    back = f"aws kms cancel-key-deletion --key-id {key['KeyId']}"
                    yield Left(what=f"key {key['KeyId']}", costs="", why=f"deleted on {when}; back: {back}")
                else:
                    yield Left(what=f"key {key['KeyId']} ({key['KeyState']})", costs="by month")

    def _our_key(self, key_id: str) -> dict[str, Any] | None:
        kms = self.place.client("kms")
        try:
            key: dict[str, Any] = kms.describe_key(KeyId=key_id)["KeyMetadata"]
            if key["KeyManager"] != "CUSTOMER":
                return None
            tags = {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=key_id)["Tags"]}
        except ClientError as error:
            # Somebody else's: ours leave it to the account's policies who may look.
            if error.response["Error"]["Code"] == "AccessDeniedException":
                return None
            raise
        ours = (tags.get("project"), tags.get("profile")) == (PROJECT, self.names.profile)
        return key if ours else None

    def _sagemaker(self) -> Iterator[Left]:
        for kind, operation, listed, field, costs in _SAGEMAKER:
            pages = self.place.client("sagemaker").get_paginator(operation)
            for page in pages.paginate(NameContains=f"{self.names.prefix}-"):
                for entry in page[listed]:
                    if self.names.begins(entry[field]):
                        yield Left(what=f"{kind} {entry[field]}", costs=costs)
        for name in self.rest.running_jobs():
            yield Left(what=f"job {name}", costs="its instances, until it ends")

    def _networks(self) -> Iterator[Left]:
        tags = {"project": PROJECT, "profile": self.names.profile}
        filters = [{"Name": f"tag:{name}", "Values": [value]} for name, value in tags.items()]
        for page in self.place.client("ec2").get_paginator("describe_vpcs").paginate(Filters=filters):
            for vpc in page["Vpcs"]:
                yield Left(what=f"VPC {vpc['VpcId']}", costs="its interface endpoints, by hour and zone")

    def _shared(self) -> Iterator[Left]:
        present = {group["logGroupName"] for group in self._log_groups("/aws")}
        for name in SHARED_LOGS:
            if name in present:
                yield Left(what=f"log group {name}", costs=STORAGE, why="shared by the account")
        rules = self.place.client("events").get_paginator("list_rules").paginate(NamePrefix=MANAGED_RULES)
        for rule in (rule for page in rules for rule in page["Rules"]):
            why = "made by Step Functions for all state machines of the account"
            yield Left(what=f"rule {rule['Name']}", costs="", why=why)
        if stacks.find(self.place, TOOLKIT) is not None:
            yield Left(
                what=f"stack {TOOLKIT}, with the bucket of deployed code",
                costs=STORAGE,
                why="shared by all CDK apps of the account",
            )

    def _exists(self, each: Retained) -> bool:
        """It may have been deleted by hand since; of other types than these it is taken to be there."""
        look = _LOOKS.get(each.type)
        if look is None:
            return True
        service, operation, field = look
        try:
            answer = getattr(self.place.client(service), operation)(**{field: each.name})
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("404", "NoSuchBucket", "NotFoundException") or code.endswith(
                ("ResourceNotFoundException", "EntityNotFoundException")
            ):
                return False
            raise
        if each.type == "AWS::Logs::LogGroup":
            return any(group["logGroupName"] == each.name for group in answer["logGroups"])
        # A key that is going is told of with its date, by _keys.
        return each.type != "AWS::KMS::Key" or answer["KeyMetadata"]["KeyState"] != "PendingDeletion"


_LOOKS = {
    "AWS::S3::Bucket": ("s3", "head_bucket", "Bucket"),
    "AWS::KMS::Key": ("kms", "describe_key", "KeyId"),
    "AWS::Logs::LogGroup": ("logs", "describe_log_groups", "logGroupNamePrefix"),
    "AWS::DynamoDB::Table": ("dynamodb", "describe_table", "TableName"),
    "AWS::SecretsManager::Secret": ("secretsmanager", "describe_secret", "SecretId"),
    "AWS::Glue::Database": ("glue", "get_database", "Name"),
}


def told(names: Names, found: Sequence[Left]) -> Iterator[str]:
    sections = {
        "left on purpose:": [each for each in found if each.why],
        "left, and costs nothing:": [each for each in found if not each.why and not each.costs],
        "left, and should have gone (delete it by hand):": [each for each in found if each.is_wrong],
    }
    for title, some in sections.items():
        if some:
            yield title
            yield from (f"  {each}" for each in some)
    if sections["left, and should have gone (delete it by hand):"]:
        yield f"{names.prefix} is not quite gone"
    else:
        yield f"{names.prefix} is gone, but for what is named above" if found else f"{names.prefix} is gone"


def _retained(each: Retained) -> Left:
    return Left(
        what=f"{each.type} {each.name}",
        costs=_COSTS.get(each.type, "see its price"),
        why=f"retained by the template when its stack went on {each.deleted:%Y-%m-%d}",
    )
