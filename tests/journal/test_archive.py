"""Settled batches move into the archive; whoever asks finds everything as before."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from posfw.journal import archive, reading
from posfw.journal.store import Journal
from posfw.journal.task import look
from posfw.values.errors import JournalArchiveError, JournalBehindError, MisuseError
from posfw.values.events import Record, Topic
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.printjob import Copy, DocumentKind, DocumentRef, JobState
from posfw.values.transaction import Kind, Transaction
from tests.journal.fakes import KEY, NOW, SALE, approved, offline, opened, unknown

BATCHES = 5


async def trade(journal: Journal, batches: int = BATCHES, sales: int = 4) -> None:
    """Sell, print, note something else and settle, batch by batch."""
    for n in range(batches):
        await journal.append(Record(Topic.SESSION, "signed_on", NOW, body={"n": n}))
        for _ in range(sales):
            await journal.conclude(approved(await journal.begin(SALE)))
        await print_all(journal)
        await journal.close(await journal.freeze(NOW), {"count": sales}, NOW)


async def print_all(journal: Journal) -> None:
    while (job := await journal.next_job()) is not None:
        await journal.mark(job, JobState.DONE, 1, "", NOW)


async def everything(journal: Journal) -> dict[str, Any]:
    """Return what can be asked about the past."""
    numbers = list(await journal.batch_numbers())
    found: dict[str, Any] = {"batches": numbers, "closed": list(await journal.batches(100))}
    for number in numbers:
        rows = found[f"rows {number}"] = list(await journal.transactions(number))
        found[f"settled {number}"] = await journal.settled(number)
        found[f"printed {number}"] = list(await journal.receipts(number))
        for row in rows:
            key = row.begun.key
            found[str(key)] = (await journal.life(key), await journal.transaction(key))
    for topic in Topic:
        found[topic] = list(await journal.read(topic))
    return found


def counted(path: Path, table: str) -> int:
    raw = sqlite3.connect(f"{path.resolve().as_uri()}?immutable=1", uri=True)
    (count,) = raw.execute(f"SELECT count(*) FROM {table}").fetchone()
    raw.close()
    return int(count)


async def test_the_past_is_the_same_before_and_after_it_moved(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await trade(journal)
        before = await everything(journal)
        assert len(before["printed 1"]) == 8
        assert before["settled 1"]["count"] == 4
        assert before[f"settled {BATCHES + 1}"] is None
        entries = await journal.tail(1000)
        assert await journal.archive(NOW, 2) > 0
        assert await everything(journal) == before
        after = await journal.tail(1000)
        assert [each for each in after if each["topic"] != "archive"] == entries
        assert await journal.verify() is None
        assert await journal.verify(whole=True) is None
        assert await journal.archive(NOW, 2) == 0
    async with opened(tmp_path, create=False) as journal:
        assert await everything(journal) == before
        begun = await journal.begin(SALE)
        assert (begun.key.batch, begun.key.stan) == (BATCHES + 1, 4 * BATCHES + 1)
    assert await anyio.to_thread.run_sync(counted, tmp_path / "journal.db", "txn") == 4 * 2 + 1
    assert await anyio.to_thread.run_sync(counted, tmp_path / "journal.db.archive", "txn") == 4 * 3


async def test_every_step_leaves_the_same_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a batch lies half here and half there."""
    monkeypatch.setattr(archive, "ENTRIES", 7)
    async with opened(tmp_path) as journal:
        await trade(journal, 3)
        before = await everything(journal)
        steps = 0
        while await journal._worker.run(journal._archive_step, NOW, 0):
            steps += 1
            assert await everything(journal) == before
            assert await journal.verify(whole=True) is None
        assert steps >= 12


