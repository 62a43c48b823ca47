"""Stands in for the CDK CLI, which takes seconds to start: the same change sets, roles and errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deployment.place import Place
from sandbox import deploy


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    assembly: Path
    tell: Callable[[str], None]

    def deploy(self, stack_name: str, said: Callable[[str], None]) -> bool:
        return self._done(lambda: deploy.deploy_stack(self.assembly, stack_name), said)

    def destroy(self, stack_name: str) -> bool:
        return self._done(lambda: deploy.destroy_stack(self.assembly, stack_name), self.tell)

    def _done(self, work: Callable[[], None], said: Callable[[str], None]) -> bool:
        try:
            work()
        except deploy.DeploymentError as error:
            said(str(error))
            return False
        return True


def make(_place: Place, assembly: Path, _needed: list[str], tell: Callable[[str], None]) -> Shortcut:
    return Shortcut(assembly=assembly, tell=tell)
