"""Practice: no way in or out of the VPC but to our own resources at named services. See docs/security.md."""

from __future__ import annotations

from typing import Any

import pytest

from audit.policies import listed
from tests.conftest import Assembly
from tests.policies import identity_statements, resource_statements, text

ABSENT = [
    "AWS::EC2::InternetGateway",
    "AWS::EC2::NatGateway",
    "AWS::EC2::EgressOnlyInternetGateway",
    "AWS::EC2::VPNGateway",
    "AWS::EC2::EIP",
    "AWS::EC2::VPCPeeringConnection",
    "AWS::EC2::Route",
]


def rules(assembly: Assembly) -> list[tuple[str, dict[str, Any]]]:
    """Of all security groups, in and out, written inside the group or beside it."""
    inside = [
        (name, rule)
        for name, group in assembly.resources("AWS::EC2::SecurityGroup").items()
        for direction in ("SecurityGroupIngress", "SecurityGroupEgress")
        for rule in group.get(direction, [])
    ]
    beside = [
        (name, rule)
        for kind in ("AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress")
        for name, rule in assembly.resources(kind).items()
    ]
    return inside + beside


@pytest.mark.parametrize("kind", ABSENT)
def test_nothing_leads_to_the_internet(kind: str, assembly: Assembly) -> None:
    present = [
        logical_id
        for template in assembly.templates.values()
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == kind
    ]
    assert present == []


def test_no_subnet_gives_public_addresses(assembly: Assembly) -> None:
    assert {subnet["MapPublicIpOnLaunch"] for subnet in assembly.resources("AWS::EC2::Subnet").values()} == {
        False
    }


def test_rules_name_a_group_or_a_prefix_list_and_never_an_address(assembly: Assembly) -> None:
    nowhere = "255.255.255.255/32"
    found = rules(assembly)
    assert len(found) > 8
    for name, rule in found:
        assert "CidrIpv6" not in rule, name
        assert rule.get("CidrIp", nowhere) == nowhere, f"{name}: {rule}"


def test_rules_open_https_only_but_among_the_nodes_of_a_job(assembly: Assembly) -> None:
    wide = {
        name.rpartition("/")[2][:20]
        for name, rule in rules(assembly)
        if (rule["FromPort"], rule["ToPort"]) != (443, 443) and "CidrIp" not in rule
    }
    assert all(name.startswith("NetworkJobs") for name in wide), wide
    assert wide


def test_every_group_has_a_rule_for_what_leaves_it(assembly: Assembly) -> None:
    """EC2 gives a group without one a rule that lets everything out."""
    for name, group in assembly.resources("AWS::EC2::SecurityGroup").items():
        assert group.get("SecurityGroupEgress"), name


def test_everything_in_the_vpc_names_its_group(assembly: Assembly) -> None:
    """So the VPC's default group, which no template can empty, is worn by nothing."""
    functions = {
        name: function["VpcConfig"]["SecurityGroupIds"]
        for name, function in assembly.resources("AWS::Lambda::Function").items()
        if "VpcConfig" in function
    }
    connections = {
        name: connection["ConnectionInput"]["PhysicalConnectionRequirements"]["SecurityGroupIdList"]
        for name, connection in assembly.resources("AWS::Glue::Connection").items()
    }
    models = {
        name: model["VpcConfig"]["SecurityGroupIds"]
        for name, model in assembly.resources("AWS::SageMaker::Model").items()
    }
    endpoints = {
        name: endpoint["SecurityGroupIds"]
        for name, endpoint in assembly.resources("AWS::EC2::VPCEndpoint").items()
        if endpoint["VpcEndpointType"] == "Interface"
    }
    for wearers in (functions, connections, models, endpoints):
        assert wearers
        for name, groups in wearers.items():
            assert groups, name
            assert all("Network" in text(group) for group in groups), name


def test_functions_that_touch_data_are_in_the_vpc(assembly: Assembly) -> None:
    outside = {
        name.partition("/")[2]
        for name, function in assembly.resources("AWS::Lambda::Function").items()
        if "VpcConfig" not in function
    }
    assert all("Resolve" in name for name in outside), f"{outside}: only resolve_champion touches no data"


