"""The roots lambda/, glue_jobs/ and sagemaker_jobs/ share one import path here, so a name may appear only
once.
"""

from __future__ import annotations

import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOTS = (".", "lambda", "glue_jobs", "sagemaker_jobs")
BUILD_FILES = {"setup", "offline_build", "__main__"}
GROWING = {"utils", "helpers", "common", "constants", "misc"}


def names() -> list[str]:
    folders = [path.parent.name for root in ROOTS for path in (ROOT / root).glob("*/__init__.py")]
    modules = [path.stem for root in ROOTS for path in (ROOT / root).glob("*.py")]
    assert len(folders) > 10
    return folders + [name for name in modules if name not in BUILD_FILES]


def test_names_are_unique() -> None:
    assert [name for name, count in Counter(names()).items() if count > 1] == []


def test_no_name_hides_a_module_of_python_or_a_dependency() -> None:
    """A top-level `constructs/` or `sagemaker/` breaks the CDK or the SDK at import."""
    hiding = {name for name in names() if name in sys.stdlib_module_names}
    for name in set(names()):
        spec = find_spec(name)
        if spec is not None and spec.origin and "site-packages" in spec.origin:
            hiding.add(name)
    assert hiding == set()


def test_modules_are_named_for_what_they_relate_to() -> None:
    code = [
        path
        for root in (
            "contracts",
            "stacks",
            "security",
            "lambda",
            "glue_jobs",
            "sagemaker_jobs",
            "sandbox",
            "demo",
        )
        for path in (ROOT / root).rglob("*.py")
    ]
    assert code
    own = [path for path in code if "shims" not in path.parts]  # those bear AWS's names
    assert [str(path.relative_to(ROOT)) for path in own if path.stem in GROWING] == []
