"""The evaluation rules of the IAM user guide, one hand-worked case each; the ids name the rule."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.iam.conditions import PolicyError
from sandbox.iam.evaluate import Decision, Policies, Policy, Principal, Request, decide

ACCOUNT = "123456789012"
ROOT_ARN = f"arn:aws:iam::{ACCOUNT}:root"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/app"
SESSION_ARN = f"arn:aws:sts::{ACCOUNT}:assumed-role/app/run"
USER_ARN = f"arn:aws:iam::{ACCOUNT}:user/ann"
OBJECT = "arn:aws:s3:::lake/raw/a.json"

ROLE = Principal(kind="role", arn=SESSION_ARN, account=ACCOUNT, role_arn=ROLE_ARN)
USER = Principal(kind="user", arn=USER_ARN, account=ACCOUNT)
ROOT = Principal(kind="root", arn=ROOT_ARN, account=ACCOUNT)
SERVICE = Principal(kind="service", arn="logs.us-east-1.amazonaws.com")


def allow(action: Any = "s3:GetObject", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any = "s3:GetObject", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def when(operator: str, key: str, value: Any) -> dict[str, Any]:
    return {"Condition": {operator: {key: value}}}


def policy(*statements: dict[str, Any], version: str = "2012-10-17") -> Policy:
    return Policy("p", {"Version": version, "Statement": list(statements)})


def ask(
    *identity: dict[str, Any],
    principal: Principal = ROLE,
    action: str = "s3:GetObject",
    on: str = OBJECT,
    context: dict[str, object] | None = None,
    version: str = "2012-10-17",
    **layers: Any,
) -> Decision:
    built = {k: v if isinstance(v, bool) else policy(*v) for k, v in layers.items()}
    keys = {key.lower(): value for key, value in (context or {}).items()}
    return decide(
        Request(principal=principal, action=action, resource=on, context=keys),
        Policies(identity=(policy(*identity, version=version),), **built),
    )


def principal_of(value: Any, **more: Any) -> dict[str, Any]:
    return allow("*", Principal=value, **more)


BASICS = [
    ("nothing allows: implicit deny", {}, [], "implicit-deny-identity"),
    ("an allow is enough", {}, [allow()], True),
    ("an explicit deny wins over an allow", {}, [allow("*"), deny()], "explicit-deny-identity"),
    ("the order of statements is of no matter", {}, [deny(), allow("*")], "explicit-deny-identity"),
    ("a deny of another action is of no matter", {}, [allow("*"), deny("s3:PutObject")], True),
    ("actions ignore case", {}, [allow("S3:getobject")], True),
    ("* in an action", {}, [allow("s3:Get*")], True),
    ("? in an action stands for one character", {}, [allow("s3:GetObjec?")], True),
    ("? does not stand for none", {}, [allow("s3:GetObject?")], "implicit-deny-identity"),
    ("an action is matched whole", {}, [allow("s3:Get")], "implicit-deny-identity"),
    ("NotAction allows all but", {}, [allow(NotAction="s3:PutObject") | {"Action": []}], True),
    ("NotAction leaves its own out", {}, [{"Effect": "Allow", "NotAction": "s3:Get*", "Resource": "*"}],
     "implicit-deny-identity"),
    ("NotAction in a deny refuses the rest", {},
     [allow("*"), {"Effect": "Deny", "NotAction": "s3:Put*", "Resource": "*"}], "explicit-deny-identity"),
    ("resources are case-sensitive", {}, [allow(resource="arn:aws:s3:::Lake/*")], "implicit-deny-identity"),
    ("* runs over slashes", {}, [allow(resource="arn:aws:s3:::lake/*")], True),
    ("a bucket is not its objects", {}, [allow(resource="arn:aws:s3:::lake")], "implicit-deny-identity"),
    ("? in a resource", {}, [allow(resource="arn:aws:s3:::lake/raw/?.json")], True),
    ("any resource of a list", {}, [allow(resource=["arn:aws:s3:::x/*", "arn:aws:s3:::lake/raw/*"])], True),
    ("* does not run over the parts of an ARN", {"on": "arn:aws:sqs:us-east-1:123456789012:q"},
     [allow(resource="arn:aws:sqs:*:q")], "implicit-deny-identity"),
    ("an ARN with parts missing matches nothing", {"on": "arn:aws:sqs:us-east-1:123456789012:q"},
     [allow(resource="arn:aws:sqs:*")], "implicit-deny-identity"),
    ("a part of an ARN may be *", {"on": "arn:aws:sqs:us-east-1:123456789012:q"},
     [allow(resource="arn:aws:sqs:*:123456789012:q")], True),
    ("colons in the last part belong to it", {"on": "arn:aws:lambda:us-east-1:123456789012:function:f:1"},
     [allow(resource="arn:aws:lambda:us-east-1:123456789012:function:f:*")], True),
    ("another Region is another resource", {"on": "arn:aws:sqs:eu-west-1:123456789012:q"},
     [allow(resource="arn:aws:sqs:us-east-1:123456789012:q")], "implicit-deny-identity"),
    ("NotResource allows the rest", {}, [{"Effect": "Allow", "Action": "*",
     "NotResource": "arn:aws:s3:::x/*"}],
     True),
    ("NotResource in a deny spares its own", {},
     [allow("*"), {"Effect": "Deny", "Action": "*", "NotResource": "arn:aws:s3:::lake/*"}], True),
    ("root needs no identity policy", {"principal": ROOT}, [], True),
]  # fmt: skip

PREFIX, TAG, IP = "s3:prefix", "aws:PrincipalTag/team", "aws:SourceIp"
CONDITIONS = [
    ("a condition that holds", when("StringEquals", PREFIX, "raw/"), {PREFIX: "raw/"}, True),
    ("values of one key are or-ed", when("StringEquals", PREFIX, ["a", "raw/"]), {PREFIX: "raw/"}, True),
    ("StringEquals takes * literally", when("StringEquals", PREFIX, "raw*"), {PREFIX: "raw/"}, False),
    ("StringLike takes * as wildcard", when("StringLike", PREFIX, "raw*"), {PREFIX: "raw/"}, True),
    ("condition keys ignore case", when("StringEquals", "S3:PREFIX", "raw/"), {PREFIX: "raw/"}, True),
    ("string values do not ignore case", when("StringEquals", PREFIX, "RAW/"), {PREFIX: "raw/"}, False),
    ("unless told to", when("StringEqualsIgnoreCase", PREFIX, "RAW/"), {PREFIX: "raw/"}, True),
    ("an absent key fails a positive operator", when("StringEquals", PREFIX, "raw/"), {}, False),
    ("an absent key passes a negated operator", when("StringNotEquals", PREFIX, "raw/"), {}, True),
    ("IfExists passes an absent key", when("StringEqualsIfExists", PREFIX, "raw/"), {}, True),
    ("IfExists compares a present key", when("StringEqualsIfExists", PREFIX, "raw/"), {PREFIX: "x"}, False),
    ("negated values are nor-ed", when("StringNotEquals", PREFIX, ["a", "b"]), {PREFIX: "b"}, False),
    ("none of the negated values", when("StringNotLike", PREFIX, ["a*", "b*"]), {PREFIX: "c"}, True),
    ("operators are and-ed", {"Condition": {"StringLike": {PREFIX: "r*"}, "Bool": {"aws:x": "true"}}},
     {PREFIX: "raw/", "aws:x": "false"}, False),
    ("keys of one operator are and-ed", {"Condition": {"StringLike": {PREFIX: "r*", TAG: "ml"}}},
     {PREFIX: "raw/", TAG: "ops"}, False),
    ("Null true wants the key absent", when("Null", TAG, "true"), {}, True),
    ("Null true refuses a present key", when("Null", TAG, "true"), {TAG: "x"}, False),
    ("Null false wants the key present", when("Null", TAG, "false"), {}, False),
    ("Bool compares in lower case", when("Bool", "aws:SecureTransport", "True"),
     {"aws:SecureTransport": "true"}, True),
    ("Bool takes a JSON boolean", when("Bool", "aws:SecureTransport", False),
     {"aws:SecureTransport": "true"}, False),
    ("Bool fails on an absent key", when("Bool", "aws:MultiFactorAuthPresent", "false"), {}, False),
    ("BoolIfExists passes an absent key", when("BoolIfExists", "aws:MultiFactorAuthPresent", "false"), {},
     True),
    ("numbers are compared as numbers", when("NumericLessThan", "s3:max-keys", "100"), {"s3:max-keys": "9"},
     True),
    ("NumericGreaterThanEquals includes", when("NumericGreaterThanEquals", "s3:TlsVersion", "1.2"),
     {"s3:TlsVersion": "1.2"}, True),
    ("NumericLessThan on an absent key fails", when("NumericLessThan", "s3:TlsVersion", 1.2), {}, False),
    ("dates are compared as instants", when("DateLessThan", "aws:CurrentTime", "2026-01-01T00:00:00Z"),
     {"aws:CurrentTime": "2026-01-01T00:00:00+02:00"}, True),
    ("a date may be epoch seconds", when("DateGreaterThan", "aws:CurrentTime", "0"),
     {"aws:CurrentTime": "2026-01-01T00:00:00Z"}, True),
    ("IpAddress takes a network", when("IpAddress", IP, "10.0.0.0/8"), {IP: "10.1.2.3"}, True),
    ("NotIpAddress outside the network", when("NotIpAddress", IP, "10.0.0.0/8"), {IP: "11.1.2.3"}, True),
    ("BinaryEquals compares bytes", when("BinaryEquals", "x", "QmluYXJ5"), {"x": "QmluYXJ5"}, True),
    ("ArnLike goes part by part", when("ArnLike", "aws:SourceArn", "arn:aws:sns:*:t"),
     {"aws:SourceArn": "arn:aws:sns:us-east-1:123456789012:t"}, False),
    ("ArnEquals takes wildcards too", when("ArnEquals", "aws:SourceArn", "arn:aws:sns:*:*:t"),
     {"aws:SourceArn": "arn:aws:sns:us-east-1:123456789012:t"}, True),
    ("ArnNotLike is its negation", when("ArnNotLike", "aws:SourceArn", "arn:aws:sns:*:*:t"),
     {"aws:SourceArn": "arn:aws:sns:us-east-1:123456789012:t"}, False),
    ("ForAllValues: every value is one of", when("ForAllValues:StringEquals", "aws:TagKeys", ["a", "b"]),
     {"aws:TagKeys": ["a", "b"]}, True),
    ("ForAllValues: one is not", when("ForAllValues:StringEquals", "aws:TagKeys", ["a", "b"]),
     {"aws:TagKeys": ["a", "c"]}, False),
    ("ForAllValues passes an absent key", when("ForAllValues:StringEquals", "aws:TagKeys", "a"), {}, True),
    ("ForAnyValue: one is enough", when("ForAnyValue:StringEquals", "aws:TagKeys", "a"),
     {"aws:TagKeys": ["b", "a"]}, True),
    ("ForAnyValue fails an absent key", when("ForAnyValue:StringEquals", "aws:TagKeys", "a"), {}, False),
    ("ForAnyValue fails an absent key, negated too", when("ForAnyValue:StringNotEquals", "aws:TagKeys", "a"),
     {}, False),
    ("ForAllValues negated: none is one of", when("ForAllValues:StringNotEquals", "aws:TagKeys", "a"),
     {"aws:TagKeys": ["b", "a"]}, False),
    ("a variable in a condition", when("StringEquals", PREFIX, "${aws:PrincipalTag/team}"),
     {PREFIX: "ml", TAG: "ml"}, True),
    ("a variable without a value matches nothing", when("StringEquals", PREFIX, "${aws:PrincipalTag/team}"),
     {PREFIX: ""}, False),
    ("a variable's default", when("StringEquals", PREFIX, "${aws:PrincipalTag/team, 'ml'}"), {PREFIX: "ml"},
     True),
    ("${*} is a literal star", when("StringLike", PREFIX, "a${*}"), {PREFIX: "ab"}, False),
    ("a star in a variable's value is no wildcard", when("StringLike", PREFIX, "${aws:PrincipalTag/team}"),
     {PREFIX: "ml", TAG: "*"}, False),
]  # fmt: skip

LISTED = {"AWS": ROLE_ARN}
LAYERS = [
    ("a boundary limits", {"boundary": [allow("sqs:*")]}, [allow()], "implicit-deny-boundary"),
    ("a boundary grants nothing by itself", {"boundary": [allow()]}, [], "implicit-deny-identity"),
    ("a deny in the boundary wins", {"boundary": [allow("*"), deny()]}, [allow()], "explicit-deny-boundary"),
    ("a session policy limits", {"session": [allow("sqs:*")]}, [allow()], "implicit-deny-session"),
    ("session and identity are intersected", {"session": [allow()]}, [allow("s3:*")], True),
    ("a role ARN in a bucket policy needs no identity policy", {"resource": [principal_of(LISTED)]}, [],
     True),
    ("a role ARN in a bucket policy is limited by the boundary",
     {"resource": [principal_of(LISTED)], "boundary": [allow("sqs:*")]}, [], "implicit-deny-boundary"),
    ("a role ARN in a bucket policy is limited by the session policy",
     {"resource": [principal_of(LISTED)], "session": [allow("sqs:*")]}, [], "implicit-deny-session"),
    ("a session ARN in a bucket policy is not limited by the boundary",
     {"resource": [principal_of({"AWS": SESSION_ARN})], "boundary": [allow("sqs:*")]}, [], True),
    ("a user ARN in a bucket policy is not limited by the boundary",
     {"principal": USER, "resource": [principal_of({"AWS": USER_ARN})], "boundary": [allow("sqs:*")]}, [],
     True),
    ("an account in a bucket policy only delegates", {"resource": [principal_of({"AWS": ACCOUNT})]}, [],
     "implicit-deny-identity"),
    ("the account's root ARN means the same", {"resource": [principal_of({"AWS": ROOT_ARN})]}, [allow()],
     True),
    ("another account's root ARN does not name us",
     {"resource": [principal_of({"AWS": "arn:aws:iam::210987654321:root"})]}, [], "implicit-deny-identity"),
    ("everybody in a bucket policy", {"resource": [principal_of("*")]}, [], True),
    ("everybody, written {AWS: *}", {"resource": [principal_of({"AWS": "*"})]}, [], True),
    ("a deny in the bucket policy wins", {"resource": [deny("*", Principal="*")]}, [allow()],
     "explicit-deny-resource"),
    ("a deny in the bucket policy binds root", {"principal": ROOT, "resource": [deny("*", Principal="*")]},
     [],
     "explicit-deny-resource"),
    ("a deny for the account binds its roles", {"resource": [deny("*", Principal={"AWS": ACCOUNT})]},
     [allow()],
     "explicit-deny-resource"),
    ("a deny for another role does not bind",
     {"resource": [deny("*", Principal={"AWS": f"{ROLE_ARN}-2"})]}, [allow()], True),
    ("NotPrincipal in a deny spares account, role and session",
     {"resource": [deny("*", NotPrincipal={"AWS": [ROOT_ARN, ROLE_ARN, SESSION_ARN]})]}, [allow()], True),
    ("NotPrincipal in a deny without the session does not spare it",
     {"resource": [deny("*", NotPrincipal={"AWS": [ROOT_ARN, ROLE_ARN]})]}, [allow()],
     "explicit-deny-resource"),
    ("a service does not pass for a role", {"resource": [principal_of({"Service": SERVICE.arn})]}, [],
     "implicit-deny-identity"),
    ("a service needs the resource's policy", {"principal": SERVICE, "resource": []}, [],
     "implicit-deny-resource"),
    ("a service that the resource's policy names",
     {"principal": SERVICE, "resource": [principal_of({"Service": SERVICE.arn})]}, [], True),
    ("a service is not of the account", {"principal": SERVICE,
     "resource": [principal_of({"AWS": ROOT_ARN})]}, [],
     "implicit-deny-resource"),
    ("an endpoint policy limits", {"endpoint": [allow("sqs:*", Principal="*")]}, [allow()],
     "implicit-deny-endpoint"),
    ("an endpoint policy grants nothing", {"endpoint": [allow("*", Principal="*")]}, [],
     "implicit-deny-identity"),
    ("an endpoint policy may name the role", {"endpoint": [allow("*", Principal=LISTED)]}, [allow()], True),
    ("a deny in the endpoint policy wins", {"endpoint": [allow("*", Principal="*"), deny("*",
     Principal="*")]},
     [allow()], "explicit-deny-endpoint"),
    ("a key policy that is silent refuses everybody", {"resource": [], "authoritative": True}, [allow("*")],
     "implicit-deny-resource"),
    ("a key policy that is silent refuses root", {"principal": ROOT, "resource": [], "authoritative": True},
     [],
     "implicit-deny-resource"),
    ("a key policy for the account lets identity policies decide",
     {"resource": [principal_of({"AWS": ROOT_ARN})], "authoritative": True}, [allow()], True),
    ("and only these", {"resource": [principal_of({"AWS": ROOT_ARN})], "authoritative": True}, [],
     "implicit-deny-identity"),
    ("a key policy for the role is enough", {"resource": [principal_of(LISTED)], "authoritative": True}, [],
     True),
    ("root by a key policy for the account",
     {"principal": ROOT, "resource": [principal_of({"AWS": ROOT_ARN})], "authoritative": True}, [], True),
    ("a condition in a key policy",
     {"resource": [principal_of(LISTED, **when("StringEquals", "kms:ViaService", "s3"))],
     "authoritative": True},
     [allow("*")], "implicit-deny-resource"),
]  # fmt: skip


def check(decision: Decision, expected: bool | str) -> None:
    if expected is True:
        assert decision.allowed, decision.reason
    else:
        assert (decision.allowed, decision.reason) == (False, expected)


@pytest.mark.parametrize(("facts", "identity", "expected"), [pytest.param(*c[1:], id=c[0]) for c in BASICS])
def test_basic_rule(facts: dict[str, Any], identity: list[Any], expected: bool | str) -> None:
    check(ask(*identity, **facts), expected)


@pytest.mark.parametrize(("condition", "keys", "holds"), [pytest.param(*c[1:], id=c[0]) for c in CONDITIONS])
def test_condition_rule(condition: dict[str, Any], keys: dict[str, object], holds: bool) -> None:
    check(ask(allow(**condition), context=keys), holds or "implicit-deny-identity")
    refused = ask(allow("*"), deny(**condition), context=keys)
    assert refused.allowed is not holds, "a deny with this condition must apply exactly when it holds"


@pytest.mark.parametrize(("facts", "identity", "expected"), [pytest.param(*c[1:], id=c[0]) for c in LAYERS])
def test_layer_rule(facts: dict[str, Any], identity: list[Any], expected: bool | str) -> None:
    check(ask(*identity, **facts), expected)


def test_variables_are_text_before_version_2012() -> None:
    statement = allow(resource="arn:aws:s3:::lake/${aws:username}/*")
    mine = {"principal": USER, "context": {"aws:username": "ann"}, "on": "arn:aws:s3:::lake/ann/x"}
    assert ask(statement, **mine).allowed
    assert not ask(statement, version="2008-10-17", **mine).allowed


def test_variable_fills_one_folder_only() -> None:
    statement = allow(resource="arn:aws:s3:::lake/${aws:username}/*")
    theirs = {"principal": USER, "context": {"aws:username": "ann"}, "on": "arn:aws:s3:::lake/bob/x"}
    assert not ask(statement, **theirs).allowed


def test_decision_names_statement_and_missing_keys() -> None:
    decision = ask(allow(**when("StringEquals", TAG, "x")), allow(Sid="Read"))
    assert (decision.policy, decision.statement, decision.missing) == ("p", "1:Read", (TAG,))


def test_decision_names_every_layer_that_allowed() -> None:
    decision = ask(allow(), boundary=[allow("*")], resource=[principal_of({"AWS": ROOT_ARN})])
    assert decision.layer == "identity"
    assert set(decision.via) == {"boundary:p#0", "resource:p#0"}


def test_unknown_operator_is_refused_by_name() -> None:
    with pytest.raises(PolicyError, match="StringMatches"):
        ask(allow(**when("StringMatches", TAG, "x")))


def test_table_is_large_enough() -> None:
    assert len(BASICS) + len(CONDITIONS) + len(LAYERS) >= 100
