"""The quick look for many values sees what a plain one sees: words anywhere in a text, and what is packed."""

from __future__ import annotations

import base64
import io
import random
import re
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox import needles, unpacked
from sandbox.needles import Needles, Words

SIGNS = b"Aa1Z9z _-|\n\x00\xc3"


def any_text(chance: random.Random, size: int, signs: bytes = SIGNS) -> bytes:
    return bytes(chance.choices(signs, k=size))


@pytest.mark.parametrize("block", [1, 2, 7, 64, 1 << 19])
def test_words_are_those_of_a_plain_look(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """Also where a word lies across the end of a block, or is the beginning or the end of a longer one."""
    monkeypatch.setattr(needles, "_BLOCK", block)
    chance = random.Random(block)
    found_once = set()
    for length in (0, 1, 9, 200, 600):
        text = any_text(chance, length) + b"AAAAAAAAAAAA1" + any_text(chance, length) + b"AAAAAAAA"
        present = set(re.findall(rb"[A-Za-z0-9]+", text))
        sought = {any_text(chance, chance.randint(1, 12), b"Aa1") for _ in range(200)}
        sought |= {word[1:] for word in present if word[1:]} | {word[:8] for word in present} | {b"A" * 11}
        assert Words(sought).found(text) == sought & present
        found_once |= sought & present
    assert {len(word) for word in found_once} >= {1, 2, 3, 8}


def test_words_of_equal_heads_are_told_apart() -> None:
    words = Words([b"ABCDEFGHIJ", b"ABCDEFGHKL", b"ABCDEFGH"])
    assert words.found(b"ABCDEFGHKL ABCDEFGHXX") == {b"ABCDEFGHKL"}
    assert words.found(b"x ABCDEFGH") == {b"ABCDEFGH"}
    assert Words([]).found(b"ABCDEFGH") == set()


def test_phrase_that_begins_like_another_hides_none() -> None:
    found = Needles(["SMITH & CO", "SMITH & CO LTD", "CO LTD"]).found(b"by SMITH & CO LTD.")
    assert found == {b"SMITH & CO", b"SMITH & CO LTD", b"CO LTD"}
    assert Needles(["SMITH & CO"]).found(b"SMITH & COS, BLACKSMITH & CO") == set()


def test_phrase_without_a_plain_word_is_found() -> None:
    assert Needles(["ÄÖ", "+"]).found("of ÄÖ and N1".encode()) == {"ÄÖ".encode()}


def test_base64_is_found_wherever_it_stands() -> None:
    """Every run of its signs, with as much filling as belongs to it."""
    plain = re.compile(rb"[A-Za-z0-9+/]{24,}={0,2}")
    chance = random.Random(1)
    runs = 0
    for _ in range(300):
        parts = [any_text(chance, chance.choice((1, 5, 23, 24, 25, 60)), b"Aa1+/") for _ in range(6)]
        text = b"".join(part + chance.choice((b"", b"=", b"==", b"===", b' "')) for part in parts)
        assert list(unpacked._encoded(text)) == plain.findall(text)
        runs += len(plain.findall(text))
    assert runs > 300


@pytest.mark.parametrize(
    ("values", "word"),
    [
        pytest.param(pa.array([1, 87654321, None]), "87654321", id="integer"),
        pytest.param(pa.array([1.5, None, 87654.25]), "87654", id="float"),
        pytest.param(pa.array([date(2013, 7, 9), None]), "2013-07-09", id="date"),
        pytest.param(pa.array([datetime(2013, 7, 9, 6, 5, tzinfo=UTC)]), "2013-07-09 06:05:00", id="time"),
        pytest.param(pa.array([b"of N87654", None]), "N87654", id="bytes"),
        pytest.param(pa.array(["of N87654", None], pa.large_string()), "N87654", id="large text"),
        pytest.param(
            pa.array([base64.b64encode(b"the flight of N87654, late").decode()]), "N87654", id="packed"
        ),
        pytest.param(pa.array([True, None]), "True", id="truth"),
    ],
)
def test_values_of_every_type_of_a_column_are_found(values: Any, word: str) -> None:
    body = io.BytesIO()
    pq.write_table(pa.table({"a": values}), body)
    assert Needles([word]).found(body.getvalue()) == {word.encode()}
    assert Needles(["N1", "a"]).found(body.getvalue()) == {b"a"}
