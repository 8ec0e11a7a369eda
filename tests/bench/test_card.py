"""The measure of `card_loop` sees a loop that stands still."""

from __future__ import annotations

import time

import anyio
import anyio.lowlevel
import pytest

from bench.card import ticks


@pytest.mark.may_block
async def test_a_blocking_call_is_seen_as_a_stall() -> None:
    stalls_ms: list[float] = []
    async with anyio.create_task_group() as group:
        group.start_soon(ticks, stalls_ms)
        with anyio.fail_after(5):
            while not stalls_ms:
                await anyio.lowlevel.checkpoint()
            time.sleep(0.02)  # noqa: ASYNC251 - this is what must not happen
            before = len(stalls_ms)
            while len(stalls_ms) == before:
                await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    assert max(stalls_ms) > 15  # twenty were blocked, whatever else the machine did
