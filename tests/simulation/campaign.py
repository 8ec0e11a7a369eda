# ruff: noqa: T201 - a program whose last line is read by others
"""`make simulate DAYS=n SEED=s`: many shops, each from its own seed; then wrong products.

Ends with one JSON line; exit code 1 on any violation, anything unresolved, or a planted fault
that was not found. A seed that fails says how to play it again:
`python -m tests.simulation --replay SEED [--plant NAME] [--say FILE]`.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import takewhile
from typing import Final

from tests.journal.storage import why_not
from tests.simulation.planted import PLANTED
from tests.simulation.run import Verdict, simulate

__all__ = ["main"]

SEED_DAYS: Final = 2.0  # one seed is a shop for two days: it settles, and a day changes in between


@dataclass(frozen=True, slots=True)
class Work:
    """One seed to run."""

    seed: int
    days: float
    plant: str = ""


def do(work: Work) -> tuple[Work, Verdict]:
    """Run one seed in a process of its own."""
    logging.disable()
    warnings.simplefilter("ignore")  # what a cut leaves behind complains that nobody closed it
    return work, simulate(work.seed, work.days, plant=work.plant)


def run(works: Sequence[Work], jobs: int) -> Iterator[tuple[Work, Verdict]]:
    """Run seeds in parallel; the answers come in the order of the seeds."""
    # One process a seed: a dead terminal's open files and memory go with it.
    fork = multiprocessing.get_context("fork")
    with fork.Pool(jobs, maxtasksperchild=1) as pool:
        yield from pool.imap(do, works, chunksize=1)


def works(days: float, seed: int) -> list[Work]:
    """Cut days into seeds."""
    whole, rest = divmod(days, SEED_DAYS)
    sizes = [SEED_DAYS] * int(whole) + ([rest] if rest else [])
    return [Work(seed * 1_000_000 + number, size) for number, size in enumerate(sizes)]


def summary(done: Iterable[tuple[Work, Verdict]], begun: float, found: dict[str, int]) -> str:
    """Return the one JSON line; tells every seed that fails."""
    days, sales, archived, violations, unresolved = 0.0, 0, 0, 0, 0
    faults: Counter[str] = Counter()
    trace = sha256()
    for work, verdict in done:
        days, sales = days + verdict.days, sales + verdict.sales
        archived += verdict.archived
        violations += len(verdict.violations)
        unresolved += len(verdict.unresolved)
        faults.update(verdict.faults)
        trace.update(verdict.trace.encode())
        if not verdict.good:
            tell(work, verdict)
    return json.dumps(
        {
            "days": days,
            "sales": sales,
            "archived": archived,
            "violations": violations,
            "unresolved": unresolved,
            "trace": trace.hexdigest()[:16],
            "faults": dict(sorted(faults.items())),
            "planted": found,
            "seconds": round(time.monotonic() - begun, 1),
        }
    )


def tell(work: Work, verdict: Verdict) -> None:
    """Say what a seed found and how to play it again."""
    print(verdict.options)
    for what in verdict.violations[:10]:
        print(f"  violation: {what}")
    for what in verdict.unresolved:
        print(f"  unresolved: {what}")
    plant = f" --plant {work.plant}" if work.plant else ""
    print(
        f"  again: .venv/bin/python -m tests.simulation --replay {work.seed}"
        f" --days {work.days:g}{plant}",
        flush=True,
    )


def planted(names: Sequence[str], seed: int, tries: int, jobs: int) -> dict[str, int]:
    """Return after how many seeds each wrong product was found; 0: it was not."""
    found: dict[str, int] = {}
    for name in names:
        tried = [Work(each.seed, each.days, name) for each in works(tries * SEED_DAYS, seed)]
        missed = sum(1 for _ in takewhile(lambda one: one[1].good, run(tried, jobs)))
        found[name] = missed + 1 if missed < tries else 0
    return found


def replay(arguments: argparse.Namespace) -> int:
    """Run one seed and tell everything about it."""
    logging.disable()
    warnings.simplefilter("ignore")
    work = Work(arguments.replay, arguments.days, arguments.plant)
    with open(arguments.say or os.devnull, "w", encoding="utf-8") as file:  # noqa: PTH123 - a device too
        verdict = simulate(
            work.seed, work.days, plant=work.plant, say=lambda line: file.write(line + "\n")
        )
    tell(work, verdict)
    print(json.dumps({"trace": verdict.trace, "faults": verdict.faults, "sales": verdict.sales}))
    return 0 if verdict.good else 1


def main() -> int:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=SEED_DAYS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--plants", type=int, default=0, help="seeds for each planted fault")
    parser.add_argument("--replay", type=int, help="play one seed")
    parser.add_argument("--plant", default="", choices=["", *PLANTED])
    parser.add_argument("--say", help="where a replay writes its trace")
    arguments = parser.parse_args()
    if why_not():
        print(f"no simulation: {why_not()}", file=sys.stderr)
        return 1
    if arguments.replay is not None:
        return replay(arguments)
    begun = time.monotonic()
    names = list(PLANTED) if arguments.plants else []
    found = planted(names, arguments.seed, arguments.plants, arguments.jobs)
    done = run(works(arguments.days, arguments.seed), arguments.jobs)
    line = summary(done, begun, found)
    print(line)
    told = json.loads(line)
    return 1 if told["violations"] or told["unresolved"] or not all(found.values()) else 0
