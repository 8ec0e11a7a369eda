"""The journal's file: one object, one connection, one call in the worker a transaction.

aiosqlite runs statements of two tasks interleaved and leaves a transaction open when its awaiter
is cancelled (both reproduced, docs/journal.md). So a whole SQL transaction is one function in its
worker thread, which takes one function at a time, and a cancelled caller waits for its end.
"""

from __future__ import annotations

import logging
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
from posfw.journal.driver import Worker, hold, make, release
from posfw.journal.opening import SETTINGS, open_file
from posfw.journal.sql import Kept, Sql
from posfw.ports import Clock
from posfw.values.document import Copy, DocumentRef, Job, JobState
from posfw.values.errors import (
    JournalBusyError,
    JournalCorruptError,
    JournalError,
    JournalUnsafeError,
)
from posfw.values.events import Record, Topic
from posfw.values.identity import Key
from posfw.values.transaction import Begun, Conclusion, Intent, Owed, Standing, Transaction

__all__ = ["SETTINGS", "Journal"]

T = TypeVar("T")

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

    def __init__(self, worker: Worker, path: Path, terminal: str, chain_key: bytes) -> None:
        self._worker = worker
        self._path = path
        self._terminal = terminal
        self._chain_key = chain_key
        self._session: _Session  # made by `_prepare`, in the worker
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
        log = logging.getLogger("aiosqlite")  # at DEBUG it prints parameters
        log.setLevel(logging.WARNING)
        log.disabled = True
        holder = await anyio.to_thread.run_sync(hold, path, create)
        try:
            if create:
                await anyio.to_thread.run_sync(_make, path, chain_key, clock.now())
            async with _connected(path) as connection:
                worker = Worker(connection)
                try:
                    journal = cls(worker, path, terminal, chain_key)
                    await journal._prepare(connection, clock.now())
                    yield journal
                finally:
                    worker.close()
        finally:
            release(holder)

    async def _prepare(self, connection: aiosqlite.Connection, now: datetime) -> None:
        raw = connection._conn  # noqa: SLF001 - see driver.Worker

        def opened() -> _Session:
            open_file(raw, str(self._path), self._chain_key, now, fresh=False)
            return _Session(raw, self._path)

        try:
            self._session = await self._worker.run(opened)
        except sqlite3.Error as error:
            raise _unusable(self._path, error) from error
        await self._transact(jobs.after_restart, now)

    async def _transact(self, function: Callable[..., T], *values: object, **named: object) -> T:
        """Run one SQL transaction to its end, whatever happens to the caller."""
        return await self._worker.run(self._session.transaction, function, values, named)

    async def begin(self, intent: Intent) -> Begun:
        """Commit 1 (ports.SaleJournal)."""
        return await self._transact(sales.begin, self._terminal, intent)

    async def conclude(self, conclusion: Conclusion) -> None:
        """Commit 2 (ports.SaleJournal)."""
        await self._transact(sales.conclude, conclusion)
        if conclusion.owed:
            self._owed_changes.notify()
        if conclusion.copies:
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
        self._job_changes.notify()

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

    async def thaw(self, batch: int, reason: str, at: datetime) -> None:
        """Take new transactions again."""
        await self._transact(batches.thaw, batch, reason, at)

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


class _Session:
    """One connection as the pure modules see it (journal.sql.Sql); lives in the worker thread."""

    __slots__ = ("_cause", "_connection", "_fault", "_path", "kept", "write")

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self.write: Callable[[str, Sequence[Any]], sqlite3.Cursor] = connection.cursor().execute
        self._fault: type[JournalError] | None = None
        self._cause = ""
        self.kept = Kept()

    def __call__(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        return self.write(statement, parameters).fetchall()

    def transaction(
        self,
        function: Callable[..., T],
        values: tuple[object, ...],
        named: Mapping[str, object],
    ) -> T:
        """Run one SQL transaction: committed on return, rolled back whole on any exception.

        After a fault of the storage every later call fails like the first: the kernel may have
        dropped what a failed sync did not write, so only reading the file again tells.
        """
        if self._fault is not None:
            raise self._fault(self._cause)
        execute = self.write
        try:
            execute("BEGIN IMMEDIATE", ())
            result = function(self, *values, **named)
            execute("COMMIT", ())
        except BaseException as error:
            self.kept = Kept()
            if isinstance(error, sqlite3.Error):
                fault = _unusable(self._path, error)
                self._fault, self._cause = type(fault), fault.cause
            if self._connection.in_transaction:
                execute("ROLLBACK", ())
            if isinstance(error, sqlite3.Error):
                raise fault from error
            raise
        return result


def _make(path: Path, chain_key: bytes, now: datetime) -> None:
    def fill(connection: sqlite3.Connection, name: str) -> None:
        open_file(connection, name, chain_key, now, fresh=True)

    try:
        make(path, fill)
    except sqlite3.Error as error:
        raise _unusable(path, error) from error


def _name(error: sqlite3.Error) -> str:
    name: str = getattr(error, "sqlite_errorname", "")
    return name


def _unusable(path: Path, error: sqlite3.Error) -> JournalError:
    """Say why a file cannot be opened or read, by SQLite's own name of the cause."""
    name = _name(error)
    if name.startswith(("SQLITE_IOERR", "SQLITE_FULL")):
        return JournalUnsafeError(f"The journal {path} could not be read or written: {name}.")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return JournalBusyError(f"Another program has the database {path} open.")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return JournalError(
            f"The journal {path} may not be read or written: {name}.", code="JRN-004"
        )
    return JournalCorruptError(f"The journal {path} cannot be read: {error}.")


@asynccontextmanager
async def _connected(path: Path) -> AsyncIterator[aiosqlite.Connection]:
    connection = aiosqlite.connect(path, isolation_level=None)
    try:
        await connection
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    try:
        yield connection
    finally:
        with anyio.CancelScope(shield=True):
            await connection.close()
