"""The rules of the door with keys that are good for a benchmark only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo


def opened(contract: dict[str, Any]) -> dict[str, Any]:
    """Table rules by name; the contract's first epoch has a key."""
    from shared.rules import tables
    from shared.token_keys import Key, TokenKeys
    from shared.tokens import Tokens

    epochs, key = contract["token_epochs"], Key(b"0" * 32, "2013-01-01T00:00:00Z")
    keys = TokenKeys({epochs["first"]: key}, seals=(key,))
    return tables(contract, Tokens(keys, epochs["grain"], datetime.now(UTC)), ZoneInfo(contract["time_zone"]))
