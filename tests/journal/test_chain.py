from __future__ import annotations

import hmac
import sqlite3
from pathlib import Path
from random import Random

import anyio
import pytest

from posfw.journal import chain
from tests.journal.fakes import KEY, SALE, approved, opened


async def test_entries_can_neither_be_changed_nor_deleted(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.conclude(approved(await journal.begin(SALE)))
    with sqlite3.connect(tmp_path / "journal.db") as raw:
        for statement in ("UPDATE entry SET body = x'00'", "DELETE FROM entry"):
            with pytest.raises(sqlite3.IntegrityError):
                raw.execute(statement)
    raw.close()


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE entry SET body = x'a0' WHERE number = 2",
        "DELETE FROM entry WHERE number = 2",
        "DELETE FROM entry WHERE number = (SELECT max(number) FROM entry)",
        "UPDATE entry SET at = 'x' WHERE number = 1",
    ],
)
async def test_tampering_behind_the_schema_is_found(tmp_path: Path, tampering: str) -> None:
    async with opened(tmp_path) as journal:
        for _ in range(2):
            await journal.conclude(approved(await journal.begin(SALE)))
    await anyio.to_thread.run_sync(_tamper, tmp_path / "journal.db", tampering)
    async with opened(tmp_path) as journal:
        assert await journal.verify() is not None


def _tamper(path: Path, statement: str) -> None:
    raw = sqlite3.connect(path)
    raw.execute("DROP TRIGGER entry_never_changes")
    raw.execute("DROP TRIGGER entry_never_goes")
    raw.execute(statement)
    raw.commit()
    raw.close()


async def test_the_start_key_of_the_chain_is_not_in_the_files(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.begin(SALE)
    files = await anyio.to_thread.run_sync(
        lambda: [path.read_bytes() for path in tmp_path.iterdir()]
    )
    assert not any(KEY in data for data in files)


def test_the_code_is_the_standard_librarys_hmac() -> None:
    chance = Random(2104)
    for size in (*range(65), *[32] * 200):
        key, previous = chance.randbytes(size), chance.randbytes(32)
        content = chance.randbytes(chance.randrange(600))
        expected = hmac.new(key, previous + content, "sha256").digest()
        assert chain.seal(key, previous, content) == expected
