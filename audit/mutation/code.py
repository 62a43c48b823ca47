"""Weakenings of the code that makes the templates: security/ and stacks/, one place of a module each.

The module is parsed, changed, and imported in its changed form; the stacks are built from it without the
CDK's command line and without the packs, and their templates are judged as any. A dropped acknowledgement or
grant is no mutant: it loosens nothing.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.mutation import judge as judging
from audit.mutation.survivors import SAME, Result
from audit.mutation.synthesis import PROFILES, synthesise

# Keywords whose absence leaves something open, unencrypted, unkept or unseen.
HARDENING = frozenset(
    {
        *("advanced_event_selectors", "auto_rollback_configuration", "block_public_access"),
        *("cloud_watch_logging_options", "conditions", "connections", "data_capture_config"),
        *("dead_letter_config", "deletion_protection", "encryption", "encryption_configuration"),
        *("encryption_key", "encryption_master_key", "environment_encryption", "error_output_prefix"),
        *("kms_key", "kms_key_arn", "kms_key_id", "lifecycle_rules", "log_group", "logging_configuration"),
        *("master_key", "minimum_tls_version", "object_lock_default_retention", "object_ownership"),
        *("pending_window", "physical_connection_requirements", "point_in_time_recovery_specification"),
        *("reach", "removal_policy", "result_configuration", "retention_period", "security_configuration"),
        *("security_groups", "source_arn", "treat_missing_data", "vpc_config", "vpc_subnets"),
    }
)
# Flags that have nothing to do with the posture.
_OTHER_FLAGS = frozenset(
    {
        *("bucket_key_enabled", "count_instances", "event_bridge_enabled", "exclude_punctuation"),
        *("expired_object_delete_marker", "frozen", "kw_only", "may_promote", "notifies"),
        *("publish_cloud_watch_metrics_enabled", "show_units"),
    }
)
# Denials, boundaries, alarms, flow logs, policies of endpoints. A grant that is dropped would only narrow.
_CALLS = re.compile(
    r"(?:^|\.)(?:_?deny\w*|apply|apply_removal_policy|_flow_logs|_?watch\w*|alarm|add_alarm_action)$"
    r"|^endpoint\.add_to_policy$|^self\.add_to_resource_policy$"
)
_OPERATOR = re.compile(r"^(?:For\w+:)?(?:String|Arn|Bool|Null|Numeric|Date|IpAddress)\w*$")


@dataclass(frozen=True, kw_only=True)
class CodeMutant:
    """`source` is the whole module in its changed form; `path` the file and what is in it."""

    kind: str
    file: str
    path: str
    subject: str
    source: str

    @property
    def what(self) -> str:
        return f"{self.path} | {self.kind} | {self.subject}"


def mutants(root: Path) -> list[CodeMutant]:
    """In the order of the files; where one folder does the same in several places, the first of them."""
    files = sorted([*root.glob("security/*.py"), *root.glob("stacks/**/*.py")])
    every = [mutant for file in files for mutant in of_module(root, file)]
    first: dict[tuple[str, str, str], CodeMutant] = {}
    for mutant in every:
        first.setdefault((str(Path(mutant.file).parent), mutant.kind, mutant.subject), mutant)
    return list(first.values())


def of_module(root: Path, file: Path) -> Iterator[CodeMutant]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    name = str(file.relative_to(root))
    for number, (kind, subject, _) in enumerate(_changes(tree)):
        changed = copy.deepcopy(tree)
        _, _, apply = list(_changes(changed))[number]
        home = _home(tree, number)
        apply()
        source = ast.unparse(ast.fix_missing_locations(changed))
        yield CodeMutant(kind=kind, file=name, path=f"{name}:{home}", subject=subject, source=source)


def _home(tree: ast.Module, number: int) -> str:
    """Class and function around a change."""
    line = list(_lines(tree))[number]
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return ".".join(node.name for node in sorted(around, key=lambda node: node.lineno)) or "module"


def _lines(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        for _ in _of_node(node):
            yield getattr(node, "lineno", 0)


def _changes(tree: ast.Module) -> Iterator[tuple[str, str, Any]]:
    """(kind, subject, what does it to this tree) of each place that can be weakened."""
    for node in ast.walk(tree):
        yield from _of_node(node)


def _of_node(node: ast.AST) -> Iterator[tuple[str, str, Any]]:
    if isinstance(node, ast.Call):
        yield from _of_call(node)
    if isinstance(node, ast.Dict):
        yield from _of_dict(node)
    for block in ("body", "orelse"):
        given = getattr(node, block, None)
        if isinstance(given, list):
            for statement in given:
                yield from _of_statement(given, statement)


def _of_call(node: ast.Call) -> Iterator[tuple[str, str, Any]]:
    called = ast.unparse(node.func)
    for keyword in node.keywords:
        where = f"{called}({keyword.arg})"
        if _is_flag(keyword.value) and keyword.arg not in _OTHER_FLAGS:
            yield "flag flipped", where, lambda keyword=keyword: _flip(keyword.value)
        elif keyword.arg in HARDENING and not isinstance(keyword.value, ast.Dict):  # those are emptied
            yield "keyword dropped", where, lambda keyword=keyword: node.keywords.remove(keyword)
        elif keyword.arg == "resources" and ast.unparse(keyword.value) != "['*']":
            yield "resources widened", where, lambda keyword=keyword: _set(keyword, "['*']")


def _of_dict(node: ast.Dict) -> Iterator[tuple[str, str, Any]]:
    names = [key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
    if "Variable" not in names and any(_OPERATOR.match(name) for name in names):  # a Choice has a variable
        yield "condition emptied", ", ".join(names), lambda: _empty(node)
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant) and _is_flag(value) and str(key.value).startswith("Enable"):
            yield "flag flipped", str(key.value), lambda value=value: _flip(value)


def _of_statement(block: list[ast.stmt], statement: ast.stmt) -> Iterator[tuple[str, str, Any]]:
    def drop() -> None:
        block[block.index(statement)] = ast.Pass()

    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        called = ast.unparse(statement.value.func)
        if _CALLS.search(called):
            first = next((ast.unparse(each) for each in statement.value.args[:2][-1:]), "")
            yield "call dropped", f"{called}({first[:60]})", drop
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Attribute):
        target = ast.unparse(statement.targets[0])
        if not target.startswith("self."):
            yield "assignment dropped", target, drop


def _is_flag(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, bool)


def _flip(value: Any) -> None:
    value.value = not value.value


def _empty(node: ast.Dict) -> None:
    node.keys.clear()
    node.values.clear()


def _set(keyword: ast.keyword, text: str) -> None:
    keyword.value = ast.parse(text, mode="eval").body


# -- judged

_STATE: dict[str, Any] = {}


def begin(root: Path) -> None:
    """Of a worker process: the unbroken templates of each profile, and what the checks say of them."""
    _STATE.update(all=mutants(root), root=root, before={})
    for profile in PROFILES:
        _STATE["before"][profile] = judging.baseline(synthesise(profile))


def judge(number: int) -> Result:
    mutant: CodeMutant = _STATE["all"][number]
    by = _killer(mutant)
    return Result(kind=mutant.kind, path=mutant.path, subject=mutant.subject, by=by)


def _killer(mutant: CodeMutant) -> str:
    """The first profile whose templates differ is judged; where none does, nothing is weaker."""
    for profile in PROFILES:
        before: judging.Baseline = _STATE["before"][profile]
        try:
            documents = synthesise(profile, _STATE["root"] / mutant.file, mutant.source)
        except (OSError, MemoryError):
            raise  # of this machine: nothing is said of the mutant
        except Exception as error:  # whatever the constructors refuse it with
            return f"does not build: {type(error).__name__}"
        changed = {
            stack
            for stack in {*documents, *before.documents}
            if documents.get(stack, (0, 0))[1] != before.documents.get(stack, (0, 0))[1]
        }
        if changed:
            return judging.killer(documents, before, changed)
    return SAME
