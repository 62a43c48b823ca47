"""Which Regions the templates know: a Region that lacks something is told what, in words.

Synthesis knows no Region. So the first template refuses by itself: CloudFormation looks at its rules before
it makes anything, and so does `make preflight`. `cdk synth -c region=...` refuses earlier still.
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Aws, CfnRule, CfnRuleAssertion, Fn, Stack, Token
from constructs import Construct

from security.endpoints import PREFIX_LISTS
from security.images import ACCOUNTS, REPOSITORY

# Of the partition aws, from botocore 1.44.5 (partitions.json), 2026-11-27. The last two are announced and not
# open yet.
COMMERCIAL = (
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "me-west-1",
    "sa-west-1",
)

NO_PREFIX_LISTS = (
    "The ids of the prefix lists of S3 and DynamoDB in this Region are not known here. Ask for them with "
    "`aws ec2 describe-prefix-lists --query 'PrefixLists[].[PrefixListName,PrefixListId]'` in the Region, "
    "add its row to PREFIX_LISTS in security/endpoints.py, and deploy again."
)
NO_IMAGE = (
    f"SageMaker's image {REPOSITORY}, in the version of security/images.py, is not known to be in this "
    "Region. If AWS has published it there since, add the account of its registry to ACCOUNTS in that file; "
    "else choose another Region."
)
# Types of the stacks that CloudFormation does not know in every Region -> the Regions without: it refuses a
# template that has one, under a condition too. From the registry's schemas by Region that cfn-lint 1.58.0
# carries, which a test compares (me-south-1 and Regions that are not open are not in them).
BUDGET = "AWS::Budgets::Budget"
WITHOUT_TYPES: Mapping[str, tuple[str, ...]] = {
    BUDGET: (
        "af-south-1",
        "ap-east-1",
        "ap-east-2",
        "ap-northeast-3",
        "ap-south-2",
        "ap-southeast-3",
        "ap-southeast-4",
        "ap-southeast-5",
        "ap-southeast-6",
        "ap-southeast-7",
        "ca-west-1",
        "eu-central-2",
        "eu-north-1",
        "eu-south-1",
        "eu-south-2",
        "il-central-1",
        "me-central-1",
        "mx-central-1",
    ),
    "AWS::SageMaker::Endpoint": ("me-central-1",),
    "AWS::SageMaker::EndpointConfig": ("me-central-1",),
    "AWS::SageMaker::Model": ("me-central-1",),
    "AWS::SageMaker::ModelPackageGroup": ("ap-east-2", "ap-south-2", "ap-southeast-4", "ap-southeast-6"),
}
_MISSING = {region for kind, regions in WITHOUT_TYPES.items() if kind != BUDGET for region in regions}
NO_TYPES = (
    "CloudFormation does not know a type of SageMaker's in this Region that the stacks are made of (Model, "
    "Endpoint or ModelPackageGroup). If it has learnt it since, take the Region out of WITHOUT_TYPES in "
    "security/regions.py; else choose another Region."
)
NO_BUDGETS = (
    "CloudFormation does not know AWS::Budgets::Budget in this Region, and this template was synthesised "
    "without saying for which. Deploy with `make deploy`, or synthesise with `-c region=` and the Region: "
    "the budget is then left out, to be made by hand (docs/operations.md, Cost)."
)
# What a mapping holds for a Region that it does not know. CloudFormation resolves mappings as well as rules:
# a missing row would be told as an error of the mapping, and not in our words.
UNKNOWN = "not-known-see-rule-SupportedRegion"
# Name of the assertion's sentence -> the Regions that fulfil it.
NEEDS: Mapping[str, tuple[str, ...]] = {
    NO_PREFIX_LISTS: tuple(sorted(PREFIX_LISTS)),
    NO_IMAGE: tuple(sorted(ACCOUNTS)),
    NO_TYPES: tuple(region for region in COMMERCIAL if region not in _MISSING),
}


def lacking(region: str) -> list[str]:
    """What the Region lacks, a sentence each; nothing: the templates can be deployed there."""
    return [sentence for sentence, regions in NEEDS.items() if region not in regions]


def refuse(region: str) -> None:
    """For synthesis with a known Region."""
    if lacks := lacking(region):
        allowed = ", ".join(each for each in COMMERCIAL if not lacking(each))
        raise ValueError(f"{region} cannot be deployed to. {' '.join(lacks)} Regions without gaps: {allowed}")


def prefix_lists() -> dict[str, dict[str, str]]:
    """A row for every commercial Region, known or not."""
    gap = {"s3": UNKNOWN, "dynamodb": UNKNOWN}
    return {region: dict(PREFIX_LISTS.get(region, gap)) for region in sorted({*COMMERCIAL, *PREFIX_LISTS})}


def is_without(scope: Construct, resource_type: str) -> bool:
    """Whether synthesis was told a Region in which CloudFormation does not know the type.

    `-c region=eu-north-1` tells it, as `make deploy` does, or the environment of the stack.
    """
    region = scope.node.try_get_context("region") or Stack.of(scope).region
    return not Token.is_unresolved(region) and region in WITHOUT_TYPES[resource_type]


class SupportedRegion(CfnRule):
    """Of the stack that is deployed first: nothing is made in a Region that a later stack cannot use.

    has_budget  whether a later stack has one: a Region without that type then refuses too
    """

    def __init__(self, scope: Construct, construct_id: str, *, has_budget: bool) -> None:
        known = tuple(region for region in COMMERCIAL if region not in WITHOUT_TYPES[BUDGET])
        needs = {**NEEDS, **({NO_BUDGETS: known} if has_budget else {})}
        assertions = [
            CfnRuleAssertion(
                assert_=Fn.condition_contains(list(regions), Aws.REGION), assert_description=sentence
            )
            for sentence, regions in needs.items()
        ]
        super().__init__(scope, construct_id, assertions=assertions)
