from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from posfw.values.errors import JournalBusyError, JournalCorruptError, JournalError
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


def _foreign_without_tables(path: Path) -> None:
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 3")
    raw.close()


def _truncated(path: Path) -> None:
    _filled(path, 30)
    path.write_bytes(path.read_bytes()[: 4096 * 5 + 100])


def _cut_short(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\x00")


def _filled(path: Path, sales: int) -> None:
    async def fill() -> None:
        async with opened(path.parent) as journal:
            for _ in range(sales):
                await journal.conclude(approved(await journal.begin(SALE)))

    anyio.run(fill)


def _newer(path: Path) -> None:
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA application_id = 0x706F7366")
    raw.execute("PRAGMA user_version = 99")
    raw.execute("CREATE TABLE entry (a)")
    raw.commit()
    raw.close()


@pytest.mark.parametrize(
    "make",
    [
        _folder,
        _empty,
        _noise,
        _foreign,
        _foreign_without_tables,
        _newer,
        _truncated,
        _cut_short,
    ],
)
async def test_a_file_that_is_no_journal_is_refused_and_left_alone(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "journal.db"
    await anyio.to_thread.run_sync(make, path)
    before = await anyio.to_thread.run_sync(lambda: path.read_bytes() if path.is_file() else b"")
    with pytest.raises(JournalError, match=r"journal\.db") as told:
        async with opened(tmp_path):
            raise AssertionError("opened")
    assert type(told.value).exit_code == 6
    assert told.value.stable_code.startswith("JRN-")
    assert told.value.next_step_text
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


async def test_each_flipped_page_is_refused_or_harmless(tmp_path: Path) -> None:
    """A page that SQLite does not miss (free, or a row's content) is the chain's to find."""
    await anyio.to_thread.run_sync(_filled, tmp_path / "journal.db", 40)
    whole = await anyio.Path(tmp_path / "journal.db").read_bytes()
    verdicts = {"refused": 0, "chain": 0, "harmless": 0}
    causes: list[str] = []
    untouched: list[bool] = []
    for page in range(len(whole) // 4096):
        data = bytearray(whole)
        data[page * 4096 : (page + 1) * 4096] = bytes(
            b ^ 0xFF for b in whole[page * 4096 :][:4096]
        )
        folder = tmp_path / f"{page}"
        await anyio.Path(folder).mkdir()
        await anyio.Path(folder / "journal.db").write_bytes(data)
        try:
            async with opened(folder, create=False) as journal:
                found = "harmless" if await journal.verify() is None else "chain"
        except JournalError as error:
            causes.append(error.cause)
            untouched.append(await anyio.Path(folder / "journal.db").read_bytes() == data)
            found = "refused"
        verdicts[found] += 1
    assert all("journal.db" in cause for cause in causes)
    assert all(untouched)
    assert verdicts["refused"] > 10
    assert verdicts["harmless"] == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
async def test_a_file_without_permission_is_told(tmp_path: Path) -> None:
    await anyio.to_thread.run_sync(_filled, tmp_path / "journal.db", 1)
    await anyio.Path(tmp_path / "journal.db").chmod(0o400)
    with pytest.raises(JournalError, match="may not be read or written") as told:
        async with opened(tmp_path):
            raise AssertionError("opened")
    assert told.value.stable_code == "JRN-004"


async def test_a_database_in_use_elsewhere_is_busy(tmp_path: Path) -> None:
    """Not our lock file: another program has the database open and locked."""
    await anyio.to_thread.run_sync(_filled, tmp_path / "journal.db", 1)
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "c.execute('PRAGMA locking_mode=EXCLUSIVE'); c.execute('BEGIN EXCLUSIVE');"
        "print('locked', flush=True); sys.stdin.read()"
    )
    path = str(tmp_path / "journal.db")
    async with await anyio.open_process([sys.executable, "-c", program, path]) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert (await other.stdout.receive()).startswith(b"locked")
        with pytest.raises(JournalBusyError, match="Another program"):
            async with opened(tmp_path, create=False):
                raise AssertionError("opened")
        await other.stdin.aclose()
