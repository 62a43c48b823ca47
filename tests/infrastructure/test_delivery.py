"""Delivery: off until settings switch it on; then one environment of one repository, and nobody else."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import app as project
import contracts
from audit import evidence
from audit.templates import Templates
from settings import PROFILES, DeliverySettings, Settings, settings_for
from stacks.modules.delivery.stack import DeliveryStack
from tests.conftest import CONTEXT, Assembly, read_assembly
from tests.policies import identity_statements, text, trust_statements
from tests.second_region import REGION, switched_on
from tests.security.test_nag import findings

REPOSITORY, ENVIRONMENT = "octo@1/loop@2", "production"
SUBJECT = f"repo:{REPOSITORY}:environment:{ENVIRONMENT}"
ISSUER = "token.actions.githubusercontent.com"
ROLES = [
    f"arn:aws:iam::<AccountId>:role/cdk-hnb659fds-{word}-role-<AccountId>-<Region>"
    for word in ("lookup", "file-publishing", "deploy")
]


def any_delivery(**changes: Any) -> DeliverySettings:
    given = {"repository": REPOSITORY, "environment": ENVIRONMENT, "makes_provider": True}
    return DeliverySettings(**given | changes)


def alone(folder: Path, settings: Settings, delivery: DeliverySettings) -> Assembly:
    """The module's own stack, by the packs with nothing accepted."""
    app = project.start(outdir=str(folder), context=CONTEXT)
    DeliveryStack(app, "Delivery", settings=settings, delivery=delivery)
    project.check(app)
    app.synth()
    return read_assembly(folder)


@pytest.fixture(scope="module", params=PROFILES)
def module(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    return alone(tmp_path_factory.mktemp("delivery"), settings_for(request.param), any_delivery())


def test_it_is_off_by_default(assembly: Assembly) -> None:
    assert all(settings.delivery is None for settings in PROFILES.values())
    assert "Delivery" not in assembly.templates


def test_switched_on_it_is_one_more_stack_and_changes_no_other(sandbox: Assembly, tmp_path: Path) -> None:
    settings = dataclasses.replace(settings_for("sandbox"), delivery=any_delivery())
    app = project.start(outdir=str(tmp_path), context=CONTEXT)
    project.build(app, settings, contracts.load("flights"))
    app.synth()
    found = dict(read_assembly(tmp_path).templates)
    assert found.pop("Delivery")
    assert found == sandbox.templates


def test_it_trusts_one_environment_of_one_repository(module: Assembly) -> None:
    [statement] = trust_statements(module)
    assert statement.actions == ["sts:AssumeRoleWithWebIdentity"]
    assert set(statement.raw["Principal"]) == {"Federated"}
    wanted = {"StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com", f"{ISSUER}:sub": SUBJECT}}
    assert statement.conditions == wanted
    [role] = module.resources("AWS::IAM::Role").values()
    assert role["MaxSessionDuration"] == 3_600


def test_it_may_take_on_the_bootstraps_roles_and_nothing_else(module: Assembly) -> None:
    """The grant and the ceiling say the same."""
    said = identity_statements(module, with_boundary=True)
    assert len(said) == 2
    for statement in said:
        assert statement.actions == ["sts:AssumeRole"]
        assert [text(arn) for arn in statement.resources] == ROLES
    [role] = module.resources("AWS::IAM::Role").values()
    assert "Boundary" in text(role["PermissionsBoundary"])


def test_with_a_second_region_it_may_deploy_there_too(tmp_path: Path) -> None:
    found = alone(tmp_path, switched_on(settings_for("sandbox")), any_delivery())
    there = [arn.replace("<Region>", REGION) for arn in ROLES]
    for statement in identity_statements(found, with_boundary=True):
        assert [text(arn) for arn in statement.resources] == [*ROLES, *there]


def test_the_packs_find_nothing_and_nothing_is_accepted_for_it(module: Assembly) -> None:
    assert findings(module) == []
    assert findings(module, "suppressedViolations") == []


def test_the_audit_finds_nothing(module: Assembly) -> None:
    known = evidence.Known(rows=[], calls=None, explanations=[], engines=Path("/nowhere"))
    found = evidence.gather(module.directory, known, date(2026, 6, 1))
    assert [str(each) for each in found.verdict.open] == []
    assert Templates.read(module.directory).documents


def test_an_account_has_one_provider_whoever_made_it(module: Assembly, tmp_path: Path) -> None:
    [provider] = module.resources("AWS::IAM::OIDCProvider").values()
    assert (provider["Url"], provider["ClientIdList"]) == (f"https://{ISSUER}", ["sts.amazonaws.com"])
    second = alone(tmp_path, settings_for("sandbox"), any_delivery(makes_provider=False))
    assert "AWS::IAM::OIDCProvider" not in {
        r["Type"] for r in second.templates["Delivery"]["Resources"].values()
    }
    [statement] = trust_statements(second)
    named = text(statement.raw["Principal"]["Federated"])
    assert named == f"arn:aws:iam::<AccountId>:oidc-provider/{ISSUER}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("repository", "octo", id="no repository"),
        pytest.param("repository", "octo/*", id="any repository"),
        pytest.param("repository", "octo/loop:ref:refs/heads/main", id="more than a repository"),
        pytest.param("environment", "*", id="any environment"),
        pytest.param("environment", "", id="no environment"),
        pytest.param("qualifier", "*", id="any bootstrap"),
    ],
)
def test_what_would_let_others_in_is_refused(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=rf"DeliverySettings\.{field} must be .* settings\.py"):
        any_delivery(**{field: value})
