"""The engines: each makes one service really do what moto only stores."""

from __future__ import annotations

import importlib
from types import ModuleType

# Module names, in the order they are installed; each offers install(), reset() and self_test().
ENGINES: tuple[str, ...] = ()


def modules() -> tuple[ModuleType, ...]:
    return tuple(importlib.import_module(f"{__name__}.{name}") for name in ENGINES)
