"""A second opinion: engines of other people over the same templates, so that a false green here shows there.

They live in an environment of their own (`make opinions`), because what they pin does not go together with
the CDK and the embedded account. One that is not installed is reported as not run; one that fails, or cannot
read a template, is a finding. Nothing is fetched while they run.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.findings import Finding, Severity
from audit.templates import Templates

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".opinions"
HOW = "`make opinions` installs it beside the project"
CHECKOV, VALIDATE = "checkov", "cloudformation-validate"
FAILED, UNREAD = "OPINION-01", "OPINION-02"
LONGEST = 120  # seconds; a template with many conditions can keep a validator busy for ever
# Of cloudformation-validate: the rest is style, such as an order that is stated twice.
_SEVERITIES = {"FATAL": Severity.MEDIUM, "ERROR": Severity.MEDIUM, "WARN": Severity.LOW}
_WARNINGS_THAT_COUNT = ("Security", "Deprecation")
# Would let a configuration of the machine decide what checkov does, or send results somewhere.
_STEERING = ("BC_", "CHECKOV_", "CKV_", "PRISMA_", "PYTHON")


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """
    version   of the engine, with its data; "" where it did not run
    looked    addresses of the resources that it has a check for
    checks    how many of its checks met a resource; 0 where it does not say
    findings  rule: the engine's id; controls: its name
    advice    remarks on style, counted and left out
    why_not   why it did not run, and how to get it; "" where it ran
    """

    engine: str
    version: str = ""
    looked: frozenset[str] = frozenset()
    checks: int = 0
    findings: tuple[Finding, ...] = ()
    advice: int = 0
    seconds: float = 0.0
    why_not: str = ""


class EngineError(Exception):
    """An engine that is installed gave no answer; the text says what it said instead."""


def checkov(templates: Templates, home: Path) -> Opinion:
    program = home / "bin" / "checkov"
    if not program.exists():
        return Opinion(engine=CHECKOV, why_not=f"not installed in {home.name}: {HOW}")
    options = ["--framework", "cloudformation", "--skip-download", "--output", "json", "--compact"]
    return _asked(
        CHECKOV,
        templates,
        [home.absolute() / "bin" / "python", program.absolute(), *options, "--file", *_files(templates)],
        lambda answer: _of_checkov(templates, answer),
    )


def cloudformation_validate(templates: Templates, home: Path) -> Opinion:
    if not [*home.glob("lib/python*/site-packages/cloudformation_validate")]:
        return Opinion(engine=VALIDATE, why_not=f"not installed in {home.name}: {HOW}")
    return _asked(
        VALIDATE,
        templates,
        [home.absolute() / "bin" / "python", ROOT / "audit" / "validator.py", *_files(templates)],
        lambda answer: _of_validate(templates, answer),
    )


ENGINES: tuple[Callable[[Templates, Path], Opinion], ...] = (checkov, cloudformation_validate)


def engine_of(rule: str) -> str:
    """The engine that a rule's id belongs to; "" for ours and cdk-nag's."""
    return CHECKOV if rule.startswith(("CKV_", "CKV2_")) else VALIDATE if rule.startswith("CFN-") else ""


def _files(templates: Templates) -> list[Path]:
    return [path.resolve() for path in templates.files.values()]


def _asked(
    engine: str, templates: Templates, command: Sequence[Path | str], read: Callable[[Any], Opinion]
) -> Opinion:
    began = time.monotonic()
    try:
        opinion = read(_answer(command))
    except EngineError as error:
        where = templates.stacks[0]
        finding = Finding(
            rule=FAILED,
            severity=Severity.MEDIUM,
            address=where,
            path=where,
            subject=engine,
            message=f"{engine} is installed and gave no opinion: {error}",
            fix="Mend its environment: remove the folder .opinions and run `make opinions`.",
            controls=(engine,),
        )
        return Opinion(engine=engine, why_not=f"it failed: {error}", findings=(finding,))
    return Opinion(**{**vars(opinion), "seconds": time.monotonic() - began})


def _answer(command: Sequence[Path | str]) -> Any:
    """The JSON that the engine wrote. Its exit status says whether it found something: not looked at."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_STEERING)}
    # In an empty folder, where no configuration of the engine lies about.
    with tempfile.TemporaryDirectory(prefix="audit-opinion-") as folder:
        try:
            done = subprocess.run(
                [str(part) for part in command],
                cwd=folder,
                env=kept,
                capture_output=True,
                text=True,
                check=False,
                timeout=LONGEST,
            )
        except subprocess.TimeoutExpired as error:
            raise EngineError(f"no answer within {LONGEST} s") from error
        except OSError as error:
            raise EngineError(str(error)) from error
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
        raise EngineError(f"exit status {done.returncode}, {last[0][:300]}") from error


