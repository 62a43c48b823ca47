"""Checkpoints of a training job: from S3 before it starts, to S3 while it runs and when it ends."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from sandbox.engines import container, transfer
from sandbox.engines.jobs import Job

_DEFAULT = "/opt/ml/checkpoints"
_SECONDS_BETWEEN = 1.0


class Checkpoints:
    """Does nothing for a job without a CheckpointConfig."""

    def __init__(self, job: Job, root: Path, s3: Any) -> None:
        config = job.fields.get("CheckpointConfig") or {}
        self.uri: str | None = config.get("S3Uri")
        self.folder = Path(container.rooted(config.get("LocalPath", _DEFAULT), root))
        # As volumes and buckets of jobs, checkpoints are encrypted with the key of the output.
        self._encryption = transfer.encrypted_with(job.fields["OutputDataConfig"].get("KmsKeyId"))
        self._s3 = s3
        self._sent: dict[Path, tuple[int, int]] = {}
        self._last = time.monotonic()

    def download(self) -> None:
        if self.uri is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        transfer.download_prefix(self._s3, self.uri.rstrip("/") + "/", self.folder)
        self._sent = self._present()

    def any(self) -> bool:
        """True once the job has written one of its own."""
        return self.uri is not None and self._present() != self._sent

    def upload_now_and_then(self) -> None:
        if self.uri is not None and time.monotonic() - self._last > _SECONDS_BETWEEN:
            self.upload()

    def upload(self) -> None:
        """New and changed files; what was deleted here stays there, as on AWS."""
        if self.uri is None:
            return
        self._last = time.monotonic()
        for path, stamp in self._present().items():
            if self._sent.get(path) == stamp:
                continue
            try:
                body = path.read_bytes()
            except FileNotFoundError:  # replaced by a newer one meanwhile
                continue
            name = path.relative_to(self.folder).as_posix()
            transfer.upload(self._s3, f"{self.uri.rstrip('/')}/{name}", body, self._encryption)
            self._sent[path] = stamp

    def _present(self) -> dict[Path, tuple[int, int]]:
        found = {}
        for path in self.folder.rglob("*"):
            # A name with a leading dot is still being written.
            if path.is_file() and not path.name.startswith("."):
                stat = path.stat()
                found[path] = (stat.st_mtime_ns, stat.st_size)
        return found
