"""The way into SQLite's worker thread and back.

The worker is aiosqlite's. Its own way back (a future set by `call_soon_threadsafe`) costs a socket
write, two socket reads and a handle a commit; here an eventfd wakes the loop (docs/journal.md).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import aiosqlite
import anyio

from posfw.journal.driver.files import cannot_use

__all__ = ["BUSY_S", "Changes", "Connect", "Worker", "connect", "connected"]

T = TypeVar("T")

# Opens a journal's database, with a worker of its own that is not started yet.
Connect: TypeAlias = Callable[[Path], aiosqlite.Connection]

BUSY_S: Final = 0.1  # nobody else may have the file open: waiting for him would be of no use


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


class Changes:
    """Wakes one waiting consumer; a change while nobody waits is not forgotten."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def notify(self) -> None:
        """Wake it."""
        self._event.set()

    async def wait(self) -> None:
        """Return once something has changed since the last return."""
        await self._event.wait()
        self._event = anyio.Event()


@asynccontextmanager
async def connected(
    path: Path, connection: aiosqlite.Connection
) -> AsyncIterator[aiosqlite.Connection]:
    """Start a connection's worker for the length of the context; `path` is for messages."""
    try:
        await connection
    except sqlite3.Error as error:
        raise cannot_use(path, error) from error
    try:
        yield connection
    finally:
        with anyio.CancelScope(shield=True):
            await connection.close()
