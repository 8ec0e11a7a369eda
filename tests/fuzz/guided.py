"""One parser under atheris: libFuzzer goes on from inputs that reach new code.

    .venv-fuzz/bin/python -m tests.fuzz.guided PARSER SECONDS SEED OUT

Writes OUT as JSON: inputs, unexpected errors, and the slowest inputs in hexadecimal. Instrumented
code is several times slower and libFuzzer keeps a corpus of its own, so time and memory are judged
by whoever started this, without instruments.
"""

from __future__ import annotations

import heapq
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

__all__ = ["main"]

LOOK_EVERY: Final = 200
SLOWEST: Final = 5


def main() -> None:
    """Fuzz until the time is over; the process ends inside libFuzzer."""
    import atheris  # noqa: PLC0415 - in an environment of its own

    name, seconds, seed, out = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    with atheris.instrument_imports(include=["posfw"]):
        from tests.fuzz.fire import Found, once  # noqa: PLC0415 - instrumented from here on
        from tests.fuzz.mutate import MAX_BYTES  # noqa: PLC0415 - as above
        from tests.fuzz.parsers import PARSERS  # noqa: PLC0415 - as above

    parser, found = PARSERS[name], Found()
    slowest: list[tuple[int, bytes]] = []
    until = time.monotonic() + seconds

    def one(data: bytes) -> None:
        before = time.thread_time_ns()
        once(parser, data, found)
        took = time.thread_time_ns() - before
        found.inputs += 1
        if len(slowest) < SLOWEST or took > slowest[0][0]:
            heapq.heappush(slowest, (took, data))
            if len(slowest) > SLOWEST:
                heapq.heappop(slowest)
        if found.inputs % LOOK_EVERY == 0 and time.monotonic() > until:
            facts: dict[str, Any] = {
                "inputs": found.inputs,
                "unexpected": found.unexpected,
                "slow": [slow.hex() for _, slow in slowest],
            }
            out.write_text(json.dumps(facts), encoding="utf-8")
            os._exit(0)  # libFuzzer would go on

    with tempfile.TemporaryDirectory() as corpus:
        for number, example in enumerate(parser.seeds):
            (Path(corpus) / f"{number:03d}").write_bytes(example[:MAX_BYTES])
        options = [f"-seed={seed}", f"-max_len={MAX_BYTES}", "-verbosity=0", "-timeout=60"]
        atheris.Setup([sys.argv[0], *options, corpus], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
