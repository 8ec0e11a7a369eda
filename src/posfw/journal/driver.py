"""The journal's files as the system sees them, and the way into SQLite's worker thread.

The worker is aiosqlite's. Its own way back (a future set by `call_soon_threadsafe`) costs a socket
write, two socket reads and a handle a commit; here an eventfd wakes the loop (docs/journal.md).
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import aiosqlite
import anyio

from posfw.journal.sql import Kept
from posfw.values.errors import (
    JournalBusyError,
    JournalCorruptError,
    JournalError,
    JournalUnsafeError,
)

__all__ = [
    "Anchor",
    "Connect",
    "Session",
    "Worker",
    "cannot_use",
    "connect",
    "forbidden",
    "free_mib",
    "hold",
    "lock_of",
    "make",
    "release",
    "usable",
]

T = TypeVar("T")

# Opens a journal's database, with a worker of its own that is not started yet.
Connect: TypeAlias = Callable[[Path], aiosqlite.Connection]

BUSY_S = 0.1  # nobody else may have the file open: waiting for him would be of no use


def connect(path: Path) -> aiosqlite.Connection:
    """Return a connection whose functions run in a thread once it is awaited."""
    # A backup's steps run in another thread, between the worker's statements (task.copy_pages).
    return aiosqlite.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_S)


class _Reply:
    """What aiosqlite's worker takes for a future; the loop's thread alone touches it.

    The worker calls `get_loop().call_soon_threadsafe(set, reply, value)`: `get_loop` answers with
    the port, which brings the call to the loop.
    """

    __slots__ = ("_port", "error", "finished", "value", "waiter")

    def __init__(self, port: _Port) -> None:
        self._port = port
        self.waiter: asyncio.Future[None] = port.loop.create_future()
        self.finished = False
        self.value: Any = None
        self.error: BaseException | None = None

    def get_loop(self) -> _Port:
        return self._port

    def done(self) -> bool:
        return self.finished

    def set_result(self, value: object) -> None:
        self.value = value
        self.finished = True
        if not self.waiter.done():
            self.waiter.set_result(None)

    def set_exception(self, error: BaseException) -> None:
        self.error = error
        self.set_result(None)

    async def finish(self) -> None:
        """Wait for the end after a cancellation: a queued function runs in any case."""
        while not self.finished:
            self.waiter = self._port.loop.create_future()
            # A task may be cancelled again, past any scope, while it waits here.
            with suppress(asyncio.CancelledError), anyio.CancelScope(shield=True):
                await self.waiter


class _Port:
    """Brings calls from the worker thread to the loop: a queue and an eventfd."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._calls: deque[tuple[Callable[..., object], tuple[object, ...]]] = deque()
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        loop.add_reader(self._event, self._deliver)

    def call_soon_threadsafe(self, function: Callable[..., object], *values: object) -> None:
        """Take a call from the worker thread (asyncio's name: aiosqlite calls it)."""
        self._calls.append((function, values))
        if self._event >= 0:
            os.eventfd_write(self._event, 1)

    def _deliver(self) -> None:
        os.eventfd_read(self._event)
        while self._calls:
            function, values = self._calls.popleft()
            function(*values)

    def close(self) -> None:
        event, self._event = self._event, -1
        self.loop.remove_reader(event)
        os.close(event)


class Worker:
    """Runs whole functions in the thread of one aiosqlite connection, in the order of calls."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        # aiosqlite has no public way to run one function in its worker; `_tx` is its queue of
        # (future, function). The version is pinned and tests/journal/test_driver.py holds it.
        self._put = connection._tx.put_nowait  # noqa: SLF001
        self._port = _Port(asyncio.get_running_loop())

    async def run(self, function: Callable[..., T], *values: Any) -> T:
        """Run one function to its end, whatever happens to the caller; raise what it raises."""
        reply = _Reply(self._port)
        self._put((reply, partial(function, *values)))  # type: ignore[arg-type]  # a future to the worker
        try:
            await reply.waiter
        except asyncio.CancelledError:
            await reply.finish()
            raise
        if reply.error is not None:
            raise reply.error
        result: T = reply.value
        return result

    def close(self) -> None:
        """Give the eventfd back; nothing may be under way."""
        self._port.close()


class Session:
    """One connection as the pure modules see it (journal.sql.Sql); lives in the worker thread."""

    __slots__ = ("_cause", "_cursor", "_path", "connection", "fault", "kept", "write")

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self._path = path
        self._cursor = connection.cursor()
        self.write: Callable[[str, Sequence[Any]], sqlite3.Cursor] = self._cursor.execute
        self.fault: type[JournalError] | None = None
        self._cause = ""
        self.kept = Kept()

    def __call__(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Run one statement and return its rows."""
        return self.write(statement, parameters).fetchall()

    def close(self) -> None:
        """Close for good: a statement left open by a fault would keep the file locked."""
        with suppress(sqlite3.ProgrammingError):  # closed before
            self._cursor.close()
        self.connection.close()

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
        if self.fault is not None:
            raise self.fault(self._cause)
        execute = self.write
        try:
            execute("BEGIN IMMEDIATE", ())
            result = function(self, *values, **named)
            execute("COMMIT", ())
        except BaseException as error:
            self.kept = Kept()
            if isinstance(error, sqlite3.Error):
                fault = cannot_use(self._path, error)
                self.fault, self._cause = type(fault), fault.cause
            if self.connection.in_transaction:
                execute("ROLLBACK", ())
            if isinstance(error, sqlite3.Error):
                raise fault from error
            raise
        return result


