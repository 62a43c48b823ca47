"""Conditions are decided where the request is known, and said in words where it is not."""

from __future__ import annotations

from typing import Any

import pytest

from audit.conditions import Known, read, undecided
from audit.names import Truth, covers
from audit.wording import escape, requirements

KNOWN = Known(
    carried={
        "aws:principalarn": "arn:aws:iam::<AccountId>:role/team/<Any/R>",
        "aws:principalaccount": "<AccountId>",
        "aws:resourceaccount": "<AccountId>",
        "aws:principaltag/team": "Ml",
        "aws:sourcevpce": "<Any/Door>",
        "aws:principalservicename": None,
    },
    made={"Any/R", "Any/Other", "Any/Door"},
)
NOTHING = Known(carried={})


@pytest.mark.parametrize(
    ("pattern", "text", "truth"),
    [
        pytest.param("a:*", "a:<Any/B>", True, id="all names"),
        pytest.param("a:<Any/B>/*", "a:<Any/B>/x", True, id="the same name"),
        pytest.param("a:<Any/C>/*", "a:<Any/B>/x", False, id="another made-up name"),
        pytest.param("a:team-*", "a:<Any/B>", None, id="perhaps"),
        pytest.param("a:team-?", "a:<Any/B>/x", False, id="perhaps, but not what is below"),
        pytest.param("a:team-*", "a:<Any/B>/x", None, id="perhaps, and what is below"),
        pytest.param("a:given", "a:<Any/B>", False, id="a given name"),
        pytest.param("a:team-*", "a:other", False, id="a given name with another beginning"),
        pytest.param("b:team-*", "a:<Any/B>", False, id="another kind"),
        pytest.param("a:${aws:username}", "a:given", None, id="a variable"),
        pytest.param("b:${aws:username}", "a:given", False, id="a variable of another kind"),
    ],
)
def test_a_name_that_is_made_up_may_match(pattern: str, text: str, truth: Truth) -> None:
    assert covers(pattern, text) is truth


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        pytest.param({}, (), id="none"),
        pytest.param({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/team/*"}}, (), id="holds"),
        pytest.param({"ArnLike": {"AWS:PrincipalARN": "arn:aws:iam::*:role/other/*"}}, None, id="never"),
        pytest.param({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/team/*"}}, None, id="not so"),
        pytest.param({"Null": {"aws:PrincipalServiceName": "true"}}, (), id="absent"),
        pytest.param({"StringEquals": {"aws:PrincipalServiceName": "x"}}, None, id="absent, wanted"),
        pytest.param({"StringEqualsIfExists": {"aws:PrincipalServiceName": "x"}}, (), id="absent, if given"),
        pytest.param({"StringNotEquals": {"aws:PrincipalServiceName": "x"}}, (), id="absent, not that"),
        pytest.param(
            {"ForAnyValue:StringNotEquals": {"aws:PrincipalServiceName": "x"}}, None, id="absent, one of it"
        ),
        pytest.param(
            {"StringEquals": {"aws:PrincipalArn": "arn:aws:iam::*:role/team/*"}}, None, id="no star"
        ),
        pytest.param(
            {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::<AccountId>:role/team/a-*"}},
            ("aws:PrincipalArn is arn:aws:iam::<AccountId>:role/team/a-*",),
            id="hangs on the name",
        ),
        pytest.param(
            {"StringEquals": {"kms:ViaService": "s3.<Region>.amazonaws.com"}}, ("via s3",), id="a service"
        ),
        pytest.param({"Bool": {"aws:SecureTransport": True}}, ("TLS",), id="boolean"),
        pytest.param(
            {"NumericGreaterThanEquals": {"s3:TlsVersion": 1.2}}, ("TLS version >= 1.2",), id="number"
        ),
        pytest.param({"IpAddress": {"aws:SourceIp": ["a", "b"]}}, ("from address a, b",), id="alternatives"),
        pytest.param(
            {"StringEquals": {"a:x": "1", "a:y": "2"}}, ("a:x is 1", "a:y is 2"), id="all of several keys"
        ),
        pytest.param("<Any/Condition>", ("condition is <Any/Condition>",), id="a parameter"),
        pytest.param({"Bool": "<Any/P>"}, ("condition is <Any/P>",), id="a parameter in a block"),
        pytest.param(
            {"StringEquals": {"aws:PrincipalAccount": "<Any/Trusted>"}},
            ("aws:PrincipalAccount is <Any/Trusted>",),
            id="a parameter's value may be the one",
        ),
        pytest.param(
            {"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::<AccountId>:role/team/<Any/Other>"}},
            None,
            id="another resource is not the one",
        ),
        pytest.param(
            {"StringEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}},
            (),
            id="a variable that is known",
        ),
        pytest.param(
            {"StringEquals": {"aws:PrincipalTag/team": "${s3:ExistingObjectTag/team}"}},
            ("aws:PrincipalTag/team is ${s3:ExistingObjectTag/team}",),
            id="a variable that is not known",
        ),
        pytest.param({"StringEquals": {"aws:PrincipalTag/team": "ml"}}, None, id="capitals count"),
        pytest.param({"StringEqualsIgnoreCase": {"aws:PrincipalTag/team": "ml"}}, (), id="unless ignored"),
        pytest.param({"StringEquals": {"aws:PrincipalTag/team": "M*"}}, None, id="a star is a star"),
        pytest.param({"StringLike": {"aws:PrincipalTag/team": "M*"}}, (), id="unless a pattern is asked for"),
        pytest.param(
            {"StringEquals": {"aws:SourceVpce": "vpce-1"}}, ("from endpoint vpce-1",), id="an id may be ours"
        ),
        pytest.param({"StringEquals": {"aws:SourceVpce": "<Any/R>"}}, None, id="a Ref to another is not"),
        pytest.param(
            {"ForAnyValue:StringEqualsIfExists": {"aws:PrincipalServiceName": "x"}},
            (),
            id="absent, one of it, if given",
        ),
        pytest.param({"ForAllValues:StringEquals": {"aws:PrincipalServiceName": "x"}}, (), id="all of none"),
    ],
)
def test_what_a_conditional_allow_asks_for(conditions: Any, said: tuple[str, ...] | None) -> None:
    left = undecided(list(read(conditions)), KNOWN)
    assert (None if left is None else requirements(left)) == said


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        pytest.param({"Bool": {"aws:SecureTransport": "false"}}, "TLS", id="TLS"),
        pytest.param({"NumericLessThan": {"s3:TlsVersion": 1.2}}, "TLS version >= 1.2", id="number"),
        pytest.param({"StringNotEquals": {"aws:SourceVpce": "e"}}, "from endpoint e", id="endpoint"),
        pytest.param({"Null": {"a:x": "true"}}, "a:x given", id="given"),
        pytest.param(
            {"Null": {"a:x": "false"}, "StringNotEquals": {"a:x": "1"}}, "a:x absent or a:x is 1", id="or"
        ),
        pytest.param(
            {"ForAllValues:StringNotEquals": {"aws:CalledVia": ["athena.amazonaws.com"]}},
            "some called via athena",
            id="of several values",
        ),
        pytest.param({"StringEquals": {"a:x": ["1", "2"]}}, "a:x is not 1, 2", id="neither"),
        pytest.param({"StringNotEqualsIfExists": {"a:x": "1"}}, "a:x is 1 and given", id="if given"),
    ],
)
def test_what_keeps_out_of_a_conditional_deny(conditions: Any, said: str) -> None:
    left = undecided(list(read(conditions)), NOTHING)
    assert left is not None
    assert escape(left) == said
