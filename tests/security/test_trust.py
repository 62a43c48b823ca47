"""Practice: a service may take on a role only for resources of this account. See docs/security.md."""

from __future__ import annotations

from tests.conftest import Assembly
from tests.policies import text, trust_statements

# Naming their resource would close a circle: the function, job or state machine needs its role first.
WITHOUT_SOURCE = {
    "lambda.amazonaws.com",
    "scheduler.amazonaws.com",
    "states.amazonaws.com",
    "sagemaker.amazonaws.com",
}
# Do not say for which account and resource they take on a role, by their own documentation.
SENDS_NO_SOURCE = {"cloudtrail.amazonaws.com"}


def test_every_service_proves_the_account(assembly: Assembly) -> None:
    services = [s for s in trust_statements(assembly) if "Service" in s.raw["Principal"]]
    assert len(services) > 10
    for statement in services:
        assert statement.actions == ["sts:AssumeRole"], statement
        if statement.raw["Principal"]["Service"] in SENDS_NO_SOURCE:
            assert not statement.conditions, statement
            continue
        equals = statement.conditions.get("StringEquals", {})
        assert text(equals.get("aws:SourceAccount")) == "<AccountId>", statement


def test_source_is_named_where_it_can_be(assembly: Assembly) -> None:
    for statement in trust_statements(assembly):
        service = statement.raw["Principal"].get("Service")
        if service is not None and service not in WITHOUT_SOURCE | SENDS_NO_SOURCE:
            assert "aws:SourceArn" in str(statement.conditions), statement


def test_people_come_from_this_account_only(assembly: Assembly) -> None:
    people = [s for s in trust_statements(assembly) if "AWS" in s.raw["Principal"]]
    assert len(people) >= 3
    for statement in people:
        assert text(statement.raw["Principal"]["AWS"]).endswith(":iam::<AccountId>:root"), statement


def test_functions_are_called_by_one_named_resource(assembly: Assembly) -> None:
    for name, permission in assembly.resources("AWS::Lambda::Permission").items():
        assert "SourceArn" in permission, name
        assert "*" not in text(permission["SourceArn"]), name
