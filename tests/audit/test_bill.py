"""The bill: arithmetic against examples worked by hand, types that are all known, promises that hold."""

from __future__ import annotations

import dataclasses
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import app as project
import contracts
from audit import sections
from audit.bill import free, invoice, prices, standing, using
from audit.bill.__main__ import main
from audit.bill.invoice import Bill
from audit.bill.quantities import Unknown, total
from audit.bill.usage import DAYS, IDLE, Usage
from audit.templates import InputError, Templates
from scripts import bill as script
from settings import settings_for
from tests.conftest import CONTEXT, Assembly

TODAY = date(2026, 11, 27)
MACHINE, TASK = "AWS::StepFunctions::StateMachine", "arn:aws:states:::"


def bill_of(folder: Path, resources: dict[str, Any], usage: Usage = IDLE) -> Bill:
    (folder / "Any.template.json").write_text(json.dumps({"Resources": resources}), encoding="utf-8")
    return invoice.make(Templates.read(folder), usage, prices.read())


def any_usage(**knobs: float) -> Usage:
    """No use but this."""
    return dataclasses.replace(IDLE, **knobs)


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def interface(*subnets: str) -> dict[str, Any]:
    return resource("EC2::VPCEndpoint", VpcEndpointType="Interface", SubnetIds=list(subnets))


def variant(count: int | str, kind: str = "ml.m5.large", **more: Any) -> dict[str, Any]:
    return {"VariantName": "champion", "InstanceType": kind, "InitialInstanceCount": count, **more}


def action(category: str, provider: str, project: Any = None) -> dict[str, Any]:
    """Of a pipeline."""
    return {
        "Name": provider,
        "ActionTypeId": {"Category": category, "Owner": "AWS", "Provider": provider, "Version": "1"},
        "Configuration": {"ProjectName": project} if project else {},
    }


def machine(**states: dict[str, Any]) -> dict[str, Any]:
    return resource("StepFunctions::StateMachine", DefinitionString=json.dumps({"States": states}))


def task(action: str, **parameters: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": f"{TASK}{action}", "Parameters": parameters}


@pytest.mark.parametrize(
    ("resources", "usd"),
    [
        # 2 zones x 730 hours x 0.01
        pytest.param({"A": interface("a", "b")}, 14.60, id="an interface endpoint in two zones"),
        pytest.param({"A": resource("EC2::VPCEndpoint", VpcEndpointType="Gateway")}, 0, id="a gateway"),
        # 3 shards x 730 hours x 0.015
        pytest.param({"A": resource("Kinesis::Stream", ShardCount=3)}, 32.85, id="three shards"),
        # 730 hours x 0.015, and 730 hours x 0.02 for what is kept longer than a day
        pytest.param(
            {"A": resource("Kinesis::Stream", ShardCount=1, RetentionPeriodHours=48)},
            25.55,
            id="a shard that keeps for two days",
        ),
        # 730 hours x 0.04
        pytest.param(
            {"A": resource("Kinesis::Stream", StreamModeDetails={"StreamMode": "ON_DEMAND"})},
            29.20,
            id="a stream on demand",
        ),
        # 2 x 1.00 + 0.40
        pytest.param(
            {
                "A": resource("KMS::Key"),
                "B": resource("KMS::Key"),
                "C": resource("SecretsManager::Secret"),
            },
            2.40,
            id="two keys and a secret",
        ),
        # one metric 0.10; two metrics of an expression 0.20; one every 10 seconds 0.30; a composite one 0.50
        pytest.param(
            {
                "A": resource("CloudWatch::Alarm", MetricName="m", Period=300),
                "B": resource(
                    "CloudWatch::Alarm",
                    Metrics=[
                        {"Id": "r", "Expression": "a / b"},
                        {"Id": "a", "MetricStat": {"Period": 60}},
                        {"Id": "b", "MetricStat": {"Period": 60}},
                    ],
                ),
                "C": resource("CloudWatch::Alarm", MetricName="m", Period=10),
                "D": resource("CloudWatch::CompositeAlarm"),
            },
            1.10,
            id="alarms of each kind",
        ),
        # 2 instances x (730 hours x 0.115 + 30 GB x 0.14)
        pytest.param(
            {
                "A": resource(
                    "SageMaker::Endpoint", EndpointConfigName={"Fn::GetAtt": ["B", "EndpointConfigName"]}
                ),
                "B": resource("SageMaker::EndpointConfig", ProductionVariants=[variant(2)]),
            },
            176.30,
            id="two instances behind an endpoint",
        ),
        # 730 hours x 0.23 + 50 GB x 0.14
        pytest.param(
            {
                "A": resource("SageMaker::Endpoint", EndpointConfigName="named"),
                "B": resource(
                    "SageMaker::EndpointConfig",
                    EndpointConfigName="named",
                    ProductionVariants=[variant("1", "ml.m5.xlarge", VolumeSizeInGB=50)],
                ),
                "C": resource("SageMaker::EndpointConfig", ProductionVariants=[variant(9)]),
            },
            174.90,
            id="a configuration that is named, beside one that nobody uses",
        ),
        # 730 hours x (5 x 0.00013 + 2 x 0.00065)
        pytest.param(
            {
                "A": resource(
                    "DynamoDB::Table",
                    ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 2},
                ),
                "B": resource("DynamoDB::Table", BillingMode="PAY_PER_REQUEST"),
            },
            1.4235,
            id="a table with capacity, and one on demand",
        ),
        # 730 hours x 0.045
        pytest.param({"A": resource("EC2::NatGateway")}, 32.85, id="a NAT gateway"),
    ],
)
def test_what_is_always_on(tmp_path: Path, resources: dict[str, Any], usd: float) -> None:
    found = bill_of(tmp_path, resources)
    assert found.idle == pytest.approx(usd)
    assert found.idle_day == pytest.approx(usd / DAYS)
    assert found.month == found.idle
    assert found.unknown == []


