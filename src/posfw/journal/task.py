"""Copies of the journal: taken while it sells, looked at without a touch, put back with care."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio
import anyio.to_thread

from posfw.journal import reading
from posfw.journal.archive import KEEP_BATCHES, cut_back, end_of, holds, store
from posfw.journal.driver import (
    Anchor,
    Archive,
    Session,
    archive_of,
    cannot_use,
    forbidden,
    lock_of,
    make,
    release,
    usable,
)
from posfw.journal.opening import SCHEMA_VERSION, check_archive, check_file, fill_archive
from posfw.journal.sql import Mark, marked
from posfw.journal.store import Journal
from posfw.ports import Clock
from posfw.values.errors import (
    JournalArchiveError,
    JournalBehindError,
    JournalCorruptError,
    JournalError,
)

__all__ = [
    "Backup",
    "BackupPolicy",
    "backup",
    "copy_pages",
    "keep_backups",
    "keep_house",
    "look",
    "restore",
]

T = TypeVar("T")

# 64 pages of 4 KiB are copied in well under a commit's time; a commit waits for one step at most.
STEP_PAGES: Final = 64
PAUSE_S: Final = 0.002
KEEP: Final = 7
RETRY_S: Final = 600.0  # a stick that is not there, a full disk: people need minutes
LOOK_S: Final = 3_600.0  # the clock may jump, copies may be taken away
HOUSE_S: Final = 900.0
CHECK_S: Final = 7 * 86_400.0
_STAMPED: Final = re.compile(r"\d{8}T\d{6}")
_PATTERN: Final = "journal-*.db"
_STAMP: Final = "%Y%m%dT%H%M%S"
ARCHIVE_COPY: Final = "archive.db"  # one for all generations in a folder: it only grows


@dataclass(frozen=True, slots=True)
class Backup:
    """A verified copy: where it lies, its last entry and the chain head's short code."""

    path: Path
    entry: int
    head: str


@dataclass(frozen=True, slots=True)
class BackupPolicy:
    """Where copies go, how often, how many stay."""

    folder: Path
    every_s: float = 86_400.0
    keep: int = KEEP


async def keep_backups(
    journal: Journal,
    policy: BackupPolicy,
    *,
    chain_key: bytes,
    clock: Clock,
    tell: Callable[[Backup | JournalError], Awaitable[None]],
) -> None:
    """Copy the journal whenever the newest copy is older than the policy says, until cancelled.

    The age is read from the copies themselves: a terminal that was off makes up for it at once,
    and a folder on a stick that was changed gets its first copy.

    Args:
        journal: is copied while it sells.
        policy: where, how often, how many.
        chain_key: from the secure element; every copy is verified.
        clock: ages of copies.
        tell: hears of each copy, and why one could not be made; that one is tried again.
    """
    while True:
        now = clock.now()
        newest = await anyio.to_thread.run_sync(_newest, policy.folder, now.strftime(_STAMP))
        wait_s = wait_for_copy_s(newest, now, policy.every_s)
        if wait_s <= 0:
            try:
                made = await backup(
                    journal,
                    policy.folder,
                    chain_key=chain_key,
                    now=clock.now(),
                    keep=policy.keep,
                )
            except JournalError as error:
                await tell(error)
                wait_s = RETRY_S
            else:
                await tell(made)
                wait_s = policy.every_s
        await anyio.sleep(min(wait_s, LOOK_S))


def wait_for_copy_s(newest: str, now: datetime, every_s: float) -> float:
    """Return how long until the next copy is due, 0 or less if it is.

    Args:
        newest: time in the name of the newest copy, "" if there is none.
        now: local time.
        every_s: from the policy.
    """
    if not newest:
        return 0.0
    made = datetime.strptime(newest, _STAMP).replace(tzinfo=now.tzinfo)
    return every_s - (now - made).total_seconds()


def _newest(folder: Path, now: str) -> str:
    """Return the newest time in a copy's name; one of tomorrow means that the clock went back."""
    stamps = [path.name.split("-")[1] for path in folder.glob(_PATTERN)]
    return max((each for each in stamps if _STAMPED.fullmatch(each) and each <= now), default="")


async def keep_house(
    journal: Journal,
    *,
    clock: Clock,
    idle: Callable[[], bool],
    keep: int = KEEP_BATCHES,
    checked_at: datetime | None,
    tell: Callable[[int, int | None], Awaitable[None]],
) -> None:
    """While nobody uses the terminal: archive what is settled, check everything once a week.

    Args:
        journal: whose past is looked after.
        clock: when the last check was.
        idle: nothing is under way and nobody has pressed a key for a while.
        keep: closed batches that stay in the journal.
        checked_at: when everything was checked last, None if never.
        tell: hears of a whole check: entries checked, the first bad one or None.

    Raises:
        JournalError: the archive cannot be used; the caller tells a person.
    """
    while True:
        await anyio.sleep(HOUSE_S)
        if not idle():
            continue
        now = clock.now()
        await journal.archive(now, keep)
        if checked_at is None or not 0 <= (now - checked_at).total_seconds() < CHECK_S:
            bad = await journal.verify(whole=True)
            await tell((await journal.position())["entry"], bad)
            checked_at = now


