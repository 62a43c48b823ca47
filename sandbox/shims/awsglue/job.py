"""The Glue job object: its start and its end; bookmarks exist only for DynamicFrames and are refused."""

from __future__ import annotations

from typing import Any


class Job:
    def __init__(self, glue_context: Any) -> None:
        self._glue_context = glue_context
        self._name: str | None = None

    def init(self, job_name: str, args: dict[str, Any] | None = None) -> None:
        bookmarks = (args or {}).get("job_bookmark_option")
        if bookmarks not in (None, "job-bookmark-disable"):
            raise NotImplementedError(f"job bookmarks are not in the sandbox: got {bookmarks}")
        self._name = job_name

    def commit(self) -> None:
        if self._name is None:
            raise RuntimeError("Job.commit() before Job.init()")

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotImplementedError(f"awsglue.job.Job.{name} is not in the sandbox; it has init and commit")


def __getattr__(name: str) -> object:
    if name.startswith("__"):
        raise AttributeError(name)
    raise NotImplementedError(f"awsglue.job.{name} is not in the sandbox; it has Job")
