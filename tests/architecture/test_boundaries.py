"""Who may import whom. Code that runs in AWS must not need the CDK to import, and synthesis reads no clock
or network.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STACK_CODE = {"aws_cdk", "cdk_nag", "constructs", "stacks", "security", "settings", "app", "bundles"}
ELSEWHERE = {"sandbox", "demo", "tests", "benchmarks", "deployment", "rehearsal"}
FORBIDDEN = {
    "lambda": STACK_CODE | ELSEWHERE | {"contracts"},
    "glue_jobs": STACK_CODE | ELSEWHERE | {"contracts", "pandas"},
    "sagemaker_jobs": STACK_CODE | ELSEWHERE | {"contracts", "boto3", "awsglue", "pyspark"},
    "security": {"stacks", "settings", "app", "bundles", "contracts", "boto3"} | ELSEWHERE,
    "stacks": {"app", "contracts", "boto3"} | ELSEWHERE,
    "contracts": STACK_CODE | ELSEWHERE | {"boto3"},
    "deployment": STACK_CODE | (ELSEWHERE - {"deployment"}) | {"contracts"},
    "audit": {"stacks", "security", "settings", "app", "bundles", "contracts", "boto3"} | ELSEWHERE,
    "sandbox": {"stacks", "security", "settings", "app", "bundles"} | (ELSEWHERE - {"sandbox"}),
}
# What synthesis is made of: what these read, the template depends on.
SYNTHESIS = ["app.py", "settings.py", "bundles.py", "security", "stacks"]
IMPURE = {
    "boto3",
    "botocore",
    "datetime",
    "random",
    "requests",
    "secrets",
    "socket",
    "subprocess",
    "time",
    "urllib",
    "uuid",
}


def python_files(*names: str) -> list[Path]:
    found = [
        path
        for name in names
        for path in ([ROOT / name] if name.endswith(".py") else sorted((ROOT / name).rglob("*.py")))
    ]
    assert found, names
    return found


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def offenders(folder: str, forbidden: set[str]) -> set[str]:
    return {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in python_files(folder)
        for name in imports(path)
        if name.partition(".")[0] in forbidden
    }


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_folder_imports_only_what_it_may(folder: str) -> None:
    assert offenders(folder, FORBIDDEN[folder]) == set()


def test_stacks_do_not_import_each_other() -> None:
    crossing = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in python_files("stacks")
        for name in imports(path)
        if name.startswith("stacks.") and name.split(".")[1] != path.relative_to(ROOT / "stacks").parts[0]
    }
    assert crossing == set()


def test_functions_import_only_themselves_and_what_they_share() -> None:
    packages = {path.parent.name for path in (ROOT / "lambda").glob("*/__init__.py")}
    assert "shared" in packages
    crossing = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in python_files("lambda")
        for name in imports(path)
        if name.partition(".")[0] in packages - {"shared", path.relative_to(ROOT / "lambda").parts[0]}
    }
    assert crossing == set()


def test_functions_need_nothing_but_python_and_boto3() -> None:
    """An asset is then just its source: nothing to build, nothing to patch."""
    packages = {path.parent.name for path in (ROOT / "lambda").glob("*/__init__.py")}
    allowed = set(sys.stdlib_module_names) | packages | {"boto3", "botocore"}
    needed = {name.partition(".")[0] for path in python_files("lambda") for name in imports(path)}
    assert needed - allowed == set()


def test_deletion_needs_nothing_but_python_and_boto3() -> None:
    """Whoever has to take a deployment away need not be able to build it, but for the CDK's CLI."""
    allowed = set(sys.stdlib_module_names) | {"boto3", "botocore", "deployment"}
    apart = ROOT / "deployment" / "preflight"
    files = [path for path in python_files("deployment") if apart not in path.parents]
    needed = {name.partition(".")[0] for path in files for name in imports(path)}
    assert needed - allowed == set()
    at_once = [
        path.name
        for path in files
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom) and "preflight" in ast.unparse(node)
    ]
    assert at_once == [], "import deployment.preflight where it is called: it needs the audit"


def test_only_job_files_know_glue() -> None:
    knowing = {
        path.name
        for path in python_files("glue_jobs")
        if any(name.partition(".")[0] == "awsglue" for name in imports(path))
    }
    assert knowing == {"job.py"}


def test_acknowledgements_go_through_one_door() -> None:
    doors = {
        str(path.relative_to(ROOT))
        for path in python_files("app.py", "security", "stacks")
        if "Validations" in path.read_text(encoding="utf-8")
    }
    assert doors == {"app.py", "security/nag.py"}


def test_synthesis_reads_no_clock_no_network_and_no_chance() -> None:
    impure = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in python_files(*SYNTHESIS)
        for name in imports(path)
        if name.partition(".")[0] in IMPURE
    }
    assert impure == set()


def test_synthesis_reads_no_environment() -> None:
    reading = {
        str(path.relative_to(ROOT))
        for path in python_files(*SYNTHESIS)
        if re.search(r"os\.environ|getenv|from_lookup|value_from_lookup", path.read_text(encoding="utf-8"))
    }
    assert reading == set()


def test_forbidden_import_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "any.py"
    path.write_text("def late():\n    from aws_cdk.aws_s3 import Bucket\n", encoding="utf-8")
    assert list(imports(path)) == ["aws_cdk.aws_s3"]
