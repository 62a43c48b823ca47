"""Every hop from a unit to a service is followed; the one that is closed is named."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.reachability import Hop, check, hops, outside_calls, to_lines
from audit.reachability.calls import services_of
from audit.templates import Templates
from tests.conftest import Assembly

Resources = dict[str, Any]
GROUP = {"Fn::GetAtt": ["Work", "GroupId"]}
DOOR = {"Fn::GetAtt": ["Doors", "GroupId"]}
VPC = {"Ref": "Vpc"}
SUBNETS = [{"Ref": "Subnet"}]
OPEN_POLICY = {
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
}


def of(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def to(peer: Any, port: int = 443, **more: Any) -> dict[str, Any]:
    return {
        "IpProtocol": "tcp",
        "FromPort": port,
        "ToPort": port,
        "DestinationSecurityGroupId": peer,
        **more,
    }


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def role(*given: dict[str, Any]) -> dict[str, Any]:
    return of("IAM::Role", Policies=[{"PolicyDocument": {"Statement": list(given)}}])


def prefix_list(service: str) -> dict[str, Any]:
    found = {"Fn::FindInMap": ["Lists", {"Ref": "AWS::Region"}, service]}
    return {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "DestinationPrefixListId": found}


OBJECTS = {"Fn::Sub": "${Bucket.Arn}/*"}


def good() -> Resources:
    """A function that reads a bucket by a gateway and a secret by an interface; each hop open."""
    service = "com.amazonaws.${AWS::Region}."
    return {
        "Vpc": of("EC2::VPC", CidrBlock="10.0.0.0/16"),
        "Subnet": of("EC2::Subnet", VpcId=VPC, CidrBlock="10.0.1.0/24"),
        "Table": of("EC2::RouteTable", VpcId=VPC),
        "Joined": of(
            "EC2::SubnetRouteTableAssociation", RouteTableId={"Ref": "Table"}, SubnetId={"Ref": "Subnet"}
        ),
        "Work": of("EC2::SecurityGroup", VpcId=VPC, SecurityGroupEgress=[to(DOOR), prefix_list("s3")]),
        "Doors": of("EC2::SecurityGroup", VpcId=VPC, SecurityGroupEgress=[to(DOOR, 1)]),
        "In": of(
            "EC2::SecurityGroupIngress",
            GroupId=DOOR,
            IpProtocol="tcp",
            FromPort=443,
            ToPort=443,
            SourceSecurityGroupId=GROUP,
        ),
        "S3": of(
            "EC2::VPCEndpoint",
            VpcId=VPC,
            ServiceName={"Fn::Sub": f"{service}s3"},
            RouteTableIds=[{"Ref": "Table"}],
            PolicyDocument=copy.deepcopy(OPEN_POLICY),
        ),
        "Secrets": of(
            "EC2::VPCEndpoint",
            VpcId=VPC,
            ServiceName={"Fn::Sub": f"{service}secretsmanager"},
            VpcEndpointType="Interface",
            PrivateDnsEnabled=True,
            SecurityGroupIds=[DOOR],
            SubnetIds=SUBNETS,
        ),
        "Bucket": of("S3::Bucket"),
        "Role": role(
            allow("s3:GetObject", OBJECTS),
            allow("secretsmanager:GetSecretValue"),
            allow(["logs:PutLogEvents", "ec2:CreateNetworkInterface", "xray:PutTraceSegments"]),
            allow(
                "kms:Decrypt", Condition={"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
            ),
        ),
        "Function": of(
            "Lambda::Function",
            Role={"Fn::GetAtt": ["Role", "Arn"]},
            VpcConfig={"SubnetIds": SUBNETS, "SecurityGroupIds": [GROUP]},
        ),
    }


def read(resources: Resources) -> Templates:
    return Templates({"Any": (Path("Any.template.json"), {"Resources": resources})})


def changed(change: Callable[[Resources], Any]) -> Templates:
    resources = good()
    change(resources)
    return read(resources)


def put(name: str, **properties: Any) -> Callable[[Resources], Any]:
    return lambda resources: resources[name]["Properties"].update(properties)


def drop(*names: str) -> Callable[[Resources], Any]:
    return lambda resources: [resources.pop(name) for name in names]


def add(name: str, resource: dict[str, Any]) -> Callable[[Resources], Any]:
    return lambda resources: resources.update({name: resource})


def found(templates: Templates) -> set[tuple[str, str]]:
    return {(finding.rule, finding.subject) for finding in check(templates)}


def hop_to(service: str, templates: Templates) -> Hop:
    [hop] = [hop for hop in hops(templates) if hop.service == service]
    return hop


def test_everything_open_gives_no_finding() -> None:
    templates = read(good())
    assert found(templates) == set()
    assert hop_to("s3", templates).passed == (
        "endpoint",
        "egress",
        "route",
        "endpoint policy",
        "resource policy",
    )
    assert hop_to("secretsmanager", templates).passed == (
        "endpoint",
        "name",
        "egress",
        "ingress",
        "endpoint policy",
        "resource policy",
    )
    assert all(hop.is_open and hop.notes == () for hop in hops(templates))


def test_hops_read_as_lines() -> None:
    lines = to_lines(hops(changed(drop("Secrets"))))
    assert lines == [
        "Any/Function | s3 | Any/S3 | reached: endpoint, egress, route, endpoint policy, resource policy",
        "Any/Function | secretsmanager | no endpoint | the VPC has no endpoint for secretsmanager, which "
        "secretsmanager:GetSecretValue needs, and its subnets have no way out",
    ]


def policy(*given: dict[str, Any]) -> dict[str, Any]:
    return {"PolicyDocument": {"Statement": list(given)}}


def deny_but(condition: Any) -> dict[str, Any]:
    return of(
        "S3::BucketPolicy",
        Bucket={"Ref": "Bucket"},
        PolicyDocument={
            "Statement": [
                {
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": OBJECTS,
                    "Condition": condition,
                }
            ]
        },
    )


OTHER = of("EC2::VPCEndpoint", VpcId="vpc-other", ServiceName="com.amazonaws.eu-west-1.s3")
ANY = {"Principal": "*"}


@pytest.mark.parametrize(
    ("change", "expected", "says"),
    [
        pytest.param(
            drop("Secrets"),
            ("NET-01", "secretsmanager"),
            "has no endpoint for secretsmanager",
            id="no endpoint",
        ),
        pytest.param(
            put("Secrets", VpcId="vpc-other"),
            ("NET-01", "secretsmanager"),
            "has no endpoint",
            id="endpoint of another VPC",
        ),
        pytest.param(
            put("Secrets", PrivateDnsEnabled=False),
            ("NET-01", "secretsmanager"),
            "PrivateDnsEnabled off",
            id="no private name",
        ),
        pytest.param(
            put("Work", SecurityGroupEgress=[prefix_list("s3")]),
            ("NET-02", "secretsmanager"),
            "Any/Work lets tcp 443 out to Any/Doors",
            id="egress to the interface",
        ),
        pytest.param(
            put("Work", SecurityGroupEgress=[to(DOOR, 80), prefix_list("s3")]),
            ("NET-02", "secretsmanager"),
            "tcp 443 out",
            id="egress on another port",
        ),
        pytest.param(
            put("Work", SecurityGroupEgress=[to(DOOR)]),
            ("NET-02", "s3"),
            "prefix list of s3",
            id="egress to the gateway",
        ),
        pytest.param(
            put("Work", SecurityGroupEgress=[to(DOOR), prefix_list("dynamodb")]),
            ("NET-02", "s3"),
            "prefix list of s3",
            id="prefix list of another service",
        ),
        pytest.param(drop("In"), ("NET-03", "secretsmanager"), "lets tcp 443 in from Any/Work", id="ingress"),
        pytest.param(
            put("In", SourceSecurityGroupId=DOOR),
            ("NET-03", "secretsmanager"),
            "in from Any/Work",
            id="ingress from others",
        ),
        pytest.param(
            put("Secrets", SecurityGroupIds=[]),
            ("NET-02", "secretsmanager"),
            "no rule of Any/Work",
            id="endpoint without a group",
        ),
        pytest.param(
            put("S3", RouteTableIds=[]), ("NET-04", "s3"), "has no route to Any/S3", id="route to the gateway"
        ),
        pytest.param(
            put("S3", **policy(allow("s3:PutObject", **ANY))),
            ("NET-05", "s3"),
            "does not allow s3:GetObject",
            id="endpoint policy without the action",
        ),
        pytest.param(
            put("S3", **policy(allow("s3:*", "arn:aws:s3:::other-*", **ANY))),
            ("", ""),
            "",
            id="endpoint policy with a name that may be ours",
        ),
        pytest.param(
            put("S3", **policy(allow("s3:*", {"Fn::GetAtt": ["Bucket", "Arn"]}, **ANY))),
            ("NET-05", "s3"),
            "does not allow",
            id="endpoint policy with the bucket only",
        ),
        pytest.param(
            put("S3", **policy(allow("*", Principal={"AWS": "arn:aws:iam::111122223333:role/other"}))),
            ("NET-05", "s3"),
            "does not allow",
            id="endpoint policy for another principal",
        ),
        pytest.param(
            put(
                "S3",
                **policy(allow("*", Condition={"StringEquals": {"aws:SourceVpc": {"Ref": "Bucket"}}}, **ANY)),
            ),
            ("NET-05", "s3"),
            "does not allow",
            id="endpoint policy with a condition that is false",
        ),
        pytest.param(
            put("S3", **policy(allow("*", Principal={"AWS": {"Ref": "AWS::AccountId"}}))),
            ("NET-05", "s3"),
            "does not allow",
            id="gateway's policy for the account, which is its root user alone",
        ),
        pytest.param(put("S3", **policy(allow("*"))), ("", ""), "", id="gateway's policy for nobody named"),
        pytest.param(
            put("Secrets", **policy(allow("*", Principal={"AWS": {"Ref": "AWS::AccountId"}}))),
            ("", ""),
            "",
            id="interface's policy for the account",
        ),
        pytest.param(
            put("Secrets", **policy(allow("*", Principal={"AWS": "111122223333"}))),
            ("", ""),
            "",
            id="interface's policy for an account that may be this one",
        ),
        pytest.param(
            put(
                "S3",
                **policy(
                    allow(
                        "*",
                        Condition={"ForAnyValue:StringNotEquals": {"aws:CalledVia": "x.amazonaws.com"}},
                        **ANY,
                    )
                ),
            ),
            ("NET-05", "s3"),
            "does not allow",
            id="endpoint policy for what is called via some service",
        ),
        pytest.param(
            put(
                "S3",
                **policy(allow("*", Condition={"StringEquals": {"aws:PrincipalAccount": "<Acc*"}}, **ANY)),
            ),
            ("NET-05", "s3"),
            "does not allow",
            id="endpoint policy with a star that is no pattern",
        ),
        pytest.param(
            put("S3", **policy(allow("*", **ANY), {**allow("s3:Get*", **ANY), "Effect": "Deny"})),
            ("NET-05", "s3"),
            "does not allow",
            id="endpoint policy that denies",
        ),
        pytest.param(
            add("P", deny_but({"StringNotEquals": {"aws:SourceVpc": {"Ref": "Subnet"}}})),
            ("NET-06", "s3"),
            "Any/P denies s3:GetObject",
            id="bucket for another VPC",
        ),
        pytest.param(
            lambda resources: resources.update(
                Other=OTHER, P=deny_but({"StringNotEquals": {"aws:SourceVpce": {"Ref": "Other"}}})
            ),
            ("NET-06", "s3"),
            "by Any/S3",
            id="bucket for another endpoint",
        ),
        pytest.param(
            add("P", deny_but({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}})),
            ("NET-06", "s3"),
            "denies",
            id="bucket for addresses, which an endpoint hides",
        ),
        pytest.param(
            add("P", deny_but({"StringNotEquals": {"aws:SourceVpce": {"Ref": "S3"}}})),
            ("", ""),
            "",
            id="bucket for this endpoint",
        ),
        pytest.param(
            add("P", deny_but({"StringNotEquals": {"aws:SourceVpc": VPC}})),
            ("", ""),
            "",
            id="bucket for this VPC",
        ),
        pytest.param(
            add(
                "P",
                deny_but(
                    {
                        "StringNotEquals": {"aws:SourceVpc": "vpc-1"},
                        "ArnNotLike": {"aws:PrincipalArn": {"Fn::GetAtt": ["Role", "Arn"]}},
                    }
                ),
            ),
            ("", ""),
            "",
            id="bucket that excepts the role",
        ),
        pytest.param(
            put("Work", SecurityGroupEgress=[to(DOOR, CidrIp="10.0.0.0/8"), prefix_list("s3")]),
            ("", ""),
            "",
            id="egress by addresses",
        ),
    ],
)
def test_a_closed_hop_is_named(
    change: Callable[[Resources], Any], expected: tuple[str, str], says: str
) -> None:
    findings = [each for each in check(changed(change)) if each.rule < "NET-07"]
    assert {(each.rule, each.subject) for each in findings} == ({expected} if expected[0] else set())
    for finding in findings:
        assert says in finding.message
        assert finding.path == "Any/Function"
        assert finding.fix


def test_a_condition_that_is_not_known_is_a_note() -> None:
    condition = {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}
    templates = changed(put("S3", **policy(allow("*", Condition=condition, **ANY))))
    assert found(templates) == set()
    assert "condition aws:PrincipalOrgID is not known" in hop_to("s3", templates).notes[0]


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        pytest.param(
            [
                allow("*", **ANY),
                {**allow("*", Condition={"Bool": {"aws:x": "true"}}, **ANY), "Effect": "Deny"},
            ],
            "condition aws:x is not known",
            id="a Deny that may be meant",
        ),
        pytest.param(
            [allow("*", Condition={"Ref": "Given"}, **ANY)], "a condition is not known", id="a parameter"
        ),
        pytest.param(
            [{"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "*", **ANY}],
            "s3:Get* is meant in part",
            id="all but a part of the actions",
        ),
        pytest.param(
            [allow("*", "arn:aws:s3:::${aws:PrincipalTag/team}/*", **ANY)],
            "names that only AWS knows",
            id="a variable",
        ),
    ],
)
def test_what_a_policy_leaves_open_is_a_note(statements: list[Any], says: str) -> None:
    def change(resources: Resources) -> None:
        resources["S3"]["Properties"].update(policy(*statements))
        resources["Bucket"]["Properties"]["BucketName"] = "team-data"
        resources["Role"] = role(allow("s3:Get*", OBJECTS), allow("secretsmanager:GetSecretValue"))

    templates = changed(change)
    assert found(templates) == set()
    assert says in " ".join(hop_to("s3", templates).notes)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(
            put("Function", VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}),
            "subnets and security groups are made elsewhere",
            id="all of it",
        ),
        pytest.param(
            lambda resources: [
                resources[name]["Properties"].update(VpcId="vpc-1") for name in ("Subnet", "Work", "Doors")
            ],
            "its VPC is made elsewhere",
            id="the VPC",
        ),
        pytest.param(
            put("Function", VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": [GROUP]}),
            "its subnets are made elsewhere",
            id="the subnets",
        ),
    ],
)
def test_what_is_made_elsewhere_is_not_judged(change: Callable[[Resources], Any], says: str) -> None:
    def all_of_it(resources: Resources) -> None:
        del resources["Secrets"]
        change(resources)

    templates = changed(all_of_it)
    assert says in hop_to("secretsmanager", templates).notes[0]
    assert not {rule for rule, _ in found(templates) if rule != "NET-07"}


def test_service_without_endpoint_behind_nat_goes_over_the_internet() -> None:
    route = of(
        "EC2::Route",
        RouteTableId={"Ref": "Table"},
        DestinationCidrBlock="0.0.0.0/0",
        NatGatewayId={"Ref": "Nat"},
    )

    def change(resources: Resources) -> None:
        resources.update(Route=route, Nat=of("EC2::NatGateway"))
        del resources["Secrets"]

    [finding] = [each for each in check(changed(change)) if each.rule == "NET-01"]
    assert finding.severity.name == "MEDIUM"
    assert "over the internet" in finding.message


def test_an_endpoint_that_no_unit_uses_is_named() -> None:
    templates = changed(
        put("Role", Policies=[{"PolicyDocument": {"Statement": [allow("s3:GetObject", OBJECTS)]}}])
    )
    assert found(templates) == {("NET-07", "secretsmanager")}


def test_an_endpoint_is_not_called_unused_where_a_unit_is_unknown() -> None:
    def change(resources: Resources) -> None:
        put("Role", Policies=[])(resources)
        put("Function", Role="arn:aws:iam::<AccountId>:role/elsewhere")(resources)

    assert found(changed(change)) == set()


ANYWHERE = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        pytest.param(
            add("Out", of("EC2::InternetGateway")), "AWS::EC2::InternetGateway", id="internet gateway"
        ),
        pytest.param(add("Out", of("EC2::NatGateway")), "AWS::EC2::NatGateway", id="NAT gateway"),
        pytest.param(put("Subnet", MapPublicIpOnLaunch=True), "MapPublicIpOnLaunch", id="public subnet"),
        pytest.param(
            add("Out", of("EC2::Route", DestinationCidrBlock="0.0.0.0/0")), "route", id="default route"
        ),
        pytest.param(put("Work", SecurityGroupEgress=[ANYWHERE]), "egress", id="egress to everywhere"),
        pytest.param(
            add("Out", of("EC2::SecurityGroupEgress", GroupId=GROUP, **ANYWHERE)),
            "egress",
            id="beside a group",
        ),
        pytest.param(put("Work", SecurityGroupEgress=[]), "egress", id="group without a rule"),
    ],
)
def test_a_way_out_is_named(change: Callable[[Resources], Any], subject: str) -> None:
    assert found(changed(change)) == {("NET-08", subject)}


def definition(**more: Any) -> dict[str, Any]:
    request = {
        "RoleArn": "${role}",
        "VpcConfig": {"Subnets": ["${subnet}"], "SecurityGroupIds": ["${group}"]},
        **more,
    }
    task = {"Type": "Task", "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync"}
    inner = {"States": {"Train": {**task, "Parameters": request}}}
    return of(
        "StepFunctions::StateMachine",
        DefinitionString=json.dumps({"States": {"All": {"Type": "Parallel", "Branches": [inner]}}}),
        DefinitionSubstitutions={
            "role": {"Fn::GetAtt": ["Role", "Arn"]},
            "subnet": {"Ref": "Subnet"},
            "group": GROUP,
        },
    )


@pytest.mark.parametrize(
    ("more", "services"),
    [
        pytest.param({"EnableNetworkIsolation": True}, {"s3"}, id="isolated"),
        pytest.param({}, {"s3", "secretsmanager", "xray"}, id="with a network"),
    ],
)
def test_jobs_in_state_machines_are_units(more: Any, services: set[str]) -> None:
    templates = changed(add("Machine", definition(**more)))
    reached = {hop.service for hop in hops(templates) if hop.unit == "Any/Machine/All/Train"}
    assert reached == services


def pulled(mode: str) -> Callable[[Resources], Any]:
    training = {"TrainingImageConfig": {"TrainingRepositoryAccessMode": mode}}

    def change(resources: Resources) -> None:
        resources["Machine"] = definition(AlgorithmSpecification=training)
        resources["Role"] = role(allow(["ecr:GetAuthorizationToken", "ecr:GetDownloadUrlForLayer"]))

    return change


@pytest.mark.parametrize(
    ("mode", "services"),
    [
        pytest.param("Platform", set(), id="by SageMaker"),
        pytest.param("Vpc", {"ecr.api", "ecr.dkr", "s3"}, id="through the VPC, layers from S3"),
    ],
)
def test_images_are_pulled_from_where_the_request_says(mode: str, services: set[str]) -> None:
    templates = changed(pulled(mode))
    assert {hop.service for hop in hops(templates) if hop.unit == "Any/Machine/All/Train"} == services


def glue(resources: Resources) -> None:
    place = {"SubnetId": {"Ref": "Subnet"}, "SecurityGroupIdList": [GROUP]}
    resources["Connection"] = of(
        "Glue::Connection", ConnectionInput={"Name": "vpc", "PhysicalConnectionRequirements": place}
    )
    resources["Job"] = of(
        "Glue::Job", Role={"Fn::GetAtt": ["Role", "Arn"]}, Connections={"Connections": ["vpc"]}
    )


def test_glue_job_needs_an_endpoint_for_its_logs_and_a_function_does_not() -> None:
    findings = [each for each in check(changed(glue)) if each.subject == "logs"]
    assert [(each.rule, each.path) for each in findings] == [("NET-01", "Any/Job")]


def test_calls_from_elsewhere_carry_their_reason() -> None:
    calls = outside_calls(read(good()))
    assert {call.action for call in calls} == {
        "logs:PutLogEvents",
        "ec2:CreateNetworkInterface",
        "xray:PutTraceSegments",
        "kms:Decrypt",
    }
    assert all(call.reason and call.unit == "Any/Function" for call in calls)


@pytest.mark.parametrize(
    ("action", "services"),
    [
        pytest.param("S3:Get*", ("s3",), id="case"),
        pytest.param("cloudwatch:PutMetricData", ("monitoring",), id="other name"),
        pytest.param("sagemaker:InvokeEndpoint", ("sagemaker.runtime",), id="runtime"),
        pytest.param("sagemaker:AddTags", ("sagemaker.api",), id="api"),
        pytest.param("iam:PassRole", (), id="no call"),
        pytest.param("*", ("*",), id="everything"),
    ],
)
def test_services_of_actions(action: str, services: tuple[str, ...]) -> None:
    assert services_of(action) == services


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(of("Lambda::Function", VpcConfig="<Any/Parameter>"), id="text for an object"),
        pytest.param(of("Lambda::Function", VpcConfig={"SubnetIds": "subnet-1"}), id="text for a list"),
        pytest.param(of("EC2::VPCEndpoint"), id="empty endpoint"),
        pytest.param(of("EC2::SecurityGroup", SecurityGroupEgress="<Any/Rules>"), id="text for rules"),
        pytest.param(of("StepFunctions::StateMachine", DefinitionString="{"), id="no JSON"),
        pytest.param(of("StepFunctions::StateMachine", DefinitionString='{"States": []}'), id="no states"),
        pytest.param(of("Glue::Job", Connections="<Any/C>"), id="connections"),
        pytest.param({"Type": "AWS::SageMaker::Model"}, id="no properties"),
    ],
)
def test_odd_shapes_do_not_stop_the_audit(odd: dict[str, Any]) -> None:
    assert {rule for rule, _ in found(changed(add("Odd", odd)))} <= {"NET-08"}


def without(assembly: Assembly, change: Callable[[dict[str, Any]], Any]) -> Templates:
    """Our stacks, each resource changed: None takes it away."""
    documents = {}
    for stack, template in assembly.templates.items():
        kept = {
            name: changed
            for name, resource in template["Resources"].items()
            if (changed := change(copy.deepcopy(resource))) is not None
        }
        path = assembly.directory / f"{stack}.template.json"
        documents[stack] = (path, {**template, "Resources": kept})
    return Templates(documents)


def no_ingress(resource: dict[str, Any]) -> dict[str, Any] | None:
    return None if resource["Type"] == "AWS::EC2::SecurityGroupIngress" else resource


def no_routes(resource: dict[str, Any]) -> dict[str, Any]:
    resource.get("Properties", {}).pop("RouteTableIds", None)
    return resource


def no_rules(resource: dict[str, Any]) -> dict[str, Any]:
    if resource["Type"] == "AWS::EC2::SecurityGroup":
        resource["Properties"]["SecurityGroupEgress"] = [{"IpProtocol": "icmp", "CidrIp": "10.0.0.0/32"}]
    return resource


def other_objects(resource: dict[str, Any]) -> dict[str, Any]:
    if resource["Type"] == "AWS::EC2::VPCEndpoint":
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
            statement["Resource"] = "arn:aws:s3:::somebody-elses/*"
    return resource


def other_way(resource: dict[str, Any]) -> dict[str, Any]:
    if resource["Type"] == "AWS::S3::BucketPolicy":
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
            condition = statement.get("Condition", {})
            if "aws:SourceVpce" in condition.get("StringNotEquals", {}):
                del condition["StringNotEquals"]
                condition["NotIpAddress"] = {"aws:SourceIp": "10.0.0.0/8"}
    return resource


@pytest.mark.parametrize(
    ("change", "rule", "services"),
    [
        pytest.param(
            lambda resource: None if resource["Type"] == "AWS::EC2::VPCEndpoint" else resource,
            "NET-01",
            {"s3", "dynamodb", "glue", "kinesis-streams", "logs", "secretsmanager", "ssm"},
            id="no endpoints",
        ),
        pytest.param(
            no_rules,
            "NET-02",
            {"s3", "dynamodb", "glue", "kinesis-streams", "logs", "secretsmanager", "ssm"},
            id="no egress",
        ),
        pytest.param(
            no_ingress,
            "NET-03",
            {"glue", "kinesis-streams", "logs", "secretsmanager", "ssm"},
            id="no ingress",
        ),
        pytest.param(no_routes, "NET-04", {"s3", "dynamodb"}, id="no routes"),
        pytest.param(
            other_objects,
            "NET-05",
            {"s3", "dynamodb", "glue", "kinesis-streams", "logs", "secretsmanager", "ssm"},
            id="endpoints for somebody else",
        ),
        pytest.param(other_way, "NET-06", {"s3"}, id="buckets for addresses"),
    ],
)
def test_a_fault_in_our_stacks_would_be_named(
    change: Callable[[dict[str, Any]], Any], rule: str, services: set[str], assembly: Assembly
) -> None:
    findings = check(without(assembly, change))
    has_store = any("FeatureStore" in name for name in assembly.resources("AWS::EC2::VPCEndpoint"))
    if has_store and "glue" in services:  # as every interface endpoint
        services = services | {"sagemaker.featurestore-runtime"}
    assert {each.subject for each in findings if each.rule == rule} == services
    assert {each.rule for each in findings} <= {rule, "NET-07"}


def test_our_units_reach_what_they_call(audited: dict[str, Templates]) -> None:
    for profile, templates in audited.items():
        reached = hops(templates)
        assert len({hop.unit for hop in reached}) > 10, profile
        assert {hop.service for hop in reached} > {"s3", "dynamodb", "logs", "glue", "secretsmanager"}
        assert not [hop for hop in reached if hop.notes], profile
        assert check(templates) == [], profile
