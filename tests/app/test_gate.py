from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from posfw.app.gate import Gate
from posfw.app.merchant import Merchant
from posfw.journal.store import Journal
from posfw.staff.operators import Action
from posfw.values.errors import CodecError, RefusedError
from posfw.values.events import Plain, Record, Topic
from posfw.values.money import Money
from tests.app.fakes import NOW, SUPERVISOR, SetClock, do, opened, staffed
from tests.app.test_merchant import built

AMOUNT = Money(1000)


@asynccontextmanager
async def shop(folder: Path, **facts: Any) -> AsyncIterator[tuple[Journal, Merchant]]:
    """A merchant whose operators have passwords of their own."""
    clock = SetClock()
    async with opened(folder, clock) as journal:
        parts = built(journal, clock, **{"pre_activated": True, "automatic": False} | facts)
        parts.operators.pepper = b"p" * 32
        await staffed(journal, clock)
        yield journal, parts


async def test_without_operators_anybody_sells_under_the_default_number(tmp_path: Path) -> None:
    async with shop(tmp_path) as (_, parts):
        gate = Gate(parts, operators=False)
        assert await gate.who({}, "01") == "01"
        assert await gate.sale("01", AMOUNT) is None
        assert await gate.back({}, "00", Action.REFUND, "key") is None


async def test_the_signed_in_operator_is_who_sells(tmp_path: Path) -> None:
    async with shop(tmp_path) as (_, parts):
        gate = Gate(parts, operators=True)
        refusal = await gate.sale("01", AMOUNT)
        assert refusal is not None
        assert refusal.code == "OPR-131"
        await do(parts.operators, "operator_in", operator="01", password="4821")
        assert await gate.who({}, "00") == "01"
        assert await gate.who({"operator": "07"}, "00") == "07"
        with pytest.raises(CodecError):
            await gate.who({"operator": "seven"}, "00")
        assert await gate.sale("01", AMOUNT) is None
        refusal = await gate.sale("07", AMOUNT)
        assert refusal is not None
        assert refusal.code == "OPR-131"


async def test_giving_back_takes_a_supervisor_and_leaves_a_record(tmp_path: Path) -> None:
    async with shop(tmp_path) as (journal, parts):
        gate = Gate(parts, operators=True)
        await do(parts.operators, "operator_in", operator="01", password="4821")
        with pytest.raises(RefusedError) as refused:
            await gate.back({}, "01", Action.VOID, "12345678-000001-000001")
        assert refused.value.stable_code == "OPR-120"
        own = {"approval": {"operator": "01", "password": "4821"}}
        with pytest.raises(RefusedError) as refused:
            await gate.back(own, "01", Action.VOID, "12345678-000001-000001")
        assert refused.value.stable_code == "OPR-122"
        assert await gate.back(SUPERVISOR, "01", Action.VOID, "12345678-000001-000001") is None
        last = (await journal.read(Topic.OPERATOR))[-1]
        assert (last.name, last.operator, last.body["subject"]) == (
            "approved",
            "00",
            "12345678-000001-000001",
        )


async def test_a_locked_keypad_asks_for_no_approval(tmp_path: Path) -> None:
    async with shop(tmp_path) as (journal, parts):
        gate = Gate(parts, operators=True)
        await do(parts.operators, "operator_in", operator="01", password="4821")
        await do(parts.operators, "lock")
        before = len(await journal.read(Topic.OPERATOR))
        refusal = await gate.back(SUPERVISOR, "01", Action.REFUND, "key")
        assert refusal is not None
        assert refusal.code == "OPR-130"
        assert len(await journal.read(Topic.OPERATOR)) == before


async def test_before_the_banks_word_nothing_is_sold_given_back_or_sent(tmp_path: Path) -> None:
    async with shop(tmp_path, pre_activated=False) as (journal, parts):
        gate = Gate(parts, operators=False)
        for refusal in (
            await gate.sale("01", AMOUNT),
            await gate.back({}, "00", Action.VOID, "key"),
        ):
            assert refusal is not None
            assert refusal.code == "ACT-101"
        with pytest.raises(RefusedError) as refused:
            await gate.talk()
        assert refused.value.stable_code == "ACT-102"
        status = await gate.status()
        assert (status["activation"], status["may_sell"]) == ("factory", False)
        body: dict[str, Plain] = {"terminal": "12345678", "merchant": "m", "card": "c"}
        body["application"] = {}
        for name in ("applied", "issued"):
            await journal.append(Record(Topic.ACTIVATION, name, NOW, body=body))
        gate.merchant.activation._folded = None  # written behind its back
        await gate.talk()


async def test_every_sale_asks_and_the_journal_is_read_after_a_change_only(tmp_path: Path) -> None:
    async with shop(tmp_path) as (journal, parts):
        operators = parts.operators
        await operators.staff()
        read, asked = journal.read, list[int]()

        async def counting(topic: Topic, after: int = 0) -> Sequence[Record]:
            found = await read(topic, after)
            asked.append(len(found))
            return found

        journal.read = counting  # type: ignore[method-assign]  # counts what is read
        assert (await operators.staff()).signed_in == ""
        assert asked == []
        await do(operators, "operator_in", operator="01", password="4821")
        asked.clear()
        assert (await operators.staff()).signed_in == "01"
        assert (await operators.staff()).signed_in == "01"
        assert len(asked) == 1
