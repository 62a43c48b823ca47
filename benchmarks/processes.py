"""A function in a fresh interpreter: what was imported, cached or patched before does not count."""

from __future__ import annotations

import importlib
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from benchmarks.figures import Figure

Answer = TypeVar("Answer")


def fresh(function: Callable[..., Answer], *arguments: Any) -> Answer:
    """What the function returns or raises; an interpreter that was killed raises BrokenProcessPool."""
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawning) as pool:
        return pool.submit(function, *arguments).result()


def figures_of(benchmark: str, **options: Any) -> list[Figure]:
    return fresh(_figures, benchmark, options)


def _figures(benchmark: str, options: dict[str, Any]) -> list[Figure]:
    found: list[Figure] = importlib.import_module(f"benchmarks.{benchmark}").figures(**options)
    return found
