# ruff: noqa: T201 - a program whose last line is read by others
"""`make block-cuts`: cut the power of a block device under a whole terminal, CUTS times.

Guests trade on a disk whose writes are logged; then every cut is one prefix of that log and one
fate of what no flush had confirmed. Ends with one JSON line. The cuts of a recording are drawn
from SEED; what a guest does when is not.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import anyio
from emulated.machine import missing as no_machine

from tests.blocks import judge as judging
from tests.blocks.guest import BOARD, CONTROLS, Recorded, record
from tests.blocks.replay import Disk, Fate
from tests.blocks.world import World, violations

__all__ = ["Tally", "cut", "drawn", "main"]

STRETCH: Final = 250  # cuts of one recording
CONTROL: Final = 20  # cuts of each control
AIMED: Final = 4  # the cut comes at most so many requests behind something that was seen
SHOWN: Final = 5  # faults that are told in words


@dataclass(slots=True)
class Tally:
    """What cuts found.

    Attributes:
        cuts: disks judged.
        lost: disks that lack what somebody relied on.
        unmountable: disks whose file system is not whole after its journal was replayed.
        fates: cuts by fate.
        relied: cuts after which somebody relied on a journal.
        loose: cuts that had unflushed requests.
        first: the first faults in words.
    """

    cuts: int = 0
    lost: int = 0
    unmountable: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    relied: int = 0
    loose: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add another one."""
        for name in ("cuts", "lost", "unmountable", "relied", "loose"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.fates += other.fates
        self.first += other.first

    @property
    def faults(self) -> int:
        """Disks with a fault."""
        return self.lost + self.unmountable


def drawn(recorded: Recorded, quota: int, chance: Random) -> list[tuple[int, Fate]]:
    """Return where the power is cut, in order: half of it right behind something that was seen.

    A cut at n is one after the first n requests reached the device.
    """
    last, cuts = len(recorded.entries), []
    seen = [at for at, _ in recorded.events]
    for number in range(quota):
        at = chance.randint(1, last)
        if seen and number % 2:
            at = min(last, chance.choice(seen) + chance.randrange(AIMED + 1))
        cuts.append((at, list(Fate)[number // 2 % len(Fate)]))
    return sorted(cuts, key=lambda each: each[0])


def cut(recorded: Recorded, folder: Path, *, seed: int, quota: int) -> Tally:
    """Judge `quota` disks that cuts of a recording leave."""
    chance, tally, world = Random(seed), Tally(), World()
    disk = Disk(bytearray(recorded.before), recorded.start)
    entries, events = iter(recorded.entries), iter(recorded.events)
    played, waiting = 0, next(events, None)
    for at, fate in drawn(recorded, quota, chance):
        while played < at:
            disk.feed(next(entries))
            played += 1
        while waiting is not None and waiting[0] <= at:
            world.feed(waiting[1])
            waiting = next(events, None)
        image = disk.cut(fate, chance)
        found = judging.judge(bytes(image), folder / "cut", recorded.chain_key, world.codes)
        wrong = violations(found, world)
        tally.cuts += 1
        tally.fates[fate.value] += 1
        tally.relied += world.relies
        tally.loose += bool(disk.pending)
        tally.unmountable += bool(found.unmountable)
        tally.lost += bool(wrong)
        if told := found.unmountable or "; ".join(wrong[:2]):
            tally.first.append(f"after {at} of {len(recorded.entries)}, {fate.value}: {told}")
    return tally


def _works(cuts: int, control: int) -> Iterator[tuple[str, int]]:
    for begun in range(0, cuts, STRETCH):
        yield "", min(STRETCH, cuts - begun)
    for name in CONTROLS:
        yield name, control


def _one(control: str, seed: int, quota: int, image: Path | None) -> Tally:
    memory = Path("/dev/shm")
    where = memory if memory.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="posfw-blocks-", dir=where) as made:
        folder = Path(made)
        recorded = anyio.run(record, folder / "guest", seed, control, image)
        shutil.rmtree(folder / "guest")
        tally = cut(recorded, folder, seed=seed, quota=quota)
    flushes = sum(bool(entry.flags & 1) for entry in recorded.entries)
    print(
        f"{control or 'the terminal'}, seed {seed}: {len(recorded.entries)} requests, {flushes}"
        f" flushes, {len(recorded.events)} things seen; {tally.cuts} cuts,"
        f" {tally.loose} with unflushed requests: {tally.lost} lost,"
        f" {tally.unmountable} unmountable",
        file=sys.stderr,
    )
    for told in tally.first[:SHOWN]:
        print(f"  {told}", file=sys.stderr)
    return tally


def main() -> int:
    """Run the campaign; 1 if the terminal failed or a control did not, 2 if it cannot run here."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cuts", type=int, default=60)
    parser.add_argument("--control-cuts", type=int, default=CONTROL, help="for each control")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--image", type=Path, help=f"folder of the image [out/image/{BOARD}]")
    parser.add_argument("--tools", action="store_true", help="only say whether it can run here")
    args = parser.parse_args()
    reason = judging.missing() or no_machine(BOARD)
    if reason and not (args.tools and reason.startswith("no image")):
        print(f"The power of a block device cannot be cut here: {reason}", file=sys.stderr)
        return 2
    if args.tools:
        return 0
    began, total = time.monotonic(), Tally()
    controls = dict.fromkeys(CONTROLS, 0)
    for number, (control, quota) in enumerate(_works(args.cuts, args.control_cuts)):
        seed = args.seed * 1000 + number
        tally = _one(control, seed, quota, args.image)
        if control:
            controls[control] = tally.faults
        else:
            total.add(tally)
    result = {
        "cuts": total.cuts,
        "lost": total.lost,
        "unmountable": total.unmountable,
        "seconds": round(time.monotonic() - began, 1),
        "controls": controls,
    }
    print(f"fates {dict(total.fates)}; {total.relied} cuts behind something that was relied on")
    print(json.dumps(result))
    return 1 if total.faults or not all(controls.values()) or not total.relied else 0


if __name__ == "__main__":
    sys.exit(main())
