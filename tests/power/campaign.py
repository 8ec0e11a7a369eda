# ruff: noqa: T201 - a program whose last line is read by others
"""`make cuts`: cut the power of the terminal many times, and of wrong terminals that must fail.

Ends with one JSON line. A cut is what `tests.power.cuts` says; the same CUTS and SEED make the
same cuts on any number of processors.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.power import vfs
from tests.power.business import record
from tests.power.controls import CONTROLS, RIGHT
from tests.power.cuts import Tally, cut_everywhere
from tests.power.outside import KINDS

__all__ = ["Work", "do"]

STRETCH: Final = 5_000  # cuts of one stretch of business: about 3,000 positions, 2,000 recoveries
CONTROL: Final = 800


@dataclass(frozen=True, slots=True)
class Work:
    """One stretch of business to record and cut; `control` is "" for the right terminal."""

    control: str
    seed: int
    quota: int


def do(work: Work) -> tuple[Work, Tally, int]:
    """Record a stretch, cut it, and return what was found and how many events it had."""
    make = CONTROLS[work.control] if work.control else RIGHT
    memory = Path("/dev/shm")
    where = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=where, prefix="posfw-cuts-") as made, make.set():
        recorded, images = Path(made) / "recorded", Path(made) / "images"
        recorded.mkdir()
        images.mkdir()
        trace = record(recorded, work.seed, make.parts)
        tally = cut_everywhere(trace, images, seed=work.seed, quota=work.quota, parts=make.parts)
    return work, tally, len(trace)


def _works(cuts: int, seed: int, control: int) -> Iterator[Work]:
    for number in range(0, cuts, STRETCH):
        yield Work("", seed * 100_000 + number // STRETCH, min(STRETCH, cuts - number))
    for name in CONTROLS:
        yield Work(name, seed * 100_000, control)


def main() -> int:
    """Run the campaign; return 1 if the terminal failed or a control did not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cuts", type=int, default=100_000)
    parser.add_argument("--control-cuts", type=int, default=CONTROL, help="for each control")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    if reason := vfs.available():
        print(f"The power cannot be cut here: {reason}.", file=sys.stderr)
        return 2
    began = time.monotonic()
    total, events = Tally(), 0
    controls = dict.fromkeys(CONTROLS, 0)
    works = list(_works(args.cuts, args.seed, args.control_cuts))
    with multiprocessing.get_context("spawn").Pool(args.jobs) as pool:
        for work, tally, length in pool.imap(do, works):
            if work.control:
                controls[work.control] = sum(tally.found.values())
            else:
                total.add(tally)
                events += length
                print(f"seed {work.seed}: {length} events, {tally.cuts} cuts", file=sys.stderr)
    for kind, what in total.first.items():
        print(f"{kind}: {what}", file=sys.stderr)
    print(
        f"{total.cuts} cuts ({total.second} of a recovery) at {events} events,"
        f" {total.started} distinct disks and books started"
    )
    result = {
        "cuts": total.cuts,
        **{kind: total.found[kind] for kind in KINDS},
        "seconds": round(time.monotonic() - began, 1),
        "controls": controls,
    }
    print(json.dumps(result))
    return 1 if total.found or not all(controls.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
