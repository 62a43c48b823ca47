"""Each profile is synthesised once per session, with cdk-nag's findings beside it; tests read the
templates.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before aws_cdk starts its Node process: the CDK's own linter costs seconds per process (`make synth` runs
# it), and Node is the one beside this Python.
os.environ.setdefault("CDK_VALIDATION", "false")
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

import pytest  # noqa: E402

from audit.templates import Templates  # noqa: E402
from settings import Settings  # noqa: E402

# Findings are read from the report: one finding then fails one test, and not every test that needs a
# template.
CONTEXT = {"@aws-cdk/core:failSynthOnValidationErrors": False}

Template = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Assembly:
    """What `cdk synth` leaves behind. `templates` by the stack's id: Base, Data, ..."""

    directory: Path
    templates: Mapping[str, Template]

    @property
    def report(self) -> list[dict[str, Any]]:
        text = (self.directory / "validation-report.json").read_text(encoding="utf-8")
        reports: list[dict[str, Any]] = json.loads(text)["pluginReports"]
        return reports

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Properties of all resources of a type, by `<stack>/<logical id>`; at least one."""
        found = {
            f"{stack}/{logical_id}": resource.get("Properties", {})
            for stack, template in self.templates.items()
            for logical_id, resource in template["Resources"].items()
            if resource["Type"] == kind
        }
        assert found, f"no {kind} in {', '.join(self.templates)}: the test would pass on empty templates"
        return found


def synthesise(
    directory: Path, profile: str, contract: str = "flights", *, is_paused: bool = False
) -> Assembly:
    from settings import settings_for

    settings = settings_for(profile)
    return synthesise_settings(directory, settings.paused() if is_paused else settings, contract)


def synthesise_settings(directory: Path, settings: Settings, contract: str = "flights") -> Assembly:
    import app as project
    import contracts

    app = project.start(outdir=str(directory), context=CONTEXT)
    project.build(app, settings, contracts.load(contract))
    project.check(app, settings.profile)
    app.synth()
    return read_assembly(directory)


def read_assembly(directory: Path) -> Assembly:
    templates = {
        path.name.removesuffix(".template.json"): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(directory.glob("*.template.json"))
    }
    return Assembly(directory=directory, templates=templates)


@pytest.fixture(scope="session")
def production(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    return synthesise(tmp_path_factory.mktemp("production"), "production")


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    return synthesise(tmp_path_factory.mktemp("sandbox"), "sandbox")


@pytest.fixture(scope="session")
def paused(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """The sandbox, as `make pause` deploys it."""
    return synthesise(tmp_path_factory.mktemp("paused"), "sandbox", is_paused=True)


@pytest.fixture(scope="session")
def with_second_region(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """The sandbox with the module second_region: a pilot light in eu-central-1."""
    from settings import settings_for
    from tests.second_region import switched_on

    folder = tmp_path_factory.mktemp("second_region")
    return synthesise_settings(folder, switched_on(settings_for("sandbox")))


@pytest.fixture(params=["production", "sandbox"])
def assembly(request: pytest.FixtureRequest) -> Assembly:
    """Both profiles, one after the other: for what must hold in each."""
    chosen: Assembly = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture(scope="session")
def audited(production: Assembly, sandbox: Assembly) -> dict[str, Templates]:
    """Both profiles as the audit reads them."""
    both = {"production": production, "sandbox": sandbox}
    return {profile: Templates.read(assembly.directory) for profile, assembly in both.items()}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The embedded account's tests come last: once it has run in a process, moto is patched there for good,
    and the tests that use moto bare must have had their turn. `make test` hands files out in this order; the
    longest goes before the others of its kind, or one worker would be alone with it at the end.
    """
    items.sort(
        key=lambda item: (
            "sandbox" in item.path.parent.parts[-1:],
            not item.path.stem.startswith("test_story"),
        )
    )
