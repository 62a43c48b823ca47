"""docs/architecture.md shows what the templates say: an edge for each permission, a node for each state."""

from __future__ import annotations

import pytest

from scripts import diagram
from tests.conftest import Assembly


@pytest.fixture(scope="module")
def drawn_from(production: Assembly) -> diagram.Assembly:
    return diagram.Assembly(production.directory)


def test_document_is_drawn_from_these_templates(drawn_from: diagram.Assembly) -> None:
    text = diagram.DOCUMENT.read_text(encoding="utf-8")
    assert diagram.drawn(text, drawn_from) == text, "docs/architecture.md is stale: run `make diagram`"


def test_every_unit_of_work_belongs_to_a_stage(drawn_from: diagram.Assembly) -> None:
    assert set(drawn_from.stages.values()) == set(diagram.STAGES)


def test_every_bucket_of_the_lake_is_read_or_written_by_somebody(drawn_from: diagram.Assembly) -> None:
    used = {grant.target for grant in drawn_from.grants()}
    buckets = {each for each, _ in drawn_from.of_kind("AWS::S3::Bucket") if each.stack == "Data"}
    assert buckets
    assert buckets - used == set()


def test_new_permission_is_noticed(drawn_from: diagram.Assembly) -> None:
    before = diagram.access(drawn_from)
    templates = drawn_from.templates
    statement = templates["Model"]["Resources"][_policy_of(drawn_from, "Train")]["Properties"][
        "PolicyDocument"
    ]
    curated = next(
        each for each in drawn_from.resources if drawn_from.paths[each] == ("Lake", "Curated", "Resource")
    )
    exports = drawn_from.exports
    name = next(export for export, resource in exports.items() if resource == curated)
    added = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": {"Fn::ImportValue": name}}
    statement["Statement"].append(added)
    try:
        assert diagram.access(drawn_from) != before
    finally:
        statement["Statement"].remove(added)


def test_document_without_a_marker_is_refused(drawn_from: diagram.Assembly) -> None:
    with pytest.raises(ValueError, match=r"must hold the marker <!-- generated: flow --> once, got 0"):
        diagram.drawn("# Architecture", drawn_from)


def _policy_of(assembly: diagram.Assembly, unit: str) -> str:
    for policy, properties in assembly.of_kind("AWS::IAM::ManagedPolicy"):
        roles = assembly.references(policy.stack, properties.get("Roles", []))
        if any(assembly.wearers.get(role) == unit for role in roles):
            return policy.logical_id
    raise LookupError(f"no policy of {unit}")
