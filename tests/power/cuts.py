"""Cutting one recorded stretch at every event, and its recoveries again.

A cut is one position in a trace, one fate of everything unsynced and one fate of the messages on
the line. Where nothing is unsynced and nothing flies, a position has one cut; elsewhere at least
four, one for each `Fate`. Equal disks that meet equal books are started once and judged for each
cut, because the world has seen more by the later one.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from tests.power.around import host_time
from tests.power.disk import Disk, Fate, Image
from tests.power.outside import Outside, Restarted, violations
from tests.power.restart import Arrival, put, restart
from tests.power.terminal import Parts
from tests.power.vfs import TRACE, Event, recording
from tests.power.virtual import VirtualLoop, without_threads
from tests.power.watch import committed

__all__ = ["Tally", "cut_everywhere"]

FATES: Final = tuple(Fate)
ARRIVALS: Final = tuple(Arrival)


@dataclass(slots=True)
class Tally:
    """What a campaign found.

    Attributes:
        cuts: how many were judged.
        second: how many of them cut a recovery.
        started: power-ups: distinct disks with distinct books.
        found: violations by kind.
        first: the first violation of each kind, to look into.
    """

    cuts: int = 0
    second: int = 0
    started: int = 0
    found: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Add another part of the campaign."""
        self.cuts += other.cuts
        self.second += other.second
        self.started += other.started
        self.found += other.found
        self.first = other.first | self.first

    def judge(self, found: dict[str, str], where: str) -> None:
        """Count one cut."""
        self.cuts += 1
        for kind, what in found.items():
            self.found[kind] += 1
            self.first.setdefault(kind, f"{where}: {what}")


@dataclass(slots=True)
class _Cutter:
    """One stretch being cut."""

    trace: Sequence[Event]
    folder: Path
    parts: Parts
    seed: int
    quota: int
    tally: Tally = field(default_factory=Tally)
    loop: VirtualLoop = field(init=False)
    known: dict[tuple[object, ...], Restarted] = field(default_factory=dict)
    last: tuple[Image, Outside, list[Event], Restarted, str] | None = None
    watching: bool = True

    def __post_init__(self) -> None:
        self.loop = VirtualLoop(self.seed, instant=True)

    def run(self) -> None:
        """Judge exactly `quota` cuts: first every position, then recoveries, evenly spread."""
        after = _following(self.trace)
        chosen = self._chosen(sum(1 for _ in self._positions()))
        second = self.quota - len(chosen)
        done = 0
        chance = Random(self.seed)
        for number, (at, disk, outside, fate, arrival) in enumerate(self._positions()):
            if number not in chosen:
                continue
            image = disk.cut(fate, chance)
            self._first_level(image, outside, after[at], arrival, f"{at} {fate.name}")
            done += 1
            self._second_level(second * done // len(chosen))
        while self.tally.second < second and self.last is not None:
            self._second_level(second)

    def _chosen(self, total: int) -> set[int]:
        """All cuts of the first level if they fit, else a spread of them; some for the second."""
        wanted = min(total, max(1, self.quota * 3 // 5))
        return set(Random(self.seed).sample(range(total), wanted))

    def _positions(self) -> Iterator[tuple[int, Disk, Outside, Fate, Arrival]]:
        disk, outside, chance = Disk(), Outside(), Random(self.seed)
        for at in range(len(self.trace) + 1):
            for fate, arrival in _ways(disk, outside, chance):
                yield at, disk, outside, fate, arrival
            if at < len(self.trace):
                disk.feed(self.trace[at])
                outside.feed(self.trace[at])

    def _first_level(
        self,
        image: Image,
        outside: Outside,
        following: int | None,
        arrival: Arrival,
        where: str,
    ) -> None:
        name = (image.name, outside.books_version, arrival, *outside.flying)
        after = self.known.get(name)
        if after is None:
            if not self.known or next(iter(self.known))[0][0] != image.name[0]:  # type: ignore[index]
                self.known.clear()  # disks of an older sync never come back
            after = self.known[name] = self._start(image, outside, arrival)
            if not after.fault:
                self.last = image, outside.copied(), list(TRACE), after, where
        self._judge(after, outside, following, where)

    def _second_level(self, allowed: int) -> None:
        """Cut the recovery of the image started last, up to `allowed` such cuts in all."""
        if self.last is None or self.tally.second >= allowed:
            return
        image, outside, trace, known, where = self.last
        chance = Random(f"{self.seed} {where} {self.tally.second}")
        wanted = min(allowed - self.tally.second, len(trace))
        positions = sorted(chance.sample(range(1, len(trace) + 1), wanted))
        after = _following(trace)
        disk, world, done = Disk.of(image.files), outside.copied(), 0
        if world.commits:  # the commit under way at the first cut may have been on the disk
            world.commits.append(known.opened)
        for at in positions:
            for event in trace[done:at]:
                disk.feed(event)
                world.feed(event)
            done = at
            fate, arrival = chance.choice(FATES), chance.choice(ARRIVALS)
            self.watching = False  # nobody cuts a recovery of the second level again
            again = self._start(disk.cut(fate, chance), world, arrival)
            self.watching = True
            self.tally.second += 1
            self._judge(again, world, after[at], f"{where}, then {at} {fate.name}")

    def committed(self, connection: sqlite3.Connection) -> None:
        """Put a commit into the trace."""
        if self.watching:
            committed(connection)

    def _start(self, image: Image, outside: Outside, arrival: Arrival) -> Restarted:
        put(image.files, self.folder)
        TRACE.clear()
        self.tally.started += 1
        return restart(
            self.folder,
            self.loop,
            outside.books,
            outside.flying,
            arrival,
            outside.messages,
            self.parts,
        )

    def _judge(
        self, after: Restarted, outside: Outside, following: int | None, where: str
    ) -> None:
        self.tally.judge(violations(after, outside, following), f"seed {self.seed}, cut {where}")


def _ways(disk: Disk, outside: Outside, chance: Random) -> Iterator[tuple[Fate, Arrival]]:
    """Yield the cuts of one position."""
    if disk.settled and not outside.flying:
        yield chance.choice(FATES), Arrival.NEVER
        return
    arrivals = chance.sample(ARRIVALS, len(ARRIVALS))
    for number, fate in enumerate(FATES):
        yield fate, arrivals[number % len(ARRIVALS)] if outside.flying else Arrival.NEVER


def _following(trace: Sequence[Event]) -> list[int | None]:
    """Return for every position the content after the next commit of the trace."""
    found: list[int | None] = [None]
    for event in reversed(trace):
        is_commit = event[:2] == ("ext", "committed")
        found.append(event[2] if is_commit else found[-1])
    return found[::-1]


def cut_everywhere(
    trace: Sequence[Event], folder: Path, *, seed: int, quota: int, parts: Parts
) -> Tally:
    """Cut a stretch at every event, and the recoveries.

    Args:
        trace: what `business.record` returned.
        folder: an empty one, best in memory.
        seed: draws the fates.
        quota: how many cuts; where the positions need more, a spread of them is taken.
        parts: what the terminal is made of.
    """
    cutter = _Cutter(trace, folder, parts, seed, quota)
    with recording(), without_threads(cutter.committed), host_time():
        try:
            cutter.run()
        finally:
            cutter.loop.close()
    return cutter.tally
