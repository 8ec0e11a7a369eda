"""The port that is kept open: back-off, one word about a loss, frames cut by silence."""

from __future__ import annotations

import anyio
import pytest
from anyio.abc import ByteStream

from posfw.card.codes import HALF_LINE, READER_GONE
from posfw.card.scanner import Scan, ScanParser
from posfw.card.supervisor import Backoff
from posfw.card.task.port import Latest, Port
from posfw.sim.wires import MemoryPort
from posfw.values.errors import DeviceError


class Log:
    """What a port told."""

    def __init__(self) -> None:
        self.heard: list[Scan | str] = []
        self.losses = 0

    def lost(self) -> None:
        self.losses += 1

    def port(self, wire: MemoryPort) -> Port[Scan | str]:
        return Port(
            wire.open,
            framer=ScanParser,
            heard=self.heard.extend,
            lost=self.lost,
            backoff=Backoff(0.001, 0.004),
            half_frame_s=0.01,
        )


async def says(stream: ByteStream) -> None:
    await stream.send(b"6901234567892\r690")
    await anyio.sleep_forever()


async def dies(_: ByteStream) -> None:
    """Open and gone: a device that resets all the time."""


async def test_a_missing_port_is_told_once_and_refuses_to_send() -> None:
    log = Log()
    wire = MemoryPort(says, missing=True)
    port = log.port(wire)
    async with anyio.create_task_group() as group:
        await group.start(port.run)
        with anyio.move_on_after(0.02):
            await anyio.sleep_forever()
        assert log.losses == 1
        assert not port.is_open
        with pytest.raises(DeviceError) as caught:
            await port.send(b"x")
        assert caught.value.stable_code == READER_GONE
        group.cancel_scope.cancel()


async def test_a_half_frame_is_given_up_after_silence() -> None:
    log = Log()
    wire = MemoryPort(says)
    async with anyio.create_task_group() as group:
        group.start_soon(wire.run)
        await group.start(log.port(wire).run)
        with anyio.fail_after(5):
            while HALF_LINE not in log.heard:  # noqa: ASYNC110 - a list says nothing
                await anyio.sleep(0.001)
        group.cancel_scope.cancel()
    assert [type(item) for item in log.heard] == [Scan, str]


async def test_a_port_that_opens_and_dies_keeps_backing_off() -> None:
    log = Log()
    wire = MemoryPort(dies)
    port = log.port(wire)
    async with anyio.create_task_group() as group:
        group.start_soon(wire.run)
        await group.start(port.run)
        with anyio.fail_after(5):
            while wire.opened < 6:  # noqa: ASYNC110 - a count says nothing
                await anyio.sleep(0.001)
        assert port._backoff.failures >= 5
        group.cancel_scope.cancel()


async def test_the_latest_items_wait_oldest_first() -> None:
    latest: Latest[int] = Latest(3)
    latest.put([1, 2, 3, 4])
    items = latest.all()
    assert [await anext(items) for _ in range(3)] == [2, 3, 4]
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.lowlevel.checkpoint)
        latest.put([5])
        assert await anext(items) == 5
