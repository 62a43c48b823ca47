"""What the secret holds: a key for each epoch, the names of those that were destroyed, and keys for seals."""

import json
from typing import Any, NamedTuple

FORMAT = 1
SHORTEST_KEY = 32  # bytes


class TokenKeysError(ValueError):
    """A secret that no token can be made with: nothing may pass the door until its rotation has mended it."""


class Key(NamedTuple):
    """`made` is the moment in UTC, ISO 8601 to the second with Z, so that text order is time order."""

    key: bytes
    made: str


class TokenKeys(NamedTuple):
    """`seals` oldest first. A destroyed epoch keeps its name, so that no second key is ever made for it."""

    epochs: dict[str, Key]
    destroyed: tuple[str, ...] = ()
    seals: tuple[Key, ...] = ()


def parse(text: str) -> TokenKeys:
    """The keys of a secret's text, which errors never repeat."""
    try:
        content = json.loads(text)
        if content["format"] != FORMAT:
            raise ValueError
        return TokenKeys(
            epochs={epoch: _key(entry) for epoch, entry in content["epochs"].items()},
            destroyed=tuple(content["destroyed"]),
            seals=tuple(sorted(map(_key, content["seals"]), key=lambda seal: seal.made)),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        # Without the cause: it would hold the text, and the text is keys.
        raise TokenKeysError(
            f"the secret is no document of token keys of format {FORMAT}, allowed: what rotate_token_keys "
            "writes: start a rotation of TOKEN_SECRET_ARN"
        ) from None


def text(keys: TokenKeys) -> str:
    return json.dumps(
        {
            "format": FORMAT,
            "epochs": {epoch: _entry(key) for epoch, key in sorted(keys.epochs.items())},
            "destroyed": sorted(keys.destroyed),
            "seals": [_entry(seal) for seal in keys.seals],
        }
    )


def _key(entry: dict[str, Any]) -> Key:
    key = bytes.fromhex(entry["key"])
    if len(key) < SHORTEST_KEY or len(entry["made"]) != len("2013-01-31T18:00:00Z"):
        raise ValueError
    return Key(key, entry["made"])


def _entry(key: Key) -> dict[str, str]:
    return {"key": key.key.hex(), "made": key.made}