def _of_checkov(templates: Templates, answer: Any) -> Opinion:
    """An exception that is written into a template counts as found: exceptions belong in the ledger."""
    reports = [one for one in (answer if isinstance(answer, list) else [answer]) if "results" in one]
    stacks = {str(path.resolve()): stack for stack, path in templates.files.items()}
    found, looked, checks, version = [], set(), set(), _checkov_version(answer)
    for report in reports:
        results = report["results"]
        said = [*results.get("failed_checks", []), *results.get("skipped_checks", [])]
        for one in [*said, *results.get("passed_checks", [])]:
            looked.add(_address(stacks, one))
            checks.add(one["check_id"])
        found += [_finding_of_checkov(templates, _address(stacks, one), one) for one in said]
        found += [_unread(CHECKOV, stacks.get(path, path)) for path in results.get("parsing_errors", [])]
    return Opinion(
        engine=CHECKOV,
        version=f"checkov {version}",
        looked=frozenset(looked & set(templates.by_address)),
        checks=len(checks),
        findings=_sorted(found),
    )


def _checkov_version(answer: Any) -> str:
    first = answer[0] if isinstance(answer, list) else answer
    try:
        return str(first.get("summary", first)["checkov_version"])
    except (AttributeError, KeyError) as error:
        raise EngineError(f"an answer of another shape: {str(answer)[:200]}") from error


def _address(stacks: Mapping[str, str], one: Mapping[str, Any]) -> str:
    """Of `AWS::S3::Bucket.Data` in a file; checkov calls what SAM makes by the same name."""
    stack = stacks.get(str(one["file_abs_path"]), str(one["file_abs_path"]))
    return f"{stack}/{str(one['resource']).partition('.')[2]}"


def _finding_of_checkov(templates: Templates, address: str, one: Mapping[str, Any]) -> Finding:
    resource = templates.by_address.get(address)
    keys = (one.get("check_result") or {}).get("evaluated_keys") or []
    where = f" ({', '.join(map(str, keys))})" if keys else ""
    return Finding(
        rule=str(one["check_id"]),
        severity=Severity.MEDIUM,
        address=address,
        path=resource.path if resource else address,
        message=f"{one['check_name']}{where}",
        controls=(CHECKOV,),
    )


def _of_validate(templates: Templates, answer: Mapping[str, Any]) -> Opinion:
    stacks = {str(path.resolve()): stack for stack, path in templates.files.items()}
    found, advice = [], 0
    for file, diagnostics in answer["files"].items():
        for one in diagnostics:
            if one["severity"] in ("FATAL", "ERROR") or (
                one["severity"] == "WARN" and one["category"] in _WARNINGS_THAT_COUNT
            ):
                found.append(_finding_of_validate(templates, stacks[file], one))
            else:
                advice += 1
    return Opinion(
        engine=VALIDATE,
        version=f"{VALIDATE} {answer['version']}, schemas of {answer['schemas'].partition('@')[2][:10]}",
        looked=frozenset(templates.by_address),
        checks=int(answer["rules"]),
        findings=_sorted(found),
        advice=advice,
    )


def _finding_of_validate(templates: Templates, stack: str, one: Mapping[str, str]) -> Finding:
    address = f"{stack}/{one['resource']}" if one["resource"] else stack
    resource = templates.by_address.get(address)
    return Finding(
        rule=f"CFN-{one['rule']}",
        severity=_SEVERITIES[one["severity"]],
        address=address,
        path=resource.path if resource else address,
        subject=one["property"],
        message=one["message"],
        fix=one["fix"],
        controls=(VALIDATE,),
    )


def _unread(engine: str, stack: str) -> Finding:
    return Finding(
        rule=UNREAD,
        severity=Severity.MEDIUM,
        address=stack,
        path=stack,
        subject=engine,
        message=f"{engine} could not read this template: it has no opinion on what is in it",
        fix="Write the template so that other engines can read it.",
        controls=(engine,),
    )


def _sorted(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Once each: an engine may say the same of several properties."""
    by_key = {one.key: one for one in found}
    return tuple(by_key[key] for key in sorted(by_key))