def test_models_are_isolated(assembly: Assembly) -> None:
    for name, model in assembly.resources("AWS::SageMaker::Model").items():
        assert model["EnableNetworkIsolation"] is True, name


def test_every_endpoint_has_a_policy_for_our_account_on_both_sides(assembly: Assembly) -> None:
    endpoints = assembly.resources("AWS::EC2::VPCEndpoint")
    assert all("PolicyDocument" in endpoint for endpoint in endpoints.values())
    for statement in resource_statements(assembly, "AWS::EC2::VPCEndpoint"):
        assert statement.conditions["StringEquals"].keys() == {"aws:PrincipalAccount", "aws:ResourceAccount"}
        assert not [action for action in statement.actions if "*" in action], statement
        assert "*" not in statement.resources, statement


def test_bucket_endpoint_leads_to_the_lake_and_the_assets_only(assembly: Assembly) -> None:
    statements = resource_statements(assembly, "AWS::EC2::VPCEndpoint")
    [lake] = [s for s in statements if "s3:PutObject" in s.actions]
    [assets] = [s for s in statements if "s3:GetObject" in s.actions and s != lake]
    assert {bucket_of(r).partition("-data-")[2] for r in lake.resources} == {"*"}
    assert {bucket_of(r) for r in assets.resources} == {"cdk-*-assets-<AccountId>-<Region>"}
    assert set(assets.actions) == {"s3:GetObject", "s3:ListBucket"}


def bucket_of(resource: Any) -> str:
    return text(resource).partition(":::")[2].split("/")[0]


def test_endpoints_let_through_what_units_in_the_vpc_are_granted(assembly: Assembly) -> None:
    """More would be a door that nobody uses; less would be a timeout."""
    let_through = {a for s in resource_statements(assembly, "AWS::EC2::VPCEndpoint") for a in s.actions}
    services = {action.partition(":")[0] for action in let_through}
    granted = {
        action
        for statement in identity_statements(assembly)
        if statement.allows and set(statement.identities) & in_vpc(assembly)
        for action in statement.actions
        if action.partition(":")[0] in services
    }
    for_the_service = {"glue:GetConnection", "glue:GetSecurityConfiguration", "logs:DescribeLogStreams"}
    assert granted - let_through - for_the_service == set()
    assert let_through - granted == set()


def in_vpc(assembly: Assembly) -> set[str]:
    """Roles of functions in the VPC, of Glue jobs, and of SageMaker's jobs and models."""
    functions = {
        f"{name.partition('/')[0]}/{function['Role']['Fn::GetAtt'][0]}"
        for name, function in assembly.resources("AWS::Lambda::Function").items()
        if "VpcConfig" in function
    }
    glue = {
        name
        for name, role in assembly.resources("AWS::IAM::Role").items()
        if role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"].get("Service")
        == "glue.amazonaws.com"
    }
    assert functions
    assert glue
    return functions | glue


def test_lakes_buckets_get_the_names_that_endpoint_and_trail_expect(assembly: Assembly) -> None:
    """CloudFormation begins a made-up name with the stack's; a name of our own would break that."""
    for name, bucket in assembly.resources("AWS::S3::Bucket").items():
        assert "BucketName" not in bucket, name
    for kind, field in (("AWS::Kinesis::Stream", "Name"), ("AWS::DynamoDB::Table", "TableName")):
        for name, resource in assembly.resources(kind).items():
            assert field not in resource, name


def test_flow_logs_see_all_traffic(assembly: Assembly) -> None:
    [log] = assembly.resources("AWS::EC2::FlowLog").values()
    assert log["TrafficType"] == "ALL"
    assert "FlowLogs" in text(log["LogGroupName"])


def test_routes_are_the_gateways_alone(assembly: Assembly) -> None:
    gateways = [
        endpoint
        for endpoint in assembly.resources("AWS::EC2::VPCEndpoint").values()
        if endpoint["VpcEndpointType"] == "Gateway"
    ]
    tables = set(map(str, assembly.resources("AWS::EC2::RouteTable")))
    for gateway in gateways:
        assert len(listed(gateway["RouteTableIds"])) == len(tables)
