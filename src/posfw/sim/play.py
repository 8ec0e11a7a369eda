"""Plays a day from its script: rig, terminal, steps, and the paper at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio.abc import Process

from posfw.sim.cards import deck
from posfw.sim.day import Day, Report
from posfw.sim.printer import PrinterSim
from posfw.sim.reading import SlipReader
from posfw.sim.rig import rig
from posfw.sim.script import script
from posfw.sim.slips import SlipBook
from posfw.sim.steps import STEPS

__all__ = ["opened", "play"]

Tell = Callable[[str], None]


@asynccontextmanager
async def opened(state: Path, seed: int, *, slips: Path | None = None) -> AsyncIterator[Day]:
    """Set up a rig and an empty day; the terminal is not started yet."""
    async with rig(state, slips=slips) as around, anyio.create_task_group() as group:
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
    async with opened(state, seed, slips=slips) as day:
        await day.start()
        await day.result({"do": "sign_on"})
        day.report.counts["sign_on: success"] += 1
        for number, step in enumerate(steps := script(seed), start=1):
            tell(f"[{number:2}/{len(steps)}] {step.what} {step.code}")
            await STEPS[step.what](day, step)
        day.report.judge_paper(await anyio.to_thread.run_sync(_book, day.rig.printer))
        day.report.rss_kib = await _rss_kib(day.process)
        return day.report


def _book(printer: PrinterSim) -> SlipBook:
    return SlipBook.read(printer.slips, SlipReader.of_package())


async def _rss_kib(process: Process | None) -> float:
    """Return the terminal's resident memory now (proc(5), VmRSS)."""
    if process is None:
        return 0.0
    status = await anyio.Path(f"/proc/{process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return float(line.split()[1])
