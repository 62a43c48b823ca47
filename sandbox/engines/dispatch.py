"""Deliveries between services: in the order in which they were caused, behind the caller's back."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from sandbox import regions, work

_queue: queue.SimpleQueue[tuple[str, Callable[..., object], tuple[Any, ...]]] = queue.SimpleQueue()
_lock = threading.Lock()
_pending = 0
_thread: threading.Thread | None = None


def later(name: str, deliver: Callable[..., object], *args: Any) -> None:
    """Queues one delivery; its failure is kept under `name`."""
    global _pending
    with _lock:
        _pending += 1
        _start()
    _queue.put((name, regions.carried(deliver), args))


def busy() -> bool:
    return _pending > 0


def _start() -> None:
    global _thread
    if _thread is None or not _thread.is_alive():
        work.probe("deliveries", busy)
        _thread = threading.Thread(target=_run, name="sandbox-deliveries", daemon=True)
        _thread.start()


def _run() -> None:
    global _pending
    while True:
        name, deliver, args = _queue.get()
        try:
            deliver(*args)
        except Exception as error:
            work.fail(name, error)
        finally:
            with _lock:
                _pending -= 1
