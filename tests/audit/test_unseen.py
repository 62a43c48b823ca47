"""What no template shows is said, not passed over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audit import unseen
from audit.templates import Templates

BUCKET = {"Data": {"Type": "AWS::S3::Bucket"}}


def found(folder: Path, **templates: Any) -> list[tuple[str, str, str]]:
    for name, template in templates.items():
        (folder / f"{name}.template.json").write_text(json.dumps(template))
    return [(one.rule, one.path, one.subject) for one in unseen.check(Templates.read(folder))]


@pytest.mark.parametrize(
    ("transform", "names"),
    [
        pytest.param("AWS::Serverless-2016-10-31", ["AWS::Serverless-2016-10-31"], id="one"),
        pytest.param(["AWS::LanguageExtensions", "Ours"], ["Ours"], id="beside a harmless one"),
        pytest.param({"Name": "AWS::Include", "Parameters": {}}, ["AWS::Include"], id="with parameters"),
        pytest.param("AWS::LanguageExtensions", [], id="harmless"),
    ],
)
def test_macros_are_named(tmp_path: Path, transform: Any, names: list[str]) -> None:
    expected = [(unseen.MACRO, "any", name) for name in names]
    assert found(tmp_path, any={"Transform": transform, "Resources": BUCKET}) == expected


def nested(url: str, **metadata: str) -> Any:
    entry = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}, "Metadata": metadata}
    return {"Resources": {"Inner": entry}}


def test_a_nested_stack_whose_template_is_elsewhere_is_a_finding(tmp_path: Path) -> None:
    expected = [(unseen.NESTED, "outer/Inner", "")]
    assert found(tmp_path, outer=nested("https://s3.amazonaws.com/b/inner.yaml")) == expected


@pytest.mark.parametrize(
    "outer",
    [
        pytest.param(nested("https://s3.amazonaws.com/b/inner.template.json"), id="by its address"),
        pytest.param(nested("hash", **{"aws:asset:path": "inner.template.json"}), id="as the CDK says"),
    ],
)
def test_a_nested_stack_whose_template_is_here_is_none(tmp_path: Path, outer: Any) -> None:
    assert found(tmp_path, outer=outer, inner={"Resources": BUCKET}) == []


def test_our_stacks_hide_nothing(audited: dict[str, Templates]) -> None:
    assert [unseen.check(templates) for templates in audited.values()] == [[], []]
