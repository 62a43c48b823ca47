"""Practice: a ceiling over every role, and unsafe SageMaker work denied whoever asks for it. See
docs/security.md.
"""

from __future__ import annotations

import json

import pytest

from tests.conftest import Assembly
from tests.policies import boundary_statements, identity_statements, text

JOBS = ("CreateHyperParameterTuningJob", "CreateProcessingJob", "CreateTrainingJob")
LARGEST_POLICY = 6144  # characters that IAM accepts, white space not counted


def test_every_role_is_below_the_boundary(assembly: Assembly) -> None:
    roles = assembly.resources("AWS::IAM::Role")
    assert [n for n, role in roles.items() if "Boundary" not in text(role.get("PermissionsBoundary"))] == []


def test_boundary_names_what_is_granted_and_nothing_more(assembly: Assembly) -> None:
    ceiling = {action for s in boundary_statements(assembly) if s.allows for action in s.actions}
    granted = {action for s in identity_statements(assembly) if s.allows for action in s.actions}
    assert granted - ceiling == set(), "granted, but the boundary stops it: add it to security/boundary.py"
    assert ceiling - granted == set(), "nobody is granted this: remove it from security/boundary.py"


def test_boundary_ends_at_this_account(assembly: Assembly) -> None:
    open_ended = {
        a for s in boundary_statements(assembly) if s.allows and not s.conditions for a in s.actions
    }
    assert {action.partition(":")[0] for action in open_ended} == {"ecr"}, "SageMaker's images are AWS's"


def test_boundary_fits_into_a_policy(assembly: Assembly) -> None:
    [address] = {s.holder.address for s in boundary_statements(assembly)}
    policy = assembly.resources("AWS::IAM::ManagedPolicy")[address]
    document = json.dumps(policy["PolicyDocument"], separators=(",", ":"))
    assert len(document) < LARGEST_POLICY


@pytest.mark.parametrize(
    ("key", "actions"),
    [
        ("sagemaker:VpcSubnets", {"CreateModel", *JOBS}),
        ("sagemaker:VpcSecurityGroupIds", {"CreateModel", *JOBS}),
        ("sagemaker:NetworkIsolation", {"CreateModel", *JOBS}),
        ("sagemaker:VolumeKmsKey", {"CreateEndpointConfig", *JOBS}),
        ("sagemaker:OutputKmsKey", set(JOBS)),
        ("sagemaker:MaxRuntimeInSeconds", set(JOBS)),
        ("sagemaker:InterContainerTrafficEncryption", set(JOBS)),
    ],
)
def test_sagemaker_work_without_protection_is_denied(
    key: str, actions: set[str], production: Assembly
) -> None:
    """One statement per key: two keys in one `Null` block would deny only what lacks both."""
    denials = [s for s in boundary_statements(production) if s.conditions == {"Null": {key: "true"}}]
    [denial] = denials
    assert not denial.allows
    assert denial.resources == ["*"]
    assert {f"sagemaker:{action}" for action in actions} <= set(denial.actions)


@pytest.mark.parametrize("key", ["sagemaker:NetworkIsolation", "sagemaker:InterContainerTrafficEncryption"])
def test_protection_switched_off_is_denied(key: str, production: Assembly) -> None:
    [denial] = [s for s in boundary_statements(production) if s.conditions == {"Bool": {key: "false"}}]
    assert not denial.allows
    assert {f"sagemaker:{action}" for action in JOBS} <= set(denial.actions)


def test_no_denial_asks_for_two_missing_keys_at_once(production: Assembly) -> None:
    nulls = [s.conditions["Null"] for s in boundary_statements(production) if "Null" in s.conditions]
    assert nulls
    assert all(len(block) == 1 for block in nulls)
