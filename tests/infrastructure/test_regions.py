"""Every commercial Region, both profiles: the templates can be deployed there, or say what is missing.

Each profile is synthesised once, as a template is the same for every Region; what depends on the Region is
resolved for each, by the CloudFormation engine of the embedded account and by the audit's own reading.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import botocore
import pytest

import app as project
import contracts
from audit import regions as audit_regions
from audit.templates import Templates
from deployment.assembly import warnings
from sandbox.cloudformation.errors import ValidationError
from sandbox.cloudformation.intrinsics import Scope
from sandbox.cloudformation.operations import _check_rules
from sandbox.cloudformation.template import Template
from security import endpoints, images, regions
from settings import PROFILES, settings_for
from tests.conftest import CONTEXT, Assembly, read_assembly

ROOT = Path(__file__).parents[2]
PARTITIONS = Path(botocore.__file__).parent / "data" / "partitions.json"
ID = re.compile(r"pl-[0-9a-f]{8}")
ACCOUNT = re.compile(r"[0-9]{12}")
COMPLETE = [region for region in regions.COMMERCIAL if not regions.lacking(region)]
# Of these, where the same templates serve; elsewhere synthesis is told the Region, and leaves the budget out.
PLAIN = [region for region in COMPLETE if region not in regions.WITHOUT_TYPES[regions.BUDGET]]
TOLD = [region for region in COMPLETE if region not in PLAIN]
INCOMPLETE = [region for region in regions.COMMERCIAL if regions.lacking(region)]


def nowhere(*_: Any) -> str:
    raise AssertionError("what depends on the Region depends on nothing else")


def scope(template: Any, region: str) -> Scope:
    return Scope(
        template=Template.parse(json.dumps(template)),
        parameters={"BootstrapVersion": "30"},
        pseudo={"AWS::Region": region, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"},
        export=nowhere,
        dynamic=nowhere,
        zones=lambda: [],
    )


def look_ups(value: Any) -> list[dict[str, Any]]:
    """Every Fn::FindInMap of a template."""
    if isinstance(value, dict):
        found = [value] if "Fn::FindInMap" in value else []
        return found + [each for part in value.values() for each in look_ups(part)]
    return [each for part in value for each in look_ups(part)] if isinstance(value, list) else []


def found_in_maps(assembly: Assembly, region: str) -> dict[str, str]:
    """As CloudFormation would fill them in: second key of the mapping -> value."""
    found = {}
    for template in assembly.templates.values():
        for look_up in look_ups(template["Resources"]):
            found[look_up["Fn::FindInMap"][2]] = scope(template, region).resolve(look_up)
    assert found.keys() == {"s3", "dynamodb", "xgboost"}
    return found


def check_rules(assembly: Assembly, region: str) -> None:
    for template in assembly.templates.values():
        place = scope(template, region)
        _check_rules(place.template, place)


def test_every_region_that_the_sdk_knows_is_in_the_matrix() -> None:
    known = json.loads(PARTITIONS.read_text(encoding="utf-8"))["partitions"]
    aws = next(partition for partition in known if partition["id"] == "aws")
    assert set(regions.COMMERCIAL) == set(aws["regions"]) - {"aws-global"}
    assert set(images.ACCOUNTS) | set(endpoints.PREFIX_LISTS) <= set(regions.COMMERCIAL)
    listed = audit_regions.table()["regions"]
    assert {*listed["open"], *listed["announced"]} == set(regions.COMMERCIAL)


def test_enough_regions_are_complete() -> None:
    """Sixteen have all; the others wait for an id or an image that nobody has confirmed."""
    assert len(COMPLETE) == 16
    assert {"eu-north-1", "us-east-1", "sa-east-1"} < set(COMPLETE)
    assert (len(PLAIN), TOLD) == (15, ["eu-north-1"])


def test_types_that_a_region_does_not_know_are_those_of_the_registry(assembly: Assembly) -> None:
    """cfn-lint carries, by Region, which types CloudFormation knows."""
    folder = files("cfnlint") / "data" / "schemas" / "providers"
    listed = {path.name: path for path in folder.iterdir()}
    known = {
        region: set(json.loads(listed[f"{region}.json"].read_text()))
        for region in regions.COMMERCIAL
        if f"{region}.json" in listed
    }
    assert set(regions.COMMERCIAL) - set(known) == {"me-south-1", "me-west-1", "sa-west-1"}
    used = {
        resource["Type"]
        for template in assembly.templates.values()
        for resource in template["Resources"].values()
        if resource["Type"].startswith("AWS::")
    } - {"AWS::CDK::Metadata"}
    without = {kind: {region for region, types in known.items() if kind not in types} for kind in used}
    assert {kind: found for kind, found in without.items() if found} == {
        kind: set(found) for kind, found in regions.WITHOUT_TYPES.items()
    }
    assert regions.BUDGET in used


def told(directory: Path, profile: str, region: str) -> Assembly:
    """As `make deploy` synthesises for the Region; the rule packs look at the plain templates."""
    app = project.start(outdir=str(directory), context={**CONTEXT, "region": region})
    project.build(app, settings_for(profile), contracts.load("flights"))
    app.synth()
    return read_assembly(directory)


@pytest.mark.parametrize("region", TOLD)
@pytest.mark.parametrize("profile", PROFILES)
def test_region_without_budgets_is_refused_unless_synthesis_knows_it(
    request: pytest.FixtureRequest, tmp_path: Path, profile: str, region: str
) -> None:
    """CloudFormation would refuse the last stack for its type, after the others were made."""
    plain: Assembly = request.getfixturevalue(profile)
    with pytest.raises(ValidationError) as refused:
        check_rules(plain, region)
    assert regions.NO_BUDGETS in str(refused.value)
    lacks = audit_regions.lacking(Templates.read(plain.directory), region)
    assert [lack.sentence for lack in lacks] == [regions.NO_BUDGETS]
    assembly = told(tmp_path, profile, region)
    test_complete_region_gets_ids_accounts_types_and_services(assembly, region)
    here, there = assembly.templates["Operations"], plain.templates["Operations"]
    gone = {name: body["Type"] for name, body in there["Resources"].items() if name not in here["Resources"]}
    assert list(gone.values()) == [regions.BUDGET]
    assert set(here["Resources"]) < set(there["Resources"])
    [warning] = [each for each in warnings(assembly.directory) if "no budgets" in each]
    assert warning.endswith("so the deployment has none: make one by hand, docs/operations.md, Cost")


def test_synthesis_that_knows_a_region_with_all_types_writes_the_same_templates(
    sandbox: Assembly, tmp_path: Path
) -> None:
    """`make pause` says the Region and a pipeline may not: neither changes what the other deployed."""
    assert told(tmp_path, "sandbox", "eu-west-1").templates == sandbox.templates


@pytest.mark.parametrize("region", PLAIN)
def test_complete_region_gets_ids_accounts_types_and_services(assembly: Assembly, region: str) -> None:
    check_rules(assembly, region)
    found = found_in_maps(assembly, region)
    assert ID.fullmatch(found["s3"])
    assert ID.fullmatch(found["dynamodb"])
    assert found["s3"] != found["dynamodb"]
    assert ACCOUNT.fullmatch(found["xgboost"])
    assert audit_regions.lacking(Templates.read(assembly.directory), region) == []


@pytest.mark.parametrize("region", INCOMPLETE)
def test_incomplete_region_is_refused_in_words(assembly: Assembly, region: str) -> None:
    """By the rule of the first stack, before CloudFormation makes anything, and not by its mapping error."""
    sentences = regions.lacking(region)
    if region in regions.WITHOUT_TYPES[regions.BUDGET]:
        sentences.append(regions.NO_BUDGETS)
    with pytest.raises(ValidationError) as refused:
        check_rules(assembly, region)
    assert sentences[0] in str(refused.value)
    base = assembly.templates["Base"]
    for look_up in look_ups(base["Resources"]):
        assert scope(base, region).resolve(look_up)  # whichever CloudFormation looks at first
    lacks = audit_regions.lacking(Templates.read(assembly.directory), region)
    assert [lack.sentence for lack in lacks if lack.what == "SupportedRegion"] == sentences


def test_sentences_say_what_to_add_and_where() -> None:
    assert regions.lacking("eu-south-2") == [regions.NO_PREFIX_LISTS]
    assert regions.lacking("mx-central-1") == [regions.NO_PREFIX_LISTS, regions.NO_IMAGE]
    assert regions.lacking("ap-south-2") == [regions.NO_PREFIX_LISTS, regions.NO_TYPES]
    for name in ("security/endpoints.py", "PREFIX_LISTS", "aws ec2 describe-prefix-lists"):
        assert name in regions.NO_PREFIX_LISTS
    for name in ("security/images.py", "ACCOUNTS"):
        assert name in regions.NO_IMAGE


def test_synthesis_for_a_known_region_refuses_what_the_region_lacks() -> None:
    context = {"profile": "sandbox", "contract": "flights", "region": "eu-south-2"}
    run = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={**os.environ, "CDK_CONTEXT_JSON": json.dumps(context)},
        text=True,
        capture_output=True,
        check=False,
    )
    assert run.returncode == 1
    assert f"ValueError: eu-south-2 cannot be deployed to. {regions.NO_PREFIX_LISTS}" in run.stderr
    assert "Regions without gaps: ap-northeast-1, " in run.stderr


def test_synthesis_for_a_complete_region_is_not_refused() -> None:
    assert project.regions.refuse("eu-north-1") is None


def test_types_of_the_settings_are_in_the_table_of_regions() -> None:
    """Else the matrix would only say that it does not know."""
    used = {
        section.instance_type
        for settings in PROFILES.values()
        for section in (settings.train, settings.evaluate, settings.deploy, settings.monitor)
    }
    assert used
    assert {kind.removeprefix("ml.") for kind in used} <= set(
        audit_regions.table()["instance_types"]["types"]
    )


def test_region_without_a_type_or_with_an_unknown_one_says_so(sandbox: Assembly) -> None:
    templates = Templates.read(sandbox.directory)
    said = {lack.what: lack for lack in audit_regions.lacking(templates, "ap-southeast-5")}
    assert said["ml.m5.large"].sentence.startswith("ap-southeast-5 has no ml.m5.large (aws ec2 describe-inst")
    assert said["ml.m5.large"].is_sure
    said = {lack.what: lack for lack in audit_regions.lacking(templates, "me-west-1")}
    assert not said["ml.m5.large"].is_sure
    assert "glue, kinesis-streams" in said["endpoint services"].sentence


def test_mapping_without_a_rule_is_named(tmp_path: Path) -> None:
    look_up = {"Fn::FindInMap": ["Images", {"Ref": "AWS::Region"}, "id"]}
    template = {
        "Mappings": {"Images": {"eu-west-1": {"id": "1"}}},
        "Resources": {"Any": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": look_up}}},
    }
    (tmp_path / "Any.template.json").write_text(json.dumps(template))
    templates = Templates.read(tmp_path)
    assert audit_regions.lacking(templates, "eu-west-1") == []
    assert [lack.what for lack in audit_regions.lacking(templates, "eu-west-2")] == ["Images.id"]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"Fn::Contains": [["a", "b"], {"Ref": "AWS::Region"}]}, True),
        ({"Fn::Contains": [["b"], {"Ref": "AWS::Region"}]}, False),
        ({"Fn::Equals": ["a", {"Ref": "AWS::Region"}]}, True),
        ({"Fn::Not": [{"Fn::Equals": ["a", {"Ref": "AWS::Region"}]}]}, False),
        ({"Fn::And": [{"Fn::Equals": ["a", {"Ref": "AWS::Region"}]}, {"Ref": "P"}]}, None),
        ({"Fn::And": [{"Fn::Equals": ["b", {"Ref": "AWS::Region"}]}, {"Ref": "P"}]}, False),
        ({"Fn::Or": [{"Fn::Equals": ["a", {"Ref": "AWS::Region"}]}, {"Ref": "P"}]}, True),
        ({"Fn::Or": [{"Fn::Equals": ["b", {"Ref": "AWS::Region"}]}, {"Ref": "P"}]}, None),
        ({"Fn::Contains": [["1"], {"Ref": "Version"}]}, None),
    ],
)
def test_rule_is_decided_by_the_region_or_left_open(condition: Any, holds: bool | None) -> None:
    assert audit_regions._holds(condition, "a") is holds
