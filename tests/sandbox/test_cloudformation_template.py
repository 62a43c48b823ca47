"""Templates resolve as CloudFormation resolves them; what it would refuse is refused with its place."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from sandbox.cloudformation import parameters, schemas
from sandbox.cloudformation.errors import PropertyError, TemplateError, UnsupportedError, ValidationError
from sandbox.cloudformation.intrinsics import Scope
from sandbox.cloudformation.template import Template


@dataclass
class Made:
    physical_id: str = "physical"
    attributes: dict[str, Any] = field(default_factory=dict)
    type: str = "AWS::SQS::Queue"


def scope(value: Any = "x", **sections: Any) -> Scope:
    content = {
        "Resources": {
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": value}},
            "Absent": {"Type": "AWS::SQS::Queue", "Condition": "Never"},
        },
        "Parameters": {"Size": {"Type": "Number"}, "List": {"Type": "CommaDelimitedList"}},
        "Conditions": {
            "Never": {"Fn::Equals": ["a", "b"]},
            "Always": {"Fn::Not": [{"Condition": "Never"}]},
            "Both": {
                "Fn::And": [
                    {"Condition": "Always"},
                    {"Fn::Or": [{"Condition": "Never"}, {"Condition": "Always"}]},
                ]
            },
        },
        "Mappings": {"Zones": {"us-east-1": {"count": 2, "names": ["a", "b"]}}},
        **sections,
    }
    return Scope(
        template=Template.parse(json.dumps(content)),
        parameters={"Size": "3", "List": ["p", "q"]},
        pseudo={"AWS::Region": "us-east-1", "AWS::AccountId": "123456789012"},
        export=lambda name: f"exported {name}",
        dynamic=lambda service, rest: f"<{service} {rest}>",
        zones=lambda: ["us-east-1a", "us-east-1b"],
        resources={"Queue": Made(attributes={"Arn": "arn:queue", "Nested.Name": "n"})},
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({"Ref": "Queue"}, "physical", id="Ref of a resource"),
        pytest.param({"Ref": "List"}, ["p", "q"], id="Ref of a list"),
        pytest.param({"Ref": "AWS::Region"}, "us-east-1", id="Ref of a pseudo parameter"),
        pytest.param({"Fn::GetAtt": ["Queue", "Arn"]}, "arn:queue", id="GetAtt"),
        pytest.param({"Fn::GetAtt": "Queue.Nested.Name"}, "n", id="GetAtt with dots"),
        pytest.param(
            {"Fn::Sub": "${Queue}/${Queue.Arn}/${Size}/${!Literal}"},
            "physical/arn:queue/3/${Literal}",
            id="Sub",
        ),
        pytest.param(
            {"Fn::Sub": ["${A}-${Size}", {"A": {"Ref": "Queue"}}]}, "physical-3", id="Sub with values"
        ),
        pytest.param(
            {"Fn::Join": ["-", ["a", {"Ref": "AWS::NoValue"}, "b"]]}, "a-b", id="Join leaves NoValue out"
        ),
        pytest.param({"Fn::Select": ["1", {"Fn::Split": [",", "a,b,c"]}]}, "b", id="Select of Split"),
        pytest.param({"Fn::Select": [0, {"Fn::GetAZs": ""}]}, "us-east-1a", id="Select of GetAZs"),
        pytest.param({"Fn::FindInMap": ["Zones", {"Ref": "AWS::Region"}, "count"]}, 2, id="FindInMap"),
        pytest.param(
            {"Fn::FindInMap": ["Zones", "x", "y", {"DefaultValue": 7}]}, 7, id="FindInMap with a default"
        ),
        pytest.param(
            {"Fn::If": ["Both", "yes", {"Fn::GetAtt": ["Absent", "Arn"]}]},
            "yes",
            id="If looks at one side only",
        ),
        pytest.param(
            {"k": {"Fn::If": ["Never", 1, {"Ref": "AWS::NoValue"}]}}, {}, id="NoValue drops the key"
        ),
        pytest.param({"Fn::Cidr": ["10.0.0.0/16", 2, 8]}, ["10.0.0.0/24", "10.0.1.0/24"], id="Cidr"),
        pytest.param({"Fn::Base64": "a"}, "YQ==", id="Base64"),
        pytest.param({"Fn::ImportValue": {"Fn::Sub": "${Size}-x"}}, "exported 3-x", id="ImportValue"),
        pytest.param("a{{resolve:ssm:/p:2}}b", "a<ssm /p:2>b", id="dynamic reference in a text"),
        pytest.param(
            {"Fn::Join": ["", ["{{resolve:secretsmanager:", "arn:s", ":SecretString}}"]]},
            "<secretsmanager arn:s:SecretString>",
            id="dynamic reference put together",
        ),
        pytest.param(
            {"Condition": {"StringEquals": {"a": "b"}}},
            {"Condition": {"StringEquals": {"a": "b"}}},
            id="a policy's Condition",
        ),
    ],
)
def test_value_resolves(value: Any, expected: Any) -> None:
    assert scope().resolve(value) == expected


@pytest.mark.parametrize(
    ("value", "error", "named"),
    [
        pytest.param({"Ref": "Absent"}, TemplateError, "Absent", id="resource whose condition is false"),
        pytest.param(
            {"Fn::GetAtt": ["Queue", "Url"]}, TemplateError, "Url", id="attribute that is not there"
        ),
        pytest.param(
            {"Fn::Transform": {"Name": "x"}}, UnsupportedError, "Fn::Transform", id="unknown function"
        ),
        pytest.param(
            {"Fn::FindInMap": ["Zones", "eu", "count"]}, TemplateError, "Zones.eu.count", id="no such entry"
        ),
        pytest.param({"Fn::Select": [5, ["a"]]}, TemplateError, "index 5", id="index out of range"),
        pytest.param({"Fn::If": ["Nowhere", 1, 2]}, TemplateError, "Nowhere", id="unknown condition"),
        pytest.param({"Fn::Sub": "${List}"}, TemplateError, "List", id="list in a text"),
    ],
)
def test_value_is_refused(value: Any, error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        scope().resolve(value)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        pytest.param({"Resources": {}}, "at least one", id="no resources"),
        pytest.param({"Resources": {"A": {"Properties": {}}}}, "A has no Type", id="no type"),
        pytest.param(
            {"Resources": {"A": {"Type": "T", "Propertys": {}}}}, "Propertys", id="misspelt attribute"
        ),
        pytest.param({"Resources": {"A": {"Type": "T", "DependsOn": "B"}}}, "B", id="DependsOn nothing"),
        pytest.param(
            {"Resources": {"A": {"Type": "T", "Properties": {"x": {"Ref": "B"}}}}}, "B", id="Ref to nothing"
        ),
        pytest.param(
            {"Resources": {"A": {"Type": "T", "DeletionPolicy": "Keep"}}}, "Keep", id="unknown policy"
        ),
        pytest.param({"Resources": {"A": {"Type": "T"}}, "Extra": {}}, "Extra", id="unknown section"),
    ],
)
def test_template_is_refused(content: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        Template.parse(json.dumps(content))


def test_template_with_a_macro_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="Serverless"):
        Template.parse(
            json.dumps({"Transform": "AWS::Serverless-2016-10-31", "Resources": {"A": {"Type": "T"}}})
        )


def test_yaml_short_forms_and_dates_are_read() -> None:
    body = """
