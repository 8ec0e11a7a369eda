"""The simulated PIN pad: closed until opened, and nothing but format 4 under its key."""

from __future__ import annotations

import anyio
import pytest
from anyio.abc import ByteStream

from posfw.card.abecs import CAN, Deframer, Item, Packet, Signal, packet
from posfw.card.pinpad import get_pin
from posfw.sim.pinpad import PadSim
from posfw.sim.wires import on_memory
from posfw.values.card import CardNumber
from posfw.values.money import Money

NUMBER = CardNumber("6212345678901232")
ASK = packet(get_pin(NUMBER, Money(100), 0))
OPEN = packet(b"OPN")


async def items(stream: ByteStream, count: int) -> list[Item]:
    deframer = Deframer()
    found: list[Item] = []
    with anyio.fail_after(5):
        while len(found) < count:
            found += deframer.feed(await stream.receive())
    return found


async def test_a_closed_pad_takes_no_pin() -> None:
    sim = PadSim()
    async with on_memory(sim.serve) as port, await port.open() as stream:
        await stream.send(ASK)
        assert await items(stream, 2) == [Signal.ACK, Packet(b"GPN015")]
        assert not sim.entering


@pytest.mark.parametrize("method", [b"1", b"3"])
async def test_no_pin_is_given_under_a_weaker_method(method: bytes) -> None:
    sim = PadSim()
    weaker = get_pin(NUMBER, Money(100), 0).replace(b"GPN0935", b"GPN093" + method)
    assert weaker != get_pin(NUMBER, Money(100), 0)
    async with on_memory(sim.serve) as port, await port.open() as stream:
        await stream.send(OPEN + packet(weaker))
        assert (await items(stream, 4))[-1] == Packet(b"GPN011")


async def test_a_damaged_packet_is_refused_and_cancel_ends_an_entry() -> None:
    sim = PadSim()
    async with on_memory(sim.serve) as port, await port.open() as stream:
        await stream.send(OPEN[:-1] + b"\0")
        assert await items(stream, 1) == [Signal.NAK]
        await stream.send(OPEN + ASK)
        assert (await items(stream, 3))[-1] is Signal.ACK
        await sim.waiting()
        await stream.send(CAN)
        assert await items(stream, 1) == [Signal.EOT]
        assert not sim.entering
