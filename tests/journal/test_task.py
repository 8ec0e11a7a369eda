from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from posfw.journal import reading
from posfw.journal.store import Journal
from posfw.journal.task import (
    Backup,
    BackupPolicy,
    backup,
    copy_pages,
    keep_backups,
    keep_house,
    look,
    restore,
    wait_for_copy_s,
)
from posfw.values.errors import (
    JournalArchiveError,
    JournalBehindError,
    JournalBusyError,
    JournalCorruptError,
    JournalError,
)
from posfw.values.printjob import JobState
from posfw.values.transaction import Kind
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


async def settle(journal: Journal) -> None:
    """Sell, print and close a batch."""
    await sell(journal, 3)
    while (job := await journal.next_job()) is not None:
        await journal.mark(job, JobState.DONE, 1, "", NOW)
    await journal.close(await journal.freeze(NOW), {}, NOW)


def whole(path: Path) -> int | None:
    with look(path) as run:
        bad: int | None = run(partial(reading.verify, whole=True), KEY)
    return bad


async def test_all_generations_share_one_copy_of_the_archive(tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    made = []
    async with opened(tmp_path) as journal:
        for n in range(3):
            await settle(journal)
            await journal.archive(NOW, 0)
            now = NOW + timedelta(minutes=n)
            made.append((await backup(journal, folder, chain_key=KEY, now=now, keep=2)).path)
    names = await in_thread(lambda: sorted(path.name for path in folder.iterdir()))
    assert names == ["archive.db", *(path.name for path in made[1:])]
    for path in made[1:]:
        assert await in_thread(partial(whole, path)) is None


async def test_another_journals_archive_is_set_aside(tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    made: list[Path] = []
    for name in ("one", "two"):
        await anyio.Path(tmp_path / name).mkdir()
        async with opened(tmp_path / name) as journal:
            await sell(journal, len(made))  # so that the two pasts differ
            await settle(journal)
            await journal.archive(NOW, 0)
            made.append((await backup(journal, folder, chain_key=KEY, now=NOW)).path)
    assert await in_thread(partial(whole, made[1])) is None
    with pytest.raises(JournalArchiveError):
        await in_thread(partial(whole, made[0]))
    assert await anyio.Path(folder / "archive.before-20260302T093000.db").exists()


async def test_a_copy_comes_back_with_its_archive(tmp_path: Path) -> None:
    path, archive = tmp_path / "journal.db", tmp_path / "journal.db.archive"
    async with opened(tmp_path) as journal:
        await settle(journal)
        await settle(journal)
        await journal.archive(NOW, 0)
        past = list(await journal.transactions(1))
        made = await backup(journal, tmp_path / "copies", chain_key=KEY, now=NOW)
    await anyio.Path(path).unlink()
    await anyio.Path(archive).unlink()
    await in_thread(lambda: restore(made.path, path, chain_key=KEY, now=NOW, behind=False))
    async with opened(tmp_path, create=False) as journal:
        assert list(await journal.transactions(1)) == past
        assert await journal.verify(whole=True) is None
        await settle(journal)
        await journal.archive(NOW, 0)
        assert await journal.verify(whole=True) is None


async def test_a_copy_without_any_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with opened(tmp_path) as journal:
        await settle(journal)
        await journal.archive(NOW, 0)
        made = await backup(journal, tmp_path / "copies", chain_key=KEY, now=NOW)
    await anyio.Path(tmp_path / "journal.db.archive").unlink()
    await anyio.Path(tmp_path / "copies" / "archive.db").unlink()
    before = await in_thread(path.read_bytes)
    with pytest.raises(JournalArchiveError, match="No archive"):
        await in_thread(lambda: restore(made.path, path, chain_key=KEY, now=NOW, behind=False))
    assert await in_thread(path.read_bytes) == before


async def test_an_older_copy_cuts_the_archive_back_and_keeps_the_other(tmp_path: Path) -> None:
    """Also where a later step had moved more, and an old sale was refunded since."""
    path, archive = tmp_path / "journal.db", tmp_path / "journal.db.archive"
    async with opened(tmp_path) as journal:
        await settle(journal)
        await journal.archive(NOW, 0)
        made = await backup(journal, tmp_path / "copies", chain_key=KEY, now=NOW)
        (sold, *_) = await journal.transactions(1)
        refund = replace(SALE, kind=Kind.REFUND, original=sold.begun.key)
        await journal.conclude(approved(await journal.begin(refund)))
        await settle(journal)
        await journal.archive(NOW, 0)
    later = await in_thread(archive.read_bytes)
    await in_thread(lambda: restore(made.path, path, chain_key=KEY, now=NOW, behind=True))
    kept = archive.with_name("journal.db.archive.before-20260302T093000")
    assert await in_thread(kept.read_bytes) == later
    async with opened(tmp_path, create=False) as journal:
        assert await journal.verify(whole=True) is None
        assert await journal.batch_numbers() == [1, 2]
        (again, *_) = await journal.transactions(1)
        assert again.refunded == SALE.amount  # not to be refunded twice
        await journal.catch_up(stan=0, ksn=0, at=NOW)
        await settle(journal)
        await journal.archive(NOW, 0)
        assert await journal.verify(whole=True) is None


class Days:
    """A clock that the task's own waiting advances; ends the task after some days."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, days: float) -> None:
        self.at, self.left_s = NOW, days * 86_400
        self.waits: list[float] = []
        monkeypatch.setattr("posfw.journal.task.anyio.sleep", self.sleep)

    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        await anyio.lowlevel.checkpoint()
        self.waits.append(seconds)
        self.at += timedelta(seconds=seconds)
        self.left_s -= seconds
        if self.left_s <= 0:
            raise EndOfDaysError


class EndOfDaysError(Exception):
    """The test's clock has run long enough."""


async def test_a_copy_is_made_every_day_and_three_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, clock = tmp_path / "copies", Days(monkeypatch, 5.5)
    made: list[object] = []

    async def tell(what: object) -> None:
        made.append(what)

    policy = BackupPolicy(folder, keep=3)
    async with opened(tmp_path) as journal:
        await sell(journal, 1)
        with pytest.raises(EndOfDaysError):
            await keep_backups(journal, policy, chain_key=KEY, clock=clock, tell=tell)
    assert len(made) == 6  # at once, then each day
    names = await in_thread(lambda: sorted(path.name[8:16] for path in folder.iterdir()))
    assert names == ["20260305", "20260306", "20260307"]


async def test_a_copy_that_fails_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, clock = tmp_path / "copies", Days(monkeypatch, 0.5)
    told: list[object] = []

    async def tell(what: object) -> None:
        told.append(what)
        if isinstance(what, JournalError):
            await anyio.Path(folder).unlink()  # the stick is put in

    await anyio.Path(folder).write_bytes(b"in the way")
    async with opened(tmp_path) as journal:
        with pytest.raises(EndOfDaysError):
            await keep_backups(
                journal, BackupPolicy(folder), chain_key=KEY, clock=clock, tell=tell
            )
    assert isinstance(told[0], JournalError)
    assert isinstance(told[1], Backup)
    assert len(told) == 2


@pytest.mark.parametrize(
    ("newest", "wait_s"),
    [("", 0.0), ("20260302T083000", 82_800.0), ("20260301T093000", 0.0)],
)
def test_when_the_next_copy_is_due(newest: str, wait_s: float) -> None:
    assert wait_for_copy_s(newest, NOW, 86_400.0) == wait_s


async def test_copies_of_tomorrow_do_not_keep_today_from_being_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock went back: names of copies lie ahead of it."""
    folder, made = tmp_path / "copies", []

    async def tell(what: Backup | JournalError) -> None:
        made.append(what)

    async with opened(tmp_path) as journal:
        for n in range(3):
            await sell(journal, 1)
            later = NOW + timedelta(days=300 + n)
            await backup(journal, folder, chain_key=KEY, now=later)
        await sell(journal, 1)
        clock = Days(monkeypatch, 0.9)
        with pytest.raises(EndOfDaysError):
            await keep_backups(
                journal, BackupPolicy(folder, keep=2), chain_key=KEY, clock=clock, tell=tell
            )
    (only,) = made
    assert isinstance(only, Backup)
    assert await anyio.Path(only.path).exists()
    assert len(await in_thread(lambda: list(folder.iterdir()))) == 2


async def test_the_house_is_kept_while_nobody_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Days(monkeypatch, 15)
    asked: list[bool] = []
    checks: list[tuple[int, int | None]] = []

    def idle() -> bool:
        asked.append(len(asked) >= 4)  # an hour of customers
        return asked[-1]

    async def tell(entries: int, bad: int | None) -> None:
        assert asked[-1]
        checks.append((entries, bad))

    async with opened(tmp_path) as journal:
        for _ in range(4):
            await settle(journal)
        with pytest.raises(EndOfDaysError):
            await keep_house(journal, clock=clock, idle=idle, checked_at=None, tell=tell)
        found = await journal._transact(lambda sql: sql("SELECT count(*) FROM batch"))
    assert found == [(3,)]  # two closed ones and the open one
    assert [bad for _, bad in checks] == [None, None, None]  # once a week
