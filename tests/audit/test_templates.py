"""Templates are read as a graph: intrinsics spelled out across stacks, bad input named with its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audit.templates import InputError, Templates


def write(folder: Path, name: str, resources: Any, **more: Any) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.template.json").write_text(json.dumps({"Resources": resources, **more}))


def one(value: Any, resources: Any = None, **more: Any) -> Any:
    """The value as a property of the stack Any, spelled out."""
    document = {"Resources": resources or {}, **more}
    return Templates({"Any": (Path("Any.template.json"), document)}).resolve("Any", value)


BUCKET = {"Type": "AWS::S3::Bucket"}
NAMED = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": {"Fn::Sub": "x-${AWS::AccountId}"}}}


@pytest.mark.parametrize(
    ("value", "resources", "said"),
    [
        ({"Ref": "AWS::Region"}, {}, "<Region>"),
        ({"Ref": "B"}, {"B": BUCKET}, "<Any/B>"),
        ({"Ref": "B"}, {"B": NAMED}, "x-<AccountId>"),
        ({"Fn::GetAtt": ["B", "Arn"]}, {"B": NAMED}, "arn:aws:s3:::x-<AccountId>"),
        ({"Fn::GetAtt": "B.DomainName"}, {"B": BUCKET}, "<Any/B.DomainName>"),
        ({"Ref": "T"}, {"T": {"Type": "AWS::SNS::Topic"}}, "arn:aws:sns:<Region>:<AccountId>:<Any/T>"),
        (
            {"Fn::Join": ["/", [{"Fn::GetAtt": ["B", "Arn"]}, "raw", "*"]]},
            {"B": BUCKET},
            "arn:aws:s3:::<Any/B>/raw/*",
        ),
        (
            {"Fn::Sub": ["${a}-${B.Arn}-${!aws:x}", {"a": "1"}]},
            {"B": BUCKET},
            "1-arn:aws:s3:::<Any/B>-${aws:x}",
        ),
        ({"Fn::Sub": {"Macro::Embed": "f.sh"}}, {}, '{"Macro::Embed": "f.sh"}'),
        ({"Fn::Select": [1, ["a", "b"]]}, {}, "b"),
        ({"Fn::Select": ["0", {"Fn::Split": [":", "k:v"]}]}, {}, "k"),
        ({"Fn::If": ["C", {"Ref": "AWS::NoValue"}, "no"]}, {}, "no"),
        ({"a": {"Ref": "AWS::NoValue"}, "b": [1, {"Ref": "AWS::NoValue"}]}, {}, {"b": [1]}),
        ({"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "image"]}, {}, "<M:<Region>,image>"),
        ({"Fn::ImportValue": "nowhere"}, {}, "<import nowhere>"),
        ({"Ref": "P"}, {}, "<Any/P>"),
    ],
)
def test_intrinsics_are_spelled_out(value: Any, resources: Any, said: Any) -> None:
    assert one(value, resources) == said


def test_parameter_has_its_default() -> None:
    assert one({"Ref": "P"}, Parameters={"P": {"Type": "String", "Default": "d"}}) == "d"


def test_import_of_one_stack_is_the_export_of_another(tmp_path: Path) -> None:
    arn = {"Fn::GetAtt": ["B", "Arn"]}
    write(tmp_path, "Home", {"B": BUCKET}, Outputs={"O": {"Value": arn, "Export": {"Name": "home:b"}}})
    write(tmp_path, "Guest", {"R": {"Type": "X", "Properties": {"from": {"Fn::ImportValue": "home:b"}}}})
    templates = Templates.read(tmp_path)
    assert templates.by_address["Guest/R"].get("from") == "arn:aws:s3:::<Home/B>"
    assert templates.stacks == ["Guest", "Home"]


def test_yaml_with_short_forms_is_read(tmp_path: Path) -> None:
    lines = ("Resources:", "  B:", "    Type: AWS::S3::Bucket", "  C:", "    Type: X", "    Properties:")
    (tmp_path / "any.yaml").write_text("\n".join([*lines, "      a: !GetAtt B.Arn", ""]))
    assert Templates.read(tmp_path).by_address["any/C"].get("a") == "arn:aws:s3:::<any/B>"


def test_other_files_are_not_taken_for_templates(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "x"}')
    (tmp_path / "asset.1").mkdir()
    (tmp_path / "asset.1" / "t.json").write_text('{"Resources": {"B": {}}}')
    (tmp_path / "t.json").write_text('{"Resources": {"B": {"Type": "AWS::S3::Bucket"}}}')
    assert [resource.address for resource in Templates.read(tmp_path).resources] == ["t/B"]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.template.json", "{", r"a\.template\.json: cannot be read as json \(Expecting"),
        ("a.template.json", "[]", r"a\.template\.json: a template without `Resources`"),
        ("a.template.json", '{"Resources": {"B": 1}}', r"resource B is no object with a `Type`"),
        ("a.yaml", "a: [", r"a\.yaml: cannot be read as yaml"),
        ("a.txt", "hello", "no CloudFormation template in it"),
    ],
)
def test_unusable_input_is_named(tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=says):
        Templates.read(tmp_path)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"Fn::Join": "no list"}, id="Join"),
        pytest.param({"Fn::GetAtt": True}, id="GetAtt"),
        pytest.param({"Ref": []}, id="Ref"),
        pytest.param({"Fn::If": ["one"]}, id="If"),
        pytest.param({"Fn::Select": {}}, id="Select"),
        pytest.param({"a": [{"Fn::Split": None}]}, id="inside"),
    ],
)
def test_a_function_that_is_none_is_named_with_its_file(value: Any) -> None:
    with pytest.raises(InputError, match=r"Any\.template\.json: (Fn::\w+|Ref) cannot be read, got "):
        one(value)


def test_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such file or folder"):
        Templates.read(tmp_path / "nowhere")


def test_nothing_of_our_stacks_stays_unresolved(audited: dict[str, Templates]) -> None:
    for templates in audited.values():
        text = json.dumps([resource.properties for resource in templates.resources])
        assert "<import " not in text
        assert '"Fn::' not in text
        assert '{"Ref"' not in text


def test_construct_paths_come_from_the_assembly_where_templates_leave_them_out(tmp_path: Path) -> None:
    write(tmp_path, "Any", {"B1A2B": BUCKET, "C": BUCKET})
    listed = {"/Any/Lake/Raw/Resource": [{"type": "aws:cdk:logicalId", "data": "B1A2B"}]}
    (tmp_path / "Any.metadata.json").write_text(json.dumps(listed))
    assert {each.path for each in Templates.read(tmp_path).resources} == {"Any/Lake/Raw", "Any/C"}


def test_constructs_of_our_stacks_have_their_paths(audited: dict[str, Templates]) -> None:
    for templates in audited.values():
        assert "Data/Lake/Raw" in {bucket.path for bucket in templates.of("AWS::S3::Bucket")}
