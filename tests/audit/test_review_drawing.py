"""The diagram of a review: stages, zones and ways as the templates have them; nothing overlaps."""

from __future__ import annotations

import io
import json
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree  # noqa: S405 - of what this project wrote itself

import pytest
from PIL import Image

from audit import matrix
from audit.review import drawing
from audit.review.difference import Kind
from audit.review.layout import lay
from audit.review.places import ORDER, OUTSIDE, Picture, Seat, Zone, picture
from audit.review.shapes import Label, Layout
from audit.templates import Templates

SVG = "{http://www.w3.org/2000/svg}"
SAMPLES = Path(__file__).parent / "samples"
Area = tuple[float, float, float, float]


def any_role(principal: Any, *statements: dict[str, Any], stage: str = "") -> dict[str, Any]:
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    allowed = [{"Effect": "Allow", **each} for each in statements]
    properties: dict[str, Any] = {
        "AssumeRolePolicyDocument": {"Statement": [trust]},
        "Policies": [{"PolicyName": "p", "PolicyDocument": {"Statement": allowed}}],
    }
    if stage:
        properties["Tags"] = [{"Key": "stage", "Value": stage}]
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def any_templates(folder: Path, resources: dict[str, Any], stack: str = "any") -> Templates:
    (folder / f"{stack}.template.json").write_text(json.dumps({"Resources": resources}))
    return Templates.read(folder)


def of(templates: Templates) -> Layout:
    return lay(picture(templates), {}, ())


@pytest.fixture(params=["production", "sandbox", "samples", "long"])
def drawn(request: pytest.FixtureRequest, audited: dict[str, Templates], tmp_path: Path) -> Layout:
    """Ours, foreign templates, and one with many stages and names longer than any column."""
    if request.param == "samples":
        return of(Templates.read(SAMPLES))
    if request.param != "long":
        return of(audited[request.param])
    resources: dict[str, Any] = {}
    for at in range(14):
        name = f"Work{'VeryLongNameOf' * 6}Unit{at}"
        reads = {"Action": "s3:GetObject", "Resource": {"Fn::Sub": f"${{Bucket{at}.Arn}}/*"}}
        writes = {"Action": "s3:*", "Resource": {"Fn::Sub": f"${{Bucket{(at * 5 + 3) % 14}.Arn}}/*"}}
        who: dict[str, str] = {"Service": "glue.amazonaws.com"} if at % 3 else {"AWS": "*"}
        resources[name] = any_role(who, reads, writes, stage=f"{'averylongstage' * 3}{at % 7}")
        resources[f"Bucket{at}"] = {
            "Type": "AWS::S3::Bucket",
            "Properties": {"Tags": [{"Key": "stage", "Value": f"s{at}"}]},
        }
    return of(any_templates(tmp_path, resources))


def overlap(one: Area, other: Area) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def area(box: Any) -> Area:
    return box.x, box.y, box.x + box.width, box.y + box.height


def test_no_label_lies_on_another(drawn: Layout) -> None:
    assert len(drawn.labels) > 10
    for one, other in combinations(drawn.labels, 2):
        assert not overlap(one.box, other.box), (one.text, other.text)


def test_no_line_and_no_mark_lies_on_a_label(drawn: Layout) -> None:
    assert drawn.lines
    assert drawn.marks
    lines = [
        (
            min(each.x1, each.x2),
            min(each.y1, each.y2) - 0.5,
            max(each.x1, each.x2),
            max(each.y1, each.y2) + 0.5,
        )
        for each in drawn.lines
    ]
    reach = drawing.SIZE + 3
    marks = [(each.x - reach, each.y - reach, each.x + reach, each.y + reach) for each in drawn.marks]
    plain = [(each.x - 5, each.y - 5, each.x + 5, each.y + 5) for each in drawn.marks if not each.is_risky]
    for label in drawn.labels:
        assert not [each for each in lines if overlap(each, label.box)], f"a line crosses {label.text}"
        risky = [each for each, mark in zip(marks, drawn.marks, strict=True) if mark.is_risky]
        assert not [each for each in [*risky, *plain] if overlap(each, label.box)], f"a mark on {label.text}"


