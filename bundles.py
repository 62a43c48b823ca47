"""What is shipped to AWS: folders and files made at synthesis, of which equal sources give equal bytes.

A function's bundle holds its own package, `shared`, the contract and its time zone, and nothing else: a
change elsewhere does not redeploy it. Bundles lie in a temporary folder of the process; the CDK copies them
into the assembly.
"""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import json
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent
CONTRACT_FILE = "contract.json"
TIME_ZONE_FILE = "time_zone.tzif"

Contract = Mapping[str, Any]


class BundleError(Exception):
    """A source that should be shipped is missing."""


def lambda_bundle(package: str, contract: Contract) -> Path:
    """Folder for a function: <package>/, shared/, contract.json, time_zone.tzif."""
    files = {
        **_package("lambda", package),
        **_package("lambda", "shared"),
        CONTRACT_FILE: contract_bytes(contract),
        TIME_ZONE_FILE: time_zone_bytes(contract["time_zone"]),
    }
    return _folder(f"lambda-{package}", files)


def glue_bundle() -> Path:
    """Folder with all packages of the Glue jobs; goes on their import path as a zip."""
    root = _source_root("glue_jobs")
    packages = sorted(path.parent.name for path in root.glob("*/__init__.py"))
    files = {name: data for package in packages for name, data in _package("glue_jobs", package).items()}
    return _folder("glue-packages", files)


def glue_script(package: str) -> Path:
    """The file that Glue starts."""
    source = _source_root("glue_jobs") / package / "job.py"
    return _file(f"{package}.py", _read(source))


def contract_file(contract: Contract) -> Path:
    return _file(CONTRACT_FILE, contract_bytes(contract))


def sagemaker_source(contract: Contract) -> Path:
    """sourcedir.tar.gz: what the training toolkit unpacks, for `sagemaker_program` to be found in."""
    return _file("sourcedir.tar.gz", _packaging().archive(_sagemaker_files(contract)))


def sagemaker_zip(contract: Contract) -> Path:
    """Folder that becomes a zip which Python runs as it is (`python3 code.zip evaluate`)."""
    files = _sagemaker_files(contract)
    if "__main__.py" not in files:
        raise BundleError("sagemaker_jobs has no __main__.py: the processing jobs start there")
    return _folder("sagemaker-jobs", files)


def baseline_model(contract: Contract) -> Path:
    """model.tar.gz of the contract's rule baseline: what the endpoint serves before anything was trained."""
    model = _job_module("rules").rule_model(contract)
    return _file("model.tar.gz", _packaging().servable(model, None, _sagemaker_files(contract)))


def contract_bytes(contract: Contract) -> bytes:
    return json.dumps(contract, indent=1, sort_keys=True).encode()


def time_zone_bytes(name: str) -> bytes:
    """Of the locked package, not of this machine: equal sources give equal bundles anywhere."""
    data = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    if not data.is_file():
        raise BundleError(
            f"time zone {name!r} is not in tzdata {version('tzdata')}, allowed: a name of the IANA "
            "database, for example America/New_York"
        )
    return data.read_bytes()


def _sagemaker_files(contract: Contract) -> dict[str, bytes]:
    root = _source_root("sagemaker_jobs")
    files = {path.name: _read(path) for path in [*root.glob("*.py"), *root.glob("*.toml")]}
    return {**files, **_package("sagemaker_jobs", "tabular"), CONTRACT_FILE: contract_bytes(contract)}


def _packaging() -> ModuleType:
    return _job_module("packaging")


@cache
def _job_module(name: str) -> ModuleType:
    """`rules` and `packaging` need the standard library only, so synthesis may run them; it imports no
    other job code.
    """
    path = _source_root("sagemaker_jobs") / "tabular" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"bundled_{name}", path)
    if spec is None or spec.loader is None:
        raise BundleError(f"{path.relative_to(ROOT)} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _source_root(name: str) -> Path:
    root = ROOT / name
    if not root.is_dir():
        raise BundleError(f"no folder {name}/ beside app.py: it holds code that is shipped")
    return root


def _package(root: str, package: str) -> dict[str, bytes]:
    """Python files (and data beside them) by their name below the root."""
    folder = _source_root(root) / package
    if not (folder / "__init__.py").is_file():
        known = ", ".join(sorted(path.parent.name for path in folder.parent.glob("*/__init__.py"))) or "none"
        raise BundleError(f"no package {package!r} in {root}/: there are {known}")
    return {
        str(path.relative_to(folder.parent)): _read(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise BundleError(f"no file {path.relative_to(ROOT)}: it is shipped to AWS")
    return path.read_bytes()


def _file(name: str, data: bytes) -> Path:
    return _folder(name.partition(".")[0], {name: data}) / name


def _folder(name: str, files: Mapping[str, bytes]) -> Path:
    digest = hashlib.sha256()
    for path, data in sorted(files.items()):
        digest.update(f"{path}\0{len(data)}\0".encode())
        digest.update(data)
    target = _workshop() / f"{name}-{digest.hexdigest()[:20]}"
    for path, data in files.items():
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        place.chmod(0o644)
    return target


@cache
def _workshop() -> Path:
    """Of this process alone: a folder that stays is one that a tidy machine thins out, or somebody else
    fills.
    """
    folder = Path(tempfile.mkdtemp(prefix="mlref-bundles-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
