"""Minutes in milliseconds: an event loop whose waiting only moves its clock."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

__all__ = ["LoopClock", "run_virtual"]

T = TypeVar("T")
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
# A test that waits a virtual day for something is stuck.
LONGEST_S = 86_400.0


class _Selector(selectors.BaseSelector):
    """Knows no ready file: waiting moves the loop's clock."""

    loop: VirtualLoop

    def __init__(self) -> None:
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, 0, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or self.loop.now > LONGEST_S:
            raise RuntimeError("everything waits for something that never comes")
        self.loop.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` is virtual; no sockets, threads or signals."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.now


@dataclass(frozen=True)
class LoopClock:
    """ports.Clock of the running loop."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic())


def run_virtual(main: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine function on a fresh virtual loop."""
    loop = VirtualLoop()

    async def body() -> T:
        return await main()

    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(body())
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        asyncio.set_event_loop(None)
        loop.close()
