"""The checks bite: each property that is broken in our own templates is noticed, by a named check."""

from __future__ import annotations

import copy
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from audit import mutants
from audit.mutation import code, judge, score, survivors
from audit.mutation.mutant import Mutant
from audit.mutation.survivors import Result
from audit.mutation.synthesis import synthesise
from audit.mutation.templates import mutants as of_templates
from audit.templates import InputError, Templates

ROOT = Path(__file__).parents[2]
REASONS = ROOT / mutants.REASONS


@pytest.fixture(scope="module")
def ours(audited: dict[str, Templates]) -> tuple[list[Mutant], judge.Baseline]:
    documents = audited["production"].documents
    return list(of_templates(documents)), judge.baseline(documents)


# Where, what was done, to what; and the check that has to see it. The whole run is `make mutants`.
KILLED = [
    pytest.param(
        "Data/Lake/Raw", "property removed", "BucketEncryption", "rules: ML-S3-04", id="key of a bucket"
    ),
    pytest.param(
        "Data/Lake/Raw",
        "switched off",
        "PublicAccessBlockConfiguration.BlockPublicAcls",
        "rules: ML-S3-01",
        id="public access",
    ),
    pytest.param(
        "Data/Lake/Raw/Policy", "denial dropped", "Deny s3:* if Bool aws:S", "rules: ML-S3-02", id="TLS"
    ),
    pytest.param("Data/Lake/Raw/Policy", "denial loosened", "Deny", "access matrix", id="version of TLS"),
    pytest.param("Data/Lake/Raw", "deletion allowed", "DeletionPolicy", "rules: ML-KEEP-01", id="deletion"),
    pytest.param("Base/Keys/Logs", "principal widened", "Allow", "", id="principal of a key"),
    pytest.param("Base/Keys/Logs", "condition dropped", "Allow", "rules: ML-KMS-04", id="condition of a key"),
    pytest.param(
        "Base/Keys/Lake", "shortened", "PendingWindowInDays", "rules: ML-KMS-06", id="key's last days"
    ),
    pytest.param(
        "Base/Network/", "property removed", "PolicyDocument", "rules: ML-NET-01", id="endpoint policy"
    ),
    pytest.param("Base/Network/S3", "condition loosened", "Allow", "rules: ML-NET-06", id="perimeter"),
    pytest.param("Base/Network/", "action widened", "Allow", "wildcards: WILD-01", id="endpoint's actions"),
    pytest.param("Base/Network/", "door opened", "SecurityGroupIngress", "rules: ML-NET-03", id="open group"),
    pytest.param("Base/Boundary", "denial dropped", "Deny", "rules: ML-IAM-09", id="boundary's denial"),
    pytest.param("Base/Boundary", "condition dropped", "Allow", "rules: ML-IAM-14", id="boundary's account"),
    pytest.param(
        "Model/Train/Role", "property removed", "PermissionsBoundary", "rules: ML-IAM-06", id="boundary"
    ),
    pytest.param(
        "Model/Train/Role",
        "boundary replaced",
        "PermissionsBoundary",
        "rules: ML-IAM-16",
        id="weaker boundary",
    ),
    pytest.param("Model/Train/Role", "principal widened", "Allow", "rules: ML-IAM-07", id="trust"),
    pytest.param(
        "Data/Ingest/Stream", "AWS's key instead", "StreamEncryption", "rules: ML-KIN-01", id="AWS's key"
    ),
    pytest.param("Data/Transform", "old version", "GlueVersion", "rules: ML-GLUE-09", id="version of Glue"),
    pytest.param("Operations/", "old version", "Runtime", "rule packs: L1", id="runtime of a function"),
    pytest.param("Operations/", "property removed", "VpcConfig", "", id="network of a function or model"),
    pytest.param(
        "Operations/", "resource removed", "AWS::CloudWatch::Alarm", "rules: ML-CW-04", id="alarm gone"
    ),
    pytest.param("Operations/", "property removed", "AlarmActions", "rules: ML-CW-01", id="alarm unheard"),
    pytest.param(
        "Operations/", "silence taken for calm", "TreatMissingData", "rules: ML-CW-03", id="silence"
    ),
    pytest.param("Operations/", "shortened", "RetentionInDays", "rules: ML-LOG-04", id="retention"),
    pytest.param(
        "Operations/", "switched off", "DataCaptureConfig.EnableCapture", "rules: ML-SM-04", id="capture"
    ),
    pytest.param(
        "Operations/Retrain", "request field removed", "VpcConfig", "rules: ML-SFN-01", id="job's network"
    ),
    pytest.param(
        "Operations/Retrain", "request flag off", "EnableNetworkIsolation", "rules: ML-SFN-04", id="isolation"
    ),
    pytest.param("Operations/Retrain", "state guard removed", "Catch", "rules: ML-SFN-08", id="no way out"),
    pytest.param("Data/Queries", "resource widened", "Allow", "wildcards: WILD-02", id="wider resource"),
]


