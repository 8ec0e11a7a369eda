"""Virtual time and seeded scheduling under the unchanged application.

Waiting costs nothing; every timer comes a drawn moment late, as on a busy machine. The terminal's
process is a *life*: everything it schedules carries its number, and a power cut makes that number
dead: from then on no callback of it ever runs, not even a `finally`. The world around (bank,
printer, people) runs on the same loop, outside every life, and goes on.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch
from weakref import WeakSet

import aiosqlite
from anyio._backends._asyncio import AsyncIOBackend

from posfw.journal.driver import connect

__all__ = ["LIFE", "SimLoop", "outside", "without_threads"]

LIFE: ContextVar[int] = ContextVar("life", default=0)  # 0: the world outside

# A loop that turns so often without time passing spins.
SPIN = 500_000


class _Waitless(selectors.BaseSelector):
    """Knows no ready file: waiting only advances the loop's clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.turns = 0
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
        if timeout > 0:
            self.now += timeout
            self.turns = 0
        self.turns += 1
        if self.turns > SPIN:
            raise RuntimeError(
                f"the loop turned {SPIN} times at {self.now:.3f} s: something spins"
            )
        return []


class SimLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time.

    Args:
        seed: draws how late timers come.
        late_s: the most that a timer is late.
    """

    def __init__(self, seed: int, late_s: float) -> None:
        self.dead: set[int] = set()
        self.faults: list[str] = []
        self._chance = Random(seed)
        self._late_s = late_s
        self._tasks: dict[int, WeakSet[asyncio.Task[Any]]] = {}
        self._graves: list[Any] = []
        self._waitless = _Waitless()
        super().__init__(self._waitless)
        self._clock_resolution = 1e-9
        self.set_exception_handler(self._fault)
        self.set_task_factory(self._task)

    def time(self) -> float:
        """Return virtual seconds."""
        return self._waitless.now

    def stall(self, seconds: float) -> None:
        """Let time pass in which nothing runs: the machine was busy elsewhere."""
        self._waitless.now += seconds

    def call_soon(  # type: ignore[override]  # Any where typeshed has a TypeVarTuple
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """As always, unless a dead process calls: then never."""
        if self.dead and self._life(context) in self.dead:
            return self._never(callback, context)
        return super().call_soon(callback, *args, context=context)

    def call_at(  # type: ignore[override]  # as above
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """A drawn moment late; for a dead process never."""
        if self.dead and self._life(context) in self.dead:
            handle = asyncio.TimerHandle(when, callback, args, self, context)
            handle.cancel()
            return handle
        when += self._chance.random() * self._late_s
        return super().call_at(when, callback, *args, context=context)

    def cut(self, life: int) -> None:
        """Drop one process: nothing of it runs any more."""
        self.dead.add(life)
        queues: Any = self  # asyncio keeps what is to run in two private queues
        for handle in [*queues._ready, *queues._scheduled]:
            if handle._context.get(LIFE) == life:
                handle.cancel()
        # Kept for ever: a collected coroutine would run its `finally` blocks.
        for task in self._tasks.pop(life, ()):
            quiet: Any = task
            quiet._log_destroy_pending = False
            self._graves.append((task, task.get_coro()))

    def bury(self, *what: object) -> None:
        """Keep what a dead process held."""
        self._graves.extend(what)

    def _task(self, loop: Any, coroutine: Any, **named: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(coroutine, loop=loop, **named)
        life = self._life(named.get("context"))
        if life:
            self._tasks.setdefault(life, WeakSet()).add(task)
        return task

    @staticmethod
    def _life(context: Context | None) -> int:
        return LIFE.get() if context is None else context.get(LIFE, 0)

    def _never(self, callback: Callable[..., object], context: Context | None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, (), self, context)
        handle.cancel()
        return handle

    def _fault(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.faults.append(f"{context['message']}: {error!r}")


def outside(delay_s: float, what: Callable[..., object], *args: object) -> None:
    """Let something happen in the world, whoever asks for it: no power cut takes it back."""
    loop = asyncio.get_running_loop()
    loop.call_later(delay_s, what, *args, context=Context())


class _Disk:
    """Stands in for aiosqlite's queue and thread: one function at a time, each takes a while."""

    def __init__(self, chance: Random, slowest_s: float) -> None:
        self._chance = chance
        self._slowest_s = slowest_s
        self._queue: deque[tuple[Any, Callable[[], Any], Context]] = deque()

    def start(self) -> None:
        """The thread's part: nothing to start."""

    def is_alive(self) -> bool:
        """The thread's part: it never lives."""
        return False

    def put_nowait(self, item: tuple[Any, Callable[[], Any]]) -> None:
        """The queue's part."""
        self._queue.append((*item, copy_context()))
        if len(self._queue) == 1:
            self._next()

    def _next(self) -> None:
        loop = asyncio.get_running_loop()
        delay_s = self._chance.uniform(0.0002, self._slowest_s)
        loop.call_later(delay_s, self._run, context=self._queue[0][2])

    def _run(self) -> None:
        future, function, _ = self._queue[0]
        try:
            result = function()
        except Exception as error:  # noqa: BLE001 - handed on, as the worker thread does
            if future is not None and not future.done():
                future.set_exception(error)
        else:
            if future is not None and not future.done():
                future.set_result(result)
        self._queue.popleft()
        if self._queue:
            self._next()


def on_loop(chance: Random, slowest_s: float) -> Callable[[Path], aiosqlite.Connection]:
    """Return a `World.connect` whose functions run on the loop instead of in a thread."""

    def connected(path: Path) -> aiosqlite.Connection:
        connection = connect(path)
        runner: Any = _Disk(chance, slowest_s)
        connection._tx = runner
        connection._thread = runner
        return connection

    return connected


@contextmanager
def without_threads() -> Iterator[None]:
    """Run what anyio would give to a worker thread on the loop, a turn later."""

    async def in_worker(
        _: object, function: Callable[..., Any], args: Any, *__: Any, **___: Any
    ) -> Any:
        await asyncio.sleep(0)
        return function(*args)

    with patch.object(AsyncIOBackend, "run_sync_in_worker_thread", classmethod(in_worker)):
        yield