@pytest.mark.parametrize(
    ("resources", "knobs", "usd"),
    [
        # 4 deliveries x 2 builds of 15 minutes x 0.02; 4 x (1 + 2 x 15) minutes of actions x 0.002
        pytest.param(
            {
                "A": resource(
                    "CodePipeline::Pipeline",
                    PipelineType="V2",
                    Stages=[
                        {"Actions": [action("Source", "CodeStarSourceConnection")]},
                        {"Actions": [action("Build", "CodeBuild", "named"), action("Approval", "Manual")]},
                        {"Actions": [action("Build", "CodeBuild", {"Ref": "B"})]},
                    ],
                ),
                "B": resource(
                    "CodeBuild::Project",
                    Name="named",
                    Environment={"Type": "LINUX_CONTAINER", "ComputeType": "BUILD_GENERAL1_LARGE"},
                ),
            },
            {"deliveries_per_month": 4, "build_minutes": 15},
            2.648,
            id="a pipeline with two builds and an approval",
        ),
        # 365/12 days x 1,000 records of 1 KB: one unit each, 30,416.67 x 0.014 / 1e6
        pytest.param(
            {"A": resource("Kinesis::Stream", ShardCount=1)},
            {"records_per_day": 1_000, "gb_per_day": 0.001},
            0.000425833,
            id="small records on a shard",
        ),
        # 60 KB a record are three units of 25 KB: 3 x 30,416.67 x 0.014 / 1e6
        pytest.param(
            {"A": resource("Kinesis::Stream", ShardCount=1)},
            {"records_per_day": 1_000, "gb_per_day": 0.06},
            0.0012775,
            id="large records on a shard",
        ),
        # 1 GB a day: 30.41667 x (0.08 + 0.04), and 6 more days of 1 GB each x 0.10
        pytest.param(
            {
                "A": resource(
                    "Kinesis::Stream",
                    StreamModeDetails={"StreamMode": "ON_DEMAND"},
                    RetentionPeriodHours=168,
                )
            },
            {"records_per_day": 1_000, "gb_per_day": 1},
            4.25,
            id="a stream on demand that keeps for a week",
        ),
        # Records of 1 KB count as 5 KB: 1e6 x 365/12 x 5 KB = 152.0833 GB x 0.029 = 4.410417
        pytest.param(
            {"A": resource("KinesisFirehose::DeliveryStream", ExtendedS3DestinationConfiguration={})},
            {"records_per_day": 1_000_000, "gb_per_day": 1},
            4.410417,
            id="small records through Firehose",
        ),
        # As above; 30.41667 GB x 0.02 of partitions; an object every 60 s: 43,800 x 0.005 / 1,000
        pytest.param(
            {
                "A": resource(
                    "KinesisFirehose::DeliveryStream",
                    ExtendedS3DestinationConfiguration={
                        "DynamicPartitioningConfiguration": {"Enabled": True},
                        "BufferingHints": {"IntervalInSeconds": 60, "SizeInMBs": 64},
                    },
                )
            },
            {"records_per_day": 1_000_000, "gb_per_day": 1},
            4.410417 + 0.608333 + 0.219,
            id="partitions by what is in the records",
        ),
        # 1,000 calls x 2 s x 0.5 GB x 0.0000166667, and 1,000 x 0.20 / 1e6
        pytest.param(
            {"A": resource("Lambda::Function", MemorySize=512)},
            {"calls_per_function": 1_000, "function_seconds": 2},
            0.0168667,
            id="a function",
        ),
        # 10 GB x 0.023 + 2,000 x 0.005/1,000 + 10,000 x 0.0004/1,000; without a key of ours no KMS
        pytest.param(
            {"A": resource("S3::Bucket")},
            {"stored_gb": 10, "s3_writes": 2_000, "s3_reads": 10_000},
            0.244,
            id="a bucket",
        ),
        # As above, and 12,000 x 1 % = 120 requests to KMS x 0.03 / 10,000
        pytest.param(
            {
                "A": resource(
                    "S3::Bucket",
                    BucketEncryption={
                        "ServerSideEncryptionConfiguration": [
                            {
                                "BucketKeyEnabled": True,
                                "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"},
                            }
                        ]
                    },
                )
            },
            {"stored_gb": 10, "s3_writes": 2_000, "s3_reads": 10_000},
            0.24436,
            id="a bucket with a key, which it asks for rarely",
        ),
        # 300 queries x 10 MB at least = 3 GB x 5 / 1,000
        pytest.param(
            {"A": resource("Athena::WorkGroup")}, {"queries": 300, "gb_per_query": 0.001}, 0.015, id="queries"
        ),
        # 3 GB x (0.50 + 0.03)
        pytest.param({"A": resource("Logs::LogGroup")}, {"log_gb": 3}, 1.59, id="logs"),
        # 1,000,000 events x 0.10 / 100,000
        pytest.param(
            {
                "A": resource(
                    "CloudTrail::Trail", EventSelectors=[{"DataResources": [{"Type": "AWS::S3::Object"}]}]
                )
            },
            {"s3_writes": 400_000, "s3_reads": 600_000},
            1.00,
            id="a trail with data events",
        ),
        pytest.param(
            {"A": resource("CloudTrail::Trail")}, {"s3_writes": 400_000}, 0, id="a first trail without them"
        ),
    ],
)
def test_what_is_paid_by_use(
    tmp_path: Path, resources: dict[str, Any], knobs: dict[str, float], usd: float
) -> None:
    found = bill_of(tmp_path, resources, any_usage(**knobs))
    assert total(found.use) == pytest.approx(usd, rel=1e-5)
    assert found.month == pytest.approx(found.idle + usd, rel=1e-5)
    assert found.unknown == []


