"""Logs of the embedded account: two jobs that write at once share one group."""

from types import SimpleNamespace
from typing import Any

from sandbox import logs


class Refusals:
    class ResourceNotFoundException(Exception):
        pass

    class ResourceAlreadyExistsException(Exception):
        pass


class Late:
    """The other job makes the group between the look and the call."""

    exceptions = Refusals
    meta = SimpleNamespace(region_name="eu-central-1")

    def __init__(self) -> None:
        self.asked: list[str] = []

    def create_log_stream(self, **given: Any) -> None:
        self.asked.append(given["logStreamName"])
        if len(self.asked) == 1:
            raise Refusals.ResourceNotFoundException

    def create_log_group(self, **_: Any) -> None:
        raise Refusals.ResourceAlreadyExistsException


def test_a_group_that_another_job_made_first_is_used() -> None:
    client = Late()
    logs._ensure_stream(client, "/any/group", "one")
    logs.reset()
    assert client.asked == ["one", "one"]
