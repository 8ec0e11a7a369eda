"""电源: brown-outs, resets by the watchdog and a battery running low, as faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import anyio

from posfw.app.hardware import hardware_of
from posfw.board.driver.supply import reset_causes, undervoltage
from posfw.board.profile import BoardProfile
from posfw.ports import Battery, Charge, Clock, Records
from posfw.values.events import Record, Topic

__all__ = ["Supply", "run", "troubles"]

LOW_PERCENT: Final = 15  # a settlement with its slips still goes through
EVERY_S: Final = 10.0


def troubles(charge: Charge | None, under: Sequence[str]) -> Mapping[str, str]:
    """Return what is wrong with the supply now: code and words."""
    found = {f"undervoltage {name}": f"{name} below its limit" for name in under}
    if charge is not None and not charge.charging and charge.percent <= LOW_PERCENT:
        found["battery"] = f"battery {charge.percent} %"
    return found


@dataclass(slots=True, eq=False, repr=False)
class Supply:
    """Notes each trouble when it begins; the same one is noted again only after it ended.

    Attributes:
        battery: the terminal's own, None where it has none.
        under: tells the sensors below their limit.
        causes: tells why the machine started.
        records: the journal's stream.
        clock: local time.
    """

    battery: Battery | None
    under: Callable[[], Sequence[str]]
    causes: Callable[[], Sequence[str]]
    records: Records
    clock: Clock
    _last: frozenset[str] = field(default=frozenset(), init=False)

    async def run(self) -> None:
        """Look until cancelled."""
        await self.started()
        while True:
            await self.look()
            await anyio.sleep(EVERY_S)

    async def started(self) -> None:
        """Note why the machine started, where its watchdog chip knows of trouble."""
        for cause in await anyio.to_thread.run_sync(self.causes):
            await self._note(f"reset {cause}", "the machine was reset")

    async def look(self) -> None:
        """Note what began since the last look; being on battery is no fault."""
        charge = await self.battery.read() if self.battery else None
        found = troubles(charge, await anyio.to_thread.run_sync(self.under))
        for code, text in found.items():
            if code not in self._last:
                await self._note(code, text)
        self._last = frozenset(found)

    async def _note(self, code: str, text: str) -> None:
        body = {"part": "supply", "code": code[:40], "text": text[:200]}
        await self.records.append(Record(Topic.FAULT, "device", self.clock.now(), body=body))


async def run(board: BoardProfile, root: Path, records: Records, clock: Clock) -> None:
    """Watch the board's supply until cancelled."""
    battery = hardware_of(board, root).battery
    if board.simulated and battery is None:
        return  # it has no supply
    under, causes = partial(undervoltage, root), partial(reset_causes, root)
    await Supply(battery, under, causes, records, clock).run()
