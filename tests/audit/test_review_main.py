"""The command: a page, its drawings and a comment; what a base may be, and what the status says."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from audit.review import base as bases
from audit.review.__main__ import _parser, main
from audit.review.compare import compare
from audit.review.difference import Change, Kind
from audit.review.layout import lay
from audit.review.page import LONGEST, MANY, Review, by_stage, markdown, render
from audit.review.places import picture
from audit.templates import InputError, Templates

ROOT = Path(__file__).parents[2]
SAMPLES = Path(__file__).parent / "samples"
STREAM = "AWS::Kinesis::Stream"

# Stands for the CDK: writes what the app of the revision says, and fails where that says so.
FAKE_CDK = f"""#!{sys.executable}
import json, os, pathlib, sys
text = pathlib.Path("app.json").read_text()
if "fail" in text:
    sys.exit("the app says: " + text)
output = pathlib.Path(sys.argv[sys.argv.index("--output") + 1])
output.mkdir()
asked = {{"arguments": sys.argv[1:], "path": os.environ["PATH"]}}
document = {{"Resources": json.loads(text), "Metadata": asked}}
(output / "app.template.json").write_text(json.dumps(document))
"""


def any_template(folder: Path, resources: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "app.template.json").write_text(json.dumps({"Resources": resources}))
    return folder


def any_stream(hours: int) -> dict[str, Any]:
    return {"Stream": {"Type": STREAM, "Properties": {"RetentionPeriodHours": hours, "ShardCount": 1}}}


def run(*arguments: object) -> int:
    return main([str(each) for each in arguments])


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two revisions of an app, the first tagged `old`; the tag `broken` does not synthesise."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=work")
    for tag, text in (("broken", "fail"), ("old", json.dumps(any_stream(48))), ("new", "{}")):
        (folder / "app.json").write_text(text)
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "--message", tag)
        git(folder, "tag", tag)
    command = folder / "node_modules" / ".bin" / "cdk"
    command.parent.mkdir(parents=True)
    command.write_text(FAKE_CDK)
    command.chmod(0o755)
    any_template(folder / "cdk.out", any_stream(24))
    return folder


# ---- what is written ----


def test_everything_is_written_and_the_page_stands_by_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, new = (any_template(tmp_path / str(hours), any_stream(hours)) for hours in (48, 24))
    assert run(new, "--base", base, "--output", tmp_path / "out") == 0
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["index.html", "review.md", "review.png", "review.svg"]
    page = (tmp_path / "out/index.html").read_text()
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert "RetentionPeriodHours falls from 48 hours to 24 hours" in page
    assert "<svg" in page
    assert (tmp_path / "out/review.png").read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert f"Data can be lost: 1 difference to the templates in {base}." in " ".join(said.split())


def test_page_is_balanced_html(tmp_path: Path, audited: dict[str, Templates]) -> None:
    difference = compare(audited["production"], audited["sandbox"], tmp_path)
    layout = lay(picture(audited["sandbox"]), difference.touched, difference.added)
    review = Review(
        templates=audited["sandbox"], name="ours", base="other", difference=difference, layout=layout
    )
    open_tags: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:  # noqa: ARG002 - the parser's name
            if tag not in ("meta", "br", "wbr"):
                open_tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    Reader().feed(render(review, ""))
    assert open_tags == []


def test_every_resource_stands_under_one_stage(audited: dict[str, Templates]) -> None:
    templates = audited["production"]
    review = Review(
        templates=templates, name="", base="", difference=None, layout=lay(picture(templates), {}, ())
    )
    stages = by_stage(review)
    assert [stage for stage, _, _ in stages][:3] == ["base", "ingest", "lake"]
    named = sorted(name for _, lines, _ in stages for _, names in lines for name, _ in names)
    assert named == sorted(resource.path.partition("/")[2] for resource in templates.resources)
    assert sum(number for _, _, number in stages) == len(templates.resources)


def test_foreign_templates_are_reviewed(tmp_path: Path) -> None:
    assert (
        run(SAMPLES, "--base", SAMPLES / "notebook.yaml", "--output", tmp_path, "--fail-on", "cosmetic") == 1
    )
    comment = (tmp_path / "review.md").read_text()
    assert "`function/Role`" in comment
    assert run(SAMPLES, "--base", SAMPLES, "--output", tmp_path, "--fail-on", "cosmetic") == 0
    assert f"No difference to the templates in {SAMPLES}." in (tmp_path / "review.md").read_text()


def test_without_a_base_the_review_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(SAMPLES, "--output", tmp_path, "--fail-on", "cosmetic") == 0
    assert "Nothing to compare with was given" in capsys.readouterr().out
    assert "What changes" not in (tmp_path / "index.html").read_text()


# ---- the status ----


@pytest.mark.parametrize(
    ("limit", "status"),
    [("data-loss", 0), ("replacement", 0), ("wider-access", 0), ("cost", 1), ("cosmetic", 1), ("never", 0)],
)
def test_status_says_whether_the_limit_is_reached(tmp_path: Path, limit: str, status: int) -> None:
    shards = [any_stream(24), any_stream(24)]
    shards[1]["Stream"]["Properties"]["ShardCount"] = 5
    base, new = (any_template(tmp_path / str(at), each) for at, each in enumerate(shards))
    assert run(new, "--base", base, "--output", tmp_path / "out", "--fail-on", limit) == status


def test_input_that_cannot_be_used_has_a_status_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "nothing") == 2
    assert run(SAMPLES, "--base", tmp_path) == 2
    said = capsys.readouterr().err
    assert "no such file or folder" in said
    assert "no CloudFormation template in it" in said


# ---- a git revision as the base ----


def test_revision_is_synthesised_aside_and_taken_away(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(repository)
    with bases.base_of("old", "sandbox", repository, Path("node_modules/.bin/cdk")) as (templates, name):
        assert re.fullmatch(r"old \([0-9a-f]{10}\)", name)
        ((_, document),) = templates.documents.values()
        assert document["Resources"] == any_stream(48)
        assert "profile=sandbox" in document["Metadata"]["arguments"]
        assert document["Metadata"]["path"].startswith(str(Path(sys.executable).parent))
        assert git(repository, "worktree", "list").count("\n") == 2
    assert git(repository, "worktree", "list").count("\n") == 1
    assert git(repository, "status", "--porcelain", "--untracked-files=no") == ""
    options = ["--base", "old", "--output", tmp_path / "out", "--fail-on", "data-loss"]
    assert run("cdk.out", *options) == 1


def test_app_in_a_folder_of_the_repository_is_found_there(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = repository / "inner"
    inner.mkdir()
    (inner / "app.json").write_text(json.dumps(any_stream(99)))
    git(repository, "add", "inner")
    git(repository, "commit", "--quiet", "--message", "inner")
    monkeypatch.chdir(repository)
    with bases.base_of("HEAD", "", inner, Path("node_modules/.bin/cdk")) as (templates, _):
        assert templates.resources[0].get("RetentionPeriodHours") == 99


@pytest.mark.parametrize("revision", ["nowhere", "--upload-pack=x", "HEAD~99", "old:app.json"])
def test_unknown_revision_is_said(
    repository: Path, monkeypatch: pytest.MonkeyPatch, revision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository)
    assert run("cdk.out", f"--base={revision}") == 2
    said = capsys.readouterr().err
    assert said.startswith(f"review: {revision}: neither a folder of templates nor a revision")
    assert git(repository, "worktree", "list").count("\n") == 1


def test_synthesis_that_fails_is_said_in_its_own_words(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository)
    assert run("cdk.out", "--base", "broken") == 2
    said = capsys.readouterr().err
    assert "`cdk synth` of that revision fails with this environment" in said
    assert "the app says: fail" in said
    assert git(repository, "worktree", "list").count("\n") == 1


def test_missing_cdk_and_missing_repository_are_said(repository: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="`make setup`"),
        bases.base_of("old", "", repository, Path("no/cdk")),
    ):
        pass
    outside = tmp_path / "outside"
    outside.mkdir()
    with pytest.raises(InputError, match="nor a revision of the git repository"):
        bases.resolve("HEAD", outside)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="the tests run outside of the repository")
def test_our_own_revision_is_synthesised(tmp_path: Path) -> None:
    with bases.base_of("HEAD", "sandbox", ROOT, ROOT / "node_modules/.bin/cdk") as (templates, _):
        assert templates.stacks == ["Base", "Data", "Model", "Operations"]
        assert len(templates.resources) > 200


# ---- the comment ----


def any_review(*changes: Change) -> Review:
    from audit.review.compare import Difference

    templates = Templates.read(SAMPLES)
    difference = Difference(changes=changes, touched={}, added=frozenset(), source="the CDK")
    layout = lay(picture(templates), {}, ())
    return Review(templates=templates, name="any", base="main", difference=difference, layout=layout)


def any_change(kind: Kind, at: int = 0, **more: str) -> Change:
    given = {"stack": "a", "path": f"a/B{at}", "type": "AWS::S3::Bucket", "what": f"change {at}"} | more
    return Change(kind=kind, **given)


def test_comment_names_the_serious_open_and_folds_the_rest() -> None:
    text = markdown(any_review(any_change(Kind.DATA_LOSS), any_change(Kind.COSMETIC, 1)))
    assert "| data loss | 1 |" in text
    assert "| replacement | 0 |" in text
    opened, folded = text.split("<details>")
    assert "- `a/B0` (S3::Bucket) change 0" in opened
    assert "- `a/B1` (S3::Bucket) change 1" in folded


def test_comment_stays_within_what_a_comment_may_hold() -> None:
    many = [any_change(Kind.DATA_LOSS, at, what="w" * 6000 + str(at)) for at in range(MANY + 5)]
    text = markdown(any_review(*many))
    assert len(text) <= LONGEST + 100
    assert "the rest is in the page" in text
    few = markdown(any_review(*[any_change(Kind.DATA_LOSS, at) for at in range(MANY + 5)]))
    assert "… and 5 more kinds of it" in few


def test_names_in_a_comment_are_no_markup() -> None:
    change = any_change(Kind.DATA_LOSS, path="a/`b`", what="<script> | *x* [y](z)", before="`q`", after="")
    text = markdown(any_review(change))
    assert "\\<script\\> \\| \\*x\\* \\[y\\](z)" in text
    assert "`a/'b'`" in text
    assert "`'q'` → nothing" in text


# ---- the target ----


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_target_hands_on_what_it_is_given() -> None:
    given = ["BASE=origin/main", "PROFILE=production", "FAIL_ON=data-loss"]
    # Flags of a make around the tests are not ours.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", "--dry-run", "review", *given],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=clean,
    )
    (line,) = [each for each in done.stdout.splitlines() if "-m audit.review" in each]
    options = _parser().parse_args(shlex.split(line)[3:])
    assert (options.base, options.profile, options.fail_on) == ("origin/main", "production", "data-loss")
    assert options.output == Path("review-report/production")
    assert "synth --quiet --context profile=production" in done.stdout
