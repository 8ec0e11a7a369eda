"""A terminal that starts without a line sells within its policy, and drains when it comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from posfw.values.transaction import Ending
from tests.system.test_money_path import TERMINAL, balanced, served, terminal

pytestmark = [pytest.mark.system, pytest.mark.may_block]


async def test_a_cold_start_without_a_line_sells_within_the_policy(tmp_path: Path) -> None:
    async with served(tmp_path) as (acquirer, certificates, port):
        await acquirer.set_down(down=True)
        async with terminal(tmp_path, acquirer, certificates, port) as made:
            assert not made.uplink.online
            assert (await made.sell(1200)).ending is Ending.APPROVED_OFFLINE
            assert (await made.sell(5001)).ending is Ending.CANCELLED  # above the offline limit
        async with terminal(tmp_path, acquirer, certificates, port) as made:  # and once more
            assert (await made.sell(1300)).ending is Ending.APPROVED_OFFLINE
            assert acquirer.bank.records(TERMINAL, 1) == []
            await acquirer.set_down(down=False)
            await made.until_nothing_is_owed()
            assert len(acquirer.bank.records(TERMINAL, 1)) == 2
            assert await balanced(made)
