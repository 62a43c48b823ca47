"""Second Region: off until settings switch it on; then copies as private as the originals, and a standby."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import app as project
from audit import evidence, ledger
from deployment.preflight import asked
from security import regions
from settings import PROFILES, settings_for
from stacks.modules.second_region.boundary import ACTIONS
from tests.conftest import Assembly, synthesise_settings
from tests.policies import identity_statements, text, trust_statements
from tests.second_region import REGION, any_second_region, switched_on
from tests.security.test_nag import findings

COPIED = {
    "Raw": {"raw/", "quarantine/"},
    "Curated": {"curated/"},
    "Features": {"features/"},
    "Models": {""},
}


@pytest.fixture(scope="session")
def production_with(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    settings = switched_on(settings_for("production"), standby="warm", has_time_control=True)
    return synthesise_settings(tmp_path_factory.mktemp("second_region_production"), settings)


@pytest.fixture(params=["with_second_region", "production_with"], ids=["sandbox", "production"])
def module(request: pytest.FixtureRequest) -> Assembly:
    chosen: Assembly = request.getfixturevalue(request.param)
    return chosen


def of(assembly: Assembly, stack: str, kind: str) -> dict[str, dict[str, Any]]:
    found = {
        logical_id: body["Properties"]
        for logical_id, body in assembly.templates[stack]["Resources"].items()
        if body["Type"] == kind
    }
    assert found
    return found


def bucket(assembly: Assembly, stack: str, word: str) -> dict[str, Any]:
    [found] = [b for name, b in of(assembly, stack, "AWS::S3::Bucket").items() if name.startswith(word)]
    return found


def copy_of(assembly: Assembly, zone: str) -> dict[str, Any]:
    return bucket(assembly, "Standby", f"Copies{zone}")


def original(assembly: Assembly, zone: str) -> dict[str, Any]:
    return bucket(assembly, "Data", f"Lake{zone}")


def plain(value: Any) -> str:
    return text(value).replace("<AWS::Partition>", "aws").replace("<AWS::", "<")


def rules(assembly: Assembly, zone: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = original(assembly, zone)["ReplicationConfiguration"]["Rules"]
    return found


def test_it_is_off_by_default(assembly: Assembly) -> None:
    assert all(settings.second_region is None for settings in PROFILES.values())
    assert not {"Standby", "Replication"} & set(assembly.templates)
    assert "ReplicationConfiguration" not in json.dumps(dict(assembly.templates))


def test_switched_on_it_changes_of_the_core_only_rules_and_the_trail(
    sandbox: Assembly, with_second_region: Assembly
) -> None:
    """No logical id of the core goes or changes its kind; what is new there is a rule and what it exports."""
    for stack, before in sandbox.templates.items():
        after = with_second_region.templates[stack]["Resources"]
        assert set(before["Resources"]) == set(after)
        changed = {name for name, body in before["Resources"].items() if body != after[name]}
        kinds = {after[name]["Type"] for name in changed} - {"AWS::CDK::Metadata"}
        assert kinds <= {"AWS::S3::Bucket", "AWS::CloudTrail::Trail"}, (stack, changed)


def test_only_the_second_region_is_named(module: Assembly) -> None:
    manifest = json.loads((module.directory / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
    stacks = {k: v for k, v in manifest.items() if v["type"] == "aws:cloudformation:stack"}
    where = {name: body["environment"] for name, body in stacks.items()}
    assert where.pop("Standby") == f"aws://unknown-account/{REGION}"
    assert set(where.values()) == {"aws://unknown-account/unknown-region"}
    assert "Base" in stacks["Standby"]["dependencies"]
    assert "Standby" in stacks["Data"]["dependencies"]
    crossing = {"Fn::ImportValue", "Fn::GetStackOutput"}
    assert not [word for word in crossing if word in json.dumps(module.templates["Standby"])]


@pytest.mark.parametrize("zone", COPIED)
def test_zone_is_copied_but_for_clear_text(module: Assembly, zone: str) -> None:
    found = rules(module, zone)
    assert {rule["Filter"]["Prefix"] for rule in found} == COPIED[zone]
    for rule in found:
        assert rule["Status"] == "Enabled"
        assert rule["DeleteMarkerReplication"] == {"Status": "Disabled"}
        assert rule["SourceSelectionCriteria"]["SseKmsEncryptedObjects"] == {"Status": "Enabled"}
        assert rule["Destination"]["Metrics"]["Status"] == "Enabled"


def test_what_holds_clear_text_or_can_be_asked_for_again_stays(module: Assembly) -> None:
    for zone in ("Landing", "Captures", "Results"):
        assert "ReplicationConfiguration" not in original(module, zone)


@pytest.mark.parametrize("zone", COPIED)
def test_rule_writes_to_the_copy_with_the_key_of_that_region(module: Assembly, zone: str) -> None:
    """Two templates, one name: the first says it in full, the second in terms of its own Region."""
    kept = copy_of(module, zone)
    name = plain(kept["BucketName"]).replace("<Region>", REGION)
    key_id = kept["BucketEncryption"]["ServerSideEncryptionConfiguration"][0][
        "ServerSideEncryptionByDefault"
    ]["KMSMasterKeyID"]["Fn::GetAtt"][0]
    [alias] = [
        a["AliasName"]
        for a in of(module, "Standby", "AWS::KMS::Alias").values()
        if a["TargetKeyId"]["Fn::GetAtt"][0] == key_id
    ]
    for rule in rules(module, zone):
        where = rule["Destination"]
        assert plain(where["Bucket"]) == f"arn:aws:s3:::{name}"
        wanted = f"arn:aws:kms:{REGION}:<AccountId>:{alias}"
        assert plain(where["EncryptionConfiguration"]["ReplicaKmsKeyID"]) == wanted


def test_each_kind_of_data_has_a_key_of_its_own(module: Assembly) -> None:
    def key(zone: str) -> str:
        rule = copy_of(module, zone)["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
        return str(rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"]["Fn::GetAtt"][0])

    assert key("Raw") == key("Curated") == key("Features") != key("Models") == key("Captures")
    made = of(module, "Standby", "AWS::KMS::Key")
    assert len(made) == 4
    assert all(each["EnableKeyRotation"] and not each.get("MultiRegion") for each in made.values())


def test_names_of_copies_fit_in_the_longest_region() -> None:
    longest = max(regions.COMMERCIAL, key=len)
    assert len(f"mlref-production-standby-features-{'1' * 12}-{longest}") <= 63


@pytest.mark.parametrize("zone", [*COPIED, "Captures"])
def test_copy_is_as_private_as_its_original(module: Assembly, zone: str) -> None:
    kept, first = copy_of(module, zone), original(module, zone)
    for name in ("PublicAccessBlockConfiguration", "VersioningConfiguration", "OwnershipControls"):
        assert kept[name] == first[name]
    assert kept["LifecycleConfiguration"] == first["LifecycleConfiguration"]
    assert kept["LoggingConfiguration"]["LogFilePrefix"]
    encryption = kept["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
    assert encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert encryption["BucketKeyEnabled"]
    policies = of(module, "Standby", "AWS::S3::BucketPolicy")
    [policy] = [p for name, p in policies.items() if name.startswith(f"Copies{zone}")]
    denied = {s.get("Sid") for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"}
    assert {"DenyOtherWays", "DenyOtherKeys", "DenyOtherEncryption", "DenyCustomerKeys"} <= denied


def test_time_control_is_for_models_always_and_for_the_lake_by_setting(
    with_second_region: Assembly, production_with: Assembly
) -> None:
    timed = {
        zone: ["ReplicationTime" in rule["Destination"] for rule in rules(with_second_region, zone)]
        for zone in COPIED
    }
    assert timed == {"Raw": [False, False], "Curated": [False], "Features": [False], "Models": [True]}
    assert all(
        rule["Destination"]["ReplicationTime"] == {"Status": "Enabled", "Time": {"Minutes": 15}}
        for zone in COPIED
        for rule in rules(production_with, zone)
    )


def test_replication_may_read_originals_and_write_copies_and_nothing_else(module: Assembly) -> None:
    """Two policies of one role, each in the Region whose buckets and keys it names."""
    said = {
        action
        for statement in identity_statements(module)
        if any(word in statement.holder.path for word in ("Originals", "Copies/Role"))
        for action in statement.actions
    }
    assert said == {
        "kms:Decrypt",
        "kms:Encrypt",
        "s3:GetObjectVersionAcl",
        "s3:GetObjectVersionForReplication",
        "s3:GetReplicationConfiguration",
        "s3:ListBucket",
        "s3:ReplicateObject",
    }
    named = of(module, "Standby", "AWS::IAM::Role")
    [role] = [r["RoleName"] for r in named.values() if str(r.get("RoleName")).endswith("-replication")]
    attached = of(module, "Replication", "AWS::IAM::ManagedPolicy")
    [originals] = [p for name, p in attached.items() if name.startswith("Originals")]
    assert originals["Roles"] == [role]


def test_boundary_of_the_standby_is_what_its_roles_are_granted(module: Assembly) -> None:
    granted = {
        action
        for statement in identity_statements(module)
        if statement.holder.path.startswith("Standby/")
        or any(word in statement.holder.path for word in ("Replication/Originals", "Replication/Captures"))
        for action in statement.actions
    }
    listed = {f"{service}:{name}" for service, names in ACTIONS.items() for name in names.split()}
    assert granted == listed


def test_s3_alone_takes_the_role_on(module: Assembly) -> None:
    [statement] = [
        s for s in trust_statements(module) if s.raw["Principal"] == {"Service": "s3.amazonaws.com"}
    ]
    assert statement.actions == ["sts:AssumeRole"]


def test_standby_serves_as_the_first_region_does(module: Assembly) -> None:
    [model] = of(module, "Standby", "AWS::SageMaker::Model").values()
    [first] = of(module, "Operations", "AWS::SageMaker::Model").values()
    assert model["EnableNetworkIsolation"]
    assert model["PrimaryContainer"]["Environment"] == first["PrimaryContainer"]["Environment"]
    asset = json.dumps(first["PrimaryContainer"]["ModelDataUrl"]).split("/")[-1]
    assert json.dumps(model["PrimaryContainer"]["ModelDataUrl"]).split("/")[-1] == asset
    [config] = of(module, "Standby", "AWS::SageMaker::EndpointConfig").values()
    [of_first] = of(module, "Operations", "AWS::SageMaker::EndpointConfig").values()
    [variant], [other] = config["ProductionVariants"], of_first["ProductionVariants"]
    assert (variant["VariantName"], variant["InstanceType"]) == (other["VariantName"], other["InstanceType"])
    assert config["DataCaptureConfig"]["EnableCapture"]
    names = {a["AlarmName"] for a in of(module, "Standby", "AWS::CloudWatch::Alarm").values()}
    in_first = {a["AlarmName"] for a in of(module, "Operations", "AWS::CloudWatch::Alarm").values()}
    assert names == {
        name for name in in_first if " deploy: champion" in name or " deploy: challenger" in name
    }


def test_no_endpoint_costs_before_it_is_wanted(module: Assembly) -> None:
    kinds = {body["Type"] for body in module.templates["Standby"]["Resources"].values()}
    assert "AWS::SageMaker::Endpoint" not in kinds
    [endpoint] = of(module, "Standby", "AWS::EC2::VPCEndpoint").values()
    assert endpoint["VpcEndpointType"] == "Gateway"
    routes = [k for k in kinds if k in ("AWS::EC2::InternetGateway", "AWS::EC2::NatGateway")]
    assert routes == []


def test_every_rule_has_an_alarm_and_so_has_the_champions_name(module: Assembly) -> None:
    alarms = of(module, "Replication", "AWS::CloudWatch::Alarm").values()
    watched = {
        ({d["Name"]: text(d["Value"]) for d in a["Dimensions"]}.get("RuleId"), a["MetricName"])
        for a in alarms
    }
    copies = {(rule["Id"], "OperationsFailedReplication") for zone in COPIED for rule in rules(module, zone)}
    assert copies | {(None, "Errors"), (None, "Throttles")} == watched
    assert all(a["AlarmActions"] for a in alarms)


def test_trail_hears_of_the_copies(module: Assembly) -> None:
    [trail] = of(module, "Base", "AWS::CloudTrail::Trail").values()
    fields = [f for s in trail["AdvancedEventSelectors"] for f in s["FieldSelectors"]]
    [about] = [f["StartsWith"] for f in fields if f["Field"] == "resources.ARN"]
    assert {text(arn).rsplit("-", 2)[-2] for arn in about} == {"data", "standby"}


def test_findings_about_replication_are_gone_and_nothing_else_is_open(module: Assembly) -> None:
    assert findings(module) == []
    profile = "production" if "Lock" in json.dumps(module.templates["Base"]) else "sandbox"
    rows = ledger.about(ledger.read(project.LEDGER, profile), list(module.templates))
    known = evidence.Known(rows=rows, calls=None, explanations=[], engines=Path("/nowhere"))
    found = evidence.gather(module.directory, known, date(2026, 11, 27))
    # The core's rows for the four zones have nothing left to answer: that is what the module is for.
    assert {(each.rule, each.path, each.subject) for each in found.verdict.open} == {
        ("LEDGER-01", f"Data/Lake/{zone}", "S3BucketReplicationEnabled") for zone in COPIED
    }


def test_paused_it_asks_for_nothing_that_is_not_there(tmp_path: Path) -> None:
    found = synthesise_settings(tmp_path, switched_on(settings_for("sandbox")).paused())
    states = {
        r.get("ScheduleExpression", "event"): r.get("State")
        for r in of(found, "Replication", "AWS::Events::Rule").values()
    }
    assert states["rate(1 hour)"] == "DISABLED"
    assert "ReplicationConfiguration" in original(found, "Models")


# -- what cannot be


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("region", "Frankfurt", id="no Region's name"),
        pytest.param("region", "", id="none"),
        pytest.param("standby", "hot", id="a standby that is not there"),
        pytest.param("instances", 0, id="no instance"),
        pytest.param("cidr", "10.40.0.0/28", id="a network too small for two subnets"),
        pytest.param("cidr", "10.40.0.0", id="no network"),
    ],
)
def test_impossible_value_is_refused_with_its_place(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"SecondRegionSettings\.{field} must be .* settings\.py"):
        any_second_region(**{field: value})


@pytest.mark.parametrize("region", ["eu-atlantis-1", "ap-east-2"], ids=["unknown", "without image and lists"])
def test_region_that_lacks_something_is_refused_with_what(region: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"{region} cannot be deployed to\. .*Regions without gaps: "):
        synthesise_settings(tmp_path, switched_on(settings_for("sandbox"), region=region))


def test_second_region_that_is_the_first_is_refused_where_that_is_known() -> None:
    settings = switched_on(settings_for("sandbox"))
    project.refuse_same(settings, "us-east-1")
    with pytest.raises(ValueError, match=f"{REGION} is the first Region and the second"):
        project.refuse_same(settings, REGION)


def test_template_refuses_it_where_synthesis_cannot_know(module: Assembly) -> None:
    from sandbox.cloudformation.errors import ValidationError
    from sandbox.cloudformation.operations import _check_rules
    from sandbox.cloudformation.template import Template
    from tests.infrastructure.test_regions import scope

    template = module.templates["Base"]
    _check_rules(Template.parse(json.dumps(template)), scope(template, "us-east-1"))
    with pytest.raises(ValidationError, match="The second Region is the one that is being deployed to"):
        _check_rules(Template.parse(json.dumps(template)), scope(template, REGION))


def test_preflight_asks_each_region_for_its_own(module: Assembly) -> None:
    parts = asked.by_region(module.directory)
    assert list(parts) == ["", REGION]
    assert set(parts[REGION].templates.stacks) == {"Standby"}
    assert set(parts[""].templates.stacks) == {"Base", "Data", "Model", "Operations", "Replication"}
    assert all(part.bootstrap for part in parts.values())


def test_every_alarm_has_a_line_in_the_book(module: Assembly) -> None:
    book = (Path(project.__file__).parent / "docs/second-region.md").read_text(encoding="utf-8")
    for alarm in of(module, "Replication", "AWS::CloudWatch::Alarm").values():
        title = alarm["AlarmName"].split(" ", 1)[1]
        assert f"| `{title}` |" in book, title
        assert alarm["AlarmDescription"].endswith("docs/second-region.md")
