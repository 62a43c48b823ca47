"""The rules of the door for a contract, as the functions build them."""

from typing import Any
from zoneinfo import ZoneInfo

from shared.rules import Table, tables
from shared.tokens import Tokens


def any_door(contract: dict[str, Any], key: bytes = b"k" * 32) -> dict[str, Table]:
    return tables(contract, Tokens(key), ZoneInfo(contract["time_zone"]))
