"""An archive is data: whatever it holds, nothing is written outside of the place it is unpacked to."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tabular import packaging

from sandbox import unpacked

EXTRACT = pytest.mark.parametrize("extract", [packaging.extract, unpacked.extract], ids=["jobs", "sandbox"])
# Python has a filter of its own from 3.11.4 on.
PYTHON = pytest.mark.parametrize("has_filter", [True, False])
Extract = Callable[[tarfile.TarFile, Path], None]


def archive(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarFile:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname, entry.size = kind, link, 2 if kind == tarfile.REGTYPE else 0
        tar.addfile(entry, io.BytesIO(b"ok"))
    buffer.seek(0)
    return tarfile.open(fileobj=buffer)


def without_filter(has_filter: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_filter:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)


@EXTRACT
@PYTHON
def test_files_are_unpacked(
    extract: Extract, has_filter: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_filter(has_filter, monkeypatch)
    extract(archive("code/inference.py"), tmp_path)
    assert (tmp_path / "code/inference.py").read_bytes() == b"ok"


@EXTRACT
@PYTHON
@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(("../outside",), id="a folder above"),
        pytest.param(("code/../../outside",), id="a folder above by the way"),
        pytest.param(("/tmp/outside",), id="from the root"),
        pytest.param(("link", tarfile.SYMTYPE, "/etc/passwd"), id="a link"),
        pytest.param(("link", tarfile.LNKTYPE, "../outside"), id="a hard link"),
        pytest.param(("pipe", tarfile.FIFOTYPE), id="a pipe"),
    ],
)
def test_what_reaches_out_is_refused_before_anything_is_written(
    extract: Extract, has_filter: bool, packed: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_filter(has_filter, monkeypatch)
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(tarfile.TarError, match="is no file or folder below"):
        extract(archive(*packed), target)
    assert list(tmp_path.rglob("*")) == [target]
