"""The journal held against what the acquirer was told: rolled back, sealed anew, replaced."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from posfw.journal import chain
from posfw.journal.sql import content_of
from posfw.journal.store import Journal
from posfw.values.anchor import Head
from posfw.values.errors import CodecError, JournalBehindError, MisuseError
from tests.journal.fakes import KEY, NOW, SALE, approved, opened

pytestmark = pytest.mark.may_block


async def sell(journal: Journal, count: int = 1) -> None:
    for _ in range(count):
        await journal.conclude(approved(await journal.begin(SALE)))


def keep(folder: Path) -> Path:
    """Copy the whole folder, the anchor file included: nothing beside the file tells."""
    copy = folder.with_name(f"{folder.name}-copy")
    shutil.copytree(folder, copy)
    return copy


def sealed_anew(folder: Path, entry: int) -> None:
    """Change an entry and seal it and all later ones as somebody with the start key could."""
    raw = sqlite3.connect(folder / "journal.db")
    for (trigger,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
        raw.execute(f"DROP TRIGGER {trigger}")
    raw.execute("UPDATE entry SET operator = '99' WHERE number = ?", (entry,))
    rows: Sequence[tuple[object, ...]] = raw.execute(
        "SELECT number, topic, name, at, operator, batch, stan, body FROM entry ORDER BY number"
    ).fetchall()
    key, head = chain.next_key(KEY), chain.GENESIS
    for row in rows:
        head = chain.seal(key, head, content_of(row))
        key = chain.next_key(key)
        raw.execute("UPDATE entry SET mac = ? WHERE number = ?", (head, row[0]))
    raw.execute("UPDATE chain SET key = ?, head = ?", (key, head))
    raw.commit()
    raw.close()


def test_an_anchor_is_short_and_read_back() -> None:
    for entry in (1, 255, 256, 20_000, 4_000_000, 2**32 - 1):
        head = Head.at(entry, bytes(range(32)))
        assert Head.decode(head.encode()) == head
        assert 9 <= len(head.encode()) <= 12
    for wrong in (b"", bytes(8), bytes(9), bytes(8) + b"\x00\x01", bytes(8) + b"\x01" * 5):
        with pytest.raises(CodecError):
            Head.decode(wrong)


async def test_the_anchor_is_the_last_durable_entry(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        assert journal.anchor() == b""
        begun = await journal.begin(SALE)
        await journal.conclude(approved(begun))
        first = Head.decode(journal.anchor())
        with pytest.raises(MisuseError):  # nothing is anchored by what is rolled back
            await journal.conclude(approved(begun))
        assert (first.entry, Head.decode(journal.anchor())) == (2, first)
        raw = journal.raw
        (mac,) = raw.execute("SELECT mac FROM entry WHERE number = 2").fetchone()
        assert first.code == mac[:8]
    async with opened(tmp_path) as journal:
        assert Head.decode(journal.anchor()) == first


async def test_what_the_journal_holds_changes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        told = []
        for _ in range(3):
            await sell(journal)
            told.append(journal.anchor())
        for each in told:
            assert await journal.witness(each, NOW) == ""
        assert journal.behind == ""
        await sell(journal)
        assert await journal.verify() is None


async def test_a_folder_that_went_back_as_a_whole_sells_after_a_sign_on(tmp_path: Path) -> None:
    folder = tmp_path / "terminal"
    folder.mkdir()
    async with opened(folder) as journal:
        await sell(journal)
    copy = keep(folder)
    async with opened(folder) as journal:
        await sell(journal, 2)
        told = journal.anchor()
    async with opened(copy) as journal:
        await sell(journal)  # nobody has told it yet
    copy_of_copy = keep(copy)
    async with opened(copy_of_copy) as journal:
        assert "old copy" in await journal.witness(told, NOW)
        with pytest.raises(JournalBehindError) as refused:
            await journal.begin(SALE)
        assert refused.value.stable_code == "JRN-008"
        assert await journal.catch_up(stan=3, ksn=3, at=NOW)
        begun = await journal.begin(SALE)
        assert begun.key.stan == 4
        await journal.conclude(approved(begun))
        # The same witness again, now with other entries in the place: dealt with.
        await sell(journal, 3)
        assert await journal.witness(told, NOW) == ""
    async with opened(copy_of_copy) as journal:
        assert await journal.witness(told, NOW) == ""
        await sell(journal)


async def test_a_history_sealed_anew_sells_nothing_until_the_batch_is_settled(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as journal:
        await sell(journal, 3)
        told = journal.anchor()
        await sell(journal)
    sealed_anew(tmp_path, 2)
    async with opened(tmp_path) as journal:
        assert await journal.verify() is None  # true in itself
        assert "replaced or changed" in await journal.witness(told, NOW)
        with pytest.raises(JournalBehindError) as refused:
            await journal.begin(SALE)
        assert refused.value.stable_code == "JRN-013"
    async with opened(tmp_path) as journal:  # a restart forgets nothing
        assert "replaced or changed" in journal.behind
        assert not await journal.catch_up(stan=1, ksn=1, at=NOW)  # nor does a sign-on
        with pytest.raises(JournalBehindError):
            await journal.begin(SALE)
        await journal.close(await journal.freeze(NOW), {}, NOW)
        assert journal.behind == ""
        assert await journal.witness(told, NOW) == ""
        await sell(journal)


async def test_a_code_on_a_slip_is_found_or_not(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await sell(journal, 3)
        code = await journal.head()
        batch = await journal.freeze(NOW)
        frozen = await journal.head()
        await journal.close(batch, {}, NOW)
        settled = await journal.settled(batch)
        assert settled is not None
        assert settled["head"] == frozen
        await sell(journal)
        assert await journal.with_code(code) == 6
        assert await journal.with_code(code.lower()) == 6
        assert await journal.with_code("00000000") is None
    sealed_anew(tmp_path, 2)
    async with opened(tmp_path) as journal:
        assert await journal.with_code(code) is None


async def test_what_the_acquirer_was_told_is_a_witness_of_each_check(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await sell(journal, 3)
        assert await journal.witness(journal.anchor(), NOW) == ""
        assert await journal.verify() is None
        assert journal._told == {6: await journal.head()}
        journal._told = {6: "00000000"}
        assert await journal.verify() == 6
