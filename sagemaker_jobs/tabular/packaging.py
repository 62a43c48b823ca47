"""Packs a servable model.tar.gz: model.json, a predictor's files and code/; equal inputs give equal bytes."""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

SERVED = ("inference.py", "offline_build.py", "pyproject.toml")


def servable(
    model: Mapping[str, Any], predictor: Mapping[str, bytes] | None, source: Mapping[str, bytes]
) -> bytes:
    """`predictor`: what `Predictor.files` returns; a rule has none.

    `source` is the running code by name (`tabular.source.files()`); only what serving needs is packed.
    """
    files = {"model.json": json.dumps(model, indent=1, sort_keys=True).encode(), **(predictor or {})}
    code = {name: data for name, data in source.items() if name in SERVED or name.startswith("tabular/")}
    missing = {"inference.py", "tabular/models.py"} - set(code)
    if missing:
        raise ValueError(f"the source has no {', '.join(sorted(missing))}: pass the files of sagemaker_jobs")
    files.update({f"code/{name}": data for name, data in code.items()})
    return archive(files)


def extract(packed: tarfile.TarFile, target: Path) -> None:
    """Files and folders only, none of them outside of `target`: an archive is data, whoever made it.

    Python's own filter is the second guard where there is one: before 3.11.4 it is missing.
    """
    for member in packed.getmembers():
        path = PurePosixPath(member.name)
        if not (member.isfile() or member.isdir()) or path.is_absolute() or ".." in path.parts:
            raise tarfile.ReadError(f"{member.name} is no file or folder below the place it is unpacked to")
    if hasattr(tarfile, "data_filter"):
        packed.extractall(target, filter="data")
    else:
        packed.extractall(target)  # noqa: S202  looked at above


def archive(files: Mapping[str, bytes]) -> bytes:
    """tar.gz without times, owners or order of insertion."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, filename="") as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(files[name]), 0o644
            tar.addfile(entry, io.BytesIO(files[name]))
    return buffer.getvalue()
