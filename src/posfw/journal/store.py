"""The journal's file: one object, one connection, one call in the worker a transaction.

aiosqlite runs statements of two tasks interleaved and leaves a transaction open when its awaiter
is cancelled (both reproduced, docs/journal.md). So a whole SQL transaction is one function in its
worker thread, which takes one function at a time, and a cancelled caller waits for its end.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import aiosqlite
import anyio
import anyio.to_thread

from posfw.journal import anchors, archive, batches, checking, jobs, owed, reading, records, sales
from posfw.journal.archive import Step
from posfw.journal.driver import (
    BUSY_S,
    Anchor,
    Changes,
    Connect,
    Session,
    Worker,
    archive_of,
    cannot_use,
    check_pages,
    connect,
    connected,
    free_mib,
    hold,
    make,
    release,
)
from posfw.journal.opening import SETTINGS, fill_archive, merge_log, open_file
from posfw.journal.sql import Mark, marked
from posfw.ports import Clock
from posfw.values.anchor import Head
from posfw.values.errors import JournalArchiveError, JournalBehindError, RefusedError
from posfw.values.events import Record, Topic
from posfw.values.identity import Key, preceding
from posfw.values.printjob import Copy, DocumentRef, Job, JobState
from posfw.values.transaction import (
    Begun,
    Conclusion,
    Intent,
    Owed,
    Standing,
    Stored,
    Transaction,
)

__all__ = ["SETTINGS", "Journal"]

T = TypeVar("T")

SPACE_EVERY = 8  # sales between two looks at the free space: 0.5 MiB of journal at most


class Journal:
    """SaleJournal, OwedJournal, PrintJournal, BatchJournal and Records over one file.

    Make one with `Journal.open`. Every call is durable on return; a call that is cancelled has
    happened wholly or not at all.
    """

    def __init__(
        self, connection: aiosqlite.Connection, path: Path, terminal: str, chain_key: bytes
    ) -> None:
        self._connection = connection
        self._worker = Worker(connection)
        self._path = path
        self._terminal = terminal
        self._chain_key = chain_key
        self._session: Session  # made by `_prepare`, in the worker
        self._anchor_file = -1
        self._behind = ""
        self._known = Anchor()
        self._doubt = 0  # the entry that the acquirer was told and that is another one here
        self._missed = 0  # the same behind the end of the file that was opened: an old copy
        self._opened_at = 0  # the last entry when it was opened
        self._requests: dict[str, Key] | None = None  # read when the first one is asked for
        self._told: dict[int, str] = {}  # what the acquirer was told and the journal holds
        self._reserve_mib = 0
        self._sales = 0
        self._writes = self._owed_writes = 0
        self._standing: tuple[int, Standing] | None = None
        self._nothing_owed = -1  # as of how many writes of owed messages there were none
        self._archiving = anyio.Lock()
        self._owed_changes = Changes()
        self._job_changes = Changes()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: Path,
        *,
        terminal: str,
        chain_key: bytes,
        clock: Clock,
        create: bool = False,
        reserve_mib: int = 0,
        connect: Connect = connect,
    ) -> AsyncIterator[Journal]:
        """Open the journal for the length of the context; only `create` makes a new file.

        `reserve_mib` of the disk stay free for reversals and settlement: below, no sale begins.
        `connect` says where the journal's functions run: in a thread of their own.

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
                fill = partial(open_file, chain_key=chain_key, now=clock.now(), fresh=True)
                await anyio.to_thread.run_sync(make, path, fill)
            async with connected(path, connect(path)) as connection:
                journal = cls(connection, path, terminal, chain_key)
                journal._reserve_mib = reserve_mib
                try:
                    await journal._prepare(clock.now())
                    yield journal
                finally:
                    await journal._close()
        finally:
            release(holder)

    async def _prepare(self, now: datetime) -> None:
        raw = self._connection._conn  # noqa: SLF001 - see driver.Worker

        def opened() -> Session:
            open_file(raw, str(self._path), self._chain_key, now, fresh=False)
            # The log may hold what a failed sync left in memory alone, marked as written: a commit
            # behind it would be durable only as long as the power stays.
            merge_log(raw, str(self._path))
            session = Session(raw, self._path)
            at = session.transaction(reading.position, (), {})
            session.head = session.transaction(anchors.head, (), {})
            self._opened_at = at["entry"]
            self._doubt = session.transaction(anchors.contradicted, (), {})
            known = self._known = Anchor.read(self._path)
            if known.ksn > at["ksn"] or known.entry > at["entry"]:
                self._behind = (
                    f"The journal {self._path} is an old copy: it ends with entry {at['entry']},"
                    f" {known.entry} had been written."
                )
            self._anchor_file = Anchor.open(self._path)
            return session

        await self._renew(opened)
        await self._transact(jobs.after_restart, now)

    async def _renew(self, make_session: Callable[[], Session]) -> None:
        try:
            self._session = await self._worker.run(make_session)
        except sqlite3.Error as error:
            raise cannot_use(self._path, error) from error

    async def _close(self) -> None:
        """Leave the anchor where the journal ends; nothing else is under way."""
        with anyio.CancelScope(shield=True):
            if self._anchor_file >= 0:
                await self._worker.run(self._last_anchor)
        self._worker.close()

    def _last_anchor(self) -> None:
        self._session.older.close()
        if not self._behind and self._session.fault is None:
            self._write_anchor()
        os.close(self._anchor_file)

    def _write_anchor(self) -> None:
        at = self._session.transaction(reading.position, (), {})
        Anchor(at["ksn"], preceding(at["stan"]), at["entry"]).write(self._anchor_file)

    async def reopen(self, now: datetime) -> None:
        """Come back after a fault of the storage: by reading again, never by repeating a commit.

        What the log still holds is copied into the file and synced; only if that succeeds is
        what was read durable. Transactions in doubt are the caller's to recover.

        Raises:
            JournalError: the storage still fails, or the file is damaged.
        """

        def again() -> Session:
            self._session.close()
            raw = sqlite3.connect(
                self._path, isolation_level=None, check_same_thread=False, timeout=BUSY_S
            )
            self._connection._connection = raw  # noqa: SLF001 - see driver.Worker
            try:
                open_file(raw, str(self._path), self._chain_key, now, fresh=False)
                merge_log(raw, str(self._path))
            except BaseException:
                raw.close()
                raise
            session = Session(raw, self._path)
            session.head = session.transaction(anchors.head, (), {})
            return session

        await self._renew(again)

    @property
    def behind(self) -> str:
        """Why this journal is known not to be the whole past; "" if it is."""
        return self._behind or (_contradicted(self._doubt) if self._doubt else "")

    def anchor(self) -> bytes:
        """Return how far the journal has durably come, for the next message to the acquirer."""
        head = self._session.head
        return head.encode() if head else b""

    async def witness(self, data: bytes, at: datetime) -> str:
        """Hold against the journal what the acquirer was told; return what is wrong, or "".

        An entry that is missing stops sales: until a sign-on where an old copy was opened, until
        the batch is settled where another entry stands in its place.

        Raises:
            CodecError: not an anchor.
        """
        told = Head.decode(data)
        if self._doubt or told.entry <= await self._read(anchors.passed):
            return self.behind
        try:
            held = await self._read(anchors.holds, told)
        except JournalArchiveError:
            return self.behind  # so old, and its archive is away: nothing can be said
        if held:
            self._told = {told.entry: anchors.short(told)}
        elif self._behind or told.entry > self._opened_at:
            self._missed = max(self._missed, told.entry)
            self._behind = self._behind or (
                f"The journal {self._path} is an old copy: the acquirer was told of entry"
                f" {told.entry}, which is not in it."
            )
        else:
            await self._transact(anchors.stop, told, at)
            self._doubt = told.entry
        return self.behind

    async def catch_up(self, *, stan: int, ksn: int, at: datetime) -> bool:
        """Take over the last STAN and DUKPT counter that the acquirer has seen; durable.

        An old copy also passes the numbers of its anchor: what was sold offline with them is
        lost to the terminal, and the acquirer may never have seen it. Returns whether numbers
        were passed over.
        """
        if self._behind and self._known.ksn > ksn:
            stan, ksn = self._known.stan, self._known.ksn
        ahead = await self._owe(sales.catch_up, stan, ksn, at)
        if self._missed:
            await self._transact(anchors.forgive, self._missed)
        self._behind, self._missed = "", 0
        await self._worker.run(self._write_anchor)
        return ahead

    async def position(self) -> Mapping[str, int]:
        """Return how far the journal has come: `entry`, `ksn`, `stan` (the next)."""
        return await self._read(reading.position)

    async def _transact(self, function: Callable[..., T], *values: object, **named: object) -> T:
        """Run one SQL transaction to its end, whatever happens to the caller."""
        try:
            return await self._worker.run(self._session.transaction, function, values, named)
        finally:
            self._writes += 1  # also after a cancellation: it has happened

    async def _read(self, function: Callable[..., T], *values: object) -> T:
        """Run one SQL transaction that changes nothing."""
        return await self._worker.run(self._session.transaction, function, values, {})

    async def begin(self, intent: Intent) -> Begun:
        """Commit 1 (ports.SaleJournal)."""
        try:
            return await self._worker.run(self._begin, intent)
        finally:
            self._writes += 1

    def _begin(self, intent: Intent) -> Begun:
        if self._behind:
            raise JournalBehindError(self._behind)
        if self._doubt:
            raise JournalBehindError(
                _contradicted(self._doubt),
                code="JRN-013",
                effect="Nothing is sold; reversals and settlement go on.",
                next_step="Call the acquirer, then settle the batch: posfw settle",
            )
        if self._reserve_mib and self._sales % SPACE_EVERY == 0:
            self._look_at_space()
        begun = self._session.transaction(sales.begin, (self._terminal, intent), {})
        self._sales += 1
        if intent.request and self._requests is not None:
            self._requests[intent.request] = begun.key
        entry = self._session.kept.chain
        Anchor(begun.ksn_counter, begun.key.stan, entry[2] if entry else 0).write(
            self._anchor_file
        )
        return begun

    def _look_at_space(self) -> None:
        free = free_mib(self._path)
        if free < self._reserve_mib:
            raise RefusedError(
                f"Only {free} MiB are free beside {self._path};"
                f" {self._reserve_mib} MiB are kept for reversals and settlement.",
                code="JRN-011",
                effect="No new sale is taken; reversals and settlement go on.",
                next_step="Settle the batch, then free disk space.",
            )

    async def asked(self, prefix: str) -> tuple[str, Key] | None:
        """Return the request that begins with `prefix`, and its transaction; None if none does.

        It looks at the newest 2,000 transactions and at all of this process.
        """
        known = self._requests
        if known is None:
            known = await self._worker.run(self._read_requests)
        return next(((name, known[name]) for name in known if name.startswith(prefix)), None)

    def _read_requests(self) -> dict[str, Key]:
        """In the worker: no `begin` comes between reading and keeping."""
        found = self._session.transaction(sales.requests, (self._terminal,), {})
        self._requests = found
        return found

    async def conclude(self, conclusion: Conclusion) -> None:
        """Commit 2 (ports.SaleJournal)."""
        try:
            await self._transact(sales.conclude, conclusion)
        finally:
            if conclusion.owed:
                self._owed_writes += 1
        if conclusion.owed:
            self._owed_changes.notify()
        if conclusion.copies:
            self._job_changes.notify()

    async def transaction(self, key: Key) -> Transaction | None:
        """Return one transaction as it stands."""
        return await self._read(sales.transaction, key)

    async def in_doubt(self) -> Sequence[Transaction]:
        """Return transactions begun and not concluded."""
        return await self._read(sales.in_doubt, self._terminal)

    async def standing(self) -> Standing:
        """Return what limits are checked against; kept until something is written.

        This process alone writes (the lock), so nothing can change it but a call of this object.
        """
        kept, writes = self._standing, self._writes
        if kept is not None and kept[0] == writes:
            return kept[1]
        found = await self._read(sales.standing)
        self._standing = (writes, found)
        return found

    async def stored(self, card_token: bytes) -> Stored:
        """Return what a card has bought without a line (ports.SaleJournal)."""
        if not (await self.standing()).offline_count:
            return Stored()
        return await self._read(sales.stored, card_token)

    async def owed(self, limit: int, after: int = 0) -> Sequence[Owed]:
        """Return owed messages in sending order; that there are none is kept."""
        writes = self._owed_writes
        if self._nothing_owed == writes and not after:
            return ()
        found = await self._read(owed.read, self._terminal, limit, after)
        if not found and not after:
            self._nothing_owed = writes
        return found

    async def _owe(self, function: Callable[..., T], *values: object) -> T:
        """Run a transaction that changes what is owed."""
        try:
            return await self._transact(function, *values)
        finally:
            self._owed_writes += 1

    async def acknowledge(self, message: Owed, code: str, at: datetime) -> None:
        """End an owed message by the acquirer's word."""
        await self._owe(owed.acknowledge, message, code, at)

    async def reject(self, message: Owed, code: str, at: datetime) -> None:
        """Move it to the list that a person sees."""
        await self._owe(owed.reject, message, code, at)
        self._job_changes.notify()

    async def clear(self, message: Owed, operator: str, reason: str, at: datetime) -> None:
        """End it by a supervisor's signed reason."""
        await self._owe(owed.clear, message, operator, reason, at)

    async def rejected(self) -> Sequence[tuple[Owed, str]]:
        """Return what the acquirer refused, with its code."""
        return await self._read(owed.rejected, self._terminal)

    async def reserve_counters(self, count: int) -> int:
        """Reserve DUKPT counters and return the first."""
        return await self._transact(sales.reserve, count)

    async def changed(self) -> None:
        """Return when something owed was added since the last return."""
        await self._owed_changes.wait()

    async def next_job(self) -> Job | None:
        """Return the job to print now."""
        return await self._read(jobs.next_job)

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
        return await self._read(jobs.in_state, state)

    async def receipts(self, batch: int) -> Sequence[Job]:
        """Return the receipts of a batch that were ever queued, oldest first."""
        return await self._read(jobs.receipts, self._terminal, batch)

    async def changed_jobs(self) -> None:
        """Return when a job was added since the last return."""
        await self._job_changes.wait()

    async def transactions(self, batch: int | None = None) -> Sequence[Transaction]:
        """Return the transactions of a batch."""
        return await self._read(batches.transactions, self._terminal, batch)

    async def freeze(self, at: datetime) -> int:
        """Refuse new transactions until `close`."""
        return await self._transact(batches.freeze, at)

    async def thaw(self, batch: int, reason: str, at: datetime) -> None:
        """Take new transactions again."""
        await self._transact(batches.thaw, batch, reason, at)

    async def close(self, batch: int, result: Mapping[str, object], at: datetime) -> int:
        """Close the batch, queue its slip, open the next."""
        number = await self._transact(batches.close, batch, result, at)
        self._doubt = 0
        self._job_changes.notify()
        return number

    async def batches(self, limit: int) -> Sequence[Mapping[str, object]]:
        """Return closed batches, newest first."""
        return await self._read(batches.closed, limit)

    async def settled(self, batch: int) -> Mapping[str, object] | None:
        """Return one closed batch with its settlement, or None."""
        return await self._read(batches.settled, batch)

    async def append(self, *new: Record) -> None:
        """Append records in one transaction."""
        await self._transact(records.append, new)

    async def read(self, topic: Topic, after: int = 0) -> Sequence[Record]:
        """Return a topic's records."""
        return await self._read(records.read, topic, after)

    async def head(self) -> str:
        """Return the chain head's short code, for slips and screens."""
        return await self._read(reading.head)

    async def tail(self, limit: int, after: int = 0) -> list[dict[str, Any]]:
        """Return the newest entries, oldest first, as plain facts."""
        return await self._read(reading.tail, self._terminal, limit, after)

    async def life(self, key: Key) -> dict[str, Any]:
        """Return one transaction's whole life with times."""
        return await self._read(reading.life, key)

    async def batch_numbers(self) -> Sequence[int]:
        """Return every batch in the file, oldest first."""
        return await self._read(reading.batch_numbers)

    @property
    def raw(self) -> sqlite3.Connection:
        """The connection, for a backup's page copies alone (task.backup)."""
        return self._session.connection

    async def verify(
        self, witnesses: Mapping[int, str] = MappingProxyType({}), *, whole: bool = False
    ) -> int | None:
        """Return the number of the first missing or changed entry, or None.

        A page at a time: sales go on between. What the acquirer was told is a witness too.

        Args:
            witnesses: short codes that were told outside, by number of the entry.
            whole: through the archive as well, its file checked from end to end.

        Raises:
            JournalArchiveError: `whole`, and the archive is missing, damaged or another's.
        """
        mark = await self._read(marked)
        if whole and mark.step:
            async with self._archiving:
                await self._worker.run(self._session.older.merge)
                await anyio.to_thread.run_sync(check_pages, archive_of(self._path))
        told = {**self._told, **witnesses}
        begin = partial(checking.begin, self._chain_key, mark, told, whole=whole)
        check = await anyio.to_thread.run_sync(begin)
        while not check.ended:
            await self._read(checking.page, check)
        return check.bad

    async def with_code(self, code: str, *, whole: bool = False) -> int | None:
        """Return the newest entry with a short code, as slips show it, or None."""
        return await self._read(partial(anchors.with_code, whole=whole), code)

    async def archive(self, at: datetime, keep: int = archive.KEEP_BATCHES) -> int:
        """Move settled batches into the archive until `keep` are left; return the steps done.

        Each step is durable there before it goes here; sales go on between two steps.

        Raises:
            JournalArchiveError: the archive is missing, another journal's, or cannot be written.
        """
        if self._behind:
            raise JournalBehindError(self._behind)
        steps = 0
        async with self._archiving:
            while await self._worker.run(self._archive_step, at, keep):
                steps += 1
        return steps

    async def archived(self, base: Mark) -> Step | None:
        """Return the move after `base` from the archive, for a copy of it (task.backup)."""
        return await self._read(archive.read_back, base)

    def _archive_step(self, at: datetime, keep: int) -> bool:
        session = self._session
        step = session.transaction(archive.pick, (keep,), {})
        if step is None:
            return False
        if not step.base.step:
            make(session.older.path, fill_archive)
        session.older.transaction(archive.store, step)
        session.transaction(archive.forget, (step, at), {})
        return True


def _contradicted(entry: int) -> str:
    return (
        f"Entry {entry} of the journal is not the one that the acquirer was told of:"
        " the journal was replaced or changed."
    )