async def test_what_is_unfinished_stays_until_it_ends(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        sold = await journal.begin(SALE)
        await journal.conclude(offline(sold))
        await print_all(journal)
        (owed,) = await journal.owed(1)
        await journal.reject(owed, "05", NOW)
        await journal.close(await journal.freeze(NOW), {}, NOW)
        await journal.archive(NOW, 0)
        assert await stays(journal, sold.key)
        ((rejected, _),) = await journal.rejected()
        await journal.clear(rejected, "90", "paid in cash", NOW)
        await journal.close(await journal.freeze(NOW), {}, NOW)
        await journal.archive(NOW, 0)
        assert not await stays(journal, sold.key)
        life = await journal.life(sold.key)
        names = [each["name"] for each in life["life"]]
        assert names == ["begun", "concluded", "rejected", "cleared"]
        assert await journal.verify(whole=True) is None


async def stays(journal: Journal, key: Key) -> bool:
    query = "SELECT 1 FROM txn WHERE batch = ? AND stan = ?"
    return bool(await journal._transact(lambda sql: sql(query, (key.batch, key.stan))))


async def test_an_archived_sale_is_refunded_and_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await trade(journal, 2)
        await journal.archive(NOW, 0)
        (sold, *_) = await journal.transactions(1)
        key = sold.begun.key
        assert not await stays(journal, key)
        refund = replace(SALE, kind=Kind.REFUND, amount=Money(500), original=key)
        await journal.conclude(approved(await journal.begin(refund)))
        assert (await refunded(journal, key)).refunded == Money(500)
        assert [row.refunded for row in await journal.transactions(1)][:2] == [
            Money(500),
            Money(0),
        ]
        await print_all(journal)
        await journal.close(await journal.freeze(NOW), {}, NOW)
        await journal.archive(NOW, 0)
        assert not await stays(journal, key)
        await journal.conclude(approved(await journal.begin(refund)))
        assert (await refunded(journal, key)).refunded == Money(1000)
        assert len(await journal.transactions(1)) == 4


async def refunded(journal: Journal, key: Key) -> Transaction:
    found = await journal.transaction(key)
    assert found is not None
    return found


async def test_a_refund_of_what_never_was_is_still_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await trade(journal, 1)
        await journal.archive(NOW, 0)
        refund = replace(SALE, kind=Kind.REFUND, original=Key("12345678", 1, 999))
        begun = await journal.begin(refund)
        with pytest.raises(MisuseError, match="not in the journal"):
            await journal.conclude(approved(begun))


async def test_a_slip_that_was_printed_long_ago_comes_again_as_a_duplicate(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await trade(journal, 2)
        await journal.archive(NOW, 0)
        ref = DocumentRef(DocumentKind.RECEIPT, "12345678-000001-000001")
        job = await journal.enqueue(ref, Copy.MERCHANT, NOW)
        assert job.duplicate
        never = await journal.enqueue(DocumentRef(DocumentKind.RECEIPT, "x"), Copy.SINGLE, NOW)
        assert not never.duplicate
        assert never.number == job.number + 1 > 8


async def test_nothing_moves_out_of_an_old_copy(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await trade(journal, 1)
        journal._behind = "an old copy"
        with pytest.raises(JournalBehindError):
            await journal.archive(NOW, 0)
        journal._behind = ""


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(b ^ 0xFF for b in data[4096:])
    path.write_bytes(data)


def gone(path: Path) -> None:
    path.unlink()


def foreign(path: Path) -> None:
    path.unlink()
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE step (number, through, head)")
    raw.commit()
    raw.close()


def older_one(path: Path) -> None:
    """An archive as it was before the last step."""
    raw = sqlite3.connect(path)
    raw.execute("DROP TRIGGER entry_never_goes")
    raw.execute("DELETE FROM step WHERE number >= 3")
    raw.execute("DELETE FROM entry WHERE number > (SELECT max(through) FROM step)")
    raw.execute("UPDATE confirmed SET through = (SELECT max(through) FROM step)")
    raw.commit()
    raw.close()


@pytest.mark.parametrize("harm", [damage, gone, foreign, older_one])
async def test_without_its_archive_a_journal_sells_and_says_what_is_missing(
    harm: Callable[[Path], None], tmp_path: Path
) -> None:
    async with opened(tmp_path) as journal:
        await trade(journal, 3)
        await journal.archive(NOW, 1)
    await anyio.to_thread.run_sync(harm, tmp_path / "journal.db.archive")
    async with opened(tmp_path, create=False) as journal:
        await journal.conclude(approved(await journal.begin(SALE)))
        assert await journal.verify() is None
        with pytest.raises(JournalArchiveError) as told:
            await journal.transactions(1)
        assert told.value.stable_code == "JRN-012"
        with pytest.raises(JournalArchiveError):
            await journal.verify(whole=True)
        await print_all(journal)
        settled = await journal.freeze(NOW)
        await journal.close(settled, {}, NOW)
        assert await journal.settled(settled) is not None
        report = DocumentRef(DocumentKind.SETTLEMENT, "77")
        assert (await journal.enqueue(report, Copy.SINGLE, NOW)).duplicate  # nobody knows
        with pytest.raises(JournalArchiveError):
            await journal.archive(NOW, 0)
        assert len(await journal.transactions()) == 0


async def test_an_archive_of_a_later_journal_is_not_cut_back(tmp_path: Path) -> None:
    """The journal is an old copy that nobody marked: the archive knows more, and keeps it."""
    async with opened(tmp_path) as journal:
        await trade(journal, 2)
        await journal.archive(NOW, 1)
    early = await anyio.Path(tmp_path / "journal.db").read_bytes()
    async with opened(tmp_path, create=False) as journal:
        await trade(journal, 2)
        await journal.archive(NOW, 1)
    entries = await anyio.to_thread.run_sync(counted, tmp_path / "journal.db.archive", "entry")
    await anyio.Path(tmp_path / "journal.db").write_bytes(early)
    await anyio.Path(tmp_path / "journal.db.anchor").unlink()
    async with opened(tmp_path, create=False) as journal:
        await trade(journal, 2)
        with pytest.raises(JournalArchiveError, match="holds more"):
            await journal.archive(NOW, 1)
    assert entries == await anyio.to_thread.run_sync(
        counted, tmp_path / "journal.db.archive", "entry"
    )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET body = x'00' WHERE number = 3",
        "DELETE FROM entry WHERE number = 1",
        "DELETE FROM entry",
        "INSERT INTO entry SELECT 10 + max(number), 'a', 'b', 'c', '', 0, 0, x'', x'' FROM entry",
    ],
)
async def test_the_archives_schema_refuses_all_but_appending(
    statement: str, tmp_path: Path
) -> None:
    async with opened(tmp_path) as journal:
        await trade(journal, 3)
        await journal.archive(NOW, 0)

    def attempt() -> None:
        raw = sqlite3.connect(tmp_path / "journal.db.archive")
        try:
            with pytest.raises(sqlite3.IntegrityError):
                raw.execute(statement)
        finally:
            raw.close()

    await anyio.to_thread.run_sync(attempt)


async def test_the_journals_schema_lets_go_of_nothing_that_did_not_move(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await trade(journal, 2)
        await journal.archive(NOW, 1)

    def attempt() -> None:
        raw = sqlite3.connect(tmp_path / "journal.db")
        try:
            for number in ("1", "(SELECT max(number) FROM entry)"):
                with pytest.raises(sqlite3.IntegrityError):
                    raw.execute(f"DELETE FROM entry WHERE number = {number}")
        finally:
            raw.close()

    await anyio.to_thread.run_sync(attempt)


TAMPERINGS = {
    # What was done, and whether the journal's part alone shows it.
    "UPDATE old.entry SET body = x'00' WHERE number = 5": False,
    "DELETE FROM old.entry WHERE number = 5": False,
    "UPDATE old.entry SET operator = '99' WHERE number = 1": False,
    "UPDATE entry SET operator = '99' WHERE number = 1": True,  # a record that stayed
    "DELETE FROM entry WHERE number = 1": True,
    "UPDATE entry SET operator = '99' WHERE number = (SELECT through + 1 FROM archived)": True,
    "UPDATE archived SET through = through + 2": True,
    "UPDATE archived SET head = (SELECT mac FROM entry ORDER BY number DESC LIMIT 1)": True,
    "UPDATE archived SET step = 0, through = 0": True,
    "DELETE FROM entry WHERE number = (SELECT max(number) FROM entry)": True,  # archive/moved
}


@pytest.mark.may_block
@pytest.mark.parametrize("statement", TAMPERINGS)
def test_a_tampered_archive_is_noticed(statement: str, tmp_path: Path) -> None:
    async def fill() -> None:
        async with opened(tmp_path) as journal:
            await trade(journal, 3)
            await journal.archive(NOW, 1)

    anyio.run(fill)
    path = tmp_path / "journal.db"
    with look(path) as run:
        assert run(reading.verify, KEY) is None
        assert run(reading.verify, KEY, whole=True) is None
    raw = sqlite3.connect(path)
    raw.execute("ATTACH ? AS old", (f"{path}.archive",))
    for schema in ("main", "old"):
        names = raw.execute(f"SELECT name FROM {schema}.sqlite_master WHERE type = 'trigger'")
        for (name,) in names.fetchall():
            raw.execute(f"DROP TRIGGER {schema}.{name}")
    assert raw.execute(statement).rowcount == 1
    raw.commit()
    raw.close()
    with look(path) as run:
        assert (run(reading.verify, KEY) is not None) is TAMPERINGS[statement]
        try:
            assert run(reading.verify, KEY, whole=True) is not None
        except JournalArchiveError:
            assert TAMPERINGS[statement]


async def test_an_unknown_ending_keeps_its_batch_open(tmp_path: Path) -> None:
    """Control of the rows that stay: a batch cannot close over a reversal that is owed."""
    async with opened(tmp_path) as journal:
        await journal.conclude(unknown(await journal.begin(SALE)))
        assert await journal.archive(NOW, 0) == 0
