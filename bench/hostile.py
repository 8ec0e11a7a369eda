"""What a hostile frame costs: the slowest of all hostile CBOR items against one millisecond."""

from __future__ import annotations

import time
from contextlib import suppress

from bench.claim import ROUNDS, Claim
from posfw.codec import cbor
from posfw.values.errors import CodecError
from tests.codec.hostile import FORMS, HEADS

LIMIT_MS = 1.0


def _refused_ms(data: bytes) -> float:
    """Return the processor time of one refusal: the least of several, noise only ever adds."""
    took: list[float] = []
    for _ in range(ROUNDS):
        before = time.thread_time_ns()
        with suppress(CodecError):
            cbor.decode(data)
            raise SystemExit("a hostile item was accepted")
        took.append((time.thread_time_ns() - before) / 1e6)
    return min(took)


def hostile_cbor() -> Claim:
    """The slowest refusal of all hostile items, each measured by itself."""
    cases = {**HEADS, **FORMS}
    took = {name: _refused_ms(data) for name, data in cases.items()}
    name, slowest = max(took.items(), key=lambda each: each[1])
    return Claim(
        slowest,
        LIMIT_MS,
        "ms CPU",
        1.0,
        f"slowest of {len(cases)} hostile items, each refused: {name}; other: the limit",
    )


CLAIMS = {"hostile_cbor": hostile_cbor}
