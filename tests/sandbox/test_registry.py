"""The registry numbers, approves and forgets model packages as SageMaker does."""

from __future__ import annotations

import json

import pytest

from sandbox import account
from tests.sandbox.compute_account import IMAGE


@pytest.fixture(scope="module")
def sagemaker():
    with account.Account():
        yield account.client("sagemaker")


def _package(sagemaker, group):
    container = {"Image": IMAGE, "ModelDataUrl": "s3://models/model.tar.gz"}
    specification = {
        "Containers": [container],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }
    made = sagemaker.create_model_package(ModelPackageGroupName=group, InferenceSpecification=specification)
    return made["ModelPackageArn"]


def test_approval_is_kept_and_the_rest_stays(sagemaker):
    sagemaker.create_model_package_group(ModelPackageGroupName="flights")
    arn = _package(sagemaker, "flights")
    assert arn.endswith("model-package/flights/1")
    sagemaker.update_model_package(ModelPackageArn=arn, CustomerMetadataProperties={"run": "r1"})
    sagemaker.update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="better"
    )
    shown = sagemaker.describe_model_package(ModelPackageName=arn)
    assert shown["ModelApprovalStatus"] == "Approved"
    assert shown["CustomerMetadataProperties"] == {"run": "r1"}
    listed = sagemaker.list_model_packages(ModelPackageGroupName="flights")["ModelPackageSummaryList"]
    assert [one["ModelPackageArn"] for one in listed] == [arn]


def test_versions_are_never_given_twice_and_a_full_group_stays(sagemaker):
    sagemaker.create_model_package_group(ModelPackageGroupName="counted")
    first, second = _package(sagemaker, "counted"), _package(sagemaker, "counted")
    sagemaker.delete_model_package(ModelPackageName=second)
    with pytest.raises(sagemaker.exceptions.ClientError, match="still contains"):
        sagemaker.delete_model_package_group(ModelPackageGroupName="counted")
    third = _package(sagemaker, "counted")
    assert [one.rpartition("/")[2] for one in (first, second, third)] == ["1", "2", "3"]
    sagemaker.delete_model_package(ModelPackageName=first)
    fourth = _package(sagemaker, "counted")
    listed = sagemaker.list_model_packages(ModelPackageGroupName="counted")["ModelPackageSummaryList"]
    assert sorted(one["ModelPackageVersion"] for one in listed) == [3, 4]
    for arn in (third, fourth):
        sagemaker.delete_model_package(ModelPackageName=arn)
    sagemaker.delete_model_package_group(ModelPackageGroupName="counted")
    with pytest.raises(sagemaker.exceptions.ClientError, match="does not exist"):
        sagemaker.describe_model_package_group(ModelPackageGroupName="counted")


CARD = {
    "model_overview": {"model_creator": "us"},
    "evaluation_details": [
        {
            "name": "hold-out",
            "metric_groups": [
                {
                    "name": "quality",
                    "metric_data": [{"name": "accuracy", "type": "number", "value": 0.9}],
                }
            ],
        }
    ],
}


def _with_card(sagemaker, group, content, status="PendingReview"):
    card = {"ModelCardContent": content, "ModelCardStatus": status}
    return sagemaker.create_model_package(ModelPackageGroupName=group, ModelCard=card)["ModelPackageArn"]


def test_a_version_shows_its_card_until_it_is_archived(sagemaker):
    sagemaker.create_model_package_group(ModelPackageGroupName="carded")
    arn = _with_card(sagemaker, "carded", json.dumps(CARD))
    shown = sagemaker.describe_model_package(ModelPackageName=arn)["ModelCard"]
    assert json.loads(shown["ModelCardContent"]) == CARD
    assert shown["ModelCardStatus"] == "PendingReview"
    sagemaker.update_model_package(ModelPackageArn=arn, ModelCard={"ModelCardStatus": "Archived"})
    shown = sagemaker.describe_model_package(ModelPackageName=arn)["ModelCard"]
    assert json.loads(shown["ModelCardContent"]) == CARD
    with pytest.raises(sagemaker.exceptions.ClientError, match="Archived state"):
        changed = {"ModelCardContent": "{}", "ModelCardStatus": "Draft"}
        sagemaker.update_model_package(ModelPackageArn=arn, ModelCard=changed)
    assert "ModelCard" not in sagemaker.describe_model_package(ModelPackageName=_package(sagemaker, "carded"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param("{", "is not JSON", id="no JSON"),
        pytest.param(
            json.dumps({**CARD, "mood": "good"}), "schema at the card: Additional", id="unknown part"
        ),
        pytest.param(
            json.dumps({"intended_uses": {"risk_rating": "None"}}), "intended_uses.risk_rating", id="rating"
        ),
        pytest.param(
            json.dumps({"model_overview": {"model_creator": "x" * 1025}}),
            "at model_overview.model_creator",
            id="long",
        ),
        pytest.param(" " * 100_001, "100001 characters; allowed: 100000", id="too large"),
    ],
)
def test_a_card_that_the_registry_would_refuse_is_refused(sagemaker, content, says):
    with pytest.raises(sagemaker.exceptions.ClientError, match=says):
        _with_card(sagemaker, "carded", content)
    with pytest.raises(sagemaker.exceptions.ClientError, match="allowed: Draft, PendingReview"):
        _with_card(sagemaker, "carded", "{}", status="Published")