async def backup(
    journal: Journal, folder: Path, *, chain_key: bytes, now: datetime, keep: int = KEEP
) -> Backup:
    """Copy the journal while it sells, verify the copy, then drop all but the newest `keep`.

    The archive only grows: one copy of it serves all generations, and only what is new goes there.

    Raises:
        JournalError: it could not be written, or what was written does not verify.
    """
    made = await anyio.to_thread.run_sync(
        _backup, journal.raw, folder, chain_key, now, abandon_on_cancel=False
    )
    await _copy_archive(journal, folder / ARCHIVE_COPY, now)
    await anyio.to_thread.run_sync(_drop_old, folder, max(1, keep))
    return made


def _backup(source: sqlite3.Connection, folder: Path, chain_key: bytes, now: datetime) -> Backup:
    unfinished = folder / ".journal.unfinished"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished.unlink(missing_ok=True)
        unfinished.touch(0o600)
        copy_pages(source, unfinished, STEP_PAGES, lambda: time.sleep(PAUSE_S))
        found = _verified(unfinished, chain_key)
        path = folder / f"journal-{now.strftime(_STAMP)}-{found.entry:09d}.db"
        _settle(unfinished, path)
    except OSError as error:
        raise forbidden(folder, error) from error
    except sqlite3.Error as error:
        raise cannot_use(unfinished, error) from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    return Backup(path, found.entry, found.head)


def _drop_old(folder: Path, keep: int) -> None:
    """Keep the copies that come furthest; entry numbers rise also where the clock went back."""
    for old in sorted(folder.glob(_PATTERN), key=lambda p: p.stem.split("-")[::-1])[:-keep]:
        old.unlink()


async def _copy_archive(journal: Journal, path: Path, now: datetime) -> None:
    """Bring a folder's copy of the archive up to date; one of another past is set aside."""
    base = await anyio.to_thread.run_sync(_end_of_copy, path)
    try:
        step = await journal.archived(base)
    except JournalArchiveError:
        if not base.step:
            raise
        aside = path.with_name(f"archive.before-{now.strftime(_STAMP)}.db")
        await anyio.to_thread.run_sync(path.replace, aside)
        base = Mark(0, 0, bytes(32), b"")
        step = await journal.archived(base)
    if step is None:
        return
    await anyio.to_thread.run_sync(make, path, fill_archive)
    copy = Archive(path)
    try:
        while step is not None:
            await anyio.to_thread.run_sync(copy.transaction, store, step)
            step = await journal.archived(Mark(step.number, step.through, step.head, b""))
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(copy.close)


def _end_of_copy(path: Path) -> Mark:
    if not path.exists():
        return Mark(0, 0, bytes(32), b"")
    with _archived(path) as archive:
        return end_of(archive)


@contextmanager
def _archived(path: Path) -> Iterator[Archive]:
    archive = Archive(path)
    try:
        yield archive
    finally:
        archive.close()


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
        JournalArchiveError: what the copy had moved is in no archive, neither here nor beside it.
        JournalError: the copy or the place cannot be used.
    """
    found = _verified(copy, chain_key)
    with look(copy) as run:
        place, mark = run(reading.position), run(marked)
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
        stamp = now.strftime(_STAMP)
        _restore_archive(copy, journal, mark, stamp)
        unfinished = journal.with_name(journal.name + ".restored")
        unfinished.write_bytes(copy.read_bytes())
        unfinished.chmod(0o600)
        # The anchor first: a cut between the two must not leave an old copy without its mark.
        handle = Anchor.open(journal)
        known.write(handle)
        os.fsync(handle)
        os.close(handle)
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


def _restore_archive(copy: Path, journal: Path, mark: Mark, stamp: str) -> None:
    """Leave an archive beside the journal that ends where the copy goes on."""
    place = archive_of(journal)
    source = next((p for p in (place, copy.with_name(ARCHIVE_COPY)) if _fits(p, mark)), None)
    if mark.step and source is None:
        raise JournalArchiveError(f"No archive holds what {copy} has moved into one.")
    if source == place and _end_of_copy(place).step == mark.step:
        return
    aside = place.with_name(f"{place.name}.before-{stamp}")
    for suffix in ("-wal", ""):
        old = place.with_name(place.name + suffix)
        if old.exists():
            old.replace(aside.with_name(aside.name + suffix))
    if source is not None:
        unfinished = place.with_name(place.name + ".restored")
        shutil.copyfile(aside if source == place else source, unfinished)
        unfinished.chmod(0o600)
        with _archived(unfinished) as archive:
            archive.transaction(cut_back, mark)
        _settle(unfinished, place)


def _fits(path: Path, mark: Mark) -> bool:
    """Say whether a file is an archive of what was moved up to `mark`; its log goes into it."""
    if not mark.step or not path.is_file():
        return False
    with suppress(JournalError), _archived(path) as archive:
        return holds(archive, mark)
    return False


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
