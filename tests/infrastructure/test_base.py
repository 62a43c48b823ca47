"""Base promises: keys, a network with exactly the endpoints needed, a trail; one zone in the sandbox, two
in production.
"""

from __future__ import annotations

import json

import pytest

from security.endpoints import PREFIX_LISTS
from tests.conftest import Assembly
from tests.policies import text

INTERFACES = {"glue", "kinesis-streams", "logs", "secretsmanager", "ssm"}
GATEWAYS = {"dynamodb", "s3"}


def services(assembly: Assembly, kind: str) -> set[str]:
    return {
        text(endpoint["ServiceName"]).rpartition(".")[2]
        for endpoint in assembly.resources("AWS::EC2::VPCEndpoint").values()
        if endpoint["VpcEndpointType"] == kind
    }


def test_endpoints_are_exactly_those_that_something_calls(assembly: Assembly) -> None:
    assert services(assembly, "Interface") == INTERFACES
    assert services(assembly, "Gateway") == GATEWAYS


@pytest.mark.parametrize(("profile", "zones"), [("sandbox", 1), ("production", 2)])
def test_zones_follow_the_profile(profile: str, zones: int, request: pytest.FixtureRequest) -> None:
    assembly: Assembly = request.getfixturevalue(profile)
    assert len(assembly.resources("AWS::EC2::Subnet")) == zones
    interfaces = [
        endpoint
        for endpoint in assembly.resources("AWS::EC2::VPCEndpoint").values()
        if endpoint["VpcEndpointType"] == "Interface"
    ]
    assert {len(endpoint["SubnetIds"]) for endpoint in interfaces} == {zones}


def test_zones_are_chosen_at_deployment(assembly: Assembly) -> None:
    for subnet in assembly.resources("AWS::EC2::Subnet").values():
        assert "Fn::GetAZs" in str(subnet["AvailabilityZone"])


def test_no_template_names_an_account_or_a_region(assembly: Assembly) -> None:
    for stack in assembly.templates:
        manifest = (assembly.directory / "manifest.json").read_text(encoding="utf-8")
        assert f'"{stack}"' in manifest
    assert "aws://unknown-account/unknown-region" in manifest


def test_every_region_of_the_mapping_has_both_lists(production: Assembly) -> None:
    [mapping] = production.templates["Base"]["Mappings"].values()
    assert {region: mapping[region] for region in PREFIX_LISTS} == PREFIX_LISTS
    assert {frozenset(lists) for lists in mapping.values()} == {frozenset({"s3", "dynamodb"})}
    known = [identifier for lists in PREFIX_LISTS.values() for identifier in lists.values()]
    assert all(identifier.startswith("pl-") for identifier in known)


def test_trail_sees_all_regions_and_the_lakes_objects(assembly: Assembly) -> None:
    [trail] = assembly.resources("AWS::CloudTrail::Trail").values()
    assert trail["IsMultiRegionTrail"] is True
    assert trail["IncludeGlobalServiceEvents"] is True
    assert trail["EnableLogFileValidation"] is True
    assert "KMSKeyId" in trail
    assert "CloudWatchLogsLogGroupArn" in trail
    [data] = [each for each in trail["AdvancedEventSelectors"] if each["Name"] == "Objects of the lake"]
    selectors = {field["Field"]: field for field in data["FieldSelectors"]}
    assert selectors["resources.type"]["Equals"] == ["AWS::S3::Object"]
    assert text(selectors["resources.ARN"]["StartsWith"][0]).endswith("-data-")
    assert "readOnly" not in selectors, "reads count as much as writes"


def test_trail_of_production_cannot_be_shortened(production: Assembly, sandbox: Assembly) -> None:
    locked = {
        name: bucket.get("ObjectLockConfiguration", {}).get("Rule", {}).get("DefaultRetention")
        for name, bucket in production.resources("AWS::S3::Bucket").items()
        if bucket.get("ObjectLockEnabled")
    }
    assert list(locked.values()) == [{"Days": 400, "Mode": "GOVERNANCE"}]
    assert not [
        1 for bucket in sandbox.resources("AWS::S3::Bucket").values() if bucket.get("ObjectLockEnabled")
    ]


def test_production_stacks_are_protected_from_deletion(production: Assembly, sandbox: Assembly) -> None:
    for assembly, expected in ((production, True), (sandbox, False)):
        manifest = json.loads((assembly.directory / "manifest.json").read_text(encoding="utf-8"))
        stacks = [a for a in manifest["artifacts"].values() if a["type"] == "aws:cloudformation:stack"]
        assert stacks
        assert {bool(stack["properties"].get("terminationProtection")) for stack in stacks} == {expected}


def test_every_resource_that_can_is_tagged_with_project_and_profile(production: Assembly) -> None:
    buckets = production.resources("AWS::S3::Bucket")
    for name, bucket in buckets.items():
        tags = {tag["Key"]: tag["Value"] for tag in bucket["Tags"]}
        assert tags.get("project") == "mlref", name
        assert tags.get("profile") == "production", name
