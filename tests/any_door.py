"""The rules of the door for a contract, as the functions build them."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from shared.epochs import following
from shared.rules import Table, tables
from shared.token_keys import Key, TokenKeys
from shared.tokens import Tokens

MADE = "2013-01-01T00:00:00Z"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def any_keys(key: bytes = b"k" * 32, first: str = "2013", epochs: int = 20) -> TokenKeys:
    """A key for each epoch from `first` on; those of other epochs differ in their last byte."""
    names = [first]
    while len(names) < epochs:
        names.append(following(names[-1]))
    made = {name: Key(key[:-1] + bytes([number]), MADE) for number, name in enumerate(names)}
    return TokenKeys(epochs=made, seals=(Key(key, MADE),))


def any_tokens(key: bytes = b"k" * 32, grain: str = "year", first: str = "2013", epochs: int = 20) -> Tokens:
    return Tokens(any_keys(key, first, epochs), grain, NOW)


def any_door(contract: dict[str, Any], key: bytes = b"k" * 32) -> dict[str, Table]:
    epochs = contract["token_epochs"]
    tokens = any_tokens(key, epochs["grain"], epochs["first"])
    return tables(contract, tokens, ZoneInfo(contract["time_zone"]))
