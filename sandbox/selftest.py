"""Before the account starts: every private name of moto that is patched is there, with the shape expected."""

from __future__ import annotations

import importlib
import inspect
from importlib.metadata import version
from typing import Any

MOTO = "5.2.5"


class SelfTestError(RuntimeError):
    """moto is not the one that the sandbox was built on."""


def run() -> None:
    """Run the self_test() of every part and engine; raise SelfTestError naming the first surprise."""
    from sandbox import parts

    if (got := version("moto")) != MOTO:
        raise SelfTestError(f"moto is {got}, the sandbox patches names inside {MOTO}: install that")
    check("moto.core.base_backend:BackendDict.reset")
    check("moto.core.model_instances:reset_model_data")
    check("moto.core.config:default_user_config")
    check("moto.sts.models:STSBackend.get_assumed_role_from_access_key", "self", "access_key_id")
    check("moto.moto_server.werkzeug_app:DomainDispatcherApplication", "create_app")
    for module in parts.modules():
        if test := getattr(module, "self_test", None):
            test()


def check(symbol: str, *parameters: str) -> Any:
    """The object behind "module:dotted.name"; if parameters are given, its signature must be exactly that."""
    module_name, _, path = symbol.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise SelfTestError(f"{symbol} is missing in moto {version('moto')}: {error}") from None
    if parameters:
        got = tuple(inspect.signature(found).parameters)
        if got != parameters:
            raise SelfTestError(f"{symbol} takes {got}, the sandbox expects {parameters}")
    return found
