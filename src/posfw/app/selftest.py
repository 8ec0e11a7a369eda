"""The self-test of a board's parts, run while the terminal is stopped.

What needs paper, a person or an instrument is skipped with its reason and never counts as passed.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from posfw.app.hardware import hardware_of, port_url
from posfw.board.driver.power import rtc_utc_s
from posfw.board.profile import BoardProfile
from posfw.board.selftest import Step, passed, reading_step, skipped
from posfw.values.errors import DeviceError

__all__ = ["Selftest"]

PATTERN = bytes(range(256)) * 16
ORDER = ("storage", "rtc", "watchdog", "card", "head", "leds")
NOT_HERE = {
    "paper": "needs a person at the paper sensor",
    "keypad": "needs a person at the keys",
    "buzzer": "needs a person who hears it",
    "network": "the line is tested by sign-on",
    "secure": "the secure element is tested by the terminal's start",
}


@dataclass(frozen=True, slots=True)
class Selftest:
    """Runs the steps that the profile names, in its order.

    Attributes:
        board: what should be there.
        state: the data partition's folder.
        root: where /sys and /dev lie.
        ask: asks a person who looks at the lamps, None where nobody does.
    """

    board: BoardProfile
    state: Path
    root: Path = Path("/")
    ask: Callable[[str], Awaitable[bool]] | None = None

    async def run(self) -> list[Step]:
        """Return one step for each name; a step's own failure stops no other."""
        order = self.board.table("selftest").get("order", ORDER)
        found = []
        for name in order:
            step = self._steps().get(name)
            if step is None:
                found.append(skipped(name, NOT_HERE.get(name, "there is no such test yet")))
                continue
            try:
                found.append(await step())
            except (DeviceError, OSError) as error:
                found.append(Step(name, "fail", str(error)))
        return found

    def _steps(self) -> Mapping[str, Callable[[], Awaitable[Step]]]:
        return {
            "storage": self._storage,
            "rtc": self._rtc,
            "watchdog": self._watchdog,
            "card": self._card,
            "head": self._head,
            "leds": self._leds,
        }

    async def _storage(self) -> Step:
        free_mib = os.statvfs(self.state).f_bavail * os.statvfs(self.state).f_frsize >> 20
        probe = self.state / "selftest.probe"
        try:
            descriptor = os.open(probe, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                os.write(descriptor, PATTERN)
                os.fsync(descriptor)
                right = os.pread(descriptor, len(PATTERN), 0) == PATTERN
            finally:
                os.close(descriptor)
        finally:
            probe.unlink(missing_ok=True)
        if not right:
            return Step("storage", "fail", "what was written did not come back")
        if free_mib < self.board.reserve_mib:
            told = f"{free_mib} MiB free, {self.board.reserve_mib} are kept in reserve"
            return Step("storage", "fail", told, {"free_mib": free_mib})
        return passed("storage", free_mib=free_mib)

    async def _rtc(self) -> Step:
        seconds = rtc_utc_s(str(self.board.table("rtc").get("name", "")), root=self.root)
        if seconds is None:
            return Step("rtc", "fail", "no clock chip tells a believable time")
        return passed("rtc", utc_s=seconds)

    async def _watchdog(self) -> Step:
        if self.board.watchdog is None:
            return skipped("watchdog", "the board's profile names none")
        folder = self.root / "sys/class/watchdog"
        seen = [path.read_text(encoding="utf-8").strip() for path in folder.glob("*/identity")]
        if self.board.watchdog[0] not in seen:
            told = f"{self.board.watchdog[0]!r} is not there; seen: {', '.join(seen) or 'none'}"
            return Step("watchdog", "fail", told)
        return passed("watchdog", identity=self.board.watchdog[0])

    async def _card(self) -> Step:
        path = port_url(self.board, "card", state=self.state, root=self.root)
        if path is None:
            return skipped("card", "the board's profile names no card port")
        if "://" not in path and not Path(path).exists():  # noqa: ASYNC240 - nothing else runs meanwhile
            return Step("card", "fail", f"{path} is not there")
        return passed("card", path=path)

    async def _head(self) -> Step:
        sensor = hardware_of(self.board, self.root).sensor
        if sensor is None:
            return skipped("head", "the head has no sensor that the kernel reads")
        return reading_step(await sensor.read())

    async def _leds(self) -> Step:
        roles = [key for key in self.board.sources if key.startswith("leds.")]
        if not roles:
            return skipped("leds", "the board's profile names no lamps")
        lamps = hardware_of(self.board, self.root).lamps
        names = [key.removeprefix("leds.") for key in roles]
        await lamps.show(dict.fromkeys(names, "on"))
        lit = await self.ask(", ".join(names)) if self.ask else None
        await lamps.show(dict.fromkeys(names, "off"))
        if lit is False:
            return Step("leds", "fail", "a person saw a lamp that stays dark", {"lamps": names})
        return passed("leds", lamps=names, seen=bool(lit))
