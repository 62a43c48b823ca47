"""Tokens for direct identifiers, and seals for records that carry them: keyed, so that only we can make them.

A token is bound to an epoch and names it: the same person has one token within an epoch, and in two epochs
two that nobody can link without both keys. A clear value that looks like a token is tokenised like any other.
Only a record that carries a seal, made here when it was quarantined, keeps the tokens that the seal covers.
"""

import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from shared.epochs import epoch_of
from shared.token_keys import TokenKeys, TokenKeysError

PREFIX = "tok_"
BITS = 128
# A seal key is used only when every function that may have to check its seals has read it.
SEAL_AFTER = timedelta(hours=1)
Tokenise = Callable[[str, str], str]


class Tokens:
    """HMAC-SHA256 under the key of an epoch, cut to 128 bits. `grain`: how long the epochs are."""

    def __init__(self, keys: TokenKeys, grain: str, now: datetime) -> None:
        if not keys.epochs or not keys.seals:
            raise TokenKeysError(
                "the secret holds no token keys yet: its first rotation makes them; records wait until then"
            )
        self._grain = grain
        self._of = {epoch: _tokenise(epoch, entry.key) for epoch, entry in keys.epochs.items()}
        self._destroyed = frozenset(keys.destroyed)
        known = (now - SEAL_AFTER).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._seals = [seal.key for seal in keys.seals]
        self._sealing = next(
            (seal.key for seal in reversed(keys.seals) if seal.made <= known), self._seals[0]
        )

    def epoch(self, day: str) -> str:
        """The epoch of a local date."""
        return epoch_of(day, self._grain)

    def of(self, epoch: str | None) -> Tokenise | None:
        """The function (token domain, value) -> token of an epoch; None when there is no key for it."""
        return self._of.get(epoch) if epoch is not None else None

    def missing(self, epoch: str | None) -> tuple[str, str]:
        """Why an epoch has no key, and which ones have."""
        gone = epoch in self._destroyed
        reason = "the key of its epoch was destroyed" if gone else "there is no key for its epoch"
        return reason, f"an epoch with a key: {', '.join(sorted(self._of))}"

    def token(self, epoch: str, domain: str, value: str) -> str:
        """KeyError when the epoch has no key."""
        return self._of[epoch](domain, value)

    def seal(self, table: str, identifiers: dict[str, Any]) -> str:
        """Says that these identifiers of a record are tokens already."""
        return _seal(self._sealing, table, identifiers)

    def is_sealed(self, seal: object, table: str, identifiers: dict[str, Any]) -> bool:
        """Whether `seal` was made by `seal` for the same table and identifiers, also before a rotation."""
        if not isinstance(seal, str):
            return False
        given = seal.encode("utf-8", "surrogatepass")
        return any(hmac.compare_digest(given, _seal(key, table, identifiers).encode()) for key in self._seals)


def _tokenise(epoch: str, key: bytes) -> Tokenise:
    # The same few thousand identifiers come again and again: the cache saves the digest.
    @lru_cache(maxsize=65_536)
    def token(domain: str, value: str) -> str:
        return f"{PREFIX}{epoch}_" + _digest(key, f"token\0{domain}\0{value}")

    return token


def _seal(key: bytes, table: str, identifiers: dict[str, Any]) -> str:
    content = json.dumps([table, identifiers], sort_keys=True, separators=(",", ":"))
    return _digest(key, f"seal\0{content}")


def _digest(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256").hex()[: BITS // 4]
