"""What is owed is seen, and ends by hand only with a reason and a supervisor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from posfw.app.owed import OwedDesk
from posfw.journal.store import Journal
from posfw.values.errors import CodecError, InputError, RefusedError
from posfw.values.transaction import State
from tests.app.fakes import SetClock, do, staffed
from tests.journal.fakes import NOW, SALE, offline, unknown
from tests.journal.fakes import opened as journal_in

BY_00 = {"approval": {"operator": "00", "password": "482139"}}


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[tuple[OwedDesk, Journal]]:
    async with journal_in(folder) as journal:
        operators = await staffed(journal, SetClock())
        yield OwedDesk(journal, operators.approve, SetClock()), journal


async def test_waiting_and_refused_messages_are_listed(tmp_path: Path) -> None:
    async with desk(tmp_path) as (made, journal):
        empty = await do(made, "owed")
        assert (empty["ok"], empty["owed"]) == (True, [])
        for ending in (unknown, offline):
            await journal.conclude(ending(await journal.begin(SALE)))
        waiting = await do(made, "owed")
        assert waiting["ok"]
        assert [row["kind"] for row in waiting["owed"]] == ["reversal", "advice"]
        reversal = (await journal.owed(1))[0]
        await journal.reject(reversal, "63", NOW)
        told = await do(made, "owed")
        assert not told["ok"]
        assert [(row["kind"], row["refused"]) for row in told["owed"]] == [
            ("reversal", "63"),
            ("advice", ""),
        ]
        assert "63" in told["lines"][0]
        assert told["owed"][0]["amount"] in told["lines"][0]
        assert SALE.card_masked in told["owed"][0]["card"]


@pytest.mark.parametrize("refused", [False, True])
async def test_a_reversal_is_cleared_with_a_reason_and_a_signature(
    tmp_path: Path, refused: bool
) -> None:
    async with desk(tmp_path) as (made, journal):
        begun = await journal.begin(SALE)
        await journal.conclude(unknown(begun))
        (owed,) = await journal.owed(1)
        if refused:
            await journal.reject(owed, "63", NOW)
        told = await do(made, "owed_clear", number=owed.number, reason="bank phoned", **BY_00)
        assert (told["cleared"], told["operator"]) == (owed.number, "00")
        found = await journal.transaction(begun.key)
        assert found is not None
        assert (found.state, found.reason) == (State.CLEARED, "bank phoned")
        assert (await do(made, "owed"))["owed"] == []
        with pytest.raises(RefusedError) as again:
            await do(made, "owed_clear", number=owed.number, reason="bank phoned", **BY_00)
        assert again.value.stable_code == "SAL-330"


@pytest.mark.parametrize(
    ("change", "error", "code"),
    [
        ({"approval": None}, RefusedError, "OPR-120"),
        ({"approval": {"operator": "01", "password": "4821"}}, RefusedError, "OPR-122"),
        ({"reason": "  x "}, InputError, "OPR-220"),
        ({"number": 99}, RefusedError, "SAL-330"),
        ({"number": "1"}, CodecError, "WIR-201"),
        ({"number": True}, CodecError, "WIR-201"),
    ],
)
async def test_without_all_of_it_nothing_ends(
    tmp_path: Path, change: dict[str, object], error: type[InputError], code: str
) -> None:
    async with desk(tmp_path) as (made, journal):
        begun = await journal.begin(SALE)
        await journal.conclude(unknown(begun))
        (owed,) = await journal.owed(1)
        request = {"number": owed.number, "reason": "bank phoned", **BY_00} | change
        with pytest.raises(error) as raised:
            await do(made, "owed_clear", **request)
        assert raised.value.stable_code == code
        assert await journal.owed(1) == [owed]
        found = await journal.transaction(begun.key)
        assert found is not None
        assert found.state is State.REVERSING
