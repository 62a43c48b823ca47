"""Every permission is used in the recorded run or explained; a refusal is meant, or a finding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audit import exercised
from audit.exercised import Call, Explanation
from audit.templates import InputError, Templates

EXPLANATIONS = Path(__file__).parents[2] / "security" / "unexercised.yaml"
POLICY = {"Statement": [{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "*"}]}
ANY = Templates(
    {
        "Any": (
            Path("Any.template.json"),
            {
                "Resources": {
                    "R1": {
                        "Type": "AWS::IAM::Role",
                        "Properties": {"Policies": [{"PolicyDocument": POLICY}]},
                        "Metadata": {"aws:cdk:path": "Any/Job/Role/Resource"},
                    }
                }
            },
        )
    }
)


def call(
    action: str, *, allowed: int = 1, denied: int = 0, meant: bool = False, role: str = "Any/R1"
) -> Call:
    return Call(role=role, action=action, allowed=allowed, denied=denied, meant=meant)


def why(*actions: str, roles: tuple[str, ...] = ("Any/Job/*",)) -> Explanation:
    return Explanation(roles=roles, actions=actions, reason="a path not taken", source="https://docs")


READ, WRITE = call("s3:GetObject"), call("s3:PutObject")


@pytest.mark.parametrize(
    ("calls", "explanations", "expected"),
    [
        pytest.param([READ, WRITE], [], [], id="all used"),
        pytest.param([READ], [], [(exercised.UNUSED, "s3:PutObject")], id="one unused"),
        pytest.param([READ], [why("s3:PutObject")], [], id="unused, explained"),
        pytest.param(
            [READ], [why("s3:putobject")], [(exercised.STALE, "s3:putobject")], id="spelled as granted"
        ),
        pytest.param(
            [READ],
            [why("s3:PutObject", roles=("Any/Other/*",))],
            [(exercised.UNUSED, "s3:PutObject"), (exercised.STALE, "s3:PutObject")],
            id="explained for another role",
        ),
        pytest.param([READ, WRITE], [why("s3:PutObject")], [], id="a longer run uses it"),
        pytest.param([READ, WRITE], [why("s3:Gone")], [(exercised.STALE, "s3:Gone")], id="no longer granted"),
        pytest.param(
            [READ, call("s3:PutObject", allowed=0, denied=2)],
            [why("s3:PutObject")],
            [(exercised.DENIED, "s3:PutObject")],
            id="refused",
        ),
        pytest.param(
            [READ, WRITE, call("kms:Decrypt", allowed=0, denied=1, meant=True)],
            [],
            [],
            id="refused on purpose",
        ),
        pytest.param(
            [READ, WRITE, call("kms:Decrypt")],
            [],
            [(exercised.UNGRANTED, "kms:Decrypt")],
            id="another template ran",
        ),
    ],
)
def test_grants_against_the_record(calls: list[Call], explanations: list[Explanation], expected: Any) -> None:
    found = exercised.check(ANY, calls, explanations)
    assert [(one.rule, one.subject) for one in found] == expected


def test_counts_and_verdicts() -> None:
    grants = exercised.compare(ANY, [call("s3:getobject", allowed=3)], [why("s3:PutObject")])
    assert [(grant.action, grant.used, grant.verdict) for grant in grants] == [
        ("s3:GetObject", 3, "used"),
        ("s3:PutObject", 0, "unused, explained"),
    ]


def test_record_is_read(tmp_path: Path) -> None:
    entry = {"role": "Any/R1", "action": "s3:GetObject", "allowed": 1, "denied": 0, "meant": False}
    path = tmp_path / "exercised.json"
    path.write_text(json.dumps({"format": 1, "calls": [entry]}))
    assert exercised.read_calls(path) == [READ]


@pytest.mark.parametrize("text", ["{", "{}", '{"calls": [{"role": "x"}]}'])
def test_unusable_record_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "exercised.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"exercised\.json: no record of calls .*make demo"):
        exercised.read_calls(path)


def test_unusable_explanations_are_named(tmp_path: Path) -> None:
    path = tmp_path / "why.yaml"
    path.write_text("- roles: [a]\n")
    with pytest.raises(
        InputError, match="entry 1 has roles, it must have exactly actions, reason, roles, source"
    ):
        exercised.read_explanations(path)


def test_every_explanation_covers_a_grant_of_our_stacks(audited: dict[str, Templates]) -> None:
    explanations = exercised.read_explanations(EXPLANATIONS)
    for templates in audited.values():
        found = exercised.check(templates, [], explanations)
        assert [one.message for one in found if one.rule == exercised.STALE] == []


def test_every_explanation_names_roles_and_a_page_or_a_file_of_ours() -> None:
    """One for every role would answer for a permission that somebody adds to another role later."""
    hosts = ("https://docs.aws.amazon.com/", "https://hadoop.apache.org/docs/")
    for one in exercised.read_explanations(EXPLANATIONS):
        assert "*" not in one.roles, one
        is_a_file = (EXPLANATIONS.parents[1] / one.source).is_file()
        assert is_a_file or (one.source.startswith(hosts) and one.source.endswith(".html")), one
