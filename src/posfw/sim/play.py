"""Plays a day from its script: rig, terminal, steps, and the paper at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio.abc import Process

from posfw.sim.cards import deck
from posfw.sim.day import Day, Report, book
from posfw.sim.rig import rig
from posfw.sim.script import script
from posfw.sim.steps import STEPS

__all__ = ["opened", "play"]

Tell = Callable[[str], None]


@asynccontextmanager
async def opened(
    state: Path, seed: int, *, slips: Path | None = None, blank: bool = False
) -> AsyncIterator[Day]:
    """Set up a rig and an empty day; the terminal is not started yet.

    Args:
        state: the terminal's folder.
        seed: of cards and counts.
        slips: where pictures of slips go.
        blank: the terminal is to be activated first.
    """
    async with rig(state, slips=slips, blank=blank) as around, anyio.create_task_group() as group:
        day = Day(around, state, Report(seed), group, cards=deck(seed))
        with (state / "wire.bin").open("ab") as capture:
            around.acquirer.tap = capture.write
            try:
                yield day
            finally:
                with anyio.CancelScope(shield=True):
                    await day.cut()
        group.cancel_scope.cancel()


async def play(seed: int, state: Path, tell: Tell, *, slips: Path | None = None) -> Report:
    """Play the day of a seed in an empty state folder; pictures of the slips go to `slips`."""
    async with opened(state, seed, slips=slips, blank=True) as day:
        await day.start(online=False)
        for number, step in enumerate(steps := script(seed), start=1):
            tell(f"[{number:2}/{len(steps)}] {step.what} {step.code}")
            await STEPS[step.what](day, step)
        day.report.judge_paper(await anyio.to_thread.run_sync(book, day.rig.printer))
        day.report.rss_kib = await _rss_kib(day.process)
        return day.report


async def _rss_kib(process: Process | None) -> float:
    """Return the terminal's resident memory now (proc(5), VmRSS)."""
    if process is None:
        return 0.0
    status = await anyio.Path(f"/proc/{process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return float(line.split()[1])