GLUE = resource("Glue::Job", WorkerType="G.2X", NumberOfWorkers=3, GlueVersion="5.1", Name="job")
TRAINING = task(
    "sagemaker:createTrainingJob.sync",
    EnableManagedSpotTraining=True,
    ResourceConfig={"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 73},
)


def test_a_run_costs_its_jobs_calls_and_transitions(tmp_path: Path) -> None:
    """
    Glue          10 minutes x 3 workers x 2 DPU = 1 DPU-hour x 0.44                       0.44
    training      30 minutes x 2 instances = 1 hour x 0.23 x (1 - 0.6 for Spot)            0.092
                  their volumes: 73 GB x 1 hour / 730 x 0.14                               0.014
    function      1 call: 2 s x 1 GB x 0.0000166667 + 0.20 / 1e6                           0.0000335334
    challenger    2 days x 24 hours x 0.115 + 30 GB x 48 / 730 x 0.14                      5.7961644
    transitions   6 states, and 2 checks (one a day) x 5: 16 x 0.025 / 1,000               0.0004
    """
    states = {
        "Clean": task("glue:startJobRun.sync", JobName="job"),
        "Train": TRAINING,
        "Gate": task("lambda:invoke", FunctionName="${F.Arn}"),
        "Configure": task("sagemaker:createEndpointConfig", ProductionVariants=[variant(1), variant(1)]),
        "Bake": {"Type": "Wait", "Seconds": 86_400},
        "Done": {"Type": "Succeed"},
    }
    given = {
        "J": GLUE,
        "F": resource("Lambda::Function", MemorySize=1_024),
        "M": resource(
            "StepFunctions::StateMachine",
            DefinitionString={"Fn::Sub": json.dumps({"States": states})},
        ),
    }
    usage = any_usage(
        retrainings_per_month=3,
        refreshes_per_month=2,
        glue_minutes=10,
        training_minutes=30,
        spot_discount=0.6,
        function_seconds=2,
        challenge_days=2,
    )
    found = bill_of(tmp_path, given, usage)
    retraining, refresh = found.runs
    assert (retraining.kind, retraining.times) == ("retraining", 3)
    assert retraining.usd == pytest.approx(0.44 + 0.092 + 0.014 + 0.0000335334 + 5.7961644 + 0.0004, rel=1e-6)
    # Without training: the job, the function, and twice as many transitions as it has tasks.
    assert (refresh.kind, refresh.times) == ("refresh", 2)
    assert refresh.usd == pytest.approx(0.44 + 0.0000335334 + 4 * 0.025 / 1_000)
    assert found.used == pytest.approx(total(found.use) + 3 * retraining.usd + 2 * refresh.usd)
    assert found.unknown == []


CLUSTER = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10}


