from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from posfw.app.lamps import Indicators, shown
from posfw.app.printing import Printing
from posfw.journal.store import Journal
from posfw.printer.queue import PrinterView
from posfw.uplink.task import LineState, Uplink, UplinkState
from posfw.values.errors import DeviceError
from posfw.values.events import Topic
from tests.app.fakes import NOW, SetClock, opened
from tests.board.fakes import FakeLamps

ROLES = ("power", "net", "error", "paper")


@dataclass
class Line:
    """The part of an uplink that lamps follow."""

    state: UplinkState = field(default_factory=lambda: UplinkState(LineState.OFFLINE, NOW))
    moved: anyio.Event = field(default_factory=anyio.Event)

    async def changed(self) -> UplinkState:
        await self.moved.wait()
        return self.state

    def move(self, line: LineState) -> None:
        self.state = UplinkState(line, NOW)
        moved, self.moved = self.moved, anyio.Event()
        moved.set()


class ToldLamps(FakeLamps):
    """Wakes whoever waits for the next change."""

    def __init__(self) -> None:
        super().__init__(ROLES)
        self.changed = anyio.Event()

    async def show(self, lamps: Mapping[str, str]) -> None:
        await super().show(lamps)
        changed, self.changed = self.changed, anyio.Event()
        changed.set()


@pytest.mark.parametrize(
    ("line", "reason", "lamps"),
    [
        (LineState.ONLINE, "", ("on", "on", "off", "off")),
        (LineState.CONNECTING, "", ("on", "fast", "off", "off")),
        (LineState.OFFLINE, "PRN-202", ("on", "slow", "off", "slow")),
        (LineState.ONLINE, "PRN-204", ("on", "on", "off", "on")),
        (LineState.ONLINE, "PRN-203", ("on", "on", "slow", "off")),
    ],
)
def test_every_state_has_its_lamps(line: LineState, reason: str, lamps: tuple[str, ...]) -> None:
    assert shown(line, reason) == dict(zip(ROLES, lamps, strict=True))


def indicators(journal: Journal, lamps: Any, line: Line) -> Indicators:
    printing = Printing(journal, cast("Any", None), lambda: None, SetClock())
    return Indicators(lamps, cast("Uplink", line), printing, journal, SetClock())


async def test_lamps_follow_line_and_printer_and_go_dark_at_the_end(tmp_path: Path) -> None:
    async with opened(tmp_path, SetClock()) as journal:
        lamps, line = ToldLamps(), Line()
        found = indicators(journal, lamps, line)
        async with anyio.create_task_group() as group:
            told = lamps.changed
            group.start_soon(found.run)
            await told.wait()
            assert lamps.lamps == shown(LineState.OFFLINE, "")
            await anyio.wait_all_tasks_blocked()
            told = lamps.changed
            line.move(LineState.ONLINE)
            await told.wait()
            assert (lamps.lamps["net"], lamps.lamps["power"]) == ("on", "on")
            told = lamps.changed
            found.printing.watch(PrinterView(reason="PRN-202"))
            await told.wait()
            assert lamps.lamps["paper"] == "slow"
            group.cancel_scope.cancel()
        assert set(lamps.lamps.values()) == {"off"}


class GoneLamps:
    async def show(self, _: Mapping[str, str]) -> None:
        raise DeviceError("Lamps cannot be set: net (green).", code="DEV-011")

    async def tone(self, name: str) -> None:
        raise AssertionError(name)


async def test_a_lamp_that_is_gone_is_noted_once_and_ends_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path, SetClock()) as journal:
        line = Line()
        found = indicators(journal, GoneLamps(), line)
        async with anyio.create_task_group() as group:
            group.start_soon(found.run)
            await anyio.wait_all_tasks_blocked()
            for state in (LineState.CONNECTING, LineState.ONLINE):
                line.move(state)
                await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        faults = await journal.read(Topic.FAULT)
        assert [each.body["code"] for each in faults] == ["DEV-011"]
