"""Names in ARNs that are not known before AWS makes them up: what a pattern says about them all the same.

Truth is three-valued: True and False are certain, None hangs on such a name. Names that CloudFormation makes
up are `<stack name>-<logical id>-*`, when the cloud assembly beside the templates tells the stack's name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from audit.policies import matches, overlap
from audit.templates import Templates

Truth = bool | None

NUMBER = re.compile(r"\b\d{12}\b")  # of an account
# A name or an attribute of a resource, a parameter, a mapping's entry; not <Region>, <AccountId>, or <ECR>,
# AWS's account that holds the layers of images.
_UNKNOWN = re.compile(r"<(?!(?:AccountId|Region|Partition|StackName|ECR)>)((?:[^<>]|<[^<>]*>)*)>")
# A policy variable, which each request fills in: `${aws:username}`.
VARIABLE = re.compile(r"\$\{[^}]*\}")
_TOKEN = re.compile(r"<[^<>]*>")
_SEGMENTS = re.compile(r"([^:/]+)")


def any_of(truths: Iterable[Truth]) -> Truth:
    found = list(truths)
    return True if True in found else None if None in found else False


def negated(truth: Truth) -> Truth:
    return None if truth is None else not truth


def is_open(text: str, made: Collection[str]) -> bool:
    """Whether a part of it may turn out to be anything: a parameter, an import, an attribute.

    made  addresses of resources, whose made-up names are each another
    """
    return any(match[1] not in made for match in _UNKNOWN.finditer(text))


def covers(pattern: str, text: str) -> Truth:
    """Whether a pattern of a policy covers an ARN; None where that hangs on a name that is made up later."""
    if matches(pattern, text):
        return True
    if VARIABLE.search(pattern):
        return None if covers(VARIABLE.sub("*", pattern), text) is not False else False
    if "<" not in text or not ("*" in pattern or "?" in pattern):
        return False
    tokens = dict.fromkeys([*_TOKEN.findall(text), *_TOKEN.findall(pattern)])
    numbers = {token: chr(0xE000 + number) for number, token in enumerate(tokens)}
    plain = _TOKEN.sub(lambda match: numbers[match[0]], text)
    relaxed = _relaxed(_TOKEN.sub(lambda match: numbers[match[0]], pattern))
    return None if relaxed.fullmatch(plain) else False


@lru_cache(maxsize=65536)
def _relaxed(pattern: str) -> re.Pattern[str]:
    """A segment with a wildcard (`team-*`) may also stand for a name that is made up."""

    def part(segment: str) -> str:
        exact = re.escape(segment).replace(r"\*", ".*").replace(r"\?", ".")
        if not set(segment) & {"*", "?"}:
            return exact
        return f"(?:{exact}|[\ue000-\uf8ff]{'.*' if '*' in segment else ''})"

    return re.compile("".join(map(part, _SEGMENTS.split(pattern))), re.DOTALL)


def compared(pattern: str, wanted: str) -> Truth:
    """Of two patterns, whether one covers all of the other; None: a part of it, or it hangs on a name."""
    if matches(pattern, wanted):
        return True
    if overlap(VARIABLE.sub("*", pattern), VARIABLE.sub("*", wanted)):
        return None
    if bool(_UNKNOWN.search(pattern)) is bool(_UNKNOWN.search(wanted)):
        return False
    return None if overlap(_UNKNOWN.sub("*", pattern), _UNKNOWN.sub("*", wanted)) else False


@lru_cache(maxsize=65536)
def spelled(text: str, templates: Templates) -> str:
    """With the names that CloudFormation will make up as patterns, as far as the stack's name is known."""

    def name(match: re.Match[str]) -> str:
        resource = templates.by_address.get(match[1])
        if resource is None:
            return match[0]
        stack = _stack_names(resource.file.parent).get(resource.stack)
        if stack is None:
            return match[0]
        made_up = f"{stack}-{resource.logical_id}-"
        return (made_up.lower() if resource.type == "AWS::S3::Bucket" else made_up) + "*"

    return _UNKNOWN.sub(name, text)


@lru_cache(maxsize=64)
def _stack_names(folder: Path) -> Mapping[str, str]:
    """Name by the stack's id in a cloud assembly; empty for templates of another origin."""
    manifest = folder / "manifest.json"
    try:
        artifacts = json.loads(manifest.read_text(encoding="utf-8"))["artifacts"]
        return {
            str(entry["properties"]["templateFile"]).split(".")[0]: str(
                entry["properties"].get("stackName", name)
            )
            for name, entry in artifacts.items()
            if entry.get("type") == "aws:cloudformation:stack"
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
