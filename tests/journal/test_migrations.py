"""Old journals come up to date wholly or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from posfw.journal import opening
from posfw.journal.opening import SCHEMA_VERSION, open_file, script_of, statements
from posfw.values.transaction import State
from tests.journal.fakes import KEY, NOW, SALE, approved, opened

SCHEMAS = sorted((Path(__file__).parent / "schemas").glob("*.sql"))
# A next schema as it could look: a table, a column, a trigger with inner semicolons, a change.
NEXT = """-- Schema 2 of this test.
CREATE TABLE later (one INTEGER PRIMARY KEY, two TEXT) STRICT;
ALTER TABLE txn ADD COLUMN later INTEGER NOT NULL DEFAULT 0;
CREATE TRIGGER later_stays BEFORE DELETE ON later
BEGIN
  SELECT RAISE(ABORT, 'no');
END;
INSERT INTO later SELECT number, name FROM entry;
UPDATE txn SET later = 1;
"""


class Failing:
    """A connection whose Nth statement after the settings fails."""

    def __init__(self, raw: sqlite3.Connection, at: int) -> None:
        self.raw, self.left = raw, at
        self.in_migration = False

    @property
    def in_transaction(self) -> bool:
        return self.raw.in_transaction

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> sqlite3.Cursor:
        if self.in_migration and statement != "ROLLBACK":
            self.left -= 1
            if self.left == 0:
                raise sqlite3.OperationalError("made to fail")
        self.in_migration = self.in_migration or statement == "BEGIN IMMEDIATE"
        return self.raw.execute(statement, parameters)


def dumped(raw: sqlite3.Connection) -> list[str]:
    marks = [raw.execute(f"PRAGMA {p}").fetchone() for p in ("user_version", "application_id")]
    return [*raw.iterdump(), str(marks)]


def test_the_newest_schema_file_is_the_programs() -> None:
    assert statements(script_of(SCHEMA_VERSION))
    with pytest.raises(FileNotFoundError):
        script_of(SCHEMA_VERSION + 1)


def test_every_released_schema_is_kept() -> None:
    assert [int(path.stem) for path in SCHEMAS] == list(range(1, SCHEMA_VERSION + 1))


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: path.stem)
async def test_a_released_journal_opens_with_all_it_held(schema: Path, tmp_path: Path) -> None:
    def load() -> None:
        raw = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
        raw.executescript(schema.read_text(encoding="utf-8"))
        raw.close()

    await anyio.to_thread.run_sync(load)
    async with opened(tmp_path, create=False) as journal:
        assert await journal.verify() is None
        states = [each.state for each in await journal.transactions()]
        assert states == [
            State.APPROVED,
            State.REVERSING,
            State.APPROVED,
            State.APPROVED,
            State.BEGUN,
        ]
        standing = await journal.standing()
        assert (standing.in_doubt, standing.reversals, standing.offline_count) == (1, 1, 1)
        assert standing.signed_on
        begun = await journal.begin(SALE)
        assert (begun.key.stan, begun.ksn_counter) == (6, 6)
        await journal.conclude(approved(begun))


def test_a_new_journal_is_made_wholly_or_not_at_all(tmp_path: Path) -> None:
    _each_statement_fails(tmp_path, fresh=True)


async def test_a_migration_happens_wholly_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as journal:
        await journal.conclude(approved(await journal.begin(SALE)))
    present = await anyio.to_thread.run_sync(script_of, SCHEMA_VERSION)
    monkeypatch.setattr(opening, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    monkeypatch.setattr(
        opening, "script_of", lambda number: NEXT if number > SCHEMA_VERSION else present
    )
    await anyio.to_thread.run_sync(lambda: _each_statement_fails(tmp_path, fresh=False))
    async with opened(tmp_path, create=False) as journal:
        assert await journal.verify() is None
        await journal.begin(SALE)


def _each_statement_fails(folder: Path, *, fresh: bool) -> None:
    failed = 0
    for at in range(1, 200):
        raw = sqlite3.connect(folder / "journal.db", isolation_level=None)
        before = dumped(raw)
        try:
            open_file(Failing(raw, at), "journal.db", KEY, NOW, fresh=fresh)
        except sqlite3.OperationalError:
            assert dumped(raw) == before
            failed += 1
        else:
            assert dumped(raw) != before
            assert failed >= 6  # every statement of it failed once
            return
        finally:
            raw.close()
    raise AssertionError("it never went through")
