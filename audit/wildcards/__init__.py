"""Every wildcard of a permission is proved: nothing narrower exists, or something else bounds it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from audit import authorization
from audit.findings import Finding, Severity, few
from audit.policies import Statement, statements
from audit.rights import PLACEHOLDER, flat, has_wildcard
from audit.templates import Templates
from audit.wildcards.judgement import EDITION, Judgement, Verdict, judge, keys_that_bound, said_of
from audit.wildcards.mistakes import unknown_actions, unknown_keys

_NEGATIONS = ("NotAction", "NotResource")


def source() -> str:
    """What the verdicts rest on, with its version."""
    return EDITION


@dataclass(frozen=True, kw_only=True)
class Proof:
    """
    owner    address of the resource whose policy it is; `path` its construct path
    kind     of the statement: identity, resource, key or endpoint
    actions  of the statement those that the reason is about; for an action wildcard, what it covers
    pattern  the wildcard as written, of an action or of a resource; or NotAction, NotResource
    reason   a sentence, without full stop
    ground   the reason without names, as the ledger has it for all wildcards alike
    """

    owner: str
    path: str
    kind: str
    actions: tuple[str, ...]
    pattern: str
    verdict: Verdict
    reason: str
    ground: str
    is_action: bool = False


def proofs(templates: Templates) -> list[Proof]:
    """One for each wildcard of each Allow statement that grants something, in the order of the templates."""
    return [
        proof
        for statement in statements(templates)
        if statement.allows and statement.kind not in ("boundary", "trust")
        for proof in (*_negations(statement), *_of_actions(statement), *_of_resources(statement))
    ]


def check(templates: Templates) -> list[Finding]:
    """What a policy says in several statements is reported once."""
    found = [
        _finding(proof)
        for proof in proofs(templates)
        if proof.verdict in ("narrowable", "open") and _is_known(proof)
    ]
    for statement in statements(templates):
        found += [*unknown_actions(statement), *unknown_keys(statement)]
    return list({finding.key: finding for finding in found}.values())


def _proof(
    statement: Statement,
    pattern: str,
    actions: Iterable[str],
    verdict: Verdict,
    reason: str,
    *,
    ground: str = "",
    is_action: bool = False,
) -> Proof:
    return Proof(
        owner=statement.holder.address,
        path=statement.holder.path,
        kind=statement.kind,
        actions=tuple(actions),
        pattern=pattern,
        verdict=verdict,
        reason=reason,
        ground=ground or reason,
        is_action=is_action,
    )


def _negations(statement: Statement) -> Iterator[Proof]:
    for word, patterns in zip(_NEGATIONS, (statement.not_actions, statement.not_resources), strict=True):
        if patterns:
            is_all = word == "NotAction" and "*" in statement.resources
            named = few(map(str, patterns), limit=4)
            yield _proof(
                statement,
                word,
                map(str, statement.actions),
                "open" if is_all else "narrowable",
                f"{word} with Allow grants all but {named}, and what AWS adds later",
            )


def _of_actions(statement: Statement) -> Iterator[Proof]:
    for pattern in map(str, statement.actions):
        covered = authorization.expand(pattern) if has_wildcard(pattern) else ()
        if covered:  # a pattern that covers nothing is a typing error: WILD-06
            verdict, reason = _action_wildcard(statement, pattern, covered)
            yield _proof(statement, pattern, covered, verdict, reason, is_action=True)


def _action_wildcard(statement: Statement, pattern: str, covered: Sequence[str]) -> tuple[Verdict, str]:
    if statement.kind == "key" and _is_own_account(statement):
        return "bounded", "the key policy leaves this one key to the IAM policies of its own account"
    is_on_everything = "*" in statement.resources
    if statement.kind == "endpoint":
        bounds = keys_that_bound(statement, None)
        if bounds:
            return "bounded", f"{said_of(bounds)} what passes the endpoint"
        if not is_on_everything:
            return "bounded", f"the endpoint leads to {few(map(str, statement.resources), limit=4)} only"
    is_all = pattern == "*" or pattern.partition(":")[2] == "*"
    if is_all and is_on_everything:
        return "open", f"{pattern} on every resource: {len(covered)} actions"
    return "narrowable", f"{pattern} covers {len(covered)} actions: {few(covered, limit=4)}"


def _of_resources(statement: Statement) -> Iterator[Proof]:
    is_open = any(proof.verdict == "open" for proof in _of_actions(statement))
    names = [str(name) for name in statement.actions]
    for pattern in map(str, statement.resources):
        if not has_wildcard(PLACEHOLDER.sub(flat, pattern)) or (is_open and pattern == "*"):
            continue
        groups: dict[Judgement, list[str]] = {}
        for name in names:
            judgement = judge(statement, name, pattern)
            if judgement is not None:
                groups.setdefault(judgement, []).append(name)
        if not groups and names:
            reason = "no action of the statement knows such a resource: it grants nothing"
            yield _proof(statement, pattern, names, "bounded", reason)
        for judgement, actions in groups.items():
            take = "takes" if len(actions) == 1 else "take"
            reason = judgement.fact.replace("{actions}", few(actions, limit=4)).replace("{take}", take)
            yield _proof(statement, pattern, actions, judgement.verdict, reason, ground=judgement.ground)


def _is_own_account(statement: Statement) -> bool:
    principals = statement.principals
    return bool(principals) and all(
        kind == "AWS" and str(value).endswith(":iam::<AccountId>:root") for kind, value in principals
    )


def _is_known(proof: Proof) -> bool:
    """An unknown action has a finding of its own."""
    return (
        has_wildcard("".join(proof.actions))
        or not proof.actions
        or any(authorization.action(name) for name in proof.actions)
    )


def _finding(proof: Proof) -> Finding:
    rule, severity, fix = _rule(proof)
    subject = proof.pattern
    if not proof.is_action and proof.pattern not in _NEGATIONS:
        subject = f"{', '.join(proof.actions)} on {proof.pattern}"
    return Finding(
        rule=rule,
        severity=severity,
        address=proof.owner,
        path=proof.path,
        subject=subject,
        message=proof.reason,
        fix=fix,
    )


def _rule(proof: Proof) -> tuple[str, Severity, str]:
    if proof.pattern in _NEGATIONS:
        return "WILD-04", Severity.HIGH, "list with Action and Resource what is needed"
    if proof.verdict == "open":
        return "WILD-03", Severity.CRITICAL, "name the actions that are called, and their resources"
    if proof.is_action:
        return "WILD-01", _severity(proof), "name the actions that are called"
    return "WILD-02", _severity(proof), "name the resource, or the beginning of its name, or add a condition"


def _severity(proof: Proof) -> Severity:
    """By the worst that the actions do."""
    names = [each for name in proof.actions for each in (authorization.expand(name) or (name,))]
    levels = {known.level for name in names if (known := authorization.action(name))}
    if levels & {"Write", "Permissions management"}:
        return Severity.HIGH
    return Severity.LOW if levels <= {"List"} else Severity.MEDIUM
