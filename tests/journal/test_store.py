from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from posfw.values.errors import (
    JournalBusyError,
)
from posfw.values.identity import Key
from tests.journal.fakes import SALE, approved, opened


async def test_a_cancelled_caller_leaves_no_half_transaction(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        for _ in range(10):
            with anyio.CancelScope() as scope:
                scope.cancel()
                await journal.begin(SALE)
        begun = await journal.begin(SALE)
        await journal.conclude(approved(begun))
        assert await journal.verify() is None


async def test_two_tasks_do_not_share_a_transaction(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        keys: list[Key] = []

        async def sell() -> None:
            begun = await journal.begin(SALE)
            keys.append(begun.key)
            await journal.conclude(approved(begun, copies=0))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(sell)
        assert len(set(keys)) == 20


async def test_a_second_opener_is_told_who_holds_the_journal(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(JournalBusyError, match=r"Process \d+ holds"):
            async with opened(tmp_path):
                raise AssertionError("two openers")
