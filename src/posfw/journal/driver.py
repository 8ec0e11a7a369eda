"""The journal's file as the system sees it, and the way into SQLite's worker thread.

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
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
import anyio

from posfw.values.errors import JournalBusyError, JournalCorruptError, JournalError

__all__ = ["Worker", "free_mib", "hold", "make", "release"]

T = TypeVar("T")


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
            with anyio.CancelScope(shield=True):
                await asyncio.wait((self.waiter,))


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
        os.eventfd_write(self._event, 1)

    def _deliver(self) -> None:
        os.eventfd_read(self._event)
        while self._calls:
            function, values = self._calls.popleft()
            function(*values)

    def close(self) -> None:
        self.loop.remove_reader(self._event)
        os.close(self._event)


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


def hold(path: Path, create: bool) -> int:  # noqa: FBT001 - to_thread passes positions only
    """Lock the file `<journal>.lock` for this process; return its handle for `release`.

    Raises:
        JournalBusyError: another process holds it; its number is named.
        JournalError: there is no usable file.
    """
    _usable(path, create=create)
    lock = path.with_name(path.name + ".lock")
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _forbidden(lock, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(handle, 16, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(handle)
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise _forbidden(lock, error) from error
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


def _usable(path: Path, *, create: bool) -> None:
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
        raise _forbidden(path, error) from error
    if size == 0:
        raise JournalCorruptError(f"The journal {path} is empty: zero bytes.")


def _forbidden(path: Path, error: OSError) -> JournalError:
    return JournalError(
        f"The journal {path} may not be read or written: {error.strerror}.",
        code="JRN-004",
        next_step="Give the terminal's user the right to read and write the file and its folder.",
    )
