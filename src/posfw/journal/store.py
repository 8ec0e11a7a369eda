"""The journal's file: one object, one connection, one lock, one call in the worker a transaction.

aiosqlite runs statements of two tasks interleaved and leaves a transaction open when its awaiter
is cancelled (both reproduced, docs/journal.md). So a whole SQL transaction is one function in its
worker thread, under a lock and shielded from cancellation.
"""

from __future__ import annotations

import errno
import fcntl
import importlib.resources
import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
import anyio
import anyio.to_thread

from posfw.journal import batches, chain, jobs, owed, records, sales
from posfw.journal.sql import Sql
from posfw.ports import Clock
from posfw.values.document import Copy, DocumentRef, Job, JobState
from posfw.values.errors import (
    JournalBusyError,
    JournalCorruptError,
    JournalError,
    JournalUnsafeError,
    PosfwError,
)
from posfw.values.events import Record, Topic
from posfw.values.identity import Key
from posfw.values.transaction import Begun, Conclusion, Intent, Owed, Standing, Transaction

__all__ = ["Journal"]

T = TypeVar("T")

SCHEMA_VERSION = 1
APPLICATION_ID = 0x706F7366  # "posf": a foreign database is told apart before it is touched
# Opening sequence; each is read back (docs/journal.md says why each).
SETTINGS: tuple[tuple[str, str, object], ...] = (
    ("locking_mode", "EXCLUSIVE", "exclusive"),
    ("journal_mode", "WAL", "wal"),
    ("synchronous", "FULL", 2),
    ("wal_autocheckpoint", "200", 200),
    ("secure_delete", "ON", 1),
    ("foreign_keys", "ON", 1),
    ("trusted_schema", "OFF", 0),
    ("cell_size_check", "ON", 1),
)
VERIFY_PAGE = 2_000


