from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from posfw.update import driver
from posfw.update.driver import COPY, forget_copy, keep_journal, schema_of
from posfw.update.policy import Keeping
from posfw.values.errors import DeviceError, JournalCorruptError

pytestmark = pytest.mark.may_block  # all of it runs in a worker, before the journal is opened


def write(path: Path, schema: int, rows: int) -> None:
    """Make or migrate a database as a journal is: its news in the log, nobody closed it tidily."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE IF NOT EXISTS entry (n INTEGER)")
        connection.executemany("INSERT INTO entry VALUES (?)", [(n,) for n in range(rows)])
        connection.execute(f"PRAGMA user_version={schema}")
        connection.commit()
        torn = {p.name: p.read_bytes() for p in path.parent.glob(f"{path.name}*")}
    for name, data in torn.items():
        if not name.endswith("-shm"):
            (path.parent / name).write_bytes(data)


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return int(connection.execute("SELECT COUNT(*) FROM entry").fetchone()[0])


def keep(state: Path, program: int, *, trial: bool = False, failed: bool = False) -> Keeping:
    return keep_journal(state, program=program, trial=trial, failed=failed)


def test_a_trial_that_fails_leaves_the_journal_as_it_was(tmp_path: Path) -> None:
    journal = tmp_path / "journal.db"
    write(journal, 2, 10)
    assert keep(tmp_path, 3, trial=True) is Keeping.COPY
    write(journal, 3, 5)
    assert keep(tmp_path, 3, trial=True) is Keeping.OPEN  # the second try
    write(journal, 3, 5)
    assert keep(tmp_path, 2, failed=True) is Keeping.PUT_BACK
    assert (schema_of(journal), rows(journal)) == (2, 10)
    assert keep(tmp_path, 2) is Keeping.OPEN


def test_a_good_program_forgets_the_copy_and_nothing_is_put_back(tmp_path: Path) -> None:
    journal = tmp_path / "journal.db"
    write(journal, 2, 10)
    keep(tmp_path, 3, trial=True)
    write(journal, 3, 5)
    forget_copy(tmp_path)
    assert not (tmp_path / COPY).exists()
    assert keep(tmp_path, 2, failed=True) is Keeping.REFUSE
    assert rows(journal) == 15


def test_a_copy_is_not_put_back_without_a_failed_trial(tmp_path: Path) -> None:
    """A stale copy beside a journal that has sold since would take money back."""
    write(tmp_path / "journal.db", 2, 10)
    keep(tmp_path, 3, trial=True)
    write(tmp_path / "journal.db", 3, 5)
    assert keep(tmp_path, 2) is Keeping.REFUSE
    assert rows(tmp_path / "journal.db") == 15


class Cut(Exception):  # noqa: N818 - the power is not an error of anybody
    pass


STEPS = ("_sync", "replace", "_settle")


@pytest.mark.parametrize("number", range(8))
def test_putting_back_survives_a_cut_at_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    journal = tmp_path / "journal.db"
    write(journal, 2, 10)
    keep(tmp_path, 3, trial=True)
    write(journal, 3, 5)
    left = number

    def counted(real: object) -> object:
        def step(*values: object) -> object:
            nonlocal left
            if left == 0:
                raise Cut
            left -= 1
            return real(*values)  # type: ignore[operator]  # whatever it wraps

        return step

    with monkeypatch.context() as patch:
        patch.setattr(driver, "_sync", counted(driver._sync))
        patch.setattr(driver, "_settle", counted(driver._settle))
        patch.setattr(Path, "replace", counted(Path.replace))
        try:
            keep(tmp_path, 2, failed=True)
            finished = True
        except Cut:
            finished = False
    assert finished == (number >= 4)  # settle, sync of the file, replace, sync of the folder
    if not finished:
        assert keep(tmp_path, 2, failed=True) in (Keeping.PUT_BACK, Keeping.OPEN)
    assert (schema_of(journal), rows(journal)) == (2, 10)


def test_a_copy_cut_half_way_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "journal.db", 2, 10)

    def cut(*_: object) -> None:
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", cut)
        with pytest.raises(Cut):
            keep(tmp_path, 3, trial=True)
    assert not (tmp_path / COPY).exists()
    assert keep(tmp_path, 3, trial=True) is Keeping.COPY
    assert rows(tmp_path / COPY) == 10


def test_no_journal_has_no_schema_and_rubbish_is_told(tmp_path: Path) -> None:
    assert schema_of(tmp_path / "none") == 0
    assert keep(tmp_path, 3, trial=True) is Keeping.OPEN
    (tmp_path / "journal.db").write_bytes(b"rubbish" * 2000)
    with pytest.raises(JournalCorruptError):
        keep(tmp_path, 3, trial=True)


async def test_no_installer_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeviceError) as refused:
        await driver.ask(tmp_path / "none.sock", {"do": "status"})
    assert refused.value.stable_code == "UPD-209"
