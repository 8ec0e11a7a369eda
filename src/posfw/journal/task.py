"""Copies of the journal: taken while it sells, looked at without a touch, put back with care."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio
import anyio.to_thread

from posfw.journal import reading
from posfw.journal.driver import (
    Anchor,
    Archive,
    Session,
    archive_of,
    cannot_use,
    forbidden,
    lock_of,
    release,
    usable,
)
from posfw.journal.opening import SCHEMA_VERSION, check_archive, check_file
from posfw.journal.store import Journal
from posfw.values.errors import JournalBehindError, JournalCorruptError, JournalError

__all__ = ["Backup", "backup", "copy_pages", "look", "restore"]

T = TypeVar("T")

# 64 pages of 4 KiB are copied in well under a commit's time; a commit waits for one step at most.
STEP_PAGES: Final = 64
PAUSE_S: Final = 0.002
KEEP: Final = 7
_PATTERN: Final = "journal-*.db"
ARCHIVE_COPY: Final = "archive.db"  # one for all generations in a folder: it only grows


@dataclass(frozen=True, slots=True)
class Backup:
    """A verified copy: where it lies, its last entry and the chain head's short code."""

    path: Path
    entry: int
    head: str


async def backup(
    journal: Journal, folder: Path, *, chain_key: bytes, now: datetime, keep: int = KEEP
) -> Backup:
    """Copy the journal while it sells, verify the copy, then drop all but the newest `keep`.

    Raises:
        JournalError: it could not be written, or what was written does not verify.
    """
    return await anyio.to_thread.run_sync(
        _backup, journal.raw, folder, chain_key, now, max(1, keep), abandon_on_cancel=False
    )


def _backup(
    source: sqlite3.Connection, folder: Path, chain_key: bytes, now: datetime, keep: int
) -> Backup:
    unfinished = folder / ".journal.unfinished"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished.unlink(missing_ok=True)
        unfinished.touch(0o600)
        copy_pages(source, unfinished, STEP_PAGES, lambda: time.sleep(PAUSE_S))
        found = _verified(unfinished, chain_key)
        stamp = now.strftime("%Y%m%dT%H%M%S")
        path = folder / f"journal-{stamp}-{found.entry:09d}.db"
        _settle(unfinished, path)
    except OSError as error:
        raise forbidden(folder, error) from error
    except sqlite3.Error as error:
        raise cannot_use(unfinished, error) from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    for old in sorted(folder.glob(_PATTERN))[:-keep]:
        old.unlink()
    return Backup(path, found.entry, found.head)


def copy_pages(
    source: sqlite3.Connection, target: Path, pages: int, pause: Callable[[], None]
) -> None:
    """Copy a database that is in use into a file, `pages` at a time.

    Between two steps other threads' statements run; what they change is copied again by SQLite
    (backup.html: writes through the same connection are carried over).
    """
    copy = sqlite3.connect(target, check_same_thread=False)
    try:
        copy.execute("PRAGMA synchronous=OFF")  # it is synced once, when it is whole
        source.backup(copy, pages=pages, progress=lambda *_: pause())
        # A copy is one file: without the mark of a write-ahead log nobody looks for a second.
        copy.execute("PRAGMA journal_mode=DELETE").fetchall()
    finally:
        copy.close()


@contextmanager
def look(path: Path) -> Iterator[Callable[..., Any]]:
    """Open a journal or a copy, and its archive where asked, for looking: no byte changes.

    Yields a function that runs a reading function (`posfw.journal.reading`) with its arguments.

    Raises:
        JournalError: missing, damaged, foreign, of another schema, or held by another process.
    """
    usable(path, create=False)
    with ExitStack() as opened:

        def old(archive: Path) -> sqlite3.Connection:
            connection = opened.enter_context(_untouched(archive))
            check_archive(connection, str(archive))
            return connection

        try:
            connection = opened.enter_context(_untouched(path))
            if check_file(connection, str(path)) != SCHEMA_VERSION:
                raise JournalError(
                    f"The journal {path} is of an older program.",
                    code="JRN-010",
                    next_step="Start the terminal once: it brings the journal up to date.",
                )
            session = Session(connection, path, Archive(_archive_beside(path), old))

            def run(function: Callable[..., T], *values: Any, **named: Any) -> T:
                return function(session, *values, **named)

            yield run
        except sqlite3.Error as error:
            raise cannot_use(path, error) from error


