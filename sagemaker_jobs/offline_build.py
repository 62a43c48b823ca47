"""Builds this folder into a wheel with nothing but the standard library, so that pip needs no network."""

import zipfile
from pathlib import Path
from typing import Any

NAME, VERSION = "mlref_jobs", "1"
WHEEL = f"{NAME}-{VERSION}-py3-none-any.whl"
INFO = f"{NAME}-{VERSION}.dist-info"
NOT_SHIPPED = {"setup.py", "offline_build.py", "__main__.py"}


def build_wheel(
    wheel_directory: str,
    config_settings: dict[str, Any] | None = None,  # noqa: ARG001  the hook's signature is PEP 517's
    metadata_directory: str | None = None,  # noqa: ARG001
) -> str:
    records = []
    with zipfile.ZipFile(Path(wheel_directory) / WHEEL, "w") as wheel:
        for name in _sources(Path()):
            wheel.write(name, name)
            records.append(f"{name},,")
        metadata = f"Metadata-Version: 2.1\nName: {NAME.replace('_', '-')}\nVersion: {VERSION}\n"
        tags = "Wheel-Version: 1.0\nGenerator: offline_build\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr(f"{INFO}/METADATA", metadata)
        wheel.writestr(f"{INFO}/WHEEL", tags)
        records += [f"{INFO}/{name},," for name in ("METADATA", "WHEEL", "RECORD")]
        wheel.writestr(f"{INFO}/RECORD", "\n".join(records) + "\n")
    return WHEEL


def _sources(folder: Path) -> list[str]:
    scripts = [path for path in folder.glob("*.py") if path.name not in NOT_SHIPPED]
    return sorted(
        str(path) for path in [*scripts, *folder.glob("tabular/**/*.py"), *folder.glob("contract.json")]
    )
