from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from posfw.values.errors import (
    JournalCorruptError,
    JournalError,
)
from tests.journal.fakes import SALE, approved, opened


def _folder(path: Path) -> None:
    path.mkdir()


def _empty(path: Path) -> None:
    path.touch()


def _noise(path: Path) -> None:
    path.write_bytes(b"not a database" * 400)


def _foreign(path: Path) -> None:
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE other (a)")
    raw.commit()
    raw.close()


def _newer(path: Path) -> None:
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA application_id = 0x706F7366")
    raw.execute("PRAGMA user_version = 99")
    raw.execute("CREATE TABLE entry (a)")
    raw.commit()
    raw.close()


@pytest.mark.parametrize("make", [_folder, _empty, _noise, _foreign, _newer])
async def test_a_file_that_is_no_journal_is_refused_and_left_alone(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "journal.db"
    await anyio.to_thread.run_sync(make, path)
    before = await anyio.to_thread.run_sync(lambda: path.read_bytes() if path.is_file() else b"")
    with pytest.raises(JournalError):
        async with opened(tmp_path):
            raise AssertionError("opened")
    after = await anyio.to_thread.run_sync(lambda: path.read_bytes() if path.is_file() else b"")
    assert before == after


async def test_what_a_half_made_journal_left_behind_is_no_obstacle(tmp_path: Path) -> None:
    def leave() -> None:
        for suffix in ("", "-wal", "-journal"):
            (tmp_path / f"journal.db.new{suffix}").write_bytes(b"half")

    await anyio.to_thread.run_sync(leave)
    async with opened(tmp_path) as journal:
        await journal.begin(SALE)
        assert await journal.verify() is None
    names = await anyio.to_thread.run_sync(lambda: sorted(p.name for p in tmp_path.iterdir()))
    assert names == ["journal.db", "journal.db.anchor", "journal.db.lock"]


async def test_a_missing_journal_is_never_made_silently(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no journal"):
        async with opened(tmp_path, create=False):
            raise AssertionError("opened")


async def test_a_flipped_page_is_noticed(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        for _ in range(30):
            await journal.conclude(approved(await journal.begin(SALE)))

    def flip() -> None:
        path = tmp_path / "journal.db"
        data = bytearray(path.read_bytes())
        for at in range(4096, len(data), 4096):
            data[at] ^= 0xFF
        path.write_bytes(data)

    await anyio.to_thread.run_sync(flip)
    with pytest.raises(JournalCorruptError):
        async with opened(tmp_path):
            raise AssertionError("opened")