@contextmanager
def _untouched(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database so that neither reading nor closing changes it, log included.

    The last connection to close a database copies its log into it, unless the file was moved
    since (SQLite: SQLITE_FCNTL_HAS_MOVED). So the look goes through a second name of the file,
    which is taken away before closing.
    """
    log = path.with_name(path.name + "-wal")
    second = path.with_name(f".{path.name}.{os.getpid()}.look")
    second_log = second.with_name(second.name + "-wal")
    if log.exists():
        try:
            second.hardlink_to(path)
            second_log.hardlink_to(log)
        except OSError as error:
            second.unlink(missing_ok=True)
            raise forbidden(path, error) from error
        connection = sqlite3.connect(second, isolation_level=None)
    else:  # whole in one file: nothing to copy, nothing to lock (works on any file system)
        name = f"{path.resolve().as_uri()}?immutable=1"
        connection = sqlite3.connect(name, uri=True, isolation_level=None)
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
        connection.execute("PRAGMA cell_size_check=ON")
        connection.execute("PRAGMA query_only=ON")
        yield connection
    finally:
        second.unlink(missing_ok=True)
        connection.close()
        second_log.unlink(missing_ok=True)


def _archive_beside(path: Path) -> Path:
    """Return where the archive of a journal or of a backup's copy lies."""
    common = path.with_name(ARCHIVE_COPY)
    return common if path.match(_PATTERN) and common.is_file() else archive_of(path)


def _verified(path: Path, chain_key: bytes) -> Backup:
    """Read a copy from end to end.

    Raises:
        JournalCorruptError: it is damaged, or its chain does not hold.
    """
    with look(path) as run:
        problems = run(lambda sql: sql("PRAGMA integrity_check(3)"))
        if problems != [("ok",)]:
            raise JournalCorruptError(f"The copy {path} is damaged: {problems[0][0]}.")
        bad = run(reading.verify, chain_key)
        if bad is not None:
            raise JournalCorruptError(f"Entry {bad} of {path} is missing or was changed.")
        return Backup(path, run(reading.position)["entry"], run(reading.head))


def restore(copy: Path, journal: Path, *, chain_key: bytes, now: datetime, behind: bool) -> Backup:
    """Put a copy in the journal's place; what was there is kept beside it.

    Nobody may run the journal. A copy that is older than what the terminal had already written
    is taken only with `behind`, and then no sale begins before a sign-on: the acquirer's numbers
    must be passed first, or one number would stand for two payments.

    Raises:
        JournalBusyError: a terminal is running.
        JournalBehindError: the copy is older, and `behind` was not said.
        JournalError: the copy or the place cannot be used.
    """
    found = _verified(copy, chain_key)
    with look(copy) as run:
        place = run(reading.position)
    holder = lock_of(journal)
    try:
        known = _known(journal)
        if place["ksn"] < known.ksn and not behind:
            raise JournalBehindError(
                f"The copy {copy} ends with key counter {place['ksn']},"
                f" the terminal had come to {known.ksn}.",
                effect="The journal was left as it is.",
                next_step="Take a newer copy, or say --behind and sign on before the next sale.",
            )
        unfinished = journal.with_name(journal.name + ".restored")
        unfinished.write_bytes(copy.read_bytes())
        unfinished.chmod(0o600)
        # The anchor first: a cut between the two must not leave an old copy without its mark.
        handle = Anchor.open(journal)
        known.write(handle)
        os.fsync(handle)
        os.close(handle)
        stamp = now.strftime("%Y%m%dT%H%M%S")
        for suffix in ("-wal", ""):
            old = journal.with_name(journal.name + suffix)
            if old.exists():
                old.replace(journal.with_name(f"{journal.name}.before-{stamp}{suffix}"))
        _settle(unfinished, journal)
    except OSError as error:
        raise forbidden(journal, error) from error
    finally:
        release(holder)
    return Backup(journal, found.entry, found.head)


def _known(journal: Path) -> Anchor:
    """Return how far the terminal had come: by its anchor, or by the journal if it reads."""
    known = Anchor.read(journal)
    with suppress(JournalError), look(journal) as run:
        at = run(reading.position)
        if at["ksn"] > known.ksn:
            return Anchor(at["ksn"], at["stan"], at["entry"])
    return known


def _settle(path: Path, name: Path) -> None:
    """Make a finished file durable, then its final name."""
    _sync(path)
    path.replace(name)
    _sync(name.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
