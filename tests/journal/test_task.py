from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread
import pytest

from posfw.journal import reading
from posfw.journal.store import Journal
from posfw.journal.task import backup, copy_pages, look, restore
from posfw.values.errors import (
    JournalBehindError,
    JournalBusyError,
    JournalCorruptError,
    JournalError,
)
from tests.journal.fakes import KEY, NOW, SALE, approved, opened

T = TypeVar("T")


async def sell(journal: Journal, count: int) -> None:
    for _ in range(count):
        await journal.conclude(approved(await journal.begin(SALE)))


async def in_thread(function: Callable[[], T]) -> T:
    return await anyio.to_thread.run_sync(function)


def looked(path: Path) -> dict[str, int]:
    with look(path) as run:
        found: dict[str, int] = run(reading.position)
    return found


async def test_a_backup_is_a_whole_journal_of_its_own(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await sell(journal, 5)
        made = await backup(journal, tmp_path / "copies", chain_key=KEY, now=NOW)
        assert made.entry == 10
        assert made.head == await journal.head()
    assert await in_thread(lambda: looked(made.path)) == {"entry": 10, "ksn": 5, "stan": 6}
    assert await in_thread(lambda: made.path.stat().st_mode & 0o077) == 0


async def test_only_the_newest_generations_stay(tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    async with opened(tmp_path) as journal:
        await sell(journal, 1)
        made = [
            (
                await backup(
                    journal, folder, chain_key=KEY, now=NOW + timedelta(minutes=n), keep=2
                )
            ).path
            for n in range(4)
        ]
    assert await in_thread(lambda: sorted(folder.iterdir())) == made[-2:]


async def test_sales_go_on_between_the_steps_of_a_backup(tmp_path: Path) -> None:
    """Between any two steps whole sales are committed: none waits for more than one step."""
    done = 0
    steps: list[int] = []
    async with opened(tmp_path) as journal:
        await sell(journal, 60)
        target = tmp_path / "copy.db"

        async def one_sale() -> None:
            nonlocal done
            await sell(journal, 1)
            done += 1

        def pause() -> None:
            anyio.from_thread.run(one_sale)
            steps.append(done)

        await anyio.to_thread.run_sync(copy_pages, journal.raw, target, 4, pause)
        assert len(steps) > 3
        assert steps == list(range(1, len(steps) + 1))
    found = await in_thread(lambda: looked(target))
    # What was sold between two steps is in the copy; the last pause comes after the last step.
    assert found["entry"] == 2 * (60 + done - 1)


async def test_a_backup_that_does_not_verify_is_no_backup(tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    async with opened(tmp_path) as journal:
        await sell(journal, 2)
        with pytest.raises(JournalCorruptError, match="Entry 1"):
            await backup(journal, folder, chain_key=bytes(32), now=NOW)
    assert await in_thread(lambda: list(folder.iterdir())) == []


async def test_a_look_changes_no_byte_and_leaves_nothing(tmp_path: Path) -> None:
    """A killed terminal leaves a log beside the file; looking must not merge it."""
    killed = tmp_path / "killed"

    def contents() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in killed.iterdir()}

    def kill() -> None:
        killed.mkdir()
        for path in tmp_path.glob("journal.db*"):
            (killed / path.name).write_bytes(path.read_bytes())

    async with opened(tmp_path) as journal:
        await sell(journal, 3)
        await in_thread(kill)
    before = await in_thread(contents)
    assert len(before["journal.db-wal"]) > 0
    assert (await in_thread(lambda: looked(killed / "journal.db")))["entry"] == 6
    assert await in_thread(contents) == before


async def test_restore_puts_back_and_keeps_what_was_there(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await sell(journal, 3)
        made = await backup(journal, tmp_path / "copies", chain_key=KEY, now=NOW)
    path = tmp_path / "journal.db"
    await in_thread(lambda: path.write_bytes(b""))  # the file is lost
    await in_thread(lambda: restore(made.path, path, chain_key=KEY, now=NOW, behind=False))
    async with opened(tmp_path, create=False) as journal:
        assert await journal.verify() is None
        assert (await journal.begin(SALE)).ksn_counter == 4
    kept = await in_thread(lambda: sorted(p.name for p in tmp_path.glob("*.before-*")))
    assert kept == ["journal.db.before-20260302T093000"]


async def test_restore_refuses_to_go_back_behind_the_acquirer(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with opened(tmp_path) as journal:
        await sell(journal, 3)
        made = await backup(journal, tmp_path / "copies", chain_key=KEY, now=NOW)
        await sell(journal, 2)
    before = await in_thread(path.read_bytes)
    with pytest.raises(JournalBehindError):
        await in_thread(lambda: restore(made.path, path, chain_key=KEY, now=NOW, behind=False))
    assert await in_thread(path.read_bytes) == before
    await in_thread(lambda: restore(made.path, path, chain_key=KEY, now=NOW, behind=True))
    async with opened(tmp_path, create=False) as journal:
        with pytest.raises(JournalBehindError):
            await journal.begin(SALE)
        assert await journal.catch_up(stan=0, ksn=0, at=NOW)
        begun = await journal.begin(SALE)
        assert (begun.ksn_counter, begun.key.stan) == (6, 6)


async def test_a_running_terminals_journal_is_not_replaced(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        made = await backup(journal, tmp_path / "copies", chain_key=KEY, now=NOW)
        with pytest.raises(JournalBusyError, match=str(os.getpid())):
            await in_thread(
                lambda: restore(
                    made.path, tmp_path / "journal.db", chain_key=KEY, now=NOW, behind=True
                )
            )


async def test_a_damaged_copy_is_not_restored(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await sell(journal, 20)
        made = await backup(journal, tmp_path / "copies", chain_key=KEY, now=NOW)
    path = tmp_path / "journal.db"
    before = await in_thread(path.read_bytes)

    def tamper() -> None:
        raw = sqlite3.connect(made.path)
        raw.execute("DROP TRIGGER entry_never_changes")
        raw.execute("UPDATE entry SET operator = '99' WHERE number = 7")
        raw.commit()
        raw.close()

    await in_thread(tamper)
    with pytest.raises(JournalError, match="Entry 7"):
        await in_thread(lambda: restore(made.path, path, chain_key=KEY, now=NOW, behind=False))
    assert await in_thread(path.read_bytes) == before
