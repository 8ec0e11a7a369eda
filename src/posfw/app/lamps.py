"""电源灯与网络灯: what the lamps of a board tell, following line and printer.

Power is lit while the terminal works. Net is lit with a line, blinks fast while it is dialled and
slowly while there is none. Error and paper blink for what holds the printer up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio

from posfw.app.hardware import hardware_of
from posfw.app.printing import Printing
from posfw.board.profile import BoardProfile
from posfw.ports import Clock, Lamps, Records
from posfw.uplink.task import LineState, Uplink
from posfw.values.errors import DeviceError
from posfw.values.events import Record, Topic

__all__ = ["Indicators", "run", "shown"]

_NET: Final = {
    LineState.ONLINE: "on",
    LineState.CONNECTING: "fast",
    LineState.OFFLINE: "slow",
}
_PAPER: Final = {"PRN-202": "slow", "PRN-204": "on"}  # out, low
_DARK: Final = {"power": "off", "net": "off", "error": "off", "paper": "off"}


def shown(line: LineState, reason: str) -> dict[str, str]:
    """Return every lamp's state for a line and the code of what holds the printer up."""
    paper = _PAPER.get(reason, "off")
    error = "slow" if reason and paper == "off" else "off"
    return {"power": "on", "net": _NET[line], "error": error, "paper": paper}


@dataclass(slots=True, eq=False, repr=False)
class Indicators:
    """Keeps the lamps truthful until cancelled; a lamp that is gone is noted once as a fault."""

    lamps: Lamps
    uplink: Uplink
    printing: Printing
    records: Records
    clock: Clock
    _gone: str = field(default="", init=False)

    async def run(self) -> None:
        """Follow line and printer; the lamps go dark when the terminal ends."""
        try:
            await self._show(shown(self.uplink.state.line, self.printing.view.reason))
            async with anyio.create_task_group() as group:
                group.start_soon(self._line)
                group.start_soon(self._printer)
        finally:
            with anyio.CancelScope(shield=True):
                await self._show(_DARK)

    async def _line(self) -> None:
        while True:
            state = await self.uplink.changed()
            await self._show(shown(state.line, self.printing.view.reason))

    async def _printer(self) -> None:
        while True:
            view = await self.printing.changed()
            await self._show(shown(self.uplink.state.line, view.reason))

    async def _show(self, lamps: Mapping[str, str]) -> None:
        try:
            await self.lamps.show(lamps)
        except DeviceError as error:
            if error.cause == self._gone:
                return
            self._gone = error.cause
            body = {"part": "lamps", "code": error.stable_code, "text": error.cause}
            await self.records.append(Record(Topic.FAULT, "device", self.clock.now(), body=body))
        else:
            self._gone = ""


async def run(
    board: BoardProfile, root: Path, uplink: Uplink, printing: Printing, records: Records,
    clock: Clock,
) -> None:  # fmt: skip
    """Drive the board's lamps until cancelled; a board without any is left alone."""
    if not any(key.startswith("leds.") for key in board.sources):
        return
    lamps = hardware_of(board, root).lamps
    await Indicators(lamps, uplink, printing, records, clock).run()