@pytest.mark.parametrize(("begins", "kind", "subject", "by"), KILLED)
def test_a_broken_property_is_noticed(ours: Any, begins: str, kind: str, subject: str, by: str) -> None:
    every, before = ours
    chosen = next(
        one
        for one in every
        if one.place.path.startswith(begins) and one.kind == kind and one.subject.startswith(subject)
    )
    broken = chosen.applied(before.documents)
    assert broken != before.documents
    found = judge.killer(broken, before, {chosen.place.stack})
    assert found
    assert found.startswith(by)


def test_there_are_hundreds_of_every_kind_and_none_changes_the_original(ours: Any) -> None:
    every, before = ours
    assert len(every) > 1_500
    assert {kind for _, kind, _, _ in (each.values for each in KILLED)} <= {one.kind for one in every}
    untouched = copy.deepcopy(before.documents)
    for mutant in every[::97]:
        assert mutant.applied(before.documents) != untouched
    assert before.documents == untouched


def test_nothing_broken_is_no_kill(ours: Any) -> None:
    _, before = ours
    assert judge.killer(copy.deepcopy(before.documents), before, {"Data"}) == ""


def test_a_removed_resource_leaves_no_reference_behind(ours: Any) -> None:
    every, before = ours
    gone = next(one for one in every if one.kind == "resource removed" and "Champion" in one.place.path)
    text = json.dumps(gone.applied(before.documents)[gone.place.stack][1]["Resources"])
    assert json.dumps({"Ref": gone.place.logical_id}) not in text
    assert json.dumps({"Ref": gone.place.logical_id}) in json.dumps(before.documents[gone.place.stack][1])


TOPIC = '{"Resources": {"T": {"Type": "AWS::SNS::Topic", "Properties": {"KmsMasterKeyId": "k"}}}}'
# An Allow in a policy of a type that no rule knows, and without any resource that it could be about.
UNSEEN = (
    '{"Resources": {"S": {"Type": "AWS::Kinesis::Stream", "Properties": {"RetentionPeriodHours": 48, '
    '"StreamEncryption": {"KeyId": "k"}}}}}'
)
ROW = (
    "- {of: templates, kind: shortened, path: 'Any/*', subject: RetentionPeriodHours, is_equivalent: false, "
    "reason: 'How long a stream keeps is a choice of the owner, which no check can know.'}"
)


def run(folder: Path, template: str, reasons: str, *options: str) -> int:
    (folder / "Any.template.json").write_text(template)
    (folder / "reasons.yaml").write_text(reasons)
    given = ["--reasons", str(folder / "reasons.yaml"), "--page", str(folder / "page.md"), *options]
    return mutants.main([str(folder), *given])


def test_the_command_counts_and_names_the_killers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, TOPIC, "[]", "--list") == 0
    said = capsys.readouterr().out
    assert "Any/T | property removed | KmsMasterKeyId" in said
    assert "rules: ML-SNS-01" in said
    assert "2 of 2 mutants killed, 100.0%" in said
    assert mutants.main([str(tmp_path / "nowhere"), "--reasons", str(tmp_path / "reasons.yaml")]) == 2


def test_the_command_fails_on_a_survivor_without_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, UNSEEN, "[]", "--only", "shortened") == 1
    said = capsys.readouterr().out
    assert "survives without a reason: Any/S | shortened | RetentionPeriodHours" in said
    assert run(tmp_path, UNSEEN, ROW, "--only", "shortened") == 0
    assert "0 of 1 mutants killed" in capsys.readouterr().out


