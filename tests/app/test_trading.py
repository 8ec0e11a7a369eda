from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from posfw.app.trading import Trade, _line_up, read_files
from posfw.board.profile import BoardProfile
from posfw.board.site import Site, parse_site
from posfw.cli.places import load_board
from posfw.journal.store import Journal
from posfw.printer.counters import Counters, record
from posfw.printer.queue import PrinterView
from posfw.sim.certificates import make
from posfw.sim.rig import SITE
from posfw.uplink.task import LineState, UplinkState
from posfw.values.errors import ConfigError, KeyStoreError
from posfw.values.events import Record, Topic
from tests.app.fakes import NOW, SetClock, do, opened
from tests.app.test_merchant import built

pytestmark = pytest.mark.may_block  # files are read as at start-up


def site_in(folder: Path) -> Site:
    make(folder, "12345678")
    text = SITE.format(
        merchant="898110154110001", terminal="12345678", port=1, server_name="x", folder=folder
    )
    site = parse_site(text, source="site.toml")
    return replace(site, bank_key=str(folder / "server.pem"))


def board() -> BoardProfile:
    return load_board("host")


def test_files_are_read_once_and_name_the_device(tmp_path: Path) -> None:
    site = site_in(tmp_path)
    files = read_files(board(), site, tmp_path)
    assert (files.device.serial, files.device.board) == ("PF000001", "host")
    assert files.bank_key is not None
    assert "unionpay" in files.profiles
    assert read_files(board(), replace(site, bank_key=""), tmp_path).bank_key is None


def test_a_device_without_a_number_in_the_site_file_takes_the_firmwares(tmp_path: Path) -> None:
    site = replace(site_in(tmp_path), serial="")
    assert read_files(board(), site, tmp_path).device.serial == site.terminal_id
    number = tmp_path / "sys/firmware/devicetree/base/serial-number"
    number.parent.mkdir(parents=True)
    number.write_bytes(b"02c00181a4d6c0f3\0")
    assert read_files(board(), site, tmp_path).device.serial == "02c00181a4d6c0f3"


def test_wrong_files_are_named(tmp_path: Path) -> None:
    site = site_in(tmp_path)
    with pytest.raises(ConfigError, match="nobank"):
        read_files(board(), replace(site, profile="nobank"), tmp_path)
    with pytest.raises(ConfigError, match=r"gone\.pem"):
        read_files(board(), replace(site, bank_key=str(tmp_path / "gone.pem")), tmp_path)
    with pytest.raises(KeyStoreError):
        read_files(board(), replace(site, key=site.certificate), tmp_path)


def test_a_real_board_never_sells_without_an_activation(tmp_path: Path) -> None:
    site = site_in(tmp_path)
    real = replace(board(), status="supported")
    with pytest.raises(ConfigError) as refused:
        read_files(real, site, tmp_path)
    assert refused.value.stable_code == "CFG-011"
    assert read_files(real, replace(site, pre_activated=False), tmp_path).device.board == "host"


class Line:
    """An uplink whose state the test moves."""

    def __init__(self) -> None:
        self.runs = 0
        self.online = False
        self.state = UplinkState(LineState.OFFLINE, NOW)
        self._moved = anyio.Event()

    async def run(self) -> None:
        self.runs += 1
        try:
            await anyio.sleep_forever()
        finally:
            self.runs -= 1

    async def changed(self) -> UplinkState:
        await self._moved.wait()
        return self.state

    def move(self, line: LineState, code: str = "") -> None:
        self.online = line is LineState.ONLINE
        self.state = UplinkState(line, NOW, code and "why", code)
        moved, self._moved = self._moved, anyio.Event()
        moved.set()


class Paper:
    """A printer whose view the test changes."""

    def __init__(self) -> None:
        self._moved = anyio.Event()
        self._view = PrinterView()

    async def changed(self) -> PrinterView:
        await self._moved.wait()
        return self._view

    def show(self, reason: str) -> None:
        self._view = PrinterView(reason=reason)
        moved, self._moved = self._moved, anyio.Event()
        moved.set()


@asynccontextmanager
async def traded(folder: Path, **facts: Any) -> AsyncIterator[tuple[Trade, Line, Paper, Journal]]:
    clock = SetClock()
    async with opened(folder, clock) as journal:
        line, paper = Line(), Paper()
        parts = built(journal, clock, **{"automatic": False} | facts)
        trade = Trade(parts, journal, line, paper, clock, board(), site_in(folder), folder)  # type: ignore[arg-type]  # what the test moves
        yield trade, line, paper, journal