def tuning(trials: int | None = None, **ranges: Any) -> dict[str, Any]:
    limits = {"MaxParallelTrainingJobs": 2} | ({} if trials is None else {"MaxNumberOfTrainingJobs": trials})
    return task(
        "sagemaker:createHyperParameterTuningJob.sync",
        HyperParameterTuningJobConfig={"ResourceLimits": limits, "ParameterRanges": ranges},
        TrainingJobDefinition=TRAINING["Parameters"],
    )


def test_a_search_costs_its_trials_once_and_a_map_of_trainings_its_candidates(tmp_path: Path) -> None:
    """
    candidates  3 of 30 minutes x 2 instances = 3 hours x 0.23 x 0.4 + 73 GB x 3 / 730 x 0.14    0.318
    search      4 trials of 15 minutes x 2 instances = 2 hours x 0.23 x 0.4 + 73 x 2 / 730 x 0.14   0.212
    transitions 4 states x 0.025 / 1,000, and those of one way to the search that is not taken      0.0001
    """
    inner = {"States": {"Train": TRAINING}}
    states = {
        "All": {"Type": "Map", "ItemProcessor": inner},
        "Tune": tuning(4),
        "TuneFromLast": tuning(4),
    }
    definition = {"Fn::Sub": json.dumps({"States": states})}
    given = {"M": resource("StepFunctions::StateMachine", DefinitionString=definition)}
    usage = any_usage(
        retrainings_per_month=1, training_minutes=30, candidates=3, trial_minutes=15, spot_discount=0.6
    )
    [retraining] = bill_of(tmp_path, given, usage).runs
    assert retraining.kind == "retraining"
    assert retraining.usd == pytest.approx(0.318 + 0.212 + 0.0001, rel=1e-6)


def test_a_grid_costs_its_combinations(tmp_path: Path) -> None:
    """2 x 3 trials of 10 minutes on 2 instances = 2 hours x 0.23 x 0.4 + 73 x 2 / 730 x 0.14, and 1 state."""
    grid = [{"Name": "a", "Values": ["1", "2"]}, {"Name": "b", "Values": ["1", "2", "3"]}]
    states = {"Tune": tuning(CategoricalParameterRanges=grid)}
    definition = {"Fn::Sub": json.dumps({"States": states})}
    given = {"M": resource("StepFunctions::StateMachine", DefinitionString=definition)}
    [run] = bill_of(
        tmp_path, given, any_usage(retrainings_per_month=1, trial_minutes=10, spot_discount=0.6)
    ).runs
    assert run.usd == pytest.approx(0.184 + 0.028 + 0.000025, rel=1e-6)


@pytest.mark.parametrize(
    ("action", "parameters", "kind", "knobs", "usd"),
    [
        # 15 minutes x 0.115 + 10 GB x 0.25 hours / 730 x 0.14; 1 transition 0.000025
        pytest.param(
            "sagemaker:createProcessingJob.sync",
            {"ProcessingResources": {"ClusterConfig": CLUSTER}},
            "monitoring",
            {"processing_minutes": 15},
            0.02875 + 0.000479452 + 0.000025,
            id="processing",
        ),
        # 60 minutes x 4 instances x 0.23
        pytest.param(
            "sagemaker:createTransformJob.sync",
            {"TransformResources": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 4}},
            "scoring",
            {"transform_minutes": 60},
            0.92 + 0.000025,
            id="transform",
        ),
    ],
)
def test_a_job_costs_its_instances(
    tmp_path: Path, action: str, parameters: dict[str, Any], kind: str, knobs: dict[str, float], usd: float
) -> None:
    [run] = bill_of(tmp_path, {"M": machine(Job=task(action, **parameters))}, any_usage(**knobs)).runs
    assert run.kind == kind
    assert run.usd == pytest.approx(usd, rel=1e-6)


