"""Many values looked for at once, as words: what stands around one may be anything but letters and digits."""

from __future__ import annotations

import re
import string
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from sandbox.unpacked import texts

_ONE_WORD = re.compile(r"[A-Za-z0-9]+")
_OF_WORDS = np.isin(np.arange(256), list((string.ascii_letters + string.digits).encode()))
_BLOCK = 1 << 19  # bytes that stay in the processor's cache while they are looked at
_TOGETHER = 1 << 20  # small texts are looked at together: most of the time is the calls' own
_HEAD = 8  # bytes of a word that are compared as one number
_HEADS = np.array([(1 << 8 * length) - 1 for length in range(_HEAD + 1)], dtype=np.uint64)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # Knuth's multiplicative hash, in 64 bits
_TABLE_BITS = 16


class Words:
    """Which of the given words are in a text: nearly all others are told by length and head, without a hash.

    What is left by then is compared whole: no word is found by chance, and none is missed.
    """

    def __init__(self, words: Iterable[bytes]) -> None:
        self._words = frozenset(words)
        self._longest = max(map(len, self._words), default=0)
        self._lengths = np.zeros(self._longest + 2, dtype=bool)
        self._firsts = np.zeros(256, dtype=bool)
        self._table = np.zeros(1 << _TABLE_BITS, dtype=bool)
        for word in self._words:
            self._lengths[len(word)] = True
            self._firsts[word[0]] = True
        heads = [int.from_bytes(word[:_HEAD], "little") for word in self._words]
        self._table[_slots(np.array(heads, dtype=np.uint64))] = True

    def found(self, text: bytes) -> set[bytes]:
        hits: set[bytes] = set()
        for begin in range(0, len(text) if self._words else 0, _BLOCK):
            # One byte before, to see whether a word goes on; and after it the rest of one that begins in it.
            first, last = max(begin - 1, 0), min(begin + _BLOCK + self._longest + 1, len(text))
            hits.update(self._candidates(text[first:last], is_cut=(first > 0, last < len(text))))
        return hits & self._words

    def _candidates(self, block: bytes, *, is_cut: tuple[bool, bool]) -> Iterator[bytes]:
        """Words of the block that may be sought ones; a word that it does not hold whole is none of it."""
        signs = np.frombuffer(block + bytes(_HEAD), dtype=np.uint8)
        is_word = np.zeros(len(block) + 2, dtype=bool)
        is_word[1:-1] = _OF_WORDS[signs[:-_HEAD]]
        edges = np.flatnonzero(is_word[1:] != is_word[:-1])
        begins, ends = edges[::2], edges[1::2]
        lengths = ends - begins
        kept = self._lengths[np.minimum(lengths, self._longest + 1)] & self._firsts[signs[begins]]
        kept &= ((begins > 0) | (not is_cut[0])) & ((ends < len(block)) | (not is_cut[1]))
        begins, lengths = begins[kept], lengths[kept]
        # The eight bytes from each place on as a number, without those behind the word.
        heads = np.lib.stride_tricks.as_strided(signs[:_HEAD].view("<u8"), (len(block) + 1,), (1,))
        kept = self._table[_slots(heads[begins] & _HEADS[np.minimum(lengths, _HEAD)])]
        for begin, length in zip(begins[kept].tolist(), lengths[kept].tolist(), strict=True):
            yield block[begin : begin + length]


def _slots(heads: np.ndarray) -> np.ndarray:
    return (heads * _SPREAD >> np.uint64(64 - _TABLE_BITS)).astype(np.intp)


class Needles:
    def __init__(self, values: Iterable[str]) -> None:
        given = {value for value in values if value.strip()}
        self._single = {value.encode() for value in given if _ONE_WORD.fullmatch(value)}
        # A phrase is looked for where its longest word is; one without such a word, everywhere.
        self._phrases: defaultdict[bytes, list[tuple[bytes, re.Pattern[bytes]]]] = defaultdict(list)
        for value in given:
            if not _ONE_WORD.fullmatch(value):
                word = max(_ONE_WORD.findall(value), key=len, default="").encode()
                bounded = rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9])"
                self._phrases[word].append((value.encode(), re.compile(bounded.encode())))
        self._words = Words(self._single | (self._phrases.keys() - {b""}))

    def __len__(self) -> int:
        return len(self._single) + sum(map(len, self._phrases.values()))

    def found(self, content: bytes) -> set[bytes]:
        """The values that the content holds, packed or not."""
        hits: set[bytes] = set()
        for text in _joined(texts(content)):
            words = self._words.found(text)
            hits |= words & self._single
            for word in self._phrases.keys() & (words | {b""}):
                hits.update(
                    value for value, bounded in self._phrases[word] if value in text and bounded.search(text)
                )
        return hits


def _joined(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The same texts, small ones as the lines of a larger one."""
    small: list[bytes] = []
    size = 0
    for part in parts:
        if len(part) > _TOGETHER:
            yield part
            continue
        small.append(part)
        size += len(part)
        if size > _TOGETHER:
            yield b"\n".join(small)
            small, size = [], 0
    yield b"\n".join(small)