async def until(true: Callable[[], bool]) -> None:
    with anyio.fail_after(5):
        while not true():
            await anyio.lowlevel.checkpoint()


async def until_faults(journal: Journal, count: int) -> list[Record]:
    with anyio.fail_after(5):
        while len(found := list(await journal.read(Topic.FAULT))) < count:
            await anyio.lowlevel.checkpoint()
    return found


async def test_the_line_is_dialled_from_issued_on_and_let_go_when_replaced(tmp_path: Path) -> None:
    async with traded(tmp_path) as (trade, line, _, journal), anyio.create_task_group() as group:
        trade.start(group)
        await anyio.wait_all_tasks_blocked()
        assert line.runs == 0
        activation = trade.parts.activation
        await journal.append(Record(Topic.ACTIVATION, "applied", NOW, body={"application": {}}))
        # The step that a verb records wakes the line; the bank's numbers are what it waits for.
        numbers = {"terminal": "12345678", "merchant": "m", "card": "c"}
        await journal.append(Record(Topic.ACTIVATION, "issued", NOW, body=numbers))
        await do(activation, "activate_check")
        await until(lambda: line.runs == 1)
        await journal.append(Record(Topic.ACTIVATION, "replaced", NOW, body={"reason": "broken"}))
        activation._folded = None  # written behind its back
        activation._moved.set()
        await until(lambda: line.runs == 0)
        group.cancel_scope.cancel()


async def test_lines_that_end_and_broken_printers_are_noted_and_everyday_states_are_not(
    tmp_path: Path,
) -> None:
    async with traded(tmp_path) as (trade, line, paper, journal):
        async with anyio.create_task_group() as group:
            trade.start(group)
            for state, code in (
                (LineState.CONNECTING, ""),
                (LineState.OFFLINE, "NET-101"),  # a failed attempt
                (LineState.ONLINE, ""),
                (LineState.OFFLINE, "NET-126"),
            ):
                await anyio.wait_all_tasks_blocked()
                line.move(state, code)
            for reason in ("PRN-202", "", "PRN-205", "PRN-205", ""):
                await anyio.wait_all_tasks_blocked()
                paper.show(reason)
            faults = await until_faults(journal, 2)
            group.cancel_scope.cancel()
        noted = [(fault.name, fault.body["part"], fault.body["code"]) for fault in faults]
        assert noted == [("retry", "line", "NET-126"), ("device", "printer", "PRN-205")]


async def test_a_settlement_notes_how_far_the_paper_has_run(tmp_path: Path) -> None:
    async with traded(tmp_path) as (trade, _, _, journal):
        answer = {"response_code": "00", "result": 1, "records": []}
        sums = dict.fromkeys(("debit_count", "debit_minor", "credit_count", "credit_minor"), 0)
        trade.parts.settlement.acquirer.answers["settle"] = answer | sums  # type: ignore[attr-defined]  # the fake's
        await journal.append(record(Counters(paper_mm=7200), NOW))
        trade.parts.settlement.after = trade.count_paper
        assert (await trade.parts.settlement.run())["ok"] is True
        assert (await do(trade.parts.office.upkeep, "upkeep_due", all=True))["metres"] == 7


async def test_the_evenings_clock_runs_only_where_something_may_leave(tmp_path: Path) -> None:
    async with traded(tmp_path, automatic=True) as (trade, _, _, journal):
        settlement = trade.parts.settlement
        settlement.clock.at = NOW + timedelta(days=1)  # type: ignore[attr-defined]  # the fake's
        async with anyio.create_task_group() as group:
            trade.start(group)
            await anyio.wait_all_tasks_blocked()
            assert (settlement.phase, (await journal.standing()).settling) == ("", False)
            trade.parts.activation.pre_activated = True
            trade.parts.activation._moved.set()
            await until(lambda: settlement.phase == "missed")
            group.cancel_scope.cancel()


async def test_the_line_is_waited_for_and_given_up_in_time() -> None:
    line = Line()
    assert await _line_up(line, 0.0) is False  # type: ignore[arg-type]  # what the test moves
    line.move(LineState.ONLINE)
    assert await _line_up(line, 0.0) is True  # type: ignore[arg-type]  # what the test moves
