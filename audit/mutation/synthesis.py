"""Our stacks built in this process, one module of theirs in a changed form."""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType

from audit.mutation.mutant import Documents

PROFILES = ("production", "sandbox")
_OURS = ("app", "security", "stacks")


class _Changed(MetaPathFinder, Loader):
    """Finds and loads one module from another text."""

    def __init__(self, name: str, file: Path, source: str) -> None:
        self._name, self._file, self._source = name, file, source

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        return spec_from_loader(fullname, self) if fullname == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._source, str(self._file), "exec"), module.__dict__)  # noqa: S102 - our own text


def synthesise(profile: str, file: Path | None = None, source: str = "") -> Documents:
    """The templates by stack; raises whatever the changed module makes the build fail with."""
    _prepare()
    with _imported(file, source), tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        project = importlib.import_module("app")
        contracts = importlib.import_module("contracts")
        settings = importlib.import_module("settings")
        app = project.start(outdir=folder, context={"@aws-cdk/core:failSynthOnValidationErrors": False})
        project.build(app, settings.settings_for(profile), contracts.load("flights"))
        app.synth()
        return {
            path.name.removesuffix(".template.json"): (path, json.loads(path.read_text(encoding="utf-8")))
            for path in sorted(Path(folder).glob("*.template.json"))
        }


def _prepare() -> None:
    # As tests/conftest.py: without the CDK's own linter, and with the Node that lies beside this Python.
    os.environ["CDK_VALIDATION"] = "false"
    here = str(Path(sys.executable).parent)
    if here not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([here, os.environ.get("PATH", "")])


@contextmanager
def _imported(file: Path | None, source: str) -> Iterator[None]:
    """The project's modules anew, and the caller's own ones back afterwards."""
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in _OURS}
    finder = None
    if file is not None:
        parts = file.with_suffix("").parts
        start = next(number for number, part in enumerate(parts) if part in _OURS)
        finder = _Changed(".".join(parts[start:]), file, source)
        sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if finder is not None:
            sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
            del sys.modules[name]
        sys.modules.update(kept)
