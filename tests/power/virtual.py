"""Virtual time under the unchanged application: waiting costs nothing, one seed gives one run.

The event loop's selector only advances a clock; aiosqlite's worker thread and anyio's worker
threads become calls on the loop after a seeded delay.
"""

from __future__ import annotations

import asyncio
import selectors
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any
from unittest.mock import patch

import aiosqlite
from anyio._backends._asyncio import AsyncIOBackend

__all__ = ["VirtualLoop", "raw", "without_threads"]

_opened: list[aiosqlite.Connection] = []

Committed = Callable[[Any], None]


class _Waitless(selectors.BaseSelector):
    """Knows no ready file: waiting only advances the loop's clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, 0, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("deadlock: nothing is scheduled")
        self.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time.

    Args:
        seed: draws how long the disk takes.
        instant: the disk takes no time.
    """

    def __init__(self, seed: int, *, instant: bool = False) -> None:
        self.instant = instant
        self.chance = Random(seed)
        self._waitless = _Waitless()
        super().__init__(self._waitless)
        self._clock_resolution = 1e-9
        self.faults: list[BaseException] = []
        self.set_exception_handler(self._fault)

    def _fault(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.faults.append(context.get("exception") or RuntimeError(context["message"]))
        self.stop()

    def time(self) -> float:
        """Return virtual seconds."""
        return self._waitless.now


class _Inline:
    """Stands in for aiosqlite's queue and thread: a function runs on the loop, a moment later."""

    def __init__(self, connection: aiosqlite.Connection, committed: Committed) -> None:
        self._connection = connection
        self._committed = committed
        self._changes = 0

    def start(self) -> None:
        """The thread's part: nothing to start."""

    def is_alive(self) -> bool:
        """The thread's part: it never lives."""
        return False

    def put_nowait(self, item: tuple[asyncio.Future[Any] | None, Callable[[], Any]]) -> None:
        """The queue's part."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        if loop.instant:
            loop.call_soon(self._run, *item)
        else:
            loop.call_later(loop.chance.uniform(0.0002, 0.005), self._run, *item)

    def _run(self, future: asyncio.Future[Any] | None, function: Callable[[], Any]) -> None:
        try:
            result = function()
            self._look()
        except Exception as error:  # noqa: BLE001 - handed on, as the worker thread does
            if future is not None and not future.done():
                future.set_exception(error)
        else:
            if future is not None and not future.done():
                future.set_result(result)

    def _look(self) -> None:
        """Tell of a commit: the caller that waits for it will hear of it next."""
        raw = self._connection._connection
        try:
            if raw is None or raw.in_transaction or raw.total_changes == self._changes:
                return
        except sqlite3.ProgrammingError:  # closed
            return
        self._committed(raw)
        self._changes = raw.total_changes


def raw() -> sqlite3.Connection:
    """Return the connection that was opened last, for looking beside the application."""
    return _opened[-1]._conn


@contextmanager
def without_threads(committed: Committed) -> Iterator[None]:
    """Run aiosqlite and anyio's worker calls on the loop; `committed` gets the connection."""
    connect = aiosqlite.connect

    def inline(*args: Any, **named: Any) -> aiosqlite.Connection:
        connection = connect(*args, **named)
        runner: Any = _Inline(connection, committed)
        connection._tx = runner
        connection._thread = runner
        _opened[:] = [connection]
        return connection

    async def in_worker(
        _: object, function: Callable[..., Any], args: Any, *__: Any, **___: Any
    ) -> Any:
        await asyncio.sleep(0)
        return function(*args)

    with (
        patch.object(aiosqlite, "connect", inline),
        patch.object(AsyncIOBackend, "run_sync_in_worker_thread", classmethod(in_worker)),
    ):
        yield
