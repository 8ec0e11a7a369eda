from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from posfw.app.gate import Gate
from posfw.app.morning import Morning
from posfw.app.network import Network
from posfw.app.printing import Printing
from posfw.journal.store import Journal
from posfw.printer.queue import PrinterView
from posfw.values.events import Plain, Record, Topic
from posfw.values.outcome import DoFirst
from tests.app.fakes import NOW, ScriptedAcquirer, SetClock, do, opened, sold
from tests.app.test_merchant import built
from tests.board.fakes import KernelTree

ECHO = {"response_code": "00", "host_time": f"{NOW:%Y%m%d%H%M%S}"}


class NoDocuments:
    async def compose(self, job: Any) -> Any:
        raise AssertionError("nothing is printed here")


@asynccontextmanager
async def dawn(
    folder: Path, *, operators: bool = False, certificate_days: int = 31
) -> AsyncIterator[tuple[Morning, ScriptedAcquirer, SetClock, Journal]]:
    """A terminal as it should be: every point is well."""
    clock = SetClock()
    async with opened(folder, clock) as journal:
        parts = built(journal, clock, pre_activated=True, automatic=False)
        await journal.append(Record(Topic.SESSION, "signed_on", NOW))
        acquirer = ScriptedAcquirer({"echo": ECHO})

        async def days() -> int:
            return certificate_days

        printing = Printing(journal, NoDocuments(), lambda: None, clock)
        yield (
            Morning(journal, acquirer, Gate(parts, operators), printing, clock, days),
            acquirer,
            clock,
            journal,
        )


async def failing(morning: Morning) -> tuple[bool, set[str]]:
    found = await do(morning, "ready")
    assert len(found["lines"]) == len(found["checks"])
    for check, line in zip(found["checks"], found["lines"], strict=True):
        assert check["ok"] or check["advice"] in line, check
    return found["ok"], {check["id"] for check in found["checks"] if not check["ok"]}


async def test_a_terminal_as_it_should_be_is_ready(tmp_path: Path) -> None:
    async with dawn(tmp_path) as (morning, acquirer, _, _journal):
        assert await failing(morning) == (True, set())
        assert [message for message, _ in acquirer.asked] == ["echo"]


async def test_a_silent_line_and_a_wrong_clock_are_told(tmp_path: Path) -> None:
    async with dawn(tmp_path) as (morning, acquirer, clock, _):
        clock.at = NOW + timedelta(minutes=5)
        assert await failing(morning) == (False, {"clock"})
        acquirer.answers.clear()
        assert await failing(morning) == (False, {"line"})


@pytest.mark.parametrize(("days", "ok"), [(30, True), (0, True), (-1, False)])
async def test_a_certificate_is_warned_of_30_days_ahead_and_stops_the_day_once_it_ended(
    tmp_path: Path, days: int, ok: bool
) -> None:
    async with dawn(tmp_path, certificate_days=days) as (morning, *_):
        assert await failing(morning) == (ok, {"certificate"})


async def test_nobody_at_the_till_no_sign_on_and_an_old_batch_are_told(tmp_path: Path) -> None:
    async with dawn(tmp_path, operators=True) as (morning, acquirer, clock, journal):
        assert await failing(morning) == (False, {"operator"})
        await journal.append(Record(Topic.SESSION, "signed_off", NOW))
        await sold(journal, 100)
        clock.at = NOW + timedelta(hours=27)
        acquirer.answers["echo"] = {"response_code": "00"}
        assert await failing(morning) == (
            False,
            {"operator", "signed_on", "batch", "settle_soon"},
        )


async def test_paper_and_upkeep_are_told_and_stop_no_sale(tmp_path: Path) -> None:
    async with dawn(tmp_path) as (morning, _, clock, journal):
        morning.printing.watch(PrinterView(reason="PRN-202"))
        await journal.append(Record(Topic.UPKEEP, "metres", NOW, body={"mm": 10_000_000}))
        clock.at = NOW
        assert await failing(morning) == (True, {"printer", "upkeep"})


async def test_what_the_acquirer_wants_first_is_told_and_stops_the_day_only_where_it_must(
    tmp_path: Path,
) -> None:
    async with dawn(tmp_path) as (morning, *_):
        demands = morning.gate.merchant.demands
        await demands.note([DoFirst.KEYS])
        assert await failing(morning) == (True, {"do_first"})
        await demands.note([DoFirst.PARAMETERS])
        assert await failing(morning) == (False, {"do_first"})


@pytest.mark.may_block
async def test_link_address_and_host_are_told_apart(tmp_path: Path) -> None:
    async with dawn(tmp_path) as (morning, acquirer, *_):
        tree = KernelTree(tmp_path / "kernel")
        unknown = replace(morning, network=Network(["127.0.0.1:7"], tree.root))
        told = {check["id"] for check in (await do(unknown, "ready"))["checks"]}
        assert "address" in told
        assert "link" not in told
        tree.put("sys/class/net/eth0/operstate", "down")
        tree.put("sys/class/net/eth0/carrier", "0")
        acquirer.answers.clear()
        pulled = replace(morning, network=Network(["255.255.255.255:7"], tree.root))
        assert await failing(pulled) == (False, {"link", "address", "line"})
        tree.put("sys/class/net/eth0/operstate", "up")
        tree.put("sys/class/net/eth0/carrier", "1")
        assert await failing(pulled) == (False, {"address", "line"})
        silent = replace(morning, network=Network(["127.0.0.1:7"], tree.root))
        assert await failing(silent) == (False, {"line"})
        acquirer.answers["echo"] = ECHO
        assert (await do(silent, "ready"))["links"] == ["eth0 wired up"]


async def test_a_fitted_part_that_is_not_supported_is_told_until_another_takes_its_place(
    tmp_path: Path,
) -> None:
    async with dawn(tmp_path) as (usual, _, _clock, journal):
        office = replace(usual.gate.merchant.office, models={"reader": ["MAGTEK"]})
        merchant = replace(usual.gate.merchant, office=office)
        morning = replace(usual, gate=replace(usual.gate, merchant=merchant))
        body: dict[str, Plain] = {"task": "reader", "parts": ["reader:NONAME"]}
        await journal.append(Record(Topic.UPKEEP, "done", NOW, "01", body))
        assert await failing(morning) == (True, {"parts"})
        await journal.append(
            Record(Topic.UPKEEP, "done", NOW, "01", body | {"parts": ["reader:MAGTEK"]})
        )
        assert await failing(morning) == (True, set())
