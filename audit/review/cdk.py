"""What the CDK's own diff says of two sets of templates: which change replaces a resource, and why.

It knows from AWS's service specification, which the CDK CLI carries, and it follows references: who points at
a resource that is made anew may have to be made anew too. Offline, a second for all stacks.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.templates import Templates

SCRIPT = Path(__file__).with_name("cdk_diff.js")
MODULE = Path("aws-cdk", "lib", "index.js")  # below node_modules: the CLI, whose version package.json pins
REPLACING = ("WILL_REPLACE", "MAY_REPLACE")


@dataclass(frozen=True, kw_only=True)
class Said:
    """
    impacts     (stack, logical id) -> properties that change -> impact, for example WILL_REPLACE
    broadened   stacks in which permissions become broader
    source      what said so, with its version; or why nothing was said
    """

    impacts: Mapping[tuple[str, str], Mapping[str, str]]
    broadened: frozenset[str]
    source: str


def ask(base: Templates, new: Templates, modules: Path) -> Said:
    """`modules`: the node_modules that holds the CDK CLI; without it, or without Node, nothing is said."""
    module = (modules / MODULE).absolute()
    beside = Path(sys.executable).with_name("node")
    node = str(beside) if beside.exists() else shutil.which("node")
    if node is None or not module.exists():
        missing = "Node" if node is None else str(modules / MODULE)
        return _nothing(f"the CDK's diff did not run: no {missing}; `make setup` installs it")
    both = {
        stack: {"base": _document(base, stack), "now": _document(new, stack)}
        for stack in {*base.stacks, *new.stacks}
    }
    done = subprocess.run(
        [node, str(SCRIPT), str(module)], input=json.dumps(both), capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        last = next((line for line in lines if "Error" in line), "no message")
        return _nothing(f"the CDK's diff failed: {last}")
    return _read(json.loads(done.stdout), module)


def _document(templates: Templates, stack: str) -> Any:
    return templates.documents[stack][1] if stack in templates.documents else {"Resources": {}}


def _read(answer: Mapping[str, Any], module: Path) -> Said:
    version = json.loads((module.parents[1] / "package.json").read_text(encoding="utf-8"))["version"]
    impacts = {
        (stack, logical_id): {
            # Of a type that changes nothing is said by property: the whole is new.
            name: str(impact or entry["impact"])
            for name, impact in (entry["properties"] or {"": entry["impact"]}).items()
        }
        for stack, said in answer.items()
        for logical_id, entry in said["resources"].items()
    }
    broadened = frozenset(stack for stack, said in answer.items() if said["broadened"])
    return Said(impacts=impacts, broadened=broadened, source=f"the diff of the CDK CLI {version}")


def _nothing(why: str) -> Said:
    return Said(impacts={}, broadened=frozenset(), source=why)
