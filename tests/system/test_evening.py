"""The evening over TLS: the real settlement against the simulated acquirer's own books."""

from __future__ import annotations

from pathlib import Path

import pytest

from posfw.app.operators import Operators
from posfw.app.settlement import Settlement
from posfw.app.world import SystemChance, SystemClock
from posfw.sim.ledger import Disagreement
from posfw.staff.passwords import Cost
from posfw.values.transaction import Ending
from tests.system.test_money_path import Bench, bench

pytestmark = [pytest.mark.system, pytest.mark.may_block]


def evening(made: Bench) -> Settlement:
    operators = Operators(made.journal, SystemClock(), SystemChance(), b"p" * 32, Cost(16, 1, 1))
    return Settlement(made.journal, made.uplink, operators, SystemClock())


async def test_a_day_balances_and_the_next_batch_opens(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        for minor in (1000, 2500):
            assert (await made.sell(minor)).ending is Ending.APPROVED
        result = await evening(made).run()
        assert result["ok"]
        assert result["ours"]["debit_minor"] == 3500
        assert (await made.sell(700)).key.batch == 2


@pytest.mark.parametrize(
    ("wrong", "finding", "ours", "theirs"),
    [
        (Disagreement.MISSING, "only_ours", 1000, None),
        (Disagreement.EXTRA, "only_bank", None, 100),
        (Disagreement.AMOUNT, "amount", 1000, None),
    ],
)
async def test_each_disagreement_is_found_record_by_record_and_selling_goes_on(
    tmp_path: Path, wrong: Disagreement, finding: str, ours: int | None, theirs: int | None
) -> None:
    async with bench(tmp_path) as made:
        first = (await made.sell(1000)).key
        await made.sell(2500)
        made.acquirer.ledger.disagreement = wrong
        settlement = evening(made)
        assert not (await settlement.run())["ok"]
        uploaded = made.acquirer.ledger.uploads[(first.terminal, first.batch)]
        assert [row[1] for row in uploaded.values()] == [1000, 2500]
        made.acquirer.ledger.disagreement = Disagreement.NONE
        sheet = await settlement.sheet(first.batch)
        (line,) = sheet.open
        assert finding in [each.value for each in line.findings]
        assert line.ours_minor == ours
        if theirs is not None:
            assert line.theirs_minor == theirs
        assert (await made.sell(700)).ending is Ending.APPROVED
