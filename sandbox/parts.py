"""What the account is made of besides moto, in the order in which it is installed and reset."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from sandbox.engines import ENGINES

# What others stand on comes first. A module may offer install(), reset(), seed() and self_test().
PARTS = (
    "sandbox.regions",
    "sandbox.clock",
    "sandbox.work",
    "sandbox.faults",
    "sandbox.logs",
    "sandbox.iam.identity",
    "sandbox.iam.enforce",
    "sandbox.iam.record",
    "sandbox.conduct",
    "sandbox.speed",
    "sandbox.gaps",
    "sandbox.strictness",
    "sandbox.holdings",
    "sandbox.cloudformation.api",
    *(f"sandbox.engines.{name}" for name in ENGINES),
)


def modules() -> list[ModuleType]:
    return [importlib.import_module(name) for name in present()]


def present() -> list[str]:
    return [name for name in PARTS if _exists(name)]


def absent() -> list[str]:
    return [name for name in PARTS if not _exists(name)]


def install() -> None:
    _call("install")


def reset() -> None:
    _call("reset")


def seed() -> None:
    """Put into the fresh account what every account has."""
    _call("seed")


def enforce(on: bool) -> None:
    """Switch authorisation; sandbox.iam.enforce decides what that means."""
    if _exists("sandbox.iam.enforce"):
        importlib.import_module("sandbox.iam.enforce").enforce(on)


def _call(name: str) -> None:
    for module in modules():
        if hook := getattr(module, name, None):
            hook()


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