def test_less_than_a_minute_of_glue_is_a_minute(tmp_path: Path) -> None:
    """1/60 hour x 3 workers x 2 DPU x 0.44, and a transition."""
    given = {"J": GLUE, "M": machine(Clean=task("glue:startJobRun.sync", JobName="job"))}
    [run] = bill_of(tmp_path, given, any_usage(glue_minutes=0.5)).runs
    assert run.usd == pytest.approx(0.044 + 0.000025)


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        pytest.param({"A": resource("RDS::DBInstance")}, "a type that the bill does not know: 1", id="type"),
        pytest.param(
            {
                "A": resource("SageMaker::Endpoint", EndpointConfigName={"Ref": "B"}),
                "B": resource("SageMaker::EndpointConfig", ProductionVariants=[variant(1, "ml.p9.huge")]),
            },
            "no price sagemaker.ml.p9.huge",
            id="instance type",
        ),
        pytest.param(
            {
                "A": resource("SageMaker::Endpoint", EndpointConfigName={"Ref": "B"}),
                "B": resource("SageMaker::EndpointConfig", ProductionVariants=[{"ServerlessConfig": {}}]),
            },
            "paid by use",
            id="serverless",
        ),
        pytest.param(
            {"A": resource("Kinesis::Stream", ShardCount={"Ref": "Number"})},
            "said at deployment",
            id="parameter",
        ),
        pytest.param({"A": GLUE}, "no state machine of these templates starts it", id="a job nobody starts"),
        pytest.param(
            {"A": machine(Clean=task("glue:startJobRun", JobName="elsewhere"))}, "elsewhere", id="foreign job"
        ),
        pytest.param(
            {"A": resource("CloudTrail::Trail"), "B": resource("CloudTrail::Trail")},
            "second trail",
            id="trails",
        ),
        pytest.param(
            {"A": resource("SSM::Parameter", Tier="Advanced")}, "tier Advanced", id="parameter tier"
        ),
        pytest.param(
            {"A": resource("StepFunctions::StateMachine", StateMachineType="EXPRESS", DefinitionString="{}")},
            "express",
            id="express workflow",
        ),
    ],
)
def test_what_it_does_not_know_it_says(tmp_path: Path, resources: dict[str, Any], said: str) -> None:
    found = bill_of(tmp_path, resources)
    assert said in " ".join(each.why for each in found.unknown)


@pytest.mark.parametrize("odd", ["text", 7, ["text"], {"odd": {"odd": 1}}], ids=str)
def test_odd_properties_are_named_and_stop_nothing(odd: Any, sandbox: Assembly) -> None:
    """Each property of what has a price, replaced by something that it cannot be."""
    documents = {name: (sandbox.directory / name, template) for name, template in sandbox.templates.items()}
    listed, tried = prices.read(), 0
    for stack, (path, template) in documents.items():
        for name, entry in template["Resources"].items():
            if entry["Type"] not in {*standing.READERS, *using.PRICED} or entry["Type"] in MANY:
                continue
            for key in entry["Properties"]:
                properties = {**entry["Properties"], key: odd}
                broken = {"Resources": {name: {**entry, "Properties": properties}}}
                found = invoice.make(Templates({stack: (path, broken)}), Usage(), listed)
                assert found.month >= 0, (name, key)
                tried += 1
    assert tried > 80


# Of these one is as good as another.
MANY = {"AWS::CloudWatch::Alarm", "AWS::Lambda::Function", "AWS::Logs::LogGroup", "AWS::S3::Bucket"}


def test_every_type_of_ours_is_priced_or_free_for_a_reason(audited: dict[str, Templates]) -> None:
    for templates in audited.values():
        kinds = {each.type for each in templates.resources}
        assert len(kinds) > 40
        known = {*standing.READERS, *using.PRICED}
        assert {kind for kind in kinds if kind not in known and not free.is_free(kind)} == set()
    assert known.isdisjoint(free.FREE)
    assert min(len(reason) for reason in free.FREE.values()) > 8


def test_the_bill_of_ours_leaves_nothing_out(audited: dict[str, Templates]) -> None:
    for templates in audited.values():
        assert invoice.make(templates, Usage(), prices.read()).unknown == []