def hold(path: Path, create: bool) -> int:  # noqa: FBT001 - to_thread passes positions only
    """Check the file and lock it for this process; return the lock's handle for `release`.

    Raises:
        JournalBusyError: another process holds it; its number is named.
        JournalError: there is no usable file.
    """
    usable(path, create=create)
    return lock_of(path)


def lock_of(path: Path) -> int:
    """Lock `<journal>.lock` for this process, whatever the journal itself is worth.

    Raises:
        JournalBusyError: another process holds it; its number is named.
    """
    lock = path.with_name(path.name + ".lock")
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise forbidden(lock, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(handle, 16, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(handle)
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise forbidden(lock, error) from error
        raise JournalBusyError(
            f"Process {holder} holds the journal {path}.", holder=holder
        ) from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return handle


def make(path: Path, fill: Callable[[sqlite3.Connection, str], None]) -> None:
    """Make the file unless it is there: whole and synced under another name, then renamed.

    A power cut while it was made under its own name would leave a file that is no journal yet,
    and such a file is refused for good.
    """
    if path.exists():
        return
    unfinished = path.with_name(path.name + ".new")
    for suffix in ("", "-wal", "-journal"):
        unfinished.with_name(unfinished.name + suffix).unlink(missing_ok=True)
    connection = sqlite3.connect(unfinished, isolation_level=None)
    try:
        fill(connection, str(path))
    finally:
        connection.close()  # the last one: what the WAL holds is in the file, synced
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def release(handle: int) -> None:
    """Unlock; the file stays, so that two openers never lock two files of one name."""
    os.close(handle)


def free_mib(path: Path) -> int:
    """Return how many MiB a program without privileges can still write beside the journal."""
    found = os.statvfs(path.parent)
    return found.f_bavail * found.f_frsize // (1 << 20)


@dataclass(frozen=True, slots=True)
class Anchor:
    """How far a journal had come, kept beside it: an old copy of the file is behind its anchor.

    Written after a commit and not synced: it may be older than the journal after a power cut,
    never newer.

    Attributes:
        ksn: the last DUKPT counter given out.
        stan: the last STAN given out.
        entry: the last entry of the chain.
    """

    ksn: int = 0
    stan: int = 0
    entry: int = 0

    @staticmethod
    def path_of(journal: Path) -> Path:
        """Return where a journal's anchor lies."""
        return journal.with_name(journal.name + ".anchor")

    def write(self, handle: int) -> None:
        """Replace the content of an open anchor file."""
        os.pwrite(handle, b"%11d %7d %19d\n" % (self.ksn, self.stan, self.entry), 0)

    @staticmethod
    def open(journal: Path) -> int:
        """Open the anchor file for `write`, made where it is missing."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        return os.open(Anchor.path_of(journal), flags, 0o600)

    @staticmethod
    def read(journal: Path) -> Anchor:
        """Return the anchor; where it is missing or not one, that of the very beginning."""
        try:
            ksn, stan, entry = Anchor.path_of(journal).read_bytes()[:40].split()
            return Anchor(int(ksn), int(stan), int(entry))
        except (OSError, ValueError):
            return Anchor()


def usable(path: Path, *, create: bool) -> None:
    """Check that there is a file to open, or (`create`) that nothing is in the way.

    Raises:
        JournalCorruptError: zero bytes.
        JournalError: a folder, missing, or not allowed.
    """
    try:
        if path.is_dir():
            raise JournalError(f"The journal {path} is a folder.", code="JRN-002")
        if not path.exists():
            if not create:
                raise JournalError(f"There is no journal at {path}.", code="JRN-003")
            return
        size = path.stat().st_size
        with path.open("r+b"):
            pass
    except OSError as error:
        raise forbidden(path, error) from error
    if size == 0:
        raise JournalCorruptError(f"The journal {path} is empty: zero bytes.")


def forbidden(path: Path, error: OSError) -> JournalError:
    """Return the error for a file or folder that the system does not let us use."""
    return JournalError(
        f"The journal {path} may not be read or written: {error.strerror}.",
        code="JRN-004",
        next_step="Give the terminal's user the right to read and write the file and its folder.",
    )


def cannot_use(path: Path, error: sqlite3.Error) -> JournalError:
    """Say why a file cannot be opened, read or written, by SQLite's own name of the cause."""
    name: str = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_IOERR", "SQLITE_FULL")):
        return JournalUnsafeError(f"The journal {path} could not be read or written: {name}.")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return JournalBusyError(f"Another program has the database {path} open.")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return JournalError(
            f"The journal {path} may not be read or written: {name}.", code="JRN-004"
        )
    return JournalCorruptError(f"The journal {path} cannot be read: {error}.")
