"""cloudformation-validate over template files, as JSON. Run by the interpreter that has it: see opinions.py.

Nothing else of this project is there, so this imports the standard library and the engine alone.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any


def main(files: list[str]) -> dict[str, Any]:
    library = importlib.import_module("cloudformation_validate")
    engine = library.CelEngine()
    reports = {file: engine.validate_template(file) for file in files}
    return {
        "version": library.version(),
        "rules": len(engine.list_rules()),
        "schemas": next(report.metadata.resource_schema_version for report in reports.values()),
        "files": {file: [_said(one) for one in report.diagnostics] for file, report in reports.items()},
    }


def _said(one: Any) -> dict[str, str]:
    return {
        "rule": one.rule_id,
        "severity": one.severity.name,
        "category": one.category,
        "message": one.message,
        "fix": one.suggested_fix or "",
        "property": one.property_path or "",
        "resource": one.entity.logical_id if one.entity else "",
    }


if __name__ == "__main__":
    json.dump(main(sys.argv[1:]), sys.stdout)