def test_look_ups_are_told_as_what_no_dated_price_is_known_of(tmp_path: Path) -> None:
    built = project.start(outdir=str(tmp_path), context=CONTEXT)
    project.build(built, settings_for("sandbox").with_feature_store(), contracts.load("flights"))
    built.synth()
    unknown = invoice.make(Templates.read(tmp_path), Usage(), prices.read()).unknown
    assert ["look-ups" in each.why for each in unknown] == [True]


def test_sandbox_is_below_five_a_day_idle_and_below_25_a_month_paused(
    sandbox: Assembly, paused: Assembly
) -> None:
    idle = invoice.make(Templates.read(sandbox.directory), IDLE, prices.read())
    assert 3 < idle.idle_day < 5
    # With what is stored and written all the same.
    still = dataclasses.replace(IDLE, stored_gb=Usage().stored_gb, log_gb=Usage().log_gb)
    asleep = invoice.make(Templates.read(paused.directory), still, prices.read())
    assert 10 < asleep.month < 25
    assert asleep.unknown == []


def test_the_readmes_table_is_that_of_the_templates(
    sandbox: Assembly, production: Assembly, paused: Assembly
) -> None:
    listed = prices.read()
    folders = {"sandbox": sandbox, "production": production, script.PAUSED: paused}
    bills = {
        name: invoice.make(Templates.read(each.directory), Usage(), listed) for name, each in folders.items()
    }
    text = script.README.read_text(encoding="utf-8")
    assert script.written(text, bills) == text, "the README's costs are stale: run `make bill WRITE=1`"


def test_readme_without_the_marker_is_refused() -> None:
    with pytest.raises(ValueError, match="must hold the marker"):
        script.written("# Any", {})


def test_every_price_has_a_page_a_date_and_a_witness() -> None:
    listed = prices.read()
    assert len(listed.prices) > 40
    assert (listed.region, listed.hours_a_month) == ("us-east-1", standing.HOURS)
    for name, price in listed.prices.items():
        assert price.page.startswith("https://aws.amazon.com/"), name
        assert date(2024, 1, 1) <= price.checked <= listed.as_of <= TODAY, name
        assert price.usd >= 0 and price.unit and price.against, name


def test_a_table_without_a_field_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text("prices: {}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"no table of prices \(KeyError"):
        prices.read(path)


@pytest.mark.parametrize(
    ("knob", "value", "message"),
    [
        pytest.param("queries", -1.0, r"--queries must be 0 or more, got -1", id="negative"),
        pytest.param(
            "spot_discount", 50.0, r"--spot-discount must be between 0 and 0.9, got 50", id="percent"
        ),
    ],
)
def test_impossible_use_is_refused(knob: str, value: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Usage(**{knob: value})


def test_command_tells_people_and_tools(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bill_of(
        tmp_path, {"A": interface("a"), "B": resource("RDS::DBInstance"), "C": resource("Logs::LogGroup")}
    )
    assert main([str(tmp_path), "--log-gb", "2"]) == 0
    said = capsys.readouterr().out
    assert "730 x 0.01 per endpoint-zone-hour [vpc.interface-endpoint]" in said
    assert "the least that it can be" in said and "AWS::RDS::DBInstance" in said
    assert main([str(tmp_path), "--json", "--log-gb", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["always_on"]["month"] == pytest.approx(7.30)
    assert found["by_use"]["month"] == pytest.approx(1.06 + 0.01)  # of which 1 GB through the endpoint
    assert found["month"] == pytest.approx(7.30 + 1.07)
    assert found["unknown"][0]["what"] == "AWS::RDS::DBInstance"
    assert main([str(tmp_path), "--idle"]) == 0
    assert "by use" not in capsys.readouterr().out


def test_command_refuses_what_is_no_template(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nothing")]) == 2
    assert "no such file or folder" in capsys.readouterr().err


def test_the_audits_report_has_what_is_always_on(tmp_path: Path) -> None:
    bill_of(tmp_path, {"A": interface("a"), "B": resource("RDS::DBInstance"), "C": resource("KMS::Key")})
    head, *rows = sections.costs(Templates.read(tmp_path))
    assert head == ("Part", "What", "Quantity", "USD a month")
    assert [(row[0], row[3]) for row in rows] == [
        ("interface endpoints, by zone", "7.30"),
        ("keys", "1.00"),
        ("not known", "?"),
        ("together", "8.30"),
    ]


def test_unknowns_compare_by_what_they_say() -> None:
    assert len({Unknown(what="a", why="b"), Unknown(what="a", why="b")}) == 1
