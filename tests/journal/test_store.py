from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from posfw.values.errors import (
    CodecError,
    JournalBehindError,
    JournalBusyError,
    MisuseError,
)
from posfw.values.identity import Key
from posfw.values.transaction import Conclusion, Ending
from tests.journal.fakes import NOW, SALE, approved, opened


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


async def test_an_old_copy_of_the_file_sells_nothing(tmp_path: Path) -> None:
    """Copied back by hand: the anchor beside it has come further."""
    path = tmp_path / "journal.db"
    async with opened(tmp_path) as journal:
        await journal.conclude(approved(await journal.begin(SALE)))
    old = await anyio.Path(path).read_bytes()
    async with opened(tmp_path) as journal:
        assert journal.behind == ""
        last = await journal.begin(SALE)
        await journal.conclude(approved(last))
    await anyio.Path(path).write_bytes(old)
    async with opened(tmp_path) as journal:
        assert "old copy" in journal.behind
        with pytest.raises(JournalBehindError, match="4 had been written") as told:
            await journal.begin(SALE)
        assert told.value.stable_code == "JRN-008"
    async with opened(tmp_path) as journal:  # a restart forgets nothing
        assert journal.behind
        assert await journal.catch_up(stan=0, ksn=0, at=NOW)
        begun = await journal.begin(SALE)
        assert begun.ksn_counter == last.ksn_counter + 1
        assert begun.key.stan == last.key.stan + 1
        assert await journal.verify() is None


async def test_a_journal_that_is_not_behind_passes_over_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        begun = await journal.begin(SALE)
        assert not await journal.catch_up(stan=begun.key.stan, ksn=begun.ksn_counter, at=NOW)
        assert (await journal.begin(SALE)).key.stan == begun.key.stan + 1


async def test_a_deleted_journal_is_missed(tmp_path: Path) -> None:
    """Never a silent fresh start: the anchor tells that there was one."""
    async with opened(tmp_path) as journal:
        await journal.begin(SALE)
    await anyio.Path(tmp_path / "journal.db").unlink()
    async with opened(tmp_path) as journal:
        with pytest.raises(JournalBehindError):
            await journal.begin(SALE)


async def test_a_refused_transaction_leaves_numbers_as_they_were(tmp_path: Path) -> None:
    """What is kept in memory between commits is forgotten with a rollback."""
    async with opened(tmp_path) as journal:
        begun = await journal.begin(SALE)
        with pytest.raises(MisuseError):
            await journal.conclude(Conclusion(begun.key, Ending.UNKNOWN, NOW))
        wrong = replace(SALE, note="x" * 20_000)  # longer than a row may be: after the numbers
        with pytest.raises(CodecError):
            await journal.begin(wrong)
        following = await journal.begin(SALE)
        assert following.key.stan == begun.key.stan + 1
        assert following.ksn_counter == begun.ksn_counter + 1
        assert await journal.verify() is None
