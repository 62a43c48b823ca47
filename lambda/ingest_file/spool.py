"""Lines on their way into gzip files on the local disk, one for each folder, until the source is judged."""

import gzip
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

FLUSH_BYTES = 16 * 1024**2


class Spool:
    """Memory stays below FLUSH_BYTES; the same lines give the same bytes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._waiting: defaultdict[str, bytearray] = defaultdict(bytearray)
        self._size = 0
        self._files: dict[str, Path] = {}

    def add(self, folder: str, line: bytes) -> None:
        """`line` ends with a newline."""
        self._waiting[folder] += line
        self._size += len(line)
        if self._size > FLUSH_BYTES:
            self._flush()

    def files(self) -> Iterator[tuple[str, Path]]:
        """Folder and file, in order."""
        self._flush()
        yield from sorted(self._files.items())

    def _flush(self) -> None:
        for folder in sorted(self._waiting):
            path = self._files.setdefault(folder, self._directory / f"{len(self._files)}.gz")
            with path.open("ab") as file:  # gzip files may be joined end to end
                file.write(gzip.compress(bytes(self._waiting[folder]), compresslevel=6, mtime=0))
        self._waiting.clear()
        self._size = 0
