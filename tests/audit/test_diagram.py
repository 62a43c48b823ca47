"""The drawing: who changes and who reads each store, computed; nothing on it overlaps."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree  # noqa: S405 - of what this project wrote itself

import pytest

from audit import diagram, matrix
from audit.templates import Templates

SVG = "{http://www.w3.org/2000/svg}"
SAMPLES = Path(__file__).parent / "samples"
LETTER = 7.0  # pixels, of the broadest of usual sans serif fonts at 12 px, on average
TRUST = {"Principal": {"Service": "lambda.amazonaws.com"}}


def any_templates(
    folder: Path, *statements: tuple[list[str], str], stack: str = "any", trust: object = TRUST
) -> Templates:
    allowed = [
        {"Effect": "Allow", "Action": actions, "Resource": {"Fn::Sub": f"${{{target}.Arn}}/*"}}
        for actions, target in statements
    ]
    role = {
        "AssumeRolePolicyDocument": {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", **trust}]},  # type: ignore[dict-item]
        "Policies": [{"PolicyName": "p", "PolicyDocument": {"Statement": allowed}}],
    }
    resources = {
        "Worker": {"Type": "AWS::IAM::Role", "Properties": role},
        "Source": {"Type": "AWS::S3::Bucket"},
        "Result": {"Type": "AWS::S3::Bucket"},
    }
    (folder / f"{stack}.template.json").write_text(json.dumps({"Resources": resources}))
    return Templates.read(folder)


def told(templates: Templates) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    return [(flow.unit.path, flow.capabilities, flow.store.paths) for flow in diagram.flows_of(templates)]


def test_reading_and_changing_are_told_apart(tmp_path: Path) -> None:
    templates = any_templates(
        tmp_path, (["s3:GetObject"], "Source"), (["s3:PutObject", "s3:GetObject"], "Result")
    )
    assert told(templates) == [
        ("any/Worker", ("read",), ("any/Source",)),
        ("any/Worker", ("read",), ("any/Result",)),
        ("any/Worker", ("write",), ("any/Result",)),
    ]


def test_stores_that_everybody_treats_alike_are_one(tmp_path: Path) -> None:
    templates = any_templates(tmp_path, (["s3:GetObject"], "Source"), (["s3:GetObject"], "Result"))
    assert told(templates) == [("any/Worker", ("read",), ("any/Source", "any/Result"))]
    assert "Source and 1 more" in diagram.draw(templates)


def test_who_may_delete_has_a_dashed_line(tmp_path: Path) -> None:
    plain = diagram.draw(any_templates(tmp_path, (["s3:PutObject"], "Source")))
    risky = diagram.draw(any_templates(tmp_path, (["s3:PutObject", "s3:DeleteObject"], "Source")))
    assert "stroke-dasharray" not in plain
    assert "stroke-dasharray" in risky


@pytest.mark.parametrize(
    ("trust", "boundary"),
    [
        pytest.param(TRUST, "any", id="service"),
        pytest.param({"Principal": {"AWS": "arn:aws:iam::111122223333:root"}}, diagram.PEOPLE, id="people"),
    ],
)
def test_people_stand_in_a_boundary_of_their_own(tmp_path: Path, trust: object, boundary: str) -> None:
    (flow,) = diagram.flows_of(any_templates(tmp_path, (["s3:GetObject"], "Source"), trust=trust))
    assert flow.unit.boundary == boundary


def test_everybody_stands_outside() -> None:
    flows = diagram.flows_of(Templates.read(SAMPLES))
    outside = [flow for flow in flows if flow.unit.boundary == diagram.OUTSIDE]
    assert {(flow.unit.label, flow.store.paths) for flow in outside} == {("anyone", ("notebook/DataBucket",))}


def test_nothing_to_draw_is_no_drawing(tmp_path: Path) -> None:
    assert diagram.draw(any_templates(tmp_path)) == ""


def test_a_name_is_shown_as_text(tmp_path: Path) -> None:
    drawing = diagram.draw(any_templates(tmp_path, (["s3:GetObject"], "Source"), stack="a&b"))
    root = ElementTree.fromstring(drawing)  # noqa: S314
    assert {"a&b/Worker", "a&b/Source", "a&b/Worker: read a&b/Source"} <= {
        each.text for each in root.iter(f"{SVG}title")
    }
    assert "a&b" in {each.text for each in root.iter(f"{SVG}text")}


def test_our_stacks_are_drawn_with_every_way_of_the_matrix(audited: dict[str, Templates]) -> None:
    for templates in audited.values():
        drawn = {
            (flow.unit.path, capability, path)
            for flow in diagram.flows_of(templates)
            for capability in flow.capabilities
            for path in flow.store.paths
        }
        wanted = {
            (row.principal, str(row.capability), row.target)
            for row in matrix.matrix(templates)
            if row.kind not in diagram.LEFT_OUT
        }
        assert drawn == wanted
        root = ElementTree.fromstring(diagram.draw(templates))  # noqa: S314
        assert len(root.findall(f"{SVG}path")) == len(diagram.flows_of(templates)) > 50


@pytest.mark.parametrize("which", ["production", "sandbox", "samples"])
def test_nothing_overlaps_or_leaves_its_column(which: str, audited: dict[str, Templates]) -> None:
    templates = Templates.read(SAMPLES) if which == "samples" else audited[which]
    root = ElementTree.fromstring(diagram.draw(templates))  # noqa: S314
    height = float(root.attrib["viewBox"].split()[3])
    boxes = []
    for text in root.iter(f"{SVG}text"):
        x, y = float(text.attrib["x"]), float(text.attrib["y"])
        wide = len(text.text or "") * LETTER
        column = next(left for left in (diagram.WIDTH - diagram.SIDE, 420, 0) if x >= left)
        width = diagram.MIDDLE if column == 420 else diagram.SIDE
        assert x + wide <= column + width + 1, f"{text.text} is too long for its column"
        assert 0 < y <= height
        boxes.append((x, y - 11, x + wide, y + 3))
    assert boxes
    for one, other in combinations(boxes, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, (one, other)
    frames = [
        tuple(float(each.attrib[name]) for name in ("x", "y", "width", "height"))
        for each in root.iter(f"{SVG}rect")
    ]
    for (x, y, w, h), (u, v, s, t) in combinations(frames, 2):
        assert x + w <= u or u + s <= x or y + h <= v or v + t <= y, "two frames overlap"


def test_the_same_templates_give_the_same_drawing(tmp_path: Path) -> None:
    templates = Templates.read(SAMPLES)
    assert diagram.draw(templates) == diagram.draw(Templates.read(SAMPLES))
