"""Tokens for direct identifiers, and seals for records that carry them: keyed, so that only we can make them.

A clear value that looks like a token is tokenised like any other. Only a record that carries a seal, made
here when it was quarantined, keeps the tokens that the seal covers.
"""

import hmac
import json
from functools import lru_cache
from typing import Any

PREFIX = "tok_"
SHORTEST_KEY = 32
BITS = 128


class Tokens:
    """HMAC-SHA256 under one key, cut to 128 bits."""

    def __init__(self, key: bytes) -> None:
        if len(key) < SHORTEST_KEY:
            raise ValueError(
                f"the token key has {len(key)} bytes, allowed: {SHORTEST_KEY} or more: "
                "let Secrets Manager generate it (TOKEN_SECRET_ARN)"
            )

        # The same few thousand identifiers come again and again: the cache saves the digest.
        @lru_cache(maxsize=65_536)
        def token(domain: str, value: str) -> str:
            return PREFIX + _digest(key, f"token\0{domain}\0{value}")

        self.token = token
        self._key = key

    def seal(self, table: str, identifiers: dict[str, Any]) -> str:
        """Says that these identifiers of a record are tokens already."""
        content = json.dumps([table, identifiers], sort_keys=True, separators=(",", ":"))
        return _digest(self._key, f"seal\0{content}")

    def is_sealed(self, seal: object, table: str, identifiers: dict[str, Any]) -> bool:
        """Whether `seal` was made by `seal` for the same table and identifiers."""
        return isinstance(seal, str) and hmac.compare_digest(
            seal.encode("utf-8", "surrogatepass"), self.seal(table, identifiers).encode()
        )


def _digest(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256").hex()[: BITS // 4]
