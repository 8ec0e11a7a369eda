"""Throw mutants, atheris and hypothesis at every parser and end with one JSON line.

    python -m tests.fuzz SECONDS [--seed N] [--only PARSER …] [--decoder N]

SECONDS of every processor are shared by the parsers: half for the seeded mutator, a third for
atheris (where .venv-fuzz has it: make fuzz-env), the rest for hypothesis. `--decoder N` gives the
CBOR decoder at least so many mutants. Exit code 1 if a parser raised another error than its one,
took more than 20 ms of processor time for one input, or grew by more than 8 MiB.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from tests.fuzz.drawn import from_hypothesis
from tests.fuzz.fire import GUIDED, Found, guided, job, joined
from tests.fuzz.parsers import PARSERS

SHARES = (0.5, 0.33, 0.17)  # of the time: mutator, atheris, hypothesis


def _jobs(told: argparse.Namespace, workers: int) -> list[tuple[Any, ...]]:
    """Return kind, function and arguments of every job, the decoder's long ones first."""
    budget = told.seconds * workers
    guides = list(told.only) if GUIDED.exists() else []
    if not guides:
        sys.stderr.write("atheris is not installed (make fuzz-env): the mutator takes its time\n")
    # The decoder's mutants are spread over all processors; every other parser has one job.
    mutated = [(name, 0, 0) for name in told.only if name != "cbor"]
    mutated += [("cbor", part, -(-told.decoder // workers)) for part in range(workers)] * (
        "cbor" in told.only
    )
    share = budget * (SHARES[0] if guides else SHARES[0] + SHARES[1]) / len(mutated)
    jobs: list[tuple[Any, ...]] = [
        ("mutated", job, name, told.seed + 1000 * part, share, inputs)
        for name, part, inputs in reversed(mutated)
    ]
    jobs += [
        ("guided", guided, name, told.seed, budget * SHARES[1] / len(guides)) for name in guides
    ]
    jobs += [
        ("drawn", from_hypothesis, name, told.seed, budget * SHARES[2] / len(told.only))
        for name in told.only
    ]
    return jobs


def main() -> int:
    """Run them all."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("seconds", type=float)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--only", nargs="*", choices=list(PARSERS), default=list(PARSERS))
    arguments.add_argument("--decoder", type=int, default=0, metavar="N")
    told = arguments.parse_args()
    workers = os.cpu_count() or 1
    parts: dict[str, list[Found]] = {name: [] for name in told.only}
    made = dict.fromkeys(("mutated", "guided", "drawn"), 0)
    with ProcessPoolExecutor(workers, get_context("spawn"), max_tasks_per_child=1) as pool:
        running = [(kind, pool.submit(*each)) for kind, *each in _jobs(told, workers)]
        for kind, done in running:
            name, found = done.result()
            parts[name].append(found)
            made[kind] += found.inputs
    sys.stderr.write(f"inputs: {made}\n")
    results = {name: joined(found) for name, found in parts.items()}
    for name, found in results.items():
        for line in found.unexpected[:5]:
            sys.stderr.write(f"{name}: {line}\n")
    documents = {name: found.document() for name, found in results.items()}
    sys.stdout.write(json.dumps(documents) + "\n")
    return int(not all(found.good for found in results.values()))


if __name__ == "__main__":
    sys.exit(main())
