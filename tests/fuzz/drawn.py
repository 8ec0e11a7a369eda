"""One parser under hypothesis: whole items of a format with one thing wrong, and plain bytes."""

from __future__ import annotations

import json
import time
from typing import Any

import cbor2
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.fire import Found, cost_ms
from tests.fuzz.mutate import MAX_BYTES
from tests.fuzz.parsers import PARSERS, Parser

__all__ = ["drawn", "from_hypothesis", "inputs"]

ROUND = 300
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), 1 << 64)
    | st.floats(allow_nan=False)
    | st.binary(max_size=40)
    | st.text(max_size=12)
)
_ITEMS = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.integers(0, 200) | st.text(max_size=6), inner, max_size=8)
        | st.builds(cbor2.CBORTag, st.sampled_from([2, 16, 17, 18, 24, 28]), inner)
    ),
    max_leaves=12,
)


def _encoded(item: Any) -> bytes:
    try:
        return bytes(cbor2.dumps(item, canonical=True))
    except (ValueError, cbor2.CBOREncodeError):
        return b"\xf6"  # what this encoder does not take


_LINES = st.text(alphabet=st.characters(min_codepoint=9, max_codepoint=126), max_size=120).map(
    str.encode
)
_DOCUMENTS = st.dictionaries(st.text(max_size=9), st.integers() | st.text(max_size=9), max_size=6)


def _spliced(example: bytes, at: int, cut: int, piece: bytes) -> bytes:
    at %= len(example) + 1
    return (example[:at] + piece + example[at + cut :])[:MAX_BYTES]


def inputs(parser: Parser) -> st.SearchStrategy[bytes]:
    """Return bytes, lines, CBOR items, JSON objects, and the parser's examples with a splice."""
    examples = st.sampled_from(list(parser.seeds) or [b""])
    spliced = st.builds(
        _spliced, examples, st.integers(0, 400), st.integers(0, 9), st.binary(max_size=9)
    )
    documents = _DOCUMENTS.map(lambda each: json.dumps(each).encode())
    return spliced | _ITEMS.map(_encoded) | st.binary(max_size=200) | _LINES | documents


def drawn(parser: Parser, number: int, *, seconds: float, least: int = 0) -> Found:
    """Draw for so long, and at least so many inputs; rounds differ by their seeds."""
    found, until = Found(), time.monotonic() + seconds
    strategy = inputs(parser)

    def one(data: bytes) -> None:
        found.slowest_ms = max(found.slowest_ms, cost_ms(parser, data, found)[0])
        found.inputs += 1

    while time.monotonic() < until or found.inputs < least:
        number += 1
        once = settings(
            max_examples=ROUND,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )(seed(number)(given(strategy)(one)))
        once()
    return found


def from_hypothesis(name: str, number: int, seconds: float) -> tuple[str, Found]:
    """Run one parser in a process of its own."""
    return name, drawn(PARSERS[name], number * 10_000, seconds=seconds)