AWSTemplateFormatVersion: 2010-09-09
Resources:
  A: {Type: T, Properties: {x: !Sub "${B}", y: !GetAtt B.Some.Arn, z: !Join [",", [!Ref B, c]]}}
  B: {Type: T}
"""
    properties = Template.parse(body).resources["A"]["Properties"]
    assert properties == {
        "x": {"Fn::Sub": "${B}"},
        "y": {"Fn::GetAtt": ["B", "Some.Arn"]},
        "z": {"Fn::Join": [",", [{"Ref": "B"}, "c"]]},
    }


def test_order_follows_references_and_keeps_the_rest() -> None:
    content = {
        "First": {"Type": "T", "Properties": {"x": {"Fn::Sub": "${Third.Arn}"}}},
        "Second": {"Type": "T"},
        "Third": {"Type": "T", "DependsOn": ["Fourth"]},
        "Fourth": {"Type": "T"},
    }
    template = Template.parse(json.dumps({"Resources": content}))
    assert template.ordered(set(content)) == ["Fourth", "Third", "First", "Second"]


def test_circle_is_named() -> None:
    content = {"A": {"Type": "T", "DependsOn": "B"}, "B": {"Type": "T", "DependsOn": "A"}}
    template = Template.parse(json.dumps({"Resources": content}))
    with pytest.raises(ValidationError, match="A -> B -> A"):
        template.ordered({"A", "B"})


@pytest.mark.parametrize(
    ("definition", "value", "named"),
    [
        pytest.param({"Type": "String", "AllowedValues": ["a"]}, "b", "allowed", id="not among the values"),
        pytest.param({"Type": "String", "AllowedPattern": "[a-z]+"}, "A", "pattern", id="not of the pattern"),
        pytest.param({"Type": "Number", "MaxValue": 3}, "4", "MaxValue 3", id="too large"),
        pytest.param({"Type": "Number"}, "x", "a number", id="no number"),
        pytest.param({"Type": "String", "MinLength": 2}, "a", "MinLength 2", id="too short"),
        pytest.param({"Type": "Sting"}, "a", "Sting", id="unknown type"),
    ],
)
def test_parameter_is_refused(definition: dict[str, Any], value: str, named: str) -> None:
    template = Template.parse(
        json.dumps({"Resources": {"A": {"Type": "T"}}, "Parameters": {"P": definition}})
    )
    with pytest.raises(ValidationError, match=named):
        parameters.given(template, [{"ParameterKey": "P", "ParameterValue": value}], {}, keep=False)


def test_parameter_without_value_is_named() -> None:
    template = Template.parse(
        json.dumps({"Resources": {"A": {"Type": "T"}}, "Parameters": {"P": {"Type": "String"}}})
    )
    with pytest.raises(ValidationError, match="P"):
        parameters.given(template, [], {}, keep=False)


@pytest.mark.parametrize(
    ("kind", "properties", "named"),
    [
        pytest.param(
            "AWS::SQS::Queue", {"VisibilityTimeuot": 3}, "VisibilityTimeuot", id="misspelt property"
        ),
        pytest.param("AWS::SQS::Queue", {"Arn": "x"}, "read-only", id="property that AWS sets"),
        pytest.param("AWS::SQS::Queue", {"DelaySeconds": "soon"}, "DelaySeconds", id="wrong type"),
        pytest.param("AWS::SSM::Parameter", {"Value": "x"}, "Type", id="missing property"),
        pytest.param(
            "AWS::SSM::Parameter", {"Value": "x", "Type": "Text"}, "Text", id="value that is not allowed"
        ),
        pytest.param(
            "AWS::S3::Bucket",
            {"VersioningConfiguration": {"Status": "Enabled", "MFA": True}},
            "VersioningConfiguration",
            id="unknown name inside",
        ),
    ],
)
def test_properties_are_refused(kind: str, properties: dict[str, Any], named: str) -> None:
    with pytest.raises(PropertyError, match=named):
        schemas.check(kind, properties)


def test_scalars_take_the_type_that_the_schema_wants() -> None:
    found = schemas.check("AWS::SQS::Queue", {"DelaySeconds": "5", "FifoQueue": "true"})
    assert found == {"DelaySeconds": 5, "FifoQueue": True}


def test_retention_of_a_log_group_does_not_replace_it_but_its_name_does() -> None:
    old = {"LogGroupName": "a", "RetentionInDays": 1}
    assert schemas.replacing("AWS::Logs::LogGroup", old, {**old, "RetentionInDays": 7}) == []
    assert schemas.replacing("AWS::Logs::LogGroup", old, {**old, "LogGroupName": "b"}) == ["LogGroupName"]
