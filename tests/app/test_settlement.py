from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from posfw.app.settlement import Settlement
from posfw.journal.store import Journal
from posfw.settle.schedule import Escalation, Phase, Plan, Schedule
from posfw.values.errors import CodecError, InputError, LinkError, RefusedError
from posfw.values.events import Record, Topic
from posfw.values.money import Money
from posfw.values.printjob import JobState
from posfw.values.transaction import Kind
from tests.app.fakes import SUPERVISOR, ScriptedAcquirer, SetClock, do, opened, sold, staffed


def host(*records: list[int], **changes: object) -> dict[str, object]:
    """What a bank answers that has these records."""
    debit = [r[1] for r in records if r[2] > 0]
    credit = [r[1] for r in records if r[2] < 0]
    return {
        "response_code": "00",
        "result": 1,
        "debit_count": len(debit),
        "debit_minor": sum(debit),
        "credit_count": len(credit),
        "credit_minor": sum(credit),
        "records": list(records),
        **changes,
    }


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[tuple[Settlement, Journal, ScriptedAcquirer]]:
    clock = SetClock()
    async with opened(folder, clock) as journal:
        await journal.append(Record(Topic.SESSION, "signed_on", clock.now()))
        acquirer = ScriptedAcquirer()
        operators = await staffed(journal, clock)
        yield Settlement(journal, acquirer, operators, clock), journal, acquirer


async def test_a_balanced_evening(tmp_path: Path) -> None:
    async with desk(tmp_path) as (settlement, journal, acquirer):
        sale = await sold(journal, 1000)
        await sold(journal, 300, Kind.REFUND, original=sale)
        x = await do(settlement, "report")
        assert (x["letter"], [line["minor"] for line in x["kinds"]]) == ("X", [-300, 1000])
        acquirer.answers["settle"] = host([1, 1000, 1], [2, 300, -1])
        result = await settlement.run()
        assert result["ok"]
        assert any("平" in line for line in result["lines"])
        assert result["kinds"] == x["kinds"]
        assert [line["currency"] for line in result["kinds"]] == ["CNY", "CNY"]
        assert result["lines"][-1].split() == ["CNY", "sale", "1", "10.00"]
        z = await do(settlement, "report", batch=1)
        assert (z["letter"], z["kinds"]) == ("Z", x["kinds"])
        assert (await do(settlement, "reconcile", batch=1))["funded_minor"] == 700
        assert [row["batch"] for row in (await do(settlement, "settlements"))["settlements"]] == [
            1
        ]


async def test_the_batch_advances_without_any_paper_and_its_slip_waits(tmp_path: Path) -> None:
    async with desk(tmp_path) as (settlement, journal, acquirer):
        await sold(journal, 1000)
        acquirer.answers["settle"] = host([1, 1000, 1])
        assert (await settlement.run())["next_batch"] == 2
        assert (await journal.standing()).batch == 2
        waiting = await journal.jobs(JobState.QUEUED)
        assert [job.ref.kind.value for job in waiting] == ["settlement"]


async def test_a_clear_refusal_lets_selling_go_on_and_silence_does_not(tmp_path: Path) -> None:
    async with desk(tmp_path) as (settlement, journal, acquirer):
        await sold(journal, 1000)
        acquirer.answers["settle"] = {"response_code": "97"}
        with pytest.raises(RefusedError) as refused:
            await settlement.run()
        assert refused.value.stable_code == "SET-122"
        assert not (await journal.standing()).settling
        await sold(journal, 500)
        del acquirer.answers["settle"]
        with pytest.raises(LinkError):
            await settlement.run()
        assert (await journal.standing()).settling
        acquirer.answers["settle"] = host([1, 1000, 1], [2, 500, 1])
        assert (await settlement.run())["ok"]
        names = [record.name for record in await journal.read(Topic.SETTLEMENT)]
        assert names == ["frozen", "thawed", "frozen", "closed"]
        assert await journal.verify() is None


async def test_a_frozen_batch_survives_a_restart_and_is_settled_then(tmp_path: Path) -> None:
    async with desk(tmp_path) as (settlement, journal, _):
        await sold(journal, 1000)
        with pytest.raises(LinkError):
            await settlement.run()
    async with desk(tmp_path) as (settlement, journal, acquirer):
        assert (await journal.standing()).settling
        acquirer.answers["settle"] = host([1, 1000, 1])
        assert (await settlement.run())["ok"]


