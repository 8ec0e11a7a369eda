"""The simulated PIN pad: closed until opened, and nothing but format 4 under its key."""

from __future__ import annotations

import anyio
import pytest
from anyio.abc import ByteStream
from psec import pinblock  # an independent reading of ISO 9564-1

from posfw.card.abecs import CAN, Deframer, Item, Packet, Signal, packet
from posfw.card.pinpad import get_pin
from posfw.crypto.dukpt import initial_key
from posfw.keys.software import SoftwareElement
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


async def test_each_block_is_under_the_next_key_and_names_it() -> None:
    key_id = bytes.fromhex("50494E5041440001")
    keys = SoftwareElement(initial_key(bytes(range(32)), key_id), key_id, bytes(32))
    sim = PadSim(keys=keys, customer="80246")
    async with on_memory(sim.serve) as port, await port.open() as stream:
        await stream.send(OPEN)
        await items(stream, 2)
        for counter in (1, 2, 3):
            await stream.send(ASK)
            _, answer = await items(stream, 2)
            assert isinstance(answer, Packet)
            data = bytes.fromhex(answer.data[9:].decode())
            assert data[16:] == key_id + counter.to_bytes(4, "big")
            opened = pinblock.decipher_pinblock_iso_4(
                keys.pin_key(counter).key, data[:16], NUMBER.reveal()
            )
            assert opened == "80246"
