"""The rules of a stripe count at a till that has nothing but a stripe reader."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from posfw.values.card import CardNumber, CardRead, EntryMode
from tests.app.till import Till, till

STRIPE = CardRead(CardNumber("6212345678901232"), EntryMode.SWIPED, "3012", "101")


class Swipes:
    """ports.CardReader that gives one card over and over, as soon as somebody waits."""

    def __init__(self, card: CardRead) -> None:
        self.card = card

    async def reads(self) -> AsyncIterator[CardRead]:
        while True:
            await anyio.wait_all_tasks_blocked()
            yield self.card


async def sold(there: Till, service_code: str, verb: str = "sale") -> tuple[str, str]:
    reader = Swipes(replace(STRIPE, service_code=service_code))
    async with anyio.create_task_group() as group:
        group.start_soon(there.cashier.desk.run, reader)
        found = await there.do(there.cashier, verb, amount="12.00")
        group.cancel_scope.cancel()
    return found["ending"], found.get("code", "")


@pytest.mark.parametrize(
    ("service_code", "code"),
    [
        ("101", ""),
        ("106", ""),  # a PIN where there is a pad
        ("121", ""),
        ("120", "CRD-320"),
        ("105", "CRD-320"),
        ("103", "CRD-313"),  # for cash machines
        ("104", "CRD-313"),
        ("220", "CRD-306"),
    ],
)
async def test_a_stripe_is_taken_only_as_its_service_code_allows(
    tmp_path: Path, service_code: str, code: str
) -> None:
    async with till(tmp_path) as there:
        ending, told = await sold(there, service_code)
        assert (ending, told) == ("failed" if code else "success", code)
        assert len(await there.journal.transactions()) == (not code)
        assert await there.agrees()


async def test_no_preauthorisation_goes_round_the_pin(tmp_path: Path) -> None:
    async with till(tmp_path) as there:
        assert await sold(there, "120", "preauth") == ("failed", "CRD-320")
        assert (await sold(there, "101", "preauth"))[0] == "success"