def test_no_frame_lies_on_another_and_lines_go_round_them(drawn: Layout) -> None:
    boxes = [each for each in drawn.boxes if each.style not in drawing.FRAMES]
    assert boxes
    for one, other in combinations(boxes, 2):
        assert not overlap(area(one), area(other)), (one.title, other.title)
    for box in boxes:
        for line in drawn.lines:
            inside = (
                min(line.x1, line.x2),
                min(line.y1, line.y2) - 0.1,
                max(line.x1, line.x2),
                max(line.y1, line.y2) + 0.1,
            )
            assert not overlap(inside, area(box)), f"a line goes through {box.title}"


def test_labels_stay_in_their_boxes_and_in_the_drawing(drawn: Layout) -> None:
    boxes = [area(each) for each in drawn.boxes if each.style not in drawing.FRAMES]
    held = [each for each in drawn.labels if each.style.split()[0] in ("unit", "name", "small")]
    assert held
    for label in held:
        left, top, right, bottom = label.box
        assert any(b[0] <= left and b[1] <= top and right <= b[2] and bottom <= b[3] for b in boxes), (
            label.text
        )
    for label in drawn.labels:
        left, top, right, bottom = label.box
        assert left >= 0 and top >= 0 and right <= drawn.width and bottom <= drawn.height, label.text


def test_text_is_measured_as_it_is_drawn(audited: dict[str, Templates]) -> None:
    """Of the label alone as PNG, what has ink is as wide as the box says."""
    label = Label(x=10, y=30, text="PublishPartitions gjQ", size=12, style="unit")
    layout = Layout(width=300, height=50, labels=[label])
    ink = (
        Image.open(io.BytesIO(drawing.png(layout))).convert("L").point(lambda grey: 255 if grey < 200 else 0)
    )
    left, top, right, bottom = (edge / 2 for edge in ink.getbbox() or ())  # two pixels for one
    wanted = label.box
    assert wanted[0] - 1 <= left and right <= wanted[2] + 1
    assert wanted[1] - 1 <= top and bottom <= wanted[3] + 1
    assert right - left > 0.9 * (wanted[2] - wanted[0])


def test_every_way_of_the_matrix_is_drawn_and_no_other(audited: dict[str, Templates]) -> None:
    from audit.diagram import LEFT_OUT

    for templates in audited.values():
        shown = picture(templates)
        seats = {path: each.seat for each in shown.workers for path in each.paths}
        drawn = {
            (way.seat, path, "read" if is_read else "write")
            for store, ways in shown.ways.items()
            for way in ways
            for path in store.paths
            for is_read in [True] * way.reads + [False] * way.writes
        }
        wanted = {
            (seats[row.principal], row.target, "read" if row.capability in ("read", "decrypt") else "write")
            for row in matrix.matrix(templates)
            if row.kind not in LEFT_OUT
        }
        assert drawn == wanted
        assert len(drawn) > 50
        marks = [
            each for each in of(templates).marks if each.title and each.kind in ("read", "write", "both")
        ]
        assert len(marks) == sum(map(len, shown.ways.values()))


def test_what_fits_is_not_cut(audited: dict[str, Templates]) -> None:
    for templates in audited.values():
        shown = picture(templates)
        whole = {each.label for each in shown.workers} | {each.label for each in shown.ways}
        drawn = {each.text for each in of(templates).labels}
        assert whole <= drawn
        assert not [text for text in drawn if "…" in text]


def test_stages_stand_in_the_order_of_the_data(audited: dict[str, Templates]) -> None:
    assert picture(audited["production"]).stages == (OUTSIDE, *ORDER)


def test_zones_come_from_networks_and_trust(audited: dict[str, Templates]) -> None:
    zones = {path: each.seat for each in picture(audited["production"]).workers for path in each.paths}
    assert zones["Data/Transform/Clean/Role"] == Seat(stage="transform", zone=Zone.NETWORK)
    assert zones["Operations/Retrain/Workflow/Role"] == Seat(stage="retrain", zone=Zone.ACCOUNT)
    assert zones["Data/Ingest/Producer"] == Seat(stage="ingest", zone=Zone.OUTSIDE)
    assert zones["service cloudtrail"] == Seat(stage=OUTSIDE, zone=Zone.OUTSIDE)


