"""The simulated NEO 2 reader is as strict as a real one: what it accepts, the guide says."""

from __future__ import annotations

import anyio
import pytest
from anyio.abc import ByteStream

from posfw.card.vivotech2 import Burst, Deframer, Event, Frame, Reply, command
from posfw.sim.cards import deck
from posfw.sim.vivotech import NeoSim, Presented
from posfw.sim.wires import on_memory

CARD = deck(7)["unionpay-chip"]
PING = bytes.fromhex("5669564F7465636832001801" + "0000B3CD")  # guide, p42
ACTIVATE = command(0x02, 0x40, bytes.fromhex("1E" + "9F0206000000001234" + "9F410400000007"))


async def frames(stream: ByteStream, count: int) -> list[Frame]:
    deframer = Deframer()
    found: list[Frame] = []
    with anyio.fail_after(5):
        while len(found) < count:
            found += deframer.feed(await stream.receive())
    assert deframer.skipped_bytes == 0
    return found


async def test_the_guides_ping_is_answered_as_in_the_guide() -> None:
    sim = NeoSim()
    async with on_memory(sim.serve) as port, await port.open() as stream:
        await stream.send(PING)
        with anyio.fail_after(5):
            assert await stream.receive() == bytes.fromhex("5669564F74656368320018000000FA83")


@pytest.mark.parametrize(
    ("frame", "status"),
    [(PING[:-2] + PING[:-3:-1], 0x04), (PING[:-1] + b"\0", 0x04), (command(0x77, 1), 0x02)],
)
async def test_a_wrong_crc_or_order_of_it_or_command_is_refused(frame: bytes, status: int) -> None:
    sim = NeoSim()
    async with on_memory(sim.serve) as port, await port.open() as stream:
        await stream.send(frame)
        [reply] = await frames(stream, 1)
        assert isinstance(reply, Reply)
        assert reply.status == status


async def test_a_tap_shows_lamps_and_answers_the_activation() -> None:
    sim = NeoSim()
    async with on_memory(sim.serve) as port, await port.open() as stream:
        await stream.send(ACTIVATE)
        await sim.activated()
        await sim.present(CARD, Presented.TAP)
        display, lamp, reply = await frames(stream, 3)
        assert (display, lamp) == (Event(((3, 3),)), Event(((1, 0x11),)))
        assert isinstance(reply, Reply)
        assert (reply.command, reply.status) == (0x02, 0x23)
        assert sim.active is None


async def test_any_other_command_ends_an_activation() -> None:
    sim = NeoSim()
    async with on_memory(sim.serve) as port, await port.open() as stream:
        await stream.send(ACTIVATE + PING)
        [reply] = await frames(stream, 1)
        assert isinstance(reply, Reply)
        assert (reply.command, reply.status) == (0x18, 0x0B)
        assert sim.active is None


async def test_only_a_reader_in_burst_mode_speaks_unasked() -> None:
    sim = NeoSim()
    async with on_memory(sim.serve) as port, await port.open() as stream:
        await stream.send(PING)
        await frames(stream, 1)
        await sim.present(CARD, Presented.SWIPE)
        sim.burst = True
        await sim.present(CARD, Presented.SWIPE)
        [burst] = await frames(stream, 1)
        assert isinstance(burst, Burst)
        assert burst.tracks == f"%{CARD.track1}?;{CARD.track2}?".encode()
