"""The feature store: a group per entity, both halves under our key, filled and read by one role each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import app as project
import contracts
from settings import settings_for
from tests.conftest import CONTEXT, Assembly, read_assembly
from tests.policies import identity_statements, text

GROUP = "AWS::SageMaker::FeatureGroup"


def built(folder: Path, profile: str, contract: dict, *, store: bool = False) -> Assembly:
    app = project.start(outdir=str(folder), context=CONTEXT)
    settings = settings_for(profile)
    project.build(app, settings.with_feature_store() if store else settings, contract)
    app.synth()
    return read_assembly(folder)


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    folder = tmp_path_factory.mktemp("stocked")
    return built(folder, "production", contracts.load("flights"), store=True)


def test_each_entity_has_a_group_with_its_histories(stocked: Assembly) -> None:
    groups = stocked.resources(GROUP).values()
    entities = contracts.load("flights")["features"]["entities"]
    features = [[one["FeatureName"] for one in group["FeatureDefinitions"]] for group in groups]
    assert sorted(features) == sorted(["entity", "event_time", *entity["features"]] for entity in entities)
    assert {group["RecordIdentifierFeatureName"] for group in groups} == {"entity"}
    assert {group["EventTimeFeatureName"] for group in groups} == {"event_time"}
    assert all(len(group["FeatureGroupName"]) <= 64 for group in groups)


def test_both_halves_have_the_lakes_key(stocked: Assembly) -> None:
    for name, group in stocked.resources(GROUP).items():
        online, offline = group["OnlineStoreConfig"], group["OfflineStoreConfig"]
        assert "KeysLake" in text(online["SecurityConfig"]["KmsKeyId"]), name
        assert online["SecurityConfig"]["KmsKeyId"] == offline["S3StorageConfig"]["KmsKeyId"], name
        assert text(offline["S3StorageConfig"]["S3Uri"]).endswith("/store"), name
        assert offline["DataCatalogConfig"]["Database"] == "mlref_production", name
        assert online["TtlDuration"] == {"Unit": "Days", "Value": 45}, name


def test_the_sandbox_has_none_unless_it_is_asked_for(sandbox: Assembly, tmp_path: Path) -> None:
    assert all(
        resource["Type"] != GROUP
        for template in sandbox.templates.values()
        for resource in template["Resources"].values()
    )
    asked = built(tmp_path, "sandbox", contracts.load("flights"), store=True)
    assert len(asked.resources(GROUP)) == 3
    assert all("TtlDuration" not in group["OnlineStoreConfig"] for group in asked.resources(GROUP).values())


def test_contract_without_histories_has_no_store(tmp_path: Path) -> None:
    made = built(tmp_path, "production", contracts.load("diabetes"), store=True)
    with pytest.raises(AssertionError, match="no AWS::SageMaker::FeatureGroup"):
        made.resources(GROUP)
    services = [text(each["ServiceName"]) for each in made.resources("AWS::EC2::VPCEndpoint").values()]
    assert services and not any("featurestore" in service for service in services)


def test_another_history_makes_another_group(stocked: Assembly, tmp_path: Path) -> None:
    """Nothing of a group can be changed in place: under the same name the deployment would fail."""
    contract = json.loads(json.dumps(contracts.load("flights")))
    contract["features"]["entities"][0]["features"] = ["carrier_rate"]
    changed = {
        group["FeatureGroupName"]
        for group in built(tmp_path, "production", contract, store=True).resources(GROUP).values()
    }
    before = {group["FeatureGroupName"] for group in stocked.resources(GROUP).values()}
    assert len(before - changed) == len(changed - before) == 1


def test_one_function_writes_and_clients_read(stocked: Assembly) -> None:
    uses = {
        (statement.identities[0].split("/")[1][:20], action, resource.rpartition(":")[2])
        for statement in identity_statements(stocked)
        for action in statement.actions
        if action.startswith("sagemaker:") and action.endswith("Record")
        for resource in map(text, statement.resources)
    }
    names = {f"feature-group/{group['FeatureGroupName']}" for group in stocked.resources(GROUP).values()}
    writers = {who for who, action, _ in uses if action == "sagemaker:PutRecord"}
    readers = {who for who, action, _ in uses if action != "sagemaker:PutRecord"}
    assert len(writers) == len(readers) == 1 and writers.isdisjoint(readers)
    assert "PutFeatures" in next(iter(writers)) and "Client" in next(iter(readers))
    assert {resource for _, _, resource in uses} == names


def test_the_refresh_fills_it_before_it_lets_go_of_the_lock(stocked: Assembly, sandbox: Assembly) -> None:
    def following(assembly: Assembly) -> str:
        machines = assembly.resources("AWS::StepFunctions::StateMachine")
        [definition] = [
            text(each["DefinitionString"]) for name, each in machines.items() if "Retrain" in name
        ]
        start = definition.index('"Publish":')
        return str(definition[start : definition.index('"RecordRefresh":')])

    assert '"Next":"PutFeatures"' in following(stocked)
    assert "PutFeatures" not in following(sandbox)
