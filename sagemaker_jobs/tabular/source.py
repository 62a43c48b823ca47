"""Reads the files beside the running code, which is a folder or a zip that Python runs directly."""

import zipfile
from pathlib import Path

ROOT = Path(__file__).absolute().parent.parent
SCRIPTS = (
    "__main__.py",
    "evaluate.py",
    "explore.py",
    "inference.py",
    "monitor.py",
    "offline_build.py",
    "prepare.py",
    "train.py",
)
OTHERS = ("pyproject.toml", "contract.json")


def read(name: str) -> bytes:
    """Bytes of the file `name` beside the code; FileNotFoundError when it is not there."""
    if ROOT.is_file():
        with zipfile.ZipFile(ROOT) as archive:
            if name not in archive.namelist():
                raise FileNotFoundError(f"{name} is not in {ROOT.name}")
            return archive.read(name)
    return (ROOT / name).read_bytes()


def files() -> dict[str, bytes]:
    """Every file of this source by its name; what else lies in the folder is left out."""
    if ROOT.is_file():
        with zipfile.ZipFile(ROOT) as archive:
            return {name: archive.read(name) for name in sorted(archive.namelist()) if _is_source(name)}
    found = [path for path in ROOT.rglob("*") if path.is_file()]
    named = {path.relative_to(ROOT).as_posix(): path for path in found}
    return {name: named[name].read_bytes() for name in sorted(named) if _is_source(name)}


def _is_source(name: str) -> bool:
    in_package = name.startswith("tabular/") and name.endswith(".py") and "__pycache__" not in name
    return in_package or name in SCRIPTS or name in OTHERS
