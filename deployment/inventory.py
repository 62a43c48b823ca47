"""What a deletion takes away, in words for the person who has to say yes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from botocore.exceptions import ClientError

from deployment import buckets
from deployment.names import Names
from deployment.place import Place
from deployment.rest import named
from deployment.stacks import Resource, Stack

_ALSO = {
    "AWS::SageMaker::FeatureGroup": "feature group, with its online records",
    "AWS::SageMaker::ModelPackageGroup": "model registry group, with its versions",
    "AWS::DynamoDB::Table": "table (the ledger of runs and locks)",
    "AWS::Kinesis::Stream": "stream, with the records on it",
    "AWS::SecretsManager::Secret": "secret (the key of the tokens)",
    "AWS::Glue::Table": "catalogue tables",
    "AWS::CodePipeline::Pipeline": "pipeline, with the history of its executions",
    "AWS::Logs::LogGroup": "log groups",
}


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Of each stack, in the order of deletion, what is in it."""

    stacks: Sequence[Stack]
    resources: Mapping[str, Sequence[Resource]]  # by the stack's name

    def all(self) -> list[Resource]:
        return [resource for stack in self.stacks for resource in self.resources[stack.name]]

    def lost(self) -> list[Resource]:
        return [resource for resource in self.all() if not resource.is_kept]


def losses(place: Place, names: Names, inventory: Inventory) -> Iterator[str]:
    lost = inventory.lost()
    for endpoint in named(lost, "AWS::SageMaker::Endpoint"):
        name = endpoint.rsplit("/", 1)[-1]
        yield f"endpoint {name}, and every model, configuration and package that runs made"
    if (value := champion(place, names)) is not None:
        yield f"champion: {value}"
    for bucket in named(lost, "AWS::S3::Bucket"):
        if buckets.exists(place, bucket):
            yield f"bucket {bucket}: {buckets.content(place, bucket)}"
    counted = Counter(resource.type for resource in lost)
    for kind, words in _ALSO.items():
        if counted[kind]:
            yield f"{counted[kind]} {words}"
    if keys := [resource for resource in lost if resource.type == "AWS::KMS::Key"]:
        days = {str(key.definition.get("Properties", {}).get("PendingWindowInDays", 30)) for key in keys}
        yield f"{len(keys)} keys: scheduled for deletion in {' or '.join(sorted(days))} days"


def kept(inventory: Inventory) -> Iterator[str]:
    counted = Counter(resource.type for resource in inventory.all() if resource.is_kept)
    for kind, number in sorted(counted.items()):
        yield f"{number} {kind}"


def champion(place: Place, names: Names) -> str | None:
    ssm = place.client("ssm")
    try:
        return str(ssm.get_parameter(Name=f"/{names.prefix}/champion")["Parameter"]["Value"])
    except ClientError as error:
        if error.response["Error"]["Code"] == "ParameterNotFound":
            return None
        raise