class _Changes:
    """Wakes one waiting consumer; a change while nobody waits is not forgotten."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def notify(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()
        self._event = anyio.Event()


class Journal:
    """SaleJournal, OwedJournal, PrintJournal, BatchJournal and Records over one file.

    Make one with `Journal.open`. Every call is durable on return; a call that is cancelled has
    happened wholly or not at all.
    """

    def __init__(
        self, connection: aiosqlite.Connection, path: Path, terminal: str, chain_key: bytes
    ) -> None:
        self._connection = connection
        self._path = path
        self._terminal = terminal
        self._chain_key = chain_key
        self._lock = anyio.Lock()
        self._unsafe = ""
        self._owed_changes = _Changes()
        self._job_changes = _Changes()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, path: Path, *, terminal: str, chain_key: bytes, clock: Clock, create: bool = False
    ) -> AsyncIterator[Journal]:
        """Open the journal for the length of the context; only `create` makes a new file.

        Raises:
            JournalBusyError: another process holds it.
            JournalCorruptError: the file is damaged, foreign or of a newer schema.
            JournalError: missing, or not a usable file.
        """
        logging.getLogger("aiosqlite").setLevel(logging.WARNING)  # DEBUG prints parameters
        holder = await anyio.to_thread.run_sync(_hold, path, create)
        try:
            connection = aiosqlite.connect(path, isolation_level=None)
            async with connection:
                journal = cls(connection, path, terminal, chain_key)
                await journal._prepare(clock.now())
                yield journal
        finally:
            os.close(holder)

    async def _prepare(self, now: datetime) -> None:
        try:
            await self._in_worker(_open_file, self._chain_key, now)
        except sqlite3.DatabaseError as error:
            raise _damaged(self._path, error) from error
        await self._transact(jobs.after_restart, now)

    async def _in_worker(self, function: Callable[..., T], *values: object) -> T:
        # aiosqlite offers no public way to run one function in its worker; see the module's text.
        connection = self._connection
        run: Callable[..., Any] = connection._execute  # noqa: SLF001 - pinned, in this place only
        result: T = await run(function, connection._conn, *values)  # noqa: SLF001 - same
        return result

    async def _transact(self, function: Callable[..., T], *values: object, **named: object) -> T:
        """Run one SQL transaction to its end, whatever happens to the caller."""
        result: T
        async with self._lock:
            if self._unsafe:
                raise JournalUnsafeError(self._unsafe)
            try:
                with anyio.CancelScope(shield=True):
                    result = await self._in_worker(_transaction, function, values, named)
            except sqlite3.Error as error:
                raise self._fault(error) from error
        return result

    def _fault(self, error: sqlite3.Error) -> PosfwError:
        """A failed write or sync leaves durability unknown: nothing more until it is reopened."""
        name = getattr(error, "sqlite_errorname", "")
        if isinstance(error, sqlite3.DatabaseError) and name in (
            "SQLITE_CORRUPT",
            "SQLITE_NOTADB",
        ):
            return _damaged(self._path, error)
        self._unsafe = f"The journal {self._path} could not be written: {name or error}."
        return JournalUnsafeError(self._unsafe)

    async def begin(self, intent: Intent) -> Begun:
        """Commit 1 (ports.SaleJournal)."""
        return await self._transact(sales.begin, self._terminal, intent)

    async def conclude(self, conclusion: Conclusion) -> None:
        """Commit 2 (ports.SaleJournal)."""
        await self._transact(sales.conclude, conclusion)
        self._owed_changes.notify()
        self._job_changes.notify()

    async def transaction(self, key: Key) -> Transaction | None:
        """Return one transaction as it stands."""
        return await self._transact(sales.transaction, key)

    async def in_doubt(self) -> Sequence[Transaction]:
        """Return transactions begun and not concluded."""
        return await self._transact(sales.in_doubt, self._terminal)

    async def standing(self) -> Standing:
        """Return what limits are checked against."""
        return await self._transact(sales.standing)

    async def owed(self, limit: int, after: int = 0) -> Sequence[Owed]:
        """Return owed messages in sending order."""
        return await self._transact(owed.read, self._terminal, limit, after)

    async def acknowledge(self, message: Owed, code: str, at: datetime) -> None:
        """End an owed message by the acquirer's word."""
        await self._transact(owed.acknowledge, message, code, at)

    async def reject(self, message: Owed, code: str, at: datetime) -> None:
        """Move it to the list that a person sees."""
        await self._transact(owed.reject, message, code, at)

    async def clear(self, message: Owed, operator: str, reason: str, at: datetime) -> None:
        """End it by a supervisor's signed reason."""
        await self._transact(owed.clear, message, operator, reason, at)

    async def rejected(self) -> Sequence[tuple[Owed, str]]:
        """Return what the acquirer refused, with its code."""
        return await self._transact(owed.rejected, self._terminal)

    async def reserve_counters(self, count: int) -> int:
        """Reserve DUKPT counters and return the first."""
        return await self._transact(sales.reserve, count)

    async def changed(self) -> None:
        """Return when something owed was added since the last return."""
        await self._owed_changes.wait()

    async def next_job(self) -> Job | None:
        """Return the job to print now."""
        return await self._transact(jobs.next_job)

    async def mark(self, job: Job, state: JobState, band: int, reason: str, at: datetime) -> None:
        """Move a job to another state."""
        await self._transact(jobs.mark, job, state, band, reason, at)

    async def enqueue(
        self, ref: DocumentRef, copy: Copy, at: datetime, *, duplicate: bool = False
    ) -> Job:
        """Queue one copy."""
        job = await self._transact(jobs.enqueue, ref, copy, at, duplicate=duplicate)
        self._job_changes.notify()
        return job

    async def jobs(self, state: JobState) -> Sequence[Job]:
        """Return jobs in a state."""
        return await self._transact(jobs.in_state, state)

    async def changed_jobs(self) -> None:
        """Return when a job was added since the last return."""
        await self._job_changes.wait()

    async def transactions(self, batch: int | None = None) -> Sequence[Transaction]:
        """Return the transactions of a batch."""
        return await self._transact(batches.transactions, self._terminal, batch)

    async def freeze(self, at: datetime) -> int:
        """Refuse new transactions until `close`."""
        return await self._transact(batches.freeze, at)

    async def close(self, batch: int, result: Mapping[str, object], at: datetime) -> int:
        """Close the batch, queue its slip, open the next."""
        number = await self._transact(batches.close, batch, result, at)
        self._job_changes.notify()
        return number

    async def batches(self, limit: int) -> Sequence[Mapping[str, object]]:
        """Return closed batches, newest first."""
        return await self._transact(batches.closed, limit)

    async def append(self, *new: Record) -> None:
        """Append records in one transaction."""
        await self._transact(records.append, new)

    async def read(self, topic: Topic, after: int = 0) -> Sequence[Record]:
        """Return a topic's records."""
        return await self._transact(records.read, topic, after)

    async def head(self) -> str:
        """Return the chain head's short code, for slips and screens."""
        return await self._transact(_head)

    async def verify(self) -> int | None:
        """Return the number of the first missing or changed entry, or None."""
        return await self._transact(_verify, self._chain_key)