async def test_differences_wait_on_the_tick_list(tmp_path: Path) -> None:
    async with desk(tmp_path) as (settlement, journal, acquirer):
        await sold(journal, 1000)
        await sold(journal, 500)
        acquirer.answers["settle"] = host([1, 1000, 1], [9, 700, 1], result=2)
        acquirer.answers["upload"] = host([1, 1000, 1], [9, 700, 1])
        assert not (await settlement.run())["ok"]
        listed = await do(settlement, "reconcile", batch=1)
        assert (listed["open"], listed["funded_minor"]) == (2, 1000)
        findings = {row["stan"]: row["findings"] for row in listed["differences"]}
        assert "only_ours" in findings[2]
        assert "only_bank" in findings[9]
        await do(settlement, "tick", batch=1, stan=2, verdict="hold", reason="asked the bank")
        clear = {"batch": 1, "stan": 9, "verdict": "clear", "reason": "bank's letter of today"}
        with pytest.raises(RefusedError) as refused:
            await do(settlement, "tick", **clear)
        assert refused.value.stable_code == "OPR-120"
        assert (await do(settlement, "tick", **clear, **SUPERVISOR))["open"] == 0
        after = await do(settlement, "tick", batch=1, stan=2, verdict="accept")
        assert after["funded_minor"] == 1500
        shown = await do(settlement, "reconcile", batch=1)
        assert shown["submitted_minor"] == 1500  # what the settlement told the bank
        assert shown["ticked"]["accept"] == {"count": 2, "minor": 1500}
        assert shown["ticked"]["clear"]["count"] == 1
        assert shown["ticked"]["open"] == {"count": 0, "minor": 0}
        ticked = [r for r in await journal.read(Topic.SETTLEMENT) if r.name == "ticked"]
        assert [(r.body["verdict"], r.operator) for r in ticked] == [
            ("hold", "01"),
            ("clear", "00"),
            ("accept", "01"),
        ]


async def test_bad_ticks_and_unknown_batches_are_named(tmp_path: Path) -> None:
    async with desk(tmp_path) as (settlement, journal, acquirer):
        await sold(journal, 1000)
        acquirer.answers["settle"] = host([1, 1000, 1])
        await settlement.run()
        for wrong in ({"stan": "1"}, {"stan": 1, "verdict": "maybe"}):
            with pytest.raises(CodecError):
                await do(settlement, "tick", batch=1, **wrong)
        with pytest.raises(CodecError):
            await do(settlement, "reconcile", batch="1")
        for verb in ("reconcile", "report"):
            with pytest.raises(InputError):
                await do(settlement, verb, batch=44)


async def test_two_settlements_at_once_settle_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as (settlement, journal, acquirer):
        await sold(journal, 1000)
        go = anyio.Event()

        async def slow(message: str, fields: Mapping[str, object]) -> Mapping[str, object]:
            await go.wait()
            return host([1, 1000, 1])

        acquirer.call = slow  # type: ignore[method-assign]  # a bank that takes its time
        codes: list[str] = []

        async def press() -> None:
            try:
                codes.append(f"batch {(await settlement.run())['batch']}")
            except RefusedError as refused:
                codes.append(refused.stable_code)

        async with anyio.create_task_group() as group:
            group.start_soon(press)
            while not (await journal.standing()).settling:
                await anyio.lowlevel.checkpoint()
            group.start_soon(press)
            await anyio.wait_all_tasks_blocked()
            go.set()
        assert sorted(codes) == ["SET-124", "batch 1"]


async def test_age_count_and_sum_refuse_new_sales(tmp_path: Path) -> None:
    async with desk(tmp_path) as (settlement, journal, _):
        await sold(journal, 1000)
        assert await settlement.refusal(Money(1)) is None
        settlement.escalation = Escalation(refuse_minor=1000)
        refusal = await settlement.refusal(Money(1))
        assert refusal is not None
        assert refusal.code == "SET-105"
        settlement.escalation = Escalation()
        assert isinstance(settlement.clock, SetClock)
        settlement.clock.at += timedelta(hours=27)
        refusal = await settlement.refusal(Money(1))
        assert refusal is not None
        assert refusal.code == "SET-104"


async def test_the_sum_is_refused_at_the_very_sale_that_reaches_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as (settlement, journal, acquirer):
        settlement.escalation = Escalation(refuse_minor=10_000)
        settlement.largest_minor = 1000
        taken = 0
        while await settlement.refusal(Money(900)) is None:
            await sold(journal, 900)
            taken += 1
        assert taken == 12  # 11 x 9.00 is below 100.00, 12 x 9.00 is not
        acquirer.answers["settle"] = host(*([stan, 900, 1] for stan in range(1, 13)))
        assert (await settlement.run())["ok"]
        assert await settlement.refusal(Money(900)) is None


async def test_sign_off_is_a_parameter_and_survives_silence(tmp_path: Path) -> None:
    async with desk(tmp_path) as (settlement, journal, acquirer):
        settlement.sign_off = True
        acquirer.answers["settle"] = host()
        await settlement.run()
        assert not (await journal.standing()).signed_on
        assert acquirer.asked[-1][0] == "sign_off"


async def test_the_schedule_settles_at_its_time_and_says_so(tmp_path: Path) -> None:
    async with desk(tmp_path) as (settlement, journal, acquirer):
        clock: Any = settlement.clock
        settlement.schedule = Schedule(time(10, 0))
        told: list[str] = []
        waits = anyio.Event()

        def tell(plan: Plan, _: str) -> None:
            told.append(plan.phase.value)
            if plan.phase is Phase.WAIT:
                waits.set()

        settlement.tell = tell
        plan = await do(settlement, "settlement_plan")
        assert (plan["phase"], plan["at"]) == ("wait", "2026-03-02T10:00:00")
        acquirer.answers["settle"] = host()
        clock.at += timedelta(minutes=31)
        async with anyio.create_task_group() as group:
            group.start_soon(settlement.keep_time)
            await waits.wait()
            group.cancel_scope.cancel()
        assert len(await journal.batches(10)) == 1
        assert told == ["due", "wait"]
        settlement.schedule = None
        await settlement.keep_time()  # by hand only: returns at once
        assert (await do(settlement, "settlement_plan"))["phase"] == "by_hand"
