"""Text to numbers: tokens without stop words, weighed by TF-IDF, hashed, or embedded by LSA."""

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from tabular.preparation.errors import PreparationError

# Words of two letters and more; punctuation and single letters go.
TOKEN = re.compile(r"(?u)\b\w\w+\b")
STOP_WORDS = ("none", "english")
MASK = 0xFFFFFFFF
# Longer tokens are no words: their hashes are not kept, or one client could fill the memory.
WORD = 64


@dataclass(frozen=True, kw_only=True)
class Text:
    """A missing text without a fill counts as one without a word: zeros.

    terms       the vocabulary in order, of TF-IDF and LSA, with idf of each
    projection  (terms, dimensions) of LSA
    stop_words  what hashing leaves out; the other two have them in no vocabulary
    """

    name: str
    encoding: str
    fill: str | None = None
    terms: tuple[str, ...] = ()
    idf: np.ndarray | None = None
    dimensions: int = 0
    projection: np.ndarray | None = None
    stop_words: frozenset[str] = frozenset()

    @cached_property
    def columns(self) -> list[str]:
        if self.encoding == "tf_idf":
            return [f"{self.name}:{term}" for term in self.terms]
        return [f"{self.name}:{number}" for number in range(self.dimensions)]

    @cached_property
    def places(self) -> dict[str, int]:
        return {term: place for place, term in enumerate(self.terms)}

    def values(self, value: Any) -> np.ndarray:
        if value is None or value != value:
            value = self.fill
        line = np.zeros(len(self.columns))
        if value is None:
            return line
        tokens = TOKEN.findall(value.lower())
        if self.encoding == "hashing":
            return self._hashed(tokens, line)
        counts = Counter(self.places[token] for token in tokens if token in self.places)
        if not counts:
            return line
        assert self.idf is not None  # noqa: S101  of every vocabulary
        places = sorted(counts)
        weights = np.array([counts[place] for place in places]) * self.idf[places]
        weights /= math.sqrt(float((weights * weights).sum()))
        if self.projection is not None:
            return np.asarray(weights @ self.projection[places])
        line[places] = weights
        return line

    def _hashed(self, tokens: list[str], line: np.ndarray) -> np.ndarray:
        for token in tokens:
            if token not in self.stop_words:
                hashed = _kept(token) if len(token) <= WORD else murmur(token)
                line[abs(hashed) % self.dimensions] += 1.0 if hashed >= 0 else -1.0
        length = math.sqrt(float((line * line).sum()))
        return line / length if length else line

    def matrix(self, values: np.ndarray) -> np.ndarray:
        found = np.empty((len(values), len(self.columns)), dtype=np.float32)
        for place, value in enumerate(values.tolist()):
            found[place] = self.values(value)
        return found

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": "text",
            "encoding": self.encoding,
            "fill": self.fill,
            "terms": list(self.terms),
            "idf": None if self.idf is None else self.idf.tolist(),
            "dimensions": self.dimensions,
            "projection": None if self.projection is None else self.projection.tolist(),
            "stop_words": sorted(self.stop_words),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Text":
        arrays = {
            name: None if content[name] is None else np.array(content[name], dtype=np.float64)
            for name in ("idf", "projection")
        }
        return cls(
            name=content["name"],
            encoding=content["encoding"],
            fill=content["fill"],
            terms=tuple(content["terms"]),
            dimensions=content["dimensions"],
            stop_words=frozenset(content["stop_words"]),
            **arrays,
        )


def fit(name: str, spec: Mapping[str, Any], values: np.ndarray) -> Text:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    encoding, fill = spec["encoding"], spec.get("value")
    is_english = spec.get("stop_words", "none") == "english"
    if encoding == "hashing":
        stop_words = frozenset(ENGLISH_STOP_WORDS) if is_english else frozenset()
        return Text(
            name=name, encoding=encoding, fill=fill, dimensions=spec["dimensions"], stop_words=stop_words
        )
    documents = [("" if fill is None else fill) if value is None else value for value in values.tolist()]
    weighted, terms, idf = _weighted(name, spec["terms"], is_english, documents)
    if encoding == "tf_idf":
        return Text(name=name, encoding=encoding, fill=fill, terms=terms, idf=idf)
    dimensions = spec["dimensions"]
    if dimensions >= len(terms) or dimensions > len(documents):
        raise PreparationError(
            f"{name}: an embedding of {dimensions} dimensions from {len(terms)} terms in {len(documents)} "
            "training rows, allowed are fewer than terms, and not more than rows: lower `dimensions`"
        )
    from sklearn.decomposition import TruncatedSVD

    reduced = TruncatedSVD(dimensions, random_state=0).fit(weighted)
    return Text(
        name=name,
        encoding=encoding,
        fill=fill,
        terms=terms,
        idf=idf,
        dimensions=dimensions,
        projection=np.ascontiguousarray(reduced.components_.T),
    )


def _weighted(
    name: str, size: int, is_english: bool, documents: list[str]
) -> tuple[Any, tuple[str, ...], np.ndarray]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        max_features=size, stop_words="english" if is_english else None, token_pattern=TOKEN.pattern
    )
    try:
        weighted = vectorizer.fit_transform(documents)
    except ValueError as error:  # scikit-learn: empty vocabulary
        raise PreparationError(
            f"{name}: no training row has a word beside stop words, so there is no vocabulary: "
            "repair its source, or remove the feature"
        ) from error
    return weighted, tuple(vectorizer.get_feature_names_out().tolist()), vectorizer.idf_


def murmur(token: str) -> int:
    """MurmurHash3 (32 bits, signed, seed 0) of the UTF-8 text: as in scikit-learn's HashingVectorizer."""
    data = token.encode()
    whole = len(data) // 4 * 4
    mixed = 0
    for start in range(0, whole, 4):
        mixed ^= _scrambled(int.from_bytes(data[start : start + 4], "little"))
        mixed = (_rotated(mixed, 13) * 5 + 0xE6546B64) & MASK
    if data[whole:]:
        mixed ^= _scrambled(int.from_bytes(data[whole:], "little"))
    mixed ^= len(data)
    mixed = ((mixed ^ (mixed >> 16)) * 0x85EBCA6B) & MASK
    mixed = ((mixed ^ (mixed >> 13)) * 0xC2B2AE35) & MASK
    mixed ^= mixed >> 16
    return mixed - (1 << 32) if mixed & 0x80000000 else mixed


_kept = lru_cache(maxsize=65_536)(murmur)


def _scrambled(word: int) -> int:
    return (_rotated((word * 0xCC9E2D51) & MASK, 15) * 0x1B873593) & MASK


def _rotated(word: int, by: int) -> int:
    return ((word << by) | (word >> (32 - by))) & MASK
