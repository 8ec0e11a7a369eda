"""The NEO 2 reader over memory and a pty: every way and delivery, cancelling in two phases."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import anyio
import pytest

from posfw.card import codes, neo
from posfw.card.neo_result import Outcome
from posfw.card.supervisor import Activity, Backoff
from posfw.card.task.neo import NeoReader
from posfw.codec.tlv import Node
from posfw.sim.cards import deck
from posfw.sim.vivotech import NeoSim, Presented
from posfw.sim.wires import Delivery, MemoryPort, on_memory, on_pty
from posfw.values.card import CardRead, EntryMode
from posfw.values.errors import DeviceError
from posfw.values.money import Money

CARDS = deck(7)
CHIP = CARDS["unionpay-chip"]
AMOUNT = Money(1234)
WAIT_S = 30
IMPATIENT_S = -0.9  # a reader waits whole seconds; a test for a lost answer need not


@asynccontextmanager
async def running(
    sim: NeoSim,
    delivery: Delivery = Delivery.WHOLE,
    *,
    reply_s: float = 0.05,
    grace_s: float = 0.5,
    seed: int = 0,
) -> AsyncIterator[tuple[NeoReader, list[Activity], MemoryPort]]:
    seen: list[Activity] = []
    async with on_memory(sim.serve, delivery, seed=seed) as port:
        reader = NeoReader(
            "memory",
            backoff=Backoff(0.001, 0.01),
            reply_s=reply_s,
            grace_s=grace_s,
            half_frame_s=0.2,
            watch=seen.append,
            open_port=port.open,
        )
        async with anyio.create_task_group() as group:
            await group.start(reader.run)
            with anyio.fail_after(10):
                yield reader, seen, port
            group.cancel_scope.cancel()


async def sell(reader: NeoReader, sim: NeoSim, way: Presented, *, counter: int = 1) -> Outcome:
    """Activate, let the customer act, return what came of it."""
    found: list[Outcome] = []
    asked = len(sim.activations)

    async def activate() -> None:
        found.append(await reader.activate(AMOUNT, wait_s=WAIT_S, counter=counter))

    async with anyio.create_task_group() as group:
        group.start_soon(activate)
        await sim.activated(asked + 1)
        await sim.present(CHIP, way)
    return found[0]


@pytest.mark.parametrize("delivery", [Delivery.WHOLE, Delivery.BYTE_BY_BYTE, Delivery.DELAYED])
@pytest.mark.parametrize(
    ("way", "mode"),
    [
        (Presented.TAP, EntryMode.CONTACTLESS),
        (Presented.INSERT, EntryMode.CHIP),
        (Presented.SWIPE, EntryMode.SWIPED),
    ],
)
async def test_a_card_is_read_in_every_way(
    way: Presented, mode: EntryMode, delivery: Delivery
) -> None:
    sim = NeoSim()
    async with running(sim, delivery) as (reader, seen, _):
        card = await sell(reader, sim, way)
    assert isinstance(card, CardRead)
    assert (card.number, card.entry_mode) == (CHIP.number, mode)
    assert (card.expiry, card.service_code) == (CHIP.expiry, CHIP.service_code)
    assert bool(card.emv) is (mode is not EntryMode.SWIPED)
    assert seen == [Activity.WAITING, Activity.READING, Activity.IDLE]
    assert sim.activations == [1234]


@pytest.mark.parametrize(
    ("way", "code"),
    [
        (Presented.PULLED, codes.CHIP_MUTE),
        (Presented.TAPPED_SHORT, codes.TRY_AGAIN),
        (Presented.TWO_CARDS, codes.SEVERAL_CARDS),
        (Presented.DECLINED, codes.CARD_REFUSED),
        (Presented.BLOCKED, codes.CARD_REFUSED),
        (Presented.INSERT_INSTEAD, codes.OTHER_WAY),
        (Presented.STRIPE_BY_TAP, codes.OTHER_WAY),
        (Presented.OTHER_AMOUNT, codes.MISMATCH),
        (Presented.ENCIPHERED, codes.ENCRYPTED),
    ],
)
async def test_what_is_no_card_has_its_code_and_the_next_one_is_read(
    way: Presented, code: str
) -> None:
    sim = NeoSim()
    async with running(sim) as (reader, _, _port):
        assert await sell(reader, sim, way) == code
        assert isinstance(await sell(reader, sim, Presented.TAP, counter=2), CardRead)


async def test_an_offline_approval_is_marked() -> None:
    sim = NeoSim()
    async with running(sim) as (reader, _, _port):
        card = await sell(reader, sim, Presented.APPROVED_OFFLINE)
    assert isinstance(card, CardRead)
    assert card.approved_offline


async def test_a_contact_card_is_released_before_the_reader_is_asked_again() -> None:
    sim = NeoSim()
    async with running(sim) as (reader, _, _port):
        assert isinstance(await sell(reader, sim, Presented.INSERT), CardRead)
        held = [sim.held]
        await reader.show(neo.Display.THANK_YOU)
        held.append(sim.held)
        assert held == [True, False]
        assert isinstance(await sell(reader, sim, Presented.INSERT, counter=2), CardRead)
        assert isinstance(await sell(reader, sim, Presented.TAP, counter=3), CardRead)


async def test_a_misheard_command_is_said_again() -> None:
    sim = NeoSim()
    sim.faults.misheard = 2
    async with running(sim) as (reader, _, _port):
        assert isinstance(await sell(reader, sim, Presented.TAP), CardRead)


async def test_a_slow_reader_is_waited_for() -> None:
    sim = NeoSim()
    sim.faults.slow_rounds = 50
    async with running(sim, reply_s=1.0) as (reader, _, _port):
        assert isinstance(await sell(reader, sim, Presented.TAP), CardRead)


async def test_a_damaged_result_is_no_card_and_the_reader_is_cancelled_before_the_next() -> None:
    sim = NeoSim()
    async with running(sim, grace_s=IMPATIENT_S) as (reader, _, _port):

        async def damaged() -> None:
            await sim.activated()
            sim.faults.wrong_crc = 1
            await sim.present(CHIP)

        async with anyio.create_task_group() as group:
            group.start_soon(damaged)
            assert await reader.activate(AMOUNT, wait_s=1, counter=1) == codes.READER_SILENT
        assert sim.active is None
        assert isinstance(await sell(reader, sim, Presented.TAP, counter=2), CardRead)


async def waiting(reader: NeoReader, found: list[Outcome]) -> None:
    found.append(await reader.activate(AMOUNT, wait_s=WAIT_S, counter=1))


async def test_cancelling_ends_when_the_reader_has_confirmed() -> None:
    sim = NeoSim()
    found: list[Outcome] = []
    async with running(sim) as (reader, seen, _), anyio.create_task_group() as group:
        group.start_soon(waiting, reader, found)
        await sim.activated()
        assert await reader.cancel()
        assert sim.active is None
        assert found == [codes.CANCELLED]
        assert seen == [Activity.WAITING, Activity.CANCELLING, Activity.IDLE]


async def test_a_cancelled_sale_cancels_on_the_reader_too() -> None:
    sim = NeoSim()
    async with running(sim) as (reader, _, _port):
        async with anyio.create_task_group() as group:
            group.start_soon(waiting, reader, [])
            await sim.activated()
            group.cancel_scope.cancel()
        assert sim.active is None
        assert reader.activity is Activity.IDLE


async def test_a_reader_deaf_to_cancel_is_not_activated_before_it_confirms() -> None:
    sim = NeoSim()
    found: list[Outcome] = []
    sim.faults.deaf_to_cancel = 6  # three tries of the first, three before the next activation
    async with running(sim) as (reader, seen, _):
        async with anyio.create_task_group() as group:
            group.start_soon(waiting, reader, found)
            await sim.activated()
            assert reader._scope is not None
            reader._scope.cancel()
        assert found == [codes.CANCELLED]
        assert seen[-2:] == [Activity.CANCELLING, Activity.IDLE]
        assert await reader.activate(AMOUNT, wait_s=WAIT_S, counter=2) == codes.READER_SILENT
        assert sim.activations == [1234]  # never asked a second time
        assert isinstance(await sell(reader, sim, Presented.TAP, counter=3), CardRead)


async def test_a_late_result_of_a_cancelled_activation_is_never_the_next_ones() -> None:
    sim = NeoSim()
    found: list[Outcome] = []
    sim.faults.late_result = 1
    async with running(sim) as (reader, _, _port):
        async with anyio.create_task_group() as group:
            group.start_soon(waiting, reader, found)
            await sim.activated()
            assert await reader.cancel()
        assert isinstance(await sell(reader, sim, Presented.TAP, counter=2), CardRead)


async def test_cancelling_an_idle_reader_is_nothing() -> None:
    sim = NeoSim()
    async with running(sim) as (reader, seen, _):
        assert await reader.cancel()
        assert seen == []


async def test_an_unplugged_reader_ends_the_sale_and_is_used_again() -> None:
    sim = NeoSim()
    found: list[Outcome] = []
    async with running(sim) as (reader, _, port):
        async with anyio.create_task_group() as group:
            group.start_soon(waiting, reader, found)
            await sim.activated()
            port.unplug(missing=True)
        assert found == [codes.READER_GONE]
        assert await anext(reader.reads()) == codes.READER_GONE
        assert await reader.activate(AMOUNT, wait_s=1, counter=2) == codes.READER_GONE
        port.missing = False
        opened = port.opened
        while port.opened == opened or not reader._port.is_open:  # noqa: ASYNC110 - a port says nothing
            await anyio.sleep(0.001)
        assert isinstance(await sell(reader, sim, Presented.TAP, counter=3), CardRead)


async def test_swipes_nobody_asked_for_come_as_reads() -> None:
    sim = NeoSim(burst=True)
    async with running(sim) as (reader, _, _port):
        await reader.firmware()
        await sim.present(CHIP, Presented.SWIPE)
        card = await anext(reader.reads())
        assert isinstance(card, CardRead)
        assert card.number == CHIP.number
        await sim.present(CHIP, Presented.SWIPE)
        await reader.firmware()  # behind the burst on the same wire
        reader.forget()
        assert not reader._latest.items


async def test_configuration_and_lamps_reach_the_reader() -> None:
    sim = NeoSim()
    async with running(sim) as (reader, _, _port):
        assert await reader.firmware() == "NEO 2.0 simulated v1.00"
        await reader.configure([Node(0x9F1A, b"\x01\x56")])
        assert await reader.configuration() == [Node(0x9F1A, b"\x01\x56")]
        await reader.show(neo.Display.THANK_YOU, neo.Beep.SINGLE, neo.Lamp(1, on=True))
        assert sim.shown == [(4, 1, 1, 1)]


async def test_a_silent_reader_is_a_device_error() -> None:
    sim = NeoSim()
    sim.faults.silent = 3
    async with running(sim, reply_s=0.01) as (reader, _, _port):
        with pytest.raises(DeviceError) as caught:
            await reader.firmware()
        assert caught.value.stable_code == codes.READER_SILENT
        assert await reader.firmware() == "NEO 2.0 simulated v1.00"


@pytest.mark.parametrize("seed", range(8))
async def test_a_lossy_line_gives_the_right_card_or_a_code(seed: int) -> None:
    sim = NeoSim()
    counters = count(1)
    wire = running(sim, Delivery.LOSSY, reply_s=0.01, grace_s=IMPATIENT_S, seed=seed)
    async with wire as (reader, _, port):
        for _ in range(3):
            async with anyio.create_task_group() as group:

                async def customer() -> None:
                    await sim.activated(len(sim.activations) + 1)
                    await sim.present(CHIP, Presented.SWIPE)

                group.start_soon(customer)
                found = await reader.activate(AMOUNT, wait_s=1, counter=next(counters))
                group.cancel_scope.cancel()
            assert isinstance(found, str) or found.number == CHIP.number
        assert sim.activations
        port.delivery = Delivery.WHOLE
        port.unplug()
        outcome: Outcome = codes.READER_GONE
        while outcome == codes.READER_GONE:
            outcome = await reader.activate(AMOUNT, wait_s=1, counter=next(counters))
        assert outcome == codes.READER_SILENT  # nobody presents a card: it works again


async def test_the_same_bytes_over_a_pty(tmp_path: Path) -> None:
    sim = NeoSim()
    async with on_pty(sim.serve, tmp_path / "card") as path:
        reader = NeoReader(path, reply_s=1.0)
        async with anyio.create_task_group() as group:
            await group.start(reader.run)
            with anyio.fail_after(5):
                assert isinstance(await sell(reader, sim, Presented.INSERT), CardRead)
                assert await reader.cancel()
            group.cancel_scope.cancel()


async def test_no_card_number_reaches_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sim = NeoSim()
    async with running(sim) as (reader, _, _port):
        shown = repr(await sell(reader, sim, Presented.TAP)) + repr(reader)
    assert CHIP.number.reveal() not in caplog.text + shown
