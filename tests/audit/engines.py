"""An environment with stand-ins for checkov and cloudformation-validate that say what they are told to.

What they say is in the shape of checkov 3.3.30 and cloudformation-validate 1.14.0, as recorded.
"""

from __future__ import annotations

import json
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

NOWHERE = Path("/nowhere/.opinions")
_CHECKOV = "import json, pathlib, sys\nprint(pathlib.Path({said!r}).read_text())\nsys.exit(1)\n"
_VALIDATE = """
import json, pathlib
from types import SimpleNamespace as Given

def version():
    return "1.14.0"

class CelEngine:
    def list_rules(self):
        return [None] * 318

    def validate_template(self, file):
        said = json.loads(pathlib.Path({said!r}).read_text()).get(pathlib.Path(file).name, [])
        return Given(
            metadata=Given(resource_schema_version="https://example.com/schemas@2026-10-21T20:21:17Z"),
            diagnostics=[
                Given(
                    rule_id=one["rule"],
                    severity=Given(name=one["severity"]),
                    category=one["category"],
                    message=one["message"],
                    suggested_fix=None,
                    property_path=one.get("property"),
                    entity=Given(logical_id=one["resource"]) if one.get("resource") else None,
                )
                for one in said
            ],
        )
"""


def install(home: Path, checkov: Any = None, validate: Mapping[str, Sequence[Any]] | None = None) -> Path:
    """`checkov`: what it prints, as text or as JSON; `validate`: by file name. None: not installed."""
    venv.create(home, with_pip=False, symlinks=True)
    if checkov is not None:
        said = home / "checkov.json"
        said.write_text(checkov if isinstance(checkov, str) else json.dumps(checkov))
        (home / "bin" / "checkov").write_text(_CHECKOV.format(said=str(said)))
    if validate is not None:
        said = home / "validate.json"
        said.write_text(json.dumps(validate))
        (package,) = home.glob("lib/python*/site-packages")
        (package / "cloudformation_validate").mkdir()
        module = package / "cloudformation_validate" / "__init__.py"
        module.write_text(_VALIDATE.replace("{said!r}", repr(str(said))))
    return home


def checkov_says(*failed: tuple[Path, str, str], passed: Sequence[tuple[Path, str, str]] = ()) -> Any:
    """(file, check, <type>.<logical id>) each, as checkov reports one framework."""

    def record(file: Path, check: str, resource: str) -> dict[str, Any]:
        return {
            "check_id": check,
            "check_name": f"Ensure what {check} asks for",
            "check_result": {"result": "FAILED", "evaluated_keys": ["Properties/Some"]},
            "file_path": f"/{file.name}",
            "file_abs_path": str(file.resolve()),
            "resource": resource,
        }

    return {
        "check_type": "cloudformation",
        "results": {
            "failed_checks": [record(*each) for each in failed],
            "passed_checks": [record(*each) for each in passed],
            "skipped_checks": [],
            "parsing_errors": [],
        },
        "summary": {"checkov_version": "3.3.30"},
    }