def _head(sql: Sql) -> str:
    return chain.short_code(bytes(sql("SELECT head FROM chain")[0][0]))


def _verify(sql: Sql, start_key: bytes) -> int | None:
    count = sql("SELECT coalesce(max(number), 0) FROM entry")[0][0]
    every = (
        link
        for after in range(0, count, VERIFY_PAGE)
        for link in records.links(sql, after, VERIFY_PAGE)
    )
    return chain.first_bad(
        chain.next_key(start_key), every, bytes(sql("SELECT head FROM chain")[0][0])
    )


def _transaction(
    connection: sqlite3.Connection,
    function: Callable[..., T],
    values: tuple[object, ...],
    named: Mapping[str, object],
) -> T:
    execute = connection.execute

    def sql(statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        return execute(statement, parameters).fetchall()

    execute("BEGIN IMMEDIATE")
    try:
        result = function(sql, *values, **named)
        execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            execute("ROLLBACK")
        raise
    return result


def _hold(path: Path, create: bool) -> int:  # noqa: FBT001 - to_thread passes positions only
    """Lock the file `<journal>.lock` for this process and say who holds it otherwise."""
    _usable(path, create=create)
    handle = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(handle, 16, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(handle)
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        raise JournalBusyError(f"Process {holder} holds the journal {path}.") from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return handle


def _usable(path: Path, *, create: bool) -> None:
    if path.is_dir():
        raise JournalError(f"The journal {path} is a folder.", code="JRN-002")
    if not path.exists():
        if not create:
            raise JournalError(f"There is no journal at {path}.", code="JRN-003")
        return
    if path.stat().st_size == 0:
        raise JournalCorruptError(f"The journal {path} is empty: zero bytes.")
    if not os.access(path, os.R_OK | os.W_OK):
        raise JournalError(f"The journal {path} may not be read or written.", code="JRN-004")


def _open_file(connection: sqlite3.Connection, chain_key: bytes, now: datetime) -> None:
    """Check whose file it is, set and read back the settings, bring the schema up to date."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and application != APPLICATION_ID:
        raise JournalCorruptError("The file is a database of another program.", code="JRN-009")
    if version > SCHEMA_VERSION:
        raise JournalCorruptError(
            f"The journal has schema {version}; this program knows {SCHEMA_VERSION}.",
            code="JRN-010",
            next_step="Install the newer program again.",
        )
    for name, wanted, expected in SETTINGS:
        connection.execute(f"PRAGMA {name}={wanted}").fetchall()
        found = connection.execute(f"PRAGMA {name}").fetchone()[0]
        if found != expected:
            raise JournalError(f"SQLite has {name} {found!r} where {wanted} was asked for.")
    if connection.execute("PRAGMA quick_check").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError("quick_check failed")
    if version < SCHEMA_VERSION:
        _migrate(connection, version, chain_key, now)


def _migrate(
    connection: sqlite3.Connection, version: int, chain_key: bytes, now: datetime
) -> None:
    """Apply the numbered schema files, all or nothing."""
    folder = importlib.resources.files("posfw.journal") / "schema"
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number in range(version + 1, SCHEMA_VERSION + 1):
            script = (folder / f"{number:04d}.sql").read_text(encoding="utf-8")
            for statement in statements(script):
                connection.execute(statement)
        if version == 0:
            _first_rows(connection, chain_key, now)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _first_rows(connection: sqlite3.Connection, chain_key: bytes, now: datetime) -> None:
    # The start key itself never reaches the file: whoever takes it could seal a new history.
    connection.execute(
        "INSERT INTO chain VALUES (1, ?, ?)", (chain.next_key(chain_key), chain.GENESIS)
    )
    connection.execute("INSERT INTO counter VALUES ('stan', 1), ('ksn', 0)")
    opened = (1, 1, now.isoformat())
    connection.execute("INSERT INTO batch (number, sequence, opened_at) VALUES (?, ?, ?)", opened)


def statements(script: str) -> list[str]:
    """Split a schema file into statements; a trigger's inner semicolons do not end it."""
    found, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            found.append(current.strip())
            current = ""
    return found


def _damaged(path: Path, error: BaseException) -> JournalCorruptError:
    return JournalCorruptError(f"The journal {path} cannot be read: {error}.")
