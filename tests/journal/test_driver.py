"""The way into aiosqlite's worker: what it relies on in the pinned version."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiosqlite
import anyio
import anyio.lowlevel
import pytest

from posfw.journal.driver import Anchor, Worker


@asynccontextmanager
async def worker() -> AsyncIterator[Worker]:
    async with aiosqlite.connect(":memory:") as connection:
        made = Worker(connection)
        try:
            yield made
        finally:
            made.close()


async def test_functions_run_in_one_other_thread_in_order() -> None:
    seen: list[tuple[int, int]] = []
    async with worker() as made, anyio.create_task_group() as group:
        for n in range(20):
            group.start_soon(made.run, lambda n=n: seen.append((n, threading.get_ident())))
    assert [n for n, _ in seen] == list(range(20))
    assert len({thread for _, thread in seen}) == 1
    assert seen[0][1] != threading.get_ident()


async def test_what_a_function_raises_reaches_the_caller() -> None:
    def fail() -> None:
        raise KeyError("told")

    async with worker() as made:
        with pytest.raises(KeyError, match="told"):
            await made.run(fail)
        assert await made.run(lambda: 7) == 7


@pytest.mark.parametrize("native", [False, True], ids=["scope", "task"])
async def test_a_cancelled_caller_goes_when_the_function_has_ended(*, native: bool) -> None:
    """Also where a task is cancelled several times without a scope."""
    begun, go, ended = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go.wait(10)
        ended.set()

    async with worker() as made:
        task = asyncio.ensure_future(_cancelled(made, slow, native=native))
        while not begun.is_set():
            await anyio.lowlevel.checkpoint()
        for _ in range(3):
            if native:
                task.cancel()
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
        assert not task.done()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()


async def _cancelled(made: Worker, slow: object, *, native: bool) -> None:
    if native:
        await made.run(slow)  # type: ignore[arg-type]  # a function of a test
        return
    with anyio.CancelScope() as scope:
        asyncio.get_running_loop().call_soon(scope.cancel)
        await made.run(slow)  # type: ignore[arg-type]  # as above
    raise asyncio.CancelledError


def test_an_anchor_is_what_was_written_last(tmp_path: Path) -> None:
    journal = tmp_path / "journal.db"
    assert Anchor.read(journal) == Anchor()
    handle = Anchor.open(journal)
    for anchor in (Anchor(0xFFFF0000, 999_999, 10**12), Anchor(1, 2, 3)):
        anchor.write(handle)
        assert Anchor.read(journal) == anchor
    Anchor.path_of(journal).write_bytes(b"noise")
    assert Anchor.read(journal) == Anchor()
