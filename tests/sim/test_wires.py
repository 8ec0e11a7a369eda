"""Wires in memory deliver what they say."""

from __future__ import annotations

from contextlib import suppress

import anyio
import pytest
from anyio.abc import ByteStream

from posfw.sim.wires import Delivery, on_memory
from posfw.values.errors import DeviceError

SENT = bytes(range(256)) * 4


async def speak(stream: ByteStream) -> None:
    await stream.send(SENT)


async def heard(delivery: Delivery, seed: int = 0) -> list[bytes]:
    pieces: list[bytes] = []
    async with on_memory(speak, delivery, seed=seed) as port, await port.open() as stream:
        with anyio.fail_after(5), suppress(anyio.EndOfStream):
            while True:
                pieces.append(await stream.receive())
    return pieces


@pytest.mark.parametrize("delivery", [Delivery.WHOLE, Delivery.BYTE_BY_BYTE, Delivery.DELAYED])
async def test_nothing_is_lost_and_the_order_stays(delivery: Delivery) -> None:
    assert b"".join(await heard(delivery)) == SENT


async def test_byte_by_byte_is_one_byte_at_a_time() -> None:
    assert {len(piece) for piece in await heard(Delivery.BYTE_BY_BYTE)} == {1}


async def test_a_lossy_wire_loses_the_same_bytes_for_the_same_seed() -> None:
    first, again = await heard(Delivery.LOSSY, 1), await heard(Delivery.LOSSY, 1)
    assert first == again
    assert first != await heard(Delivery.LOSSY, 2)
    assert 0 < len(SENT) - len(b"".join(first)) < len(SENT) // 10


async def test_an_unplugged_port_cannot_be_opened_until_it_is_back() -> None:
    async with on_memory(speak) as port:
        port.unplug(missing=True)
        with pytest.raises(DeviceError):
            await port.open()
        port.missing = False
        async with await port.open() as stream:
            assert await stream.receive() == SENT