def test_the_command_fails_on_a_reason_without_its_survivor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, TOPIC, ROW) == 1
    assert "a reason without its survivor: shortened, Any/*, RetentionPeriodHours" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("{}", "must be a list", id="no list"),
        pytest.param("[{kind: x}]", "it must have exactly of, kind", id="incomplete"),
        pytest.param(
            ROW.replace("templates", "slides"), "of must be templates or code", id="of something else"
        ),
        pytest.param(
            ROW.replace("is_equivalent: false", "is_equivalent: 0"), "true or false", id="no answer"
        ),
        pytest.param(
            ROW.replace("How long a stream keeps is a choice of the owner, ", ""), "too short", id="short"
        ),
    ],
)
def test_reasons_are_refused_with_the_row(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "reasons.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        survivors.read(path, "templates")


def result(kind: str, by: str = "") -> Result:
    return Result(kind=kind, path="Any/X", subject="P", by=by)


WHY = "because what it says is the owner's choice"


def reason(kind: str, *, is_equivalent: bool) -> survivors.Reason:
    return survivors.Reason(
        of="templates", kind=kind, path="*", subject="P", is_equivalent=is_equivalent, reason=WHY
    )


def test_equivalent_mutants_do_not_count_and_others_do() -> None:
    results = [result("a", "rules: X"), result("b"), result("c"), result("d")]
    known = [
        reason("b", is_equivalent=True),
        reason("c", is_equivalent=False),
        reason("e", is_equivalent=True),
    ]
    verdict = survivors.judged(results, known)
    assert (verdict.killed, verdict.equivalent, verdict.counted) == (1, 1, 3)
    assert verdict.score == pytest.approx(1 / 3)
    assert verdict.unexplained == (results[3],)
    assert verdict.unused == (known[2],)


def test_the_page_keeps_the_section_of_the_other_run(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    verdict = survivors.judged([result("a", "rules: X"), result("b")], [reason("b", is_equivalent=False)])
    score.write(page, "templates", verdict, "first", date(2026, 1, 2))
    score.write(page, "code", verdict, "second", date(2026, 1, 3))
    score.write(page, "templates", verdict, "third", date(2026, 1, 4))
    text = page.read_text()
    assert text.index("## Templates") < text.index("2026-01-04, `third`") < text.index("## Code")
    assert "2026-01-03, `second`: 1 of 2 mutants killed, 50.0%" in text
    assert "first" not in text
    assert "| a | 1 | 1 | 0 | 0 |" in text
    assert "| rules: X | 1 |" in text
    assert f"| b | `*` | `P` | 1 | yes | {WHY} |" in text


def test_the_committed_score_is_good_and_whole() -> None:
    """The full runs are too long for every test run; what they wrote must not be a failure."""
    text = (ROOT / mutants.PAGE).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if "mutants killed," in line]
    assert len(lines) == len(score.TITLES)
    for line in lines:
        assert float(line.partition("killed, ")[2].partition("%")[0]) >= 98
    assert "not judged" not in text
    for of in survivors.OF:
        for row in survivors.read(REASONS, of):
            assert row.reason in text


# -- of code

CODE = [
    pytest.param(
        "security/buckets.py", "flag flipped", "super().__init__(versioned)", "rules: ML-S3-03", id="flag"
    ),
    pytest.param(
        "security/buckets.py",
        "assignment dropped",
        "resource.logging_configuration",
        "rule packs",
        id="property",
    ),
    pytest.param("security/boundary.py", "condition emptied", "Null", "", id="condition"),
    pytest.param(
        "security/endpoints.py", "condition emptied", "StringEquals", "rules: ML-NET-06", id="perimeter"
    ),
    pytest.param(
        "security/buckets.py", "call dropped", "self._deny_other_ways", "access matrix", id="denial"
    ),
]


@pytest.fixture(scope="module")
def synthesised() -> judge.Baseline:
    """As the command makes it: without the construct paths that lie beside an assembly."""
    return judge.baseline(synthesise("production"))


@pytest.fixture(scope="module")
def of_code() -> list[code.CodeMutant]:
    return code.mutants(ROOT)


def test_code_is_broken_in_hundreds_of_places_and_stays_code(of_code: list[code.CodeMutant]) -> None:
    assert len(of_code) > 100
    assert len({mutant.kind for mutant in of_code}) == 6
    assert not [mutant for mutant in of_code if "acknowledge" in mutant.subject]
    for mutant in of_code:
        assert mutant.source != (ROOT / mutant.file).read_text(encoding="utf-8")
        compile(mutant.source, mutant.file, "exec")


@pytest.mark.parametrize(("file", "kind", "subject", "by"), CODE)
def test_broken_code_is_noticed(
    synthesised: judge.Baseline, of_code: list[code.CodeMutant], file: str, kind: str, subject: str, by: str
) -> None:
    chosen = next(
        one for one in of_code if one.file == file and one.kind == kind and one.subject.startswith(subject)
    )
    documents = synthesise("production", ROOT / chosen.file, chosen.source)
    changed = {stack for stack in documents if documents[stack][1] != synthesised.documents[stack][1]}
    assert changed
    found = judge.killer(documents, synthesised, changed)
    assert found
    assert found.startswith(by)


def test_unbroken_code_makes_the_same_templates_again(ours: Any, synthesised: judge.Baseline) -> None:
    _, before = ours
    assert {name: document for name, (_, document) in synthesised.documents.items()} == {
        name: document for name, (_, document) in before.documents.items()
    }
