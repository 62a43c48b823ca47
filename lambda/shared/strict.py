"""JSON as the standard has it: one value, no NaN, no Infinity."""

import json
from typing import Any


class NotJsonError(ValueError):
    """Text that is not exactly one JSON value."""


def _refuse_constant(name: str) -> None:
    raise NotJsonError(f"{name} is not JSON, allowed: finite numbers and null")


_decode = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode


def json_value(text: str) -> Any:
    """The value; `text` has no blanks around it."""
    try:
        value, end = _decode(text)
    except NotJsonError:
        raise
    except (ValueError, RecursionError) as error:
        raise NotJsonError("not JSON, allowed: one JSON object") from error
    if end != len(text):
        raise NotJsonError("more than one JSON value, allowed: one JSON object")
    return value
