"""The PIN pad over memory and a pty: blocks that another reading of the standard opens."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from psec import pinblock  # an independent reading of ISO 9564-1

from posfw.card import codes
from posfw.card.supervisor import Activity, Backoff
from posfw.card.task.pinpad import AbecsPinPad
from posfw.sim.pinpad import KEY_SERIAL, PadSim
from posfw.sim.wires import Delivery, MemoryPort, on_memory, on_pty
from posfw.values.card import CardNumber, Secret
from posfw.values.errors import DeviceError
from posfw.values.money import Money

NUMBER = CardNumber("6212345678900000003")
AMOUNT = Money(1234)
PIN = "80246"


@asynccontextmanager
async def running(
    sim: PadSim, delivery: Delivery = Delivery.WHOLE, *, entry_s: float = 5.0
) -> AsyncIterator[tuple[AbecsPinPad, list[Activity], MemoryPort]]:
    seen: list[Activity] = []
    async with on_memory(sim.serve, delivery) as port:
        pad = AbecsPinPad(
            "memory",
            backoff=Backoff(0.001, 0.01),
            ack_s=0.1,
            answer_s=0.2,
            entry_s=entry_s,
            half_packet_s=0.1,
            watch=seen.append,
            open_port=port.open,
        )
        async with anyio.create_task_group() as group:
            await group.start(pad.run)
            with anyio.fail_after(10):
                yield pad, seen, port
            group.cancel_scope.cancel()


async def enter(pad: AbecsPinPad, sim: PadSim, pin: str = PIN) -> Secret | None:
    """Ask for a PIN and let the customer type it."""
    found: list[Secret | None] = []

    async def ask() -> None:
        found.append(await pad.pin_block(NUMBER, AMOUNT, 0))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await sim.waiting()
        await sim.enter(pin)
    return found[0]


@pytest.mark.parametrize("delivery", [Delivery.WHOLE, Delivery.BYTE_BY_BYTE, Delivery.DELAYED])
async def test_a_block_holds_the_pin_for_whoever_has_the_key(delivery: Delivery) -> None:
    sim = PadSim()
    async with running(sim, delivery) as (pad, seen, _):
        block = await enter(pad, sim)
    assert block is not None
    opened = pinblock.decipher_pinblock_iso_4(sim.key, block.reveal()[:16], NUMBER.reveal())
    assert opened == PIN
    assert pad.key_serial == KEY_SERIAL == block.reveal()[16:]
    assert seen == [Activity.WAITING, Activity.IDLE]
    assert sim.asked == ["12.34".ljust(16) + "ENTER PIN".ljust(16)]


async def test_two_blocks_of_one_pin_differ() -> None:
    sim = PadSim()
    async with running(sim) as (pad, _, _port):
        assert await enter(pad, sim) != await enter(pad, sim)


@pytest.mark.parametrize("too_slow", [False, True])
async def test_no_pin_is_no_block(*, too_slow: bool) -> None:
    sim = PadSim()
    found: list[Secret | None] = []
    async with running(sim) as (pad, _, _port):

        async def ask() -> None:
            found.append(await pad.pin_block(NUMBER, AMOUNT, 0))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await sim.waiting()
            await sim.give_up(too_slow=too_slow)
        assert found == [None]
        assert await enter(pad, sim) is not None


async def test_a_refused_or_lost_packet_is_sent_again() -> None:
    sim = PadSim()
    sim.faults.refuse, sim.faults.mute = 1, 1
    async with running(sim) as (pad, _, _port):
        assert await enter(pad, sim) is not None


async def test_a_damaged_answer_is_asked_for_again() -> None:
    sim = PadSim()
    sim.faults.wrong_crc = 1
    async with running(sim) as (pad, _, _port):
        assert await enter(pad, sim) is not None


@pytest.mark.parametrize(
    "answer",
    [
        b"GPN000032" + b"A" * 32,  # eight bytes and a short key serial number: format 0
        b"GPN000056" + b"X" * 56,
        b"GPN000999A",
        b"GPN0A0",
        b"GPN042",
        b"GPN044",
        b"GPN000",
        b"ERR010",
    ],
)
async def test_a_pad_that_talks_nonsense_is_a_device_error_and_gives_no_block(
    answer: bytes,
) -> None:
    sim = PadSim(answer=answer)
    async with running(sim) as (pad, seen, _):
        with pytest.raises(ExceptionGroup) as caught:
            await enter(pad, sim)
        assert caught.group_contains(DeviceError)
        assert seen[-1] is Activity.IDLE
        sim.answer = None
        assert await enter(pad, sim) is not None


async def test_a_silent_pad_is_a_device_error() -> None:
    sim = PadSim()
    sim.faults.mute = 3
    async with running(sim) as (pad, _, _port):
        with pytest.raises(DeviceError) as caught:
            await pad.pin_block(NUMBER, AMOUNT, 0)
        assert caught.value.stable_code == codes.READER_SILENT
        assert await enter(pad, sim) is not None


async def test_a_pad_without_an_answer_is_cancelled_on_the_pad_too() -> None:
    sim = PadSim()
    async with running(sim, entry_s=0.05) as (pad, seen, _):
        with pytest.raises(DeviceError):
            await pad.pin_block(NUMBER, AMOUNT, 0)
        assert not sim.entering
        assert seen == [Activity.WAITING, Activity.CANCELLING, Activity.IDLE]


async def test_a_cancelled_sale_waits_for_the_pads_confirmation() -> None:
    sim = PadSim()
    sim.faults.deaf_to_cancel = 1
    async with running(sim) as (pad, seen, _):
        async with anyio.create_task_group() as group:
            group.start_soon(pad.pin_block, NUMBER, AMOUNT, 0)
            await sim.waiting()
            group.cancel_scope.cancel()
        assert not sim.entering
        assert seen == [Activity.WAITING, Activity.CANCELLING, Activity.IDLE]
        assert await enter(pad, sim) is not None


async def test_an_unplugged_pad_is_a_device_error() -> None:
    sim = PadSim()
    async with running(sim) as (pad, _, port):

        async def pulled() -> None:
            await sim.waiting()
            port.unplug(missing=True)

        async with anyio.create_task_group() as group:
            group.start_soon(pulled)
            with pytest.raises(DeviceError):
                await pad.pin_block(NUMBER, AMOUNT, 0)
        with pytest.raises(DeviceError):
            await pad.pin_block(NUMBER, AMOUNT, 0)


async def test_the_same_bytes_over_a_pty_and_nothing_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sim = PadSim()
    async with on_pty(sim.serve, tmp_path / "pinpad") as path:
        pad = AbecsPinPad(path)
        async with anyio.create_task_group() as group:
            await group.start(pad.run)
            with anyio.fail_after(5):
                block = await enter(pad, sim)
            group.cancel_scope.cancel()
    shown = caplog.text + repr(block) + repr(pad)
    assert PIN not in shown
    assert NUMBER.reveal() not in shown
