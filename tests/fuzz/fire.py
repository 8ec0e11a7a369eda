"""One parser under fire: what came of it, and how long the worst input took."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.fuzz.mutate import Mutator
from tests.fuzz.parsers import PARSERS, Parser

__all__ = ["GUIDED", "Found", "cost_ms", "fuzz", "guided", "job", "joined", "once"]

ROOT: Final = Path(__file__).parents[2]
GUIDED: Final = ROOT / ".venv-fuzz" / "bin" / "python"
SLOW_MS: Final = 20.0
GROWTH_KIB: Final = 8192
WARM_UP: Final = 2000
BLOCK: Final = 500
PAGE_KIB: Final = 4


@dataclass(slots=True)
class Found:
    """What came of one parser."""

    inputs: int = 0
    slowest_ms: float = 0.0
    rss_growth_kib: int = 0
    outcomes: set[str] = field(default_factory=set)
    unexpected: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "inputs": self.inputs,
            "unexpected": len(self.unexpected),
            "slowest_ms": round(self.slowest_ms, 3),
            "rss_growth_kib": self.rss_growth_kib,
        }

    @property
    def good(self) -> bool:
        """Whether the parser kept its promises."""
        slow = self.slowest_ms > SLOW_MS
        return not self.unexpected and not slow and self.rss_growth_kib <= GROWTH_KIB


def rss_kib() -> int:
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * PAGE_KIB


def once(parser: Parser, data: bytes, found: Found) -> str:
    """Run one input; return what came of it."""
    try:
        result = parser.run(data)
    except parser.allowed as error:
        return str(error.args[:1])
    except Exception as error:  # noqa: BLE001 - looked for
        if len(found.unexpected) < 20:
            found.unexpected.append(f"{type(error).__name__}: {error!s:.80}: {data.hex():.400}")
        else:
            found.unexpected.append("more")
        return type(error).__name__
    return f"accepted {type(result).__name__}"


def cost_ms(parser: Parser, data: bytes, found: Found) -> tuple[float, str]:
    """Return processor time and outcome; a record is measured again, the least counts."""
    before = time.thread_time_ns()
    outcome = once(parser, data, found)
    took = (time.thread_time_ns() - before) / 1e6
    if took > max(1.0, found.slowest_ms):
        for _ in range(3):
            before = time.thread_time_ns()
            once(parser, data, Found())
            took = min(took, (time.thread_time_ns() - before) / 1e6)
    return took, outcome


def fuzz(parser: Parser, seed: int, *, seconds: float, inputs: int = 0) -> Found:
    """Run for so long, and at least so many inputs; memory is compared after a warm-up."""
    found, mutator = Found(), Mutator(parser.seeds, seed)
    for data in parser.seeds:
        found.slowest_ms = max(found.slowest_ms, cost_ms(parser, data, found)[0])
    end, base = time.monotonic() + seconds, 0
    while time.monotonic() < end or found.inputs < inputs:
        for _ in range(BLOCK):
            data = mutator.next()
            took, outcome = cost_ms(parser, data, found)
            found.slowest_ms = max(found.slowest_ms, took)
            if outcome not in found.outcomes and len(found.outcomes) < 500:
                found.outcomes.add(outcome)  # something new: go on from here
                mutator.keep(data)
        found.inputs += BLOCK
        if found.inputs == WARM_UP:
            gc.collect()
            base = rss_kib()
    gc.collect()
    found.rss_growth_kib = rss_kib() - base if base else 0
    return found


def job(name: str, seed: int, seconds: float, inputs: int) -> tuple[str, Found]:
    """Run one parser in a process of its own."""
    return name, fuzz(PARSERS[name], seed, seconds=seconds, inputs=inputs)


def guided(name: str, seed: int, seconds: float) -> tuple[str, Found]:
    """Run one parser under atheris, in its own environment; time is measured here, without it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        told = [name, str(seconds), str(seed), str(out)]
        run = subprocess.run(
            [GUIDED, "-m", "tests.fuzz.guided", *told],
            cwd=folder,  # libFuzzer leaves crash files where it runs
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
            capture_output=True,
            text=True,
            check=False,
        )
        if not out.exists():
            said = run.stderr.strip().splitlines()[-1:] or ["nothing was said"]
            return name, Found(unexpected=[f"atheris ended with {run.returncode}: {said[0]}"])
        facts = json.loads(out.read_text("utf-8"))
    found = Found(facts["inputs"], unexpected=facts["unexpected"])
    for slow in facts["slow"]:
        took = cost_ms(PARSERS[name], bytes.fromhex(slow), Found())[0]
        found.slowest_ms = max(found.slowest_ms, took)
    return name, found


def joined(parts: list[Found]) -> Found:
    """Return what several processes found about one parser."""
    whole = Found(sum(part.inputs for part in parts))
    whole.slowest_ms = max(part.slowest_ms for part in parts)
    whole.rss_growth_kib = max(part.rss_growth_kib for part in parts)
    whole.unexpected = [line for part in parts for line in part.unexpected]
    return whole
