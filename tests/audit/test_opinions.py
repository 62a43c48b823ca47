"""Second opinions: what other engines say alone is a finding, and no engine is silently missing."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import tarfile
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import cdk_nag
import pytest

from audit import agreement, escalation, evidence, ledger, opinions, rules, wildcards
from audit.findings import Finding, Severity
from audit.opinions import Opinion
from audit.templates import Templates
from tests.audit.engines import NOWHERE, checkov_says, install

BUCKET = "AWS::S3::Bucket.Data"
TEMPLATE = "Resources:\n  Data:\n    Type: AWS::S3::Bucket\n  Other:\n    Type: AWS::S3::Bucket\n"
STYLE = {"rule": "W3005", "severity": "WARN", "category": "Best Practice", "message": "said twice"}
REFUSED = {"rule": "E3012", "severity": "ERROR", "category": "Resource", "message": "no number"}
OLD = {"rule": "W2531", "severity": "WARN", "category": "Deprecation", "message": "an old runtime"}


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    file = tmp_path / "in" / "sample.yaml"
    file.write_text(TEMPLATE)
    return file


def ask(engine: Any, sample: Path, home: Path) -> Opinion:
    opinion: Opinion = engine(Templates.read(sample.parent), home)
    return opinion


def ours(rule: str, path: str = "sample/Data") -> Finding:
    return Finding(rule=rule, severity=Severity.LOW, address=path, path=path, message="")


def test_checkov_is_heard_with_what_it_looked_at(tmp_path: Path, sample: Path) -> None:
    passed = [(sample, "CKV_AWS_20", BUCKET), (sample, "CKV_AWS_18", "AWS::S3::Bucket.Other")]
    said = checkov_says((sample, "CKV_AWS_18", BUCKET), passed=passed)
    opinion = ask(opinions.checkov, sample, install(tmp_path / "home", checkov=said))
    (finding,) = opinion.findings
    assert (finding.rule, finding.address, finding.controls) == ("CKV_AWS_18", "sample/Data", ("checkov",))
    assert (opinion.version, opinion.checks, opinion.why_not) == ("checkov 3.3.30", 2, "")
    assert opinion.looked == {"sample/Data", "sample/Other"}


def test_an_exception_inside_a_template_does_not_silence(tmp_path: Path, sample: Path) -> None:
    said = checkov_says((sample, "CKV_AWS_18", BUCKET))
    said["results"]["skipped_checks"] = said["results"].pop("failed_checks")
    opinion = ask(opinions.checkov, sample, install(tmp_path / "home", checkov=[said]))
    assert [one.rule for one in opinion.findings] == ["CKV_AWS_18"]


def test_a_template_that_an_engine_cannot_read_is_a_finding(tmp_path: Path, sample: Path) -> None:
    said = checkov_says()
    said["results"]["parsing_errors"] = [str(sample.resolve())]
    opinion = ask(opinions.checkov, sample, install(tmp_path / "home", checkov=said))
    assert [(one.rule, one.path) for one in opinion.findings] == [(opinions.UNREAD, "sample")]


def test_cloudformation_validate_is_heard_without_style(tmp_path: Path, sample: Path) -> None:
    said = [{**one, "resource": "Data", "property": "P"} for one in (STYLE, REFUSED, OLD)]
    home = install(tmp_path / "home", validate={"sample.yaml": said})
    opinion = ask(opinions.cloudformation_validate, sample, home)
    assert [(one.rule, one.severity) for one in opinion.findings] == [
        ("CFN-E3012", Severity.MEDIUM),
        ("CFN-W2531", Severity.LOW),
    ]
    assert (opinion.advice, opinion.checks) == (1, 318)
    assert opinion.version == "cloudformation-validate 1.14.0, schemas of 2026-10-21"


@pytest.mark.parametrize("engine", opinions.ENGINES)
def test_an_environment_may_be_named_from_here(
    engine: Any, tmp_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "home", checkov=checkov_says(), validate={})
    monkeypatch.chdir(tmp_path)
    assert ask(engine, sample, Path("home")).why_not == ""


@pytest.mark.parametrize("engine", opinions.ENGINES)
def test_an_engine_that_is_not_there_says_how_to_get_it(engine: Any, sample: Path) -> None:
    opinion = ask(engine, sample, NOWHERE)
    assert "make opinions" in opinion.why_not
    assert (opinion.findings, opinion.looked) == ((), frozenset())


@pytest.mark.parametrize(
    ("said", "why"),
    [
        pytest.param("Traceback", "exit status 1, Traceback", id="text"),
        pytest.param("", "it said nothing", id="nothing"),
        pytest.param("{}", "an answer of another shape", id="other JSON"),
    ],
)
def test_an_engine_that_fails_is_a_finding(tmp_path: Path, sample: Path, said: str, why: str) -> None:
    opinion = ask(opinions.checkov, sample, install(tmp_path / "home", checkov=said))
    (finding,) = opinion.findings
    assert finding.rule == opinions.FAILED
    assert why in finding.message
    assert why in opinion.why_not


def test_an_engine_that_never_ends_is_a_finding(
    tmp_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = install(tmp_path / "home", checkov="{}")
    (home / "bin" / "checkov").write_text("import time\ntime.sleep(5)\n")
    monkeypatch.setattr(opinions, "LONGEST", 0.2)
    opinion = ask(opinions.checkov, sample, home)
    assert [one.rule for one in opinion.findings] == [opinions.FAILED]
    assert opinion.why_not == "it failed: no answer within 0.2 s"


def test_the_machine_does_not_steer_an_engine(
    tmp_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CKV_IGNORE", "1")
    monkeypatch.setenv("BC_API_KEY", "1")
    home = install(tmp_path / "home", checkov="{}")
    (home / "bin" / "checkov").write_text(
        "import json, os, sys\n"
        "print(json.dumps({'checkov_version': ' '.join([*os.environ, *sys.argv, *os.listdir()])}))\n"
    )
    heard = ask(opinions.checkov, sample, home).version
    assert "--skip-download" in heard
    assert "PATH" in heard
    assert "BC_API_KEY" not in heard
    assert "CKV_IGNORE" not in heard


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        pytest.param("sample/Data", True, id="the construct"),
        pytest.param("sample/Data/Policy", True, id="below it"),
        pytest.param("sample/Database", False, id="another whose name goes on"),
        pytest.param("sample/Other", False, id="another"),
    ],
)
def test_ours_counts_on_the_same_construct_only(path: str, seen: bool) -> None:
    theirs = Opinion(engine="checkov", findings=(ours("CKV_AWS_18"),))
    found = agreement.compare([ours("S1", path)], [], [theirs])
    assert (found.alone == ()) is seen
    assert found.shared == {"checkov": 1 if seen else 0}
    assert found.seconded == ({("S1", "", path): ("checkov CKV_AWS_18",)} if seen else {})


def test_another_demand_of_ours_on_the_construct_does_not_count() -> None:
    theirs = Opinion(engine="checkov", findings=(ours("CKV_AWS_18"),))
    assert agreement.compare([ours("S10")], [ours("ML-S3-03")], [theirs]).alone == theirs.findings


def test_the_rules_that_are_held_to_be_the_same_exist() -> None:
    package = next((Path(cdk_nag.__file__).parent / "_jsii").glob("*.tgz"))
    with tarfile.open(package) as archive:
        packs = [
            each for each in archive.getmembers() if re.search(r"lib/(packs/.*|rules/.*/\w+)\.js$", each.name)
        ]
        text = " ".join(archive.extractfile(each).read().decode() for each in packs)  # type: ignore[union-attr]
        names = set(re.findall(r"ruleSuffixOverride: '(\w+)'", text))
        names |= {Path(each.name).stem for each in packs}
    own = {rule.id for rule in rules.RULES}
    for module in (wildcards, escalation):
        own |= set(re.findall(r'"((?:WILD|ESC)-\d\d)"', Path(module.__file__).read_text()))
    own |= {"ENC-01"}
    wanted = {name for names in agreement.SAME.values() for name in names}
    assert wanted <= names | own, sorted(wanted - names - own)


def gather(sample: Path, home: Path, *rows: ledger.Row) -> evidence.Evidence:
    return evidence.gather(sample.parent, evidence.Known(rows=rows, engines=home), date(2026, 6, 1))


def row(*rules: str) -> ledger.Row:
    return ledger.Row(
        rules=rules,
        places=(("sample/Data", ""),),
        reason="The only reader of this bucket is the account's own log archive.",
        proof="none",
        review_by=date(2026, 12, 1),
    )


def test_what_an_engine_says_alone_is_open_until_the_ledger_answers(tmp_path: Path, sample: Path) -> None:
    home = install(tmp_path / "home", checkov=checkov_says((sample, "CKV_AWS_999", BUCKET)))
    alone = [one.path for one in gather(sample, home).verdict.open if one.rule == "CKV_AWS_999"]
    answered = gather(sample, home, row("CKV_AWS_999")).verdict
    assert alone == ["sample/Data"]
    assert "CKV_AWS_999" not in {one.rule for one in answered.open}
    assert [one.rule for one, _ in answered.answered] == ["CKV_AWS_999"]


def test_what_we_see_too_is_one_finding_with_both_names(tmp_path: Path, sample: Path) -> None:
    home = install(tmp_path / "home", checkov=checkov_says((sample, "CKV_AWS_21", BUCKET)))
    found = gather(sample, home)
    assert "CKV_AWS_21" not in {one.rule for one in found.verdict.open}
    assert found.seconded["ML-S3-03", "", "sample/Data"] == ("checkov CKV_AWS_21",)
    lines = found.sections["Which engine says what of what"]
    data, other = (next(line for line in lines if line[0] == f"sample/{name}") for name in ("Data", "Other"))
    assert (data[3], other[3], data[4]) == ("CKV_AWS_21", "has no check", "not run")


def test_a_row_for_an_engine_that_did_not_run_is_no_fault(tmp_path: Path, sample: Path) -> None:
    rows = [row("CKV_AWS_999"), row("S10", "CFN-E1")]
    without = gather(sample, NOWHERE, *rows).verdict
    heard = gather(sample, install(tmp_path / "home", checkov=checkov_says()), *rows).verdict
    assert [one.subject for one in without.open if one.rule == ledger.UNUSED] == []
    assert [one.subject for one in heard.open if one.rule == ledger.UNUSED] == ["CKV_AWS_999"]
    assert {one.rule for one, _ in without.answered} == {"S10"}, "what another rule of the row answers stays"


def test_the_report_says_which_engines_did_not_run(sample: Path) -> None:
    found = gather(sample, NOWHERE)
    assert "checkov: not run" in found.sources
    assert "cloudformation-validate: not run" in found.sources
    assert [line[-1].split(":")[0] for line in found.sections["Second opinions"][1:]] == ["not run"] * 2


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """scripts/opinions.py with a uv that writes down what it is asked for, and a home below a folder."""
    spec = importlib.util.spec_from_file_location("installer", opinions.ROOT / "scripts" / "opinions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    uv = tmp_path / "uv"
    uv.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\nmkdir -p {tmp_path}/home\n')
    uv.chmod(0o755)
    monkeypatch.setattr(module, "UV", uv)
    monkeypatch.setattr(module, "HOME", tmp_path / "home")
    monkeypatch.setattr(module, "STAMP", tmp_path / "home" / "stamp")
    monkeypatch.setattr(sys, "argv", ["opinions.py"])
    return module


def test_the_engines_are_installed_once_by_their_hashes(installer: ModuleType, tmp_path: Path) -> None:
    assert (installer.main(), installer.main()) == (0, 0)
    made, synced = (tmp_path / "asked").read_text().splitlines()
    assert made.startswith("venv ")
    assert "--require-hashes" in synced
    assert synced.endswith("requirements-opinions.lock")


def test_the_engines_are_installed_again_when_their_lock_changes(
    installer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installer.main()
    changed = tmp_path / "changed.lock"
    changed.write_text("another==1\n")
    monkeypatch.setattr(installer, "LOCK", changed)
    installer.main()
    assert len((tmp_path / "asked").read_text().splitlines()) == 4


def test_engines_that_cannot_be_installed_are_no_end_of_the_audit(
    installer: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installer.UV.write_text("#!/bin/sh\nexit 2\n")
    assert installer.main() == 1
    assert "The audit works without them and says so" in capsys.readouterr().err
    assert not installer.STAMP.exists(), "the next run tries again"


@pytest.mark.skipif(not (opinions.HOME / "bin").exists(), reason="`make opinions` has not run here")
def test_the_real_engines_see_a_careless_bucket_and_an_old_runtime(tmp_path: Path) -> None:
    """Against the engines themselves: what they say is in the shape that is read here."""
    function = {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Runtime": "python3.7",
            "Handler": "a.b",
            "Role": "arn:aws:iam::111122223333:role/any",
            "Code": {"ZipFile": "x"},
        },
    }
    template = {"Resources": {"Data": {"Type": "AWS::S3::Bucket"}, "Worker": function}}
    (tmp_path / "sample.json").write_text(json.dumps(template))
    templates = Templates.read(tmp_path)
    by_checkov = opinions.checkov(templates, opinions.HOME)
    by_validate = opinions.cloudformation_validate(templates, opinions.HOME)
    assert (by_checkov.why_not, by_validate.why_not) == ("", "")
    assert {("CKV_AWS_18", "sample/Data"), ("CKV_AWS_363", "sample/Worker")} <= {
        (one.rule, one.address) for one in by_checkov.findings
    }
    assert ("CFN-E2531", "sample/Worker") in {(one.rule, one.address) for one in by_validate.findings}
    assert by_checkov.looked == {"sample/Data", "sample/Worker"}
