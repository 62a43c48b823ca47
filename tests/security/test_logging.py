"""Practice: what happens is logged, encrypted, and kept for as long as the profile says. See
docs/security.md.
"""

from __future__ import annotations

import pytest

from settings import settings_for
from tests.conftest import Assembly
from tests.policies import identity_statements, text


@pytest.mark.parametrize("profile", ["sandbox", "production"])
def test_every_log_group_ends_when_the_profile_says(profile: str, request: pytest.FixtureRequest) -> None:
    assembly: Assembly = request.getfixturevalue(profile)
    days = settings_for(profile).base.log_retention_days
    groups = assembly.resources("AWS::Logs::LogGroup")
    assert {name: group.get("RetentionInDays") for name, group in groups.items()} == dict.fromkeys(
        groups, days
    )


def test_every_function_writes_to_a_group_of_its_own(assembly: Assembly) -> None:
    functions = assembly.resources("AWS::Lambda::Function")
    groups = [text(function["LoggingConfig"]["LogGroup"]) for function in functions.values()]
    assert len(set(groups)) == len(functions)


def test_every_function_has_traces_and_a_place_for_failed_events(assembly: Assembly) -> None:
    for name, function in assembly.resources("AWS::Lambda::Function").items():
        assert function["TracingConfig"] == {"Mode": "Active"}, name
        assert "DeadLetters" in text(function["DeadLetterConfig"]["TargetArn"]), name


def test_every_job_writes_to_groups_made_for_it(assembly: Assembly) -> None:
    """Glue makes up the names from the prefix, the security configuration and the role."""
    made = {
        text(g["LogGroupName"])
        for g in assembly.resources("AWS::Logs::LogGroup").values()
        if "LogGroupName" in g
    }
    for job in assembly.resources("AWS::Glue::Job").values():
        prefix = job["DefaultArguments"]["--custom-logGroup-prefix"]
        mine = {name for name in made if name.startswith(f"{prefix}/")}
        assert {name.rpartition("/")[2] for name in mine} == {"error", "output"}
        assert all("-role/<" in name for name in mine)


def test_every_bucket_logs_who_asked_but_the_log_bucket_itself(assembly: Assembly) -> None:
    silent = {n for n, b in assembly.resources("AWS::S3::Bucket").items() if "LoggingConfiguration" not in b}
    assert {name.partition("/")[2][:10] for name in silent} == {"AccessLogs"}


def test_nobody_may_delete_logs_or_stop_the_trail(assembly: Assembly) -> None:
    actions = {a for s in identity_statements(assembly, with_boundary=True) if s.allows for a in s.actions}
    assert not actions & {"logs:DeleteLogGroup", "logs:DeleteLogStream", "logs:PutRetentionPolicy"}
    assert not [action for action in actions if action.startswith("cloudtrail:")]