def test_isolated_containers_and_a_network_without_an_exit_are_said(audited: dict[str, Templates]) -> None:
    shown = picture(audited["production"])
    isolated = {each.seat.stage for each in shown.workers if each.isolated}
    assert isolated == {"explore", "train", "evaluate", "deploy", "monitor"}
    assert not shown.has_exit
    assert "no way" in " ".join(each.text for each in of(audited["production"]).labels)


def test_an_exit_to_the_internet_is_said(tmp_path: Path) -> None:
    job = {
        "Type": "AWS::Lambda::Function",
        "Properties": {"Role": {"Fn::GetAtt": ["Worker", "Arn"]}, "VpcConfig": {"SubnetIds": ["subnet-1"]}},
    }
    reads = {"Action": "s3:GetObject", "Resource": {"Fn::Sub": "${Bucket.Arn}/*"}}
    templates = any_templates(
        tmp_path,
        {
            "Worker": any_role({"Service": "lambda.amazonaws.com"}, reads),
            "Job": job,
            "Bucket": {"Type": "AWS::S3::Bucket"},
            "Way": {"Type": "AWS::EC2::NatGateway"},
        },
    )
    assert "has a way to the internet" in " ".join(each.text for each in of(templates).labels)


def test_who_may_start_what_is_drawn(audited: dict[str, Templates]) -> None:
    starts = picture(audited["production"]).starts
    assert {seat.stage for seat in starts["retrain"]} >= {"transform", "train", "evaluate", "deploy"}
    assert "ingest" not in starts


def test_stores_and_units_that_change_are_marked(audited: dict[str, Templates]) -> None:
    touched = {"Data/Lake/Raw": Kind.DATA_LOSS, "Data/Transform/Clean/Role": Kind.WIDER_ACCESS}
    layout = lay(picture(audited["production"]), touched, {"Data/Lake/Curated"})
    marked = {each.title: (each.worst, each.is_new) for each in layout.boxes if each.worst or each.is_new}
    assert marked == {"Data/Lake/Raw": (Kind.DATA_LOSS, False), "Data/Lake/Curated": (None, True)}
    assert [each.text for each in layout.labels if each.style == "unit wider-access"] == ["Clean"]
    assert drawing.svg(layout).count(drawing.CHANGED[Kind.DATA_LOSS]) == 1


def test_svg_is_well_formed_and_a_name_is_text(tmp_path: Path) -> None:
    reads = {"Action": "s3:GetObject", "Resource": {"Fn::Sub": "${Bucket.Arn}/*"}}
    roles = {
        "Worker": any_role({"Service": "lambda.amazonaws.com"}, reads),
        "Bucket": {"Type": "AWS::S3::Bucket"},
    }
    text = drawing.svg(of(any_templates(tmp_path, roles, stack="a&b")))
    root = ElementTree.fromstring(text)  # noqa: S314
    assert "a&b" in {each.text for each in root.iter(f"{SVG}text")}
    assert "script" not in text


def test_png_has_two_pixels_for_each_and_is_not_blank(audited: dict[str, Templates]) -> None:
    layout = of(audited["sandbox"])
    image = Image.open(io.BytesIO(drawing.png(layout)))
    assert image.size == pytest.approx((layout.width * 2, layout.height * 2), abs=2)
    assert len(image.convert("RGB").getcolors(1_000_000) or []) > 50


def test_the_same_templates_give_the_same_drawings() -> None:
    one, other = (of(Templates.read(SAMPLES)) for _ in range(2))
    assert drawing.svg(one) == drawing.svg(other)
    assert drawing.png(one) == drawing.png(other)


def test_nothing_to_draw_is_an_empty_picture(tmp_path: Path) -> None:
    templates = any_templates(tmp_path, {"Alarm": {"Type": "AWS::CloudWatch::Alarm"}})
    assert picture(templates) == Picture(stages=(), workers=(), ways={}, starts={}, has_exit=False)
    assert ElementTree.fromstring(drawing.svg(of(templates))) is not None  # noqa: S314
