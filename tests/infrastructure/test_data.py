"""Data promises: both ways in with their limits, a table for each contract table, three jobs that overwrite
nothing.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from shared import token_keys
from shared.tokens import Tokens

import contracts
from stacks.data.queries import queries
from tests.conftest import Assembly, synthesise
from tests.policies import text


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """The second contract: regression, one batch table, no joins."""
    return synthesise(tmp_path_factory.mktemp("diabetes"), "sandbox", "diabetes")


def destination(assembly: Assembly) -> dict[str, Any]:
    [stream] = assembly.resources("AWS::KinesisFirehose::DeliveryStream").values()
    configuration: dict[str, Any] = stream["ExtendedS3DestinationConfiguration"]
    return configuration


def test_firehose_files_records_by_zone_table_and_day(assembly: Assembly) -> None:
    configuration = destination(assembly)
    assert configuration["Prefix"] == (
        "!{partitionKeyFromLambda:zone}/!{partitionKeyFromLambda:table}/dt=!{partitionKeyFromLambda:date}/"
    )
    assert (
        configuration["ErrorOutputPrefix"] == "errors/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}/"
    )
    assert configuration["DynamicPartitioningConfiguration"]["Enabled"] is True
    assert configuration["CompressionFormat"] == "GZIP"
    assert configuration["CloudWatchLoggingOptions"]["Enabled"] is True


def test_firehose_buffers_stay_within_what_aws_and_lambda_allow(assembly: Assembly) -> None:
    configuration = destination(assembly)
    assert 64 <= configuration["BufferingHints"]["SizeInMBs"] <= 128
    assert 60 <= configuration["BufferingHints"]["IntervalInSeconds"] <= 900
    [processor] = configuration["ProcessingConfiguration"]["Processors"]
    parameters = {each["ParameterName"]: each["ParameterValue"] for each in processor["Parameters"]}
    assert parameters["BufferSizeInMBs"] == "1", "the function's answer must stay below Lambda's 6 MB"


def test_stream_is_on_demand_in_production_and_one_shard_in_the_sandbox(
    production: Assembly, sandbox: Assembly
) -> None:
    [stream] = production.resources("AWS::Kinesis::Stream").values()
    assert stream["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    [stream] = sandbox.resources("AWS::Kinesis::Stream").values()
    assert stream["ShardCount"] == 1


def test_dropped_file_reaches_the_function_or_the_dead_letter_queue(assembly: Assembly) -> None:
    data = {
        name: rule
        for name, rule in assembly.resources("AWS::Events::Rule").items()
        if name.startswith("Data/")
    }
    [rule] = data.values()
    assert rule["EventPattern"]["source"] == ["aws.s3"]
    assert rule["EventPattern"]["detail"]["object"]["key"] == [{"prefix": "landing/"}]
    [target] = rule["Targets"]
    assert "CheckFile" in text(target["Arn"])
    assert "DeadLetters" in text(target["DeadLetterConfig"]["Arn"])
    [landing] = [
        bucket
        for name, bucket in assembly.resources("AWS::S3::Bucket").items()
        if name.startswith("Data/LakeLanding")
    ]
    assert landing["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}


def test_concurrency_is_reserved_in_production_only(production: Assembly, sandbox: Assembly) -> None:
    """A new account has ten, of which none can be reserved."""
    in_data = [f for n, f in production.resources("AWS::Lambda::Function").items() if n.startswith("Data/")]
    assert {function.get("ReservedConcurrentExecutions") for function in in_data} == {50, 1}
    [rotation] = [f for f in in_data if f.get("ReservedConcurrentExecutions") == 1]
    assert rotation["Handler"] == "rotate_token_keys.handler.handler", "one rotation at a time"
    every = sandbox.resources("AWS::Lambda::Function").values()
    assert {function.get("ReservedConcurrentExecutions") for function in every} == {None}


def test_token_keys_are_rotated_by_a_function_that_serves_this_secret_only(assembly: Assembly) -> None:
    [(secret_id, secret)] = assembly.resources("AWS::SecretsManager::Secret").items()
    [schedule] = assembly.resources("AWS::SecretsManager::RotationSchedule").values()
    reference = {"Ref": secret_id.removeprefix("Data/")}
    assert schedule["SecretId"] == reference
    assert 1 <= schedule["RotationRules"]["AutomaticallyAfterDays"] <= 90
    assert "KmsKeyId" in secret
    [permission] = [
        each
        for each in assembly.resources("AWS::Lambda::Permission").values()
        if each["Principal"] == "secretsmanager.amazonaws.com"
    ]
    assert permission["SourceArn"] == reference
    assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}
    assert permission["FunctionName"] == schedule["RotationLambdaARN"]


def test_first_rotation_waits_for_what_it_needs(assembly: Assembly) -> None:
    """It begins as soon as there is a schedule: the function's policy and its permission must be there."""
    resources = assembly.templates["Data"]["Resources"]
    [schedule] = [r for r in resources.values() if r["Type"] == "AWS::SecretsManager::RotationSchedule"]
    awaited = {resources[name]["Type"] for name in schedule["DependsOn"]}
    assert "AWS::Lambda::Permission" in awaited
    assert awaited & {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::Role"}


def test_secret_as_it_is_made_lets_no_record_pass(assembly: Assembly) -> None:
    [secret] = assembly.resources("AWS::SecretsManager::Secret").values()
    rule = secret["GenerateSecretString"]
    made = json.loads(rule["SecretStringTemplate"]) | {rule["GenerateStringKey"]: "x" * 32}
    keys = token_keys.parse(json.dumps(made))
    with pytest.raises(token_keys.TokenKeysError, match="first rotation"):
        Tokens(keys, "year", datetime.now(UTC))


@pytest.mark.parametrize("name", ["flights", "diabetes"])
def test_catalogue_has_the_contracts_tables_and_the_features(
    name: str, sandbox: Assembly, other: Assembly
) -> None:
    contract = contracts.load(name)
    assembly = {"flights": sandbox, "diabetes": other}[name]
    tables = {
        table["TableInput"]["Name"]: table["TableInput"]
        for table in assembly.resources("AWS::Glue::Table").values()
    }
    assert set(tables) == {*contract["tables"], "features"}
    for table, definition in contract["tables"].items():
        columns = [column["Name"] for column in tables[table]["StorageDescriptor"]["Columns"]]
        assert columns == [*definition["columns"], "_ingested_at", "_source"]
    features = [column["Name"] for column in tables["features"]["StorageDescriptor"]["Columns"]]
    assert features == ["key", "event_time", "event_date", *contract["features"]["columns"], "label"]


def test_tables_are_parquet_in_months(assembly: Assembly) -> None:
    for table in assembly.resources("AWS::Glue::Table").values():
        definition = table["TableInput"]
        assert definition["PartitionKeys"] == [{"Name": "month", "Type": "string"}]
        assert "parquet" in definition["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"]


@pytest.mark.parametrize("name", ["flights", "diabetes"])
def test_named_queries_speak_of_tables_and_columns_there_are(name: str) -> None:
    contract = contracts.load(name)
    texts = dict(queries(contract).values())
    assert all(f'"{table}"' in texts["Rows by table and month"] for table in contract["tables"])
    missing = texts["Share of missing values by feature and month"]
    assert all(f'"{column}"' in missing for column in contract["features"]["columns"])


def test_workgroup_limits_and_cannot_be_overridden(assembly: Assembly) -> None:
    [group] = assembly.resources("AWS::Athena::WorkGroup").values()
    configuration = group["WorkGroupConfiguration"]
    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert configuration["BytesScannedCutoffPerQuery"] >= 10 * 1024 * 1024
    assert configuration["ResultConfiguration"]["EncryptionConfiguration"]["EncryptionOption"] == "SSE_KMS"


def test_jobs_run_one_at_a_time_in_the_vpc_without_bookmarks(assembly: Assembly) -> None:
    jobs = assembly.resources("AWS::Glue::Job")
    assert len(jobs) == 3
    for job in jobs.values():
        assert job["GlueVersion"] == "5.1"
        assert job["ExecutionProperty"] == {"MaxConcurrentRuns": 1}
        assert job["MaxRetries"] == 0, "the state machine retries"
        assert job["Timeout"] <= 480
        assert job["DefaultArguments"]["--job-bookmark-option"] == "job-bookmark-disable"
        region = {"Fn::Join": ["", ["spark.hadoop.fs.s3a.endpoint.region=", {"Ref": "AWS::Region"}]]}
        assert job["DefaultArguments"]["--conf"] == region, "else S3A asks us-east-2"
        assert job["SecurityConfiguration"]
        assert len(job["Connections"]["Connections"]) >= 1


def test_every_subnet_has_a_connection(assembly: Assembly) -> None:
    connections = assembly.resources("AWS::Glue::Connection")
    assert len(connections) == len(assembly.resources("AWS::EC2::Subnet"))


def test_jobs_have_all_arguments_that_their_scripts_ask_for(assembly: Assembly) -> None:
    """The rest comes from the state machine."""
    of_a_run = {"--run_id", "--partitions_uri"}
    root = Path(__file__).parents[2] / "glue_jobs"
    for job in assembly.resources("AWS::Glue::Job").values():
        package = job["Description"].rpartition("/")[2]
        script = (root / package / "job.py").read_text(encoding="utf-8")
        asked = {f"--{name}" for name in _arguments(script)}
        assert asked
        assert asked - of_a_run <= set(job["DefaultArguments"]), package


def _arguments(script: str) -> list[str]:
    import ast

    for node in ast.walk(ast.parse(script)):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ARGUMENTS":
            return [str(value) for value in ast.literal_eval(node.value)]
    return []


def test_no_lifecycle_expires_what_the_catalogue_still_points_at(assembly: Assembly) -> None:
    live = ("curated/", "features/")
    rules = [
        (name, rule)
        for name, bucket in assembly.resources("AWS::S3::Bucket").items()
        for rule in bucket["LifecycleConfiguration"]["Rules"]
        if "ExpirationInDays" in rule
    ]
    assert rules
    assert not [name for name, rule in rules if rule.get("Prefix", "").startswith(live)]
    assert not [
        n
        for n, rule in rules
        if "Prefix" not in rule and n.startswith(("Data/LakeCurated", "Data/LakeFeatures"))
    ]


def test_superseded_versions_and_broken_uploads_go_away_everywhere(assembly: Assembly) -> None:
    for name, bucket in assembly.resources("AWS::S3::Bucket").items():
        rules = bucket["LifecycleConfiguration"]["Rules"]
        assert any("NoncurrentVersionExpiration" in rule for rule in rules), name


def lifecycle(assembly: Assembly, bucket: str) -> list[tuple[str, dict[str, Any]]]:
    """Prefix and rule of each lifecycle rule of a bucket of the lake; "" is the whole bucket."""
    [found] = [
        each["LifecycleConfiguration"]["Rules"]
        for name, each in assembly.resources("AWS::S3::Bucket").items()
        if name.startswith(f"Data/Lake{bucket}")
    ]
    return [(rule.get("Prefix", ""), rule) for rule in found]


def moves(assembly: Assembly, bucket: str) -> dict[str, list[tuple[str, int]]]:
    """Prefix -> storage classes, with the days after which objects move there."""
    return {
        prefix: [(each["StorageClass"], each["TransitionInDays"]) for each in rule["Transitions"]]
        for prefix, rule in lifecycle(assembly, bucket)
        if "Transitions" in rule
    }


@pytest.mark.parametrize("bucket", ["Raw", "Curated", "Features"])
def test_zones_that_stay_move_to_a_cheaper_class_in_production(
    production: Any, sandbox: Any, bucket: str
) -> None:
    assert moves(production, bucket) == {f"{bucket.lower()}/": [("STANDARD_IA", 90)]}
    assert moves(sandbox, bucket) == {}


def test_checkpoints_go_and_runs_stay(production: Any) -> None:
    ends = {
        prefix: rule["ExpirationInDays"]
        for prefix, rule in lifecycle(production, "Models")
        if "ExpirationInDays" in rule
    }
    assert ends == {"checkpoints/": 30}


def test_people_find_their_roles_and_places_in_the_outputs(assembly: Assembly) -> None:
    assert {"AnalystRoleArn", "LandingBucketName", "ProducerRoleArn", "StreamName", "UploaderRoleArn"} <= set(
        assembly.templates["Data"]["Outputs"]
    )


def test_clear_text_goes_first(production: Any) -> None:
    """errors/ and redriven/ hold what was not anonymised (decision 11)."""
    [rules] = [
        {
            rule.get("Prefix"): rule["ExpirationInDays"]
            for rule in bucket["LifecycleConfiguration"]["Rules"]
            if "ExpirationInDays" in rule
        }
        for name, bucket in production.resources("AWS::S3::Bucket").items()
        if name.startswith("Data/LakeRaw")
    ]
    assert rules["errors/"] == rules["redriven/"] == 14
    assert rules["quarantine/"] > 90 and rules["raw/"] > 365
