"""JSONata inside state machines, in Python, with the functions that AWS adds."""

from __future__ import annotations

import hashlib
import json
import random
import sys
import uuid
from typing import Any

_MODULE = "moto.stepfunctions.parser.asl.jsonata.jsonata"


class UndefinedResultError(ValueError):
    """The expression has no value; AWS fails the state for it."""


def evaluate(expression: str) -> Any:
    """The value as plain JSON data."""
    from jsonata import Jsonata

    compiled = Jsonata(expression)
    compiled.set_output_convert_nulls(False)
    for name, function in _FUNCTIONS.items():
        compiled.register_lambda(name, function)
    value = compiled.evaluate(None)
    if value is None:
        raise UndefinedResultError("the JSONata expression returned nothing (undefined)")
    return _plain(value)


def _plain(value: Any) -> Any:
    from jsonata.utils import Utils

    if value is Utils.NULL_VALUE or value is None:
        return None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"a JSONata expression gave {type(value).__name__}, allowed is JSON")


def _partition(array: list[Any], size: int) -> list[list[Any]]:
    return [array[start : start + int(size)] for start in range(0, len(array), int(size))]


def _range(first: int, last: int, step: int) -> list[int]:
    return list(range(int(first), int(last) + (1 if step > 0 else -1), int(step)))


def _hash(text: str, algorithm: str) -> str:
    return hashlib.new(
        algorithm.replace("-", "").lower(), str(text).encode(), usedforsecurity=False
    ).hexdigest()


def _random(seed: int | None = None) -> float:
    return random.Random(seed).random()  # noqa: S311 - not for secrets, as on AWS


_FUNCTIONS: dict[str, Any] = {
    "partition": _partition,
    "range": _range,
    "hash": _hash,
    "random": _random,
    "uuid": lambda: str(uuid.uuid4()),
    "parse": json.loads,
}


def install() -> None:
    import moto.stepfunctions.parser.asl.jsonata.jsonata as module

    def guarded(expression: str) -> Any:
        try:
            return evaluate(expression)
        except Exception as error:
            raise module.JSONataException("UNKNOWN", str(error)) from error

    def declarations(bindings: dict[str, Any]) -> str:
        """moto pastes strings between quotes as they are: a quote or line break inside breaks the program."""
        from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

        return "".join(f"{name}:={to_json_str(value)};" for name, value in bindings.items())

    original = module.encode_jsonata_variable_declarations
    module._eval_jsonata = guarded
    for name, loaded in list(sys.modules.items()):
        if name.startswith("moto.stepfunctions") and (
            getattr(loaded, "encode_jsonata_variable_declarations", None) is original
        ):
            loaded.encode_jsonata_variable_declarations = declarations  # type: ignore[attr-defined]


def self_test() -> None:
    from sandbox.selftest import check

    check(f"{_MODULE}:_eval_jsonata")
    check(f"{_MODULE}:eval_jsonata_expression", "jsonata_expression")
    check(f"{_MODULE}:encode_jsonata_variable_declarations", "bindings")
    check(f"{_MODULE}:JSONataException", "error", "details")
