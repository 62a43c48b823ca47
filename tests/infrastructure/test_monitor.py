"""Monitor: captures, labels and statistics in, metrics out; each alarm has its line in the book."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Environment, Stack, assertions
from aws_cdk.aws_sns import Topic

import contracts
from sandbox.engines import event_pattern
from settings import PROFILES
from stacks.operations.alarms import vcpus
from stacks.operations.budget import Budget
from tests.definitions import definitions, flat, tasks

BOOK = Path(__file__).parents[2] / "docs" / "operations.md"


def alarms(assembly: Any) -> dict[str, dict[str, Any]]:
    """By title, for example `deploy: champion is slow`."""
    found = assembly.resources("AWS::CloudWatch::Alarm").values()
    ours = [each for each in found if "AlarmName" in each]
    return {each["AlarmName"].split(" ", 1)[1]: each for each in ours}


def test_the_job_compares_captures_with_labels_and_with_the_champions_statistics(sandbox: Any) -> None:
    request = tasks(definitions(sandbox)["monitor"])["Monitor"]["Parameters"]
    inputs = {each["InputName"]: each["S3Input"] for each in request["ProcessingInputs"]}
    assert inputs["captures"]["S3DataType"] == inputs["features"]["S3DataType"] == "ManifestFile"
    assert inputs["baseline"]["S3Uri.$"] == "$.plan.monitor.baseline_uri"
    assert inputs["champion"]["S3Uri.$"] == "$.plan.monitor.champion_uri"
    [output] = request["ProcessingOutputConfig"]["Outputs"]
    assert "monitor/{}', $.plan.through" in output["S3Output"]["S3Uri.$"]


def test_metrics_follow_the_job_and_a_failure_is_told(sandbox: Any) -> None:
    states = definitions(sandbox)["monitor"]["States"]
    assert states["Monitor"]["Next"] == "PublishMetrics"
    assert states["PublishMetrics"]["Next"] == "Done"
    assert states["Failed"]["Next"] == "Explain"
    assert states["Explain"]["Next"] == "NotifyFailure"


def test_alarms_on_the_model_have_the_contracts_thresholds(sandbox: Any) -> None:
    limits = contracts.load("flights")["monitor"]
    found = alarms(sandbox)
    assert found["monitor: model got worse"]["Threshold"] == limits["quality_drop"]
    assert found["monitor: model is off balance"]["Threshold"] == limits["calibration_gap"]
    assert found["monitor: labels follow other rules"]["Threshold"] == limits["concept_drift"]
    titles = [
        f"monitor: {each}"
        for each in ("model got worse", "model is off balance", "labels follow other rules")
    ]
    for title in titles:
        assert found[title]["TreatMissingData"] == "missing", "else the next report would not ring again"


def test_every_stage_has_alarms_and_every_alarm_tells_people(sandbox: Any) -> None:
    found = alarms(sandbox)
    assert {title.split(":")[0] for title in found} == {"ingest", "deploy", "monitor", "retrain"}
    for title, alarm in found.items():
        assert "Topic" in str(alarm["AlarmActions"]), title
        assert alarm["AlarmDescription"].endswith("docs/operations.md"), title


def test_every_alarm_has_a_line_in_the_book_and_every_line_an_alarm(production: Any, sandbox: Any) -> None:
    """Of either profile: only a stream with shards can be nearly full."""
    written = set(re.findall(r"^\| `([^`]+)` \|", BOOK.read_text(encoding="utf-8"), re.MULTILINE))
    assert written == set(alarms(production)) | set(alarms(sandbox))
    assert set(alarms(sandbox)) - set(alarms(production)) == {"ingest: stream is nearly full"}


def test_alarms_near_a_quota_ask_cloudwatch_for_the_quota(assembly: Any) -> None:
    """In the form of its own alarms; and before it refuses: at four fifths of it, for five minutes."""
    found = {title: alarm for title, alarm in alarms(assembly).items() if title.endswith("near the quota")}
    assert set(found) == {"ingest: functions near the quota", "ingest: keys near the quota"}
    for alarm in found.values():
        share, usage = alarm["Metrics"]
        name = usage["Id"]
        assert share["Expression"] == f"{name} / SERVICE_QUOTA({name}) * 100"
        assert (alarm["Threshold"], alarm["EvaluationPeriods"], usage["MetricStat"]["Period"]) == (80, 5, 60)
        assert alarm["TreatMissingData"] == "notBreaching"


def test_a_transform_job_that_fails_is_told(sandbox: Any) -> None:
    [rule] = [
        rule
        for rule in sandbox.resources("AWS::Events::Rule").values()
        if rule["EventPattern"].get("source") == ["aws.glue"]
    ]
    assert len(rule["EventPattern"]["detail"]["jobName"]) == 3


def test_synthesis_warns_when_alarms_reach_nobody(assembly: Any) -> None:
    text = (assembly.directory / "Operations.metadata.json").read_text(encoding="utf-8")
    warnings = [
        entry["data"]
        for entries in json.loads(text).values()
        for entry in entries
        if entry["type"] == "aws:cdk:warning"
    ]
    assert [each for each in warnings if "alarms reach nobody: give monitor.emails" in each]


def tampering(assembly: Any, kind: str) -> Any:
    [rule] = [
        rule
        for name, rule in assembly.resources("AWS::Events::Rule").items()
        if re.fullmatch(f"Operations/Tampering{kind}[0-9A-F]{{8}}", name)
    ]
    assert all("Topic" in str(target["Arn"]) and target["DeadLetterConfig"] for target in rule["Targets"])
    return rule["EventPattern"]


def spelled_out(value: Any) -> Any:
    match value:
        case {"Fn::Join": _}:
            return flat(value)
        case dict():
            return {key: spelled_out(each) for key, each in value.items()}
        case list():
            return [spelled_out(each) for each in value]
    return value


def call(service: str, name: str, about: dict[str, Any], source: str = "198.51.100.7") -> dict[str, Any]:
    """As CloudTrail hands it to EventBridge."""
    return {
        "source": f"aws.{service}",
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {
            "eventSource": f"{service}.amazonaws.com",
            "eventName": name,
            "requestParameters": about,
            "sourceIPAddress": source,
            "userIdentity": {"arn": "arn:aws:sts::123456789012:assumed-role/Admin/ada"},
        },
    }


@pytest.mark.parametrize(
    ("kind", "event", "rings"),
    [
        ("Trail", call("cloudtrail", "StopLogging", {"name": "mlref-sandbox-trail"}), True),
        ("Trail", call("cloudtrail", "PutEventSelectors", {"trailName": "mlref-sandbox-trail"}), True),
        ("Trail", call("cloudtrail", "StopLogging", {"name": "another-trail"}), False),
        ("Trail", call("cloudtrail", "GetTrail", {"name": "mlref-sandbox-trail"}), False),
        ("Buckets", call("s3", "PutBucketPolicy", {"bucketName": "mlref-sandbox-data-raw-1"}), True),
        ("Buckets", call("s3", "DeleteBucketPublicAccessBlock", {"bucketName": "mlref-sandbox-x"}), True),
        ("Buckets", call("s3", "PutBucketPolicy", {"bucketName": "somebody-elses"}), False),
        (
            "Buckets",
            call("s3", "PutBucketPolicy", {"bucketName": "mlref-sandbox-x"}, "cloudformation.amazonaws.com"),
            False,
        ),
    ],
)
def test_changes_by_hand_ring_and_deployments_do_not(
    sandbox: Any, kind: str, event: dict[str, Any], rings: bool
) -> None:
    pattern = spelled_out(tampering(sandbox, kind))
    event_pattern.check(pattern)
    assert event_pattern.matches(pattern, event) is rings


def test_each_of_our_keys_is_watched_and_what_services_do_is_not(sandbox: Any) -> None:
    detail = tampering(sandbox, "Keys")["detail"]
    keys = sandbox.resources("AWS::KMS::Key")
    assert len(detail["requestParameters"]["keyId"]) == 2 * len(keys) == 12
    assert {"PutKeyPolicy", "ScheduleKeyDeletion", "DisableKey"} <= set(detail["eventName"])
    assert "userIdentity" not in detail, "whoever does it in whose name"
    grants = tampering(sandbox, "Grants")["detail"]
    assert grants["requestParameters"] == detail["requestParameters"]
    assert grants["userIdentity"] == {"invokedBy": [{"exists": False}]}, (
        "services ask for grants all the time"
    )


def joined(*parts: str) -> dict[str, Any]:
    return {"Fn::Join": ["", [{"Ref": each} if each.startswith("AWS::") else each for each in parts]]}


def test_the_budget_tells_the_topic_at_three_marks(assembly: Any) -> None:
    [budget] = assembly.resources("AWS::Budgets::Budget").values()
    profile = next(each for each in PROFILES.values() if each.profile in str(budget["ResourceTags"]))
    assert budget["Budget"]["BudgetLimit"] == {"Amount": profile.monitor.budget_usd, "Unit": "USD"}
    assert budget["Budget"]["TimeUnit"] == "MONTHLY"
    assert budget["Budget"]["CostFilters"] == {"TagKeyValue": ["user:project$mlref"]}
    assert "BudgetName" not in budget["Budget"], "it would be in the way of the budget that replaces this one"
    told = budget["NotificationsWithSubscribers"]
    assert [each["Notification"]["Threshold"] for each in told] == [50, 80, 100]
    [topic] = (key.split("/")[1] for key in assembly.resources("AWS::SNS::Topic"))
    for each in told:
        assert each["Subscribers"] == [{"SubscriptionType": "SNS", "Address": {"Ref": topic}}]
        assert each["Notification"]["NotificationType"] == "ACTUAL"


def test_budgets_may_use_the_topics_key_and_for_this_account_only(sandbox: Any) -> None:
    [topic] = sandbox.resources("AWS::SNS::Topic").values()
    grants = [
        (name, statement)
        for name, key in sandbox.resources("AWS::KMS::Key").items()
        for statement in key["KeyPolicy"]["Statement"]
        if statement.get("Principal") == {"Service": "budgets.amazonaws.com"}
    ]
    [(name, statement)] = grants
    assert name.split("/")[1] in str(topic["KmsMasterKeyId"])
    assert statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}


@pytest.mark.parametrize(
    ("usd", "region", "budgets", "warnings"),
    [
        pytest.param(10, "us-east-1", 1, 0, id="a Region with budgets"),
        pytest.param(10, None, 1, 0, id="a Region that is said at deployment"),
        pytest.param(10, "eu-north-1", 0, 1, id="a Region without"),
        pytest.param(None, "us-east-1", 0, 0, id="switched off"),
    ],
)
def test_no_budget_where_cloudformation_has_none(
    usd: int | None, region: str | None, budgets: int, warnings: int
) -> None:
    stack = Stack(App(), "Any", env=Environment(region=region) if region else None)
    made = Budget(stack, "Budget", usd=usd, topic=Topic(stack, "Topic"))
    assertions.Template.from_stack(stack).resource_count_is("AWS::Budgets::Budget", budgets)
    assert [each.type for each in made.node.metadata] == ["aws:cdk:warning"] * warnings


def test_the_region_may_be_said_on_the_command_line() -> None:
    stack = Stack(App(context={"region": "eu-north-1"}), "Any")
    Budget(stack, "Budget", usd=10, topic=Topic(stack, "Topic"))
    assertions.Template.from_stack(stack).resource_count_is("AWS::Budgets::Budget", 0)


def test_only_our_alarms_and_rules_may_publish_to_the_topic(sandbox: Any) -> None:
    [policy] = sandbox.resources("AWS::SNS::TopicPolicy").values()
    services = [
        statement
        for statement in policy["PolicyDocument"]["Statement"]
        if "Service" in statement.get("Principal", {})
    ]
    assert {each["Principal"]["Service"] for each in services} == {
        "budgets.amazonaws.com",
        "cloudwatch.amazonaws.com",
        "events.amazonaws.com",
    }
    asked = {each["Principal"]["Service"]: each.get("Condition") for each in services}
    assert "<AWS::AccountId>" in flat(asked["cloudwatch.amazonaws.com"]["ArnLike"]["aws:SourceArn"])
    assert "aws:SourceAccount" in asked["cloudwatch.amazonaws.com"]["StringEquals"]
    assert asked["budgets.amazonaws.com"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
        "ArnLike": {"aws:SourceArn": joined("arn:", "AWS::Partition", ":budgets::", "AWS::AccountId", ":*")},
    }
    # Decision 42: a condition would keep EventBridge out.
    assert asked["events.amazonaws.com"] is None


def test_the_dashboard_groups_by_stage_and_gives_every_graph_a_unit(sandbox: Any) -> None:
    [board] = sandbox.resources("AWS::CloudWatch::Dashboard").values()
    widgets = json.loads(flat(board["DashboardBody"]))["widgets"]
    headers = [each["properties"]["markdown"] for each in widgets if each["type"] == "text"]
    assert [header.split("\n")[0] for header in headers[1:]] == [
        "## ingest",
        "## retrain",
        "## deploy",
        "## monitor",
    ]
    graphs = graphs_of(sandbox)
    assert len(graphs) >= 20
    for graph in graphs:
        assert graph["title"] and graph["yAxis"]["left"]["label"], graph.get("title")
    assert len({graph["title"] for graph in graphs}) == len(graphs)


def graphs_of(assembly: Any) -> list[dict[str, Any]]:
    [board] = assembly.resources("AWS::CloudWatch::Dashboard").values()
    widgets = json.loads(flat(board["DashboardBody"]))["widgets"]
    shown = [each["properties"] for each in widgets if each["type"] == "metric"]
    return [each for each in shown if each["view"] == "timeSeries"]


def drawn(graph: dict[str, Any]) -> tuple[set[tuple[str, int]], int]:
    """Metric and period (seconds) of what a graph shows, and by what its values are divided."""
    found, divide = set(), 1
    for row in graph["metrics"]:
        options = row[-1] if isinstance(row[-1], dict) else {}
        if scaled := re.fullmatch(r"m\d+/(\d+)", options.get("expression", "")):
            divide = int(scaled[1])
        elif "expression" in options:  # what an alarm computes, by its label
            found.add((options["label"], options["period"]))
        else:
            found.add((row[1], options.get("period", 300)))
    return found, divide


def test_every_alarm_has_its_limit_drawn_into_a_graph_of_the_period_that_it_judges(assembly: Any) -> None:
    graphs = graphs_of(assembly)
    for title, alarm in alarms(assembly).items():
        judged = (alarm.get("MetricName"), alarm.get("Period"))
        if "Metrics" in alarm:
            share, usage, *_ = alarm["Metrics"]
            judged = (share["Label"], usage["MetricStat"]["Period"])
        lines = {
            (line["value"] * divide, "below" in line["label"])
            for graph in graphs
            for shown, divide in [drawn(graph)]
            for line in graph.get("annotations", {}).get("horizontal", [])
            if judged in shown
        }
        is_lower = alarm["ComparisonOperator"] == "LessThanThreshold"
        assert (alarm["Threshold"], is_lower) in lines, f"{title}: {lines}"


def test_the_dashboard_begins_with_what_rings(sandbox: Any) -> None:
    [board] = sandbox.resources("AWS::CloudWatch::Dashboard").values()
    widgets = json.loads(flat(board["DashboardBody"]))["widgets"]
    first = next(each["properties"] for each in widgets if each["type"] == "alarm")
    assert first["states"] == ["ALARM"]
    assert len(first["alarms"]) == len(alarms(sandbox))


def test_the_processor_is_counted_by_vcpu(assembly: Any) -> None:
    """SageMaker's figure for ml.m5.large goes up to 200: an alarm at 90 would ring at half the load."""
    variants = assembly.resources("AWS::SageMaker::EndpointConfig").values()
    assert {each["ProductionVariants"][0]["InstanceType"] for each in variants} == {"ml.m5.large"}
    found = alarms(assembly)
    assert found["deploy: champion is short of processor"]["Threshold"] == 180
    assert found["deploy: champion is short of memory"]["Threshold"] == 90


@pytest.mark.parametrize(
    ("instance_type", "expected"),
    [
        ("ml.t2.medium", 2),
        ("ml.m5.large", 2),
        ("ml.m5.xlarge", 4),
        ("ml.c5.2xlarge", 8),
        ("ml.m5.24xlarge", 96),
    ],
)
def test_vcpus_follow_the_size(instance_type: str, expected: int) -> None:
    assert vcpus(instance_type) == expected


def test_a_size_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ml\.m5\.metal .* allowed is .* settings\.py"):
        vcpus("ml.m5.metal")
