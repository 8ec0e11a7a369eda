"""The slot: one card for one sale, and out before the next; a lost reader comes back."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from posfw.app.chip_slot import ChipSlot, SlotState
from posfw.card.pcsc.status import Absence
from posfw.card.supervisor import Backoff
from posfw.sim.chip.card import ChipCard
from posfw.sim.chip.profile import UNIONPAY
from posfw.sim.chip.slot import MemoryCard, MemorySlot
from posfw.values.errors import MisuseError

settle = anyio.wait_all_tasks_blocked


def a_card() -> ChipCard:
    return ChipCard(UNIONPAY, random.Random(1).randbytes)


@asynccontextmanager
async def running() -> AsyncIterator[tuple[ChipSlot, MemorySlot, list[SlotState]]]:
    hardware, seen = MemorySlot(), list[SlotState]()
    slot = ChipSlot(seen.append)
    async with anyio.create_task_group() as group:
        group.start_soon(slot.run, lambda: hardware, Backoff(base_s=0.0))
        await settle()
        yield slot, hardware, seen
        group.cancel_scope.cancel()


async def test_a_card_goes_to_the_sale_that_waits_and_must_leave_afterwards() -> None:
    async with running() as (slot, hardware, seen):
        hardware.insert(a_card())
        visit = await slot.next_visit()
        assert isinstance(visit.card, MemoryCard)
        visit.release()
        await settle()
        assert visit.card.closed
        assert slot.state is SlotState.LEFT_IN
        hardware.remove()
        await settle()
        assert seen == [
            SlotState.EMPTY,
            SlotState.CARD_IN,
            SlotState.IN_USE,
            SlotState.LEFT_IN,
            SlotState.EMPTY,
        ]


async def test_a_card_left_in_serves_no_second_sale() -> None:
    async with running() as (slot, hardware, _):
        hardware.insert(a_card())
        (await slot.next_visit()).release()
        with anyio.move_on_after(0.05) as waited:
            await slot.next_visit()
        assert waited.cancelled_caught
        hardware.remove()
        await settle()
        fresh = a_card()
        hardware.insert(fresh)
        visit = await slot.next_visit()
        assert isinstance(visit.card, MemoryCard)
        assert visit.card.card is fresh
        visit.release()


async def test_a_card_that_is_in_before_the_sale_is_the_sales() -> None:
    async with running() as (slot, hardware, _):
        hardware.insert(a_card())
        await settle()
        assert slot.state is SlotState.CARD_IN
        assert isinstance((await slot.next_visit()).card, MemoryCard)


async def test_a_card_that_leaves_before_the_sale_is_forgotten() -> None:
    async with running() as (slot, hardware, _):
        hardware.insert(a_card())
        await settle()
        hardware.remove()
        await settle()
        assert slot.state is SlotState.EMPTY
        with anyio.move_on_after(0.05) as waited:
            await slot.next_visit()
        assert waited.cancelled_caught


async def test_a_wait_that_is_given_up_leaves_the_card_to_the_next_sale() -> None:
    async with running() as (slot, hardware, _):
        with anyio.move_on_after(0.01):
            await slot.next_visit()
        hardware.insert(a_card())
        await settle()
        assert slot.state is SlotState.CARD_IN
        assert isinstance((await slot.next_visit()).card, MemoryCard)


async def test_a_card_powered_for_a_sale_that_was_given_up_meanwhile_is_let_go() -> None:
    slot, group = ChipSlot(), anyio.create_task_group()

    class Slow(MemorySlot):
        async def connect(self) -> MemoryCard | Absence:
            group.cancel_scope.cancel()
            while slot.state is SlotState.CARD_IN and waiting:
                await anyio.lowlevel.checkpoint()
            return await super().connect()

    async def wait() -> None:
        try:
            await slot.next_visit()
        finally:
            waiting.clear()

    hardware, waiting = Slow(), [True]
    async with anyio.create_task_group() as around:
        around.start_soon(slot.run, lambda: hardware)
        async with group:
            group.start_soon(wait)
            await settle()
            hardware.insert(a_card())
        await settle()
        assert slot.state is SlotState.LEFT_IN
        around.cancel_scope.cancel()


async def test_a_dead_card_is_a_visit_without_a_card() -> None:
    async with running() as (slot, hardware, _):
        hardware.insert(a_card(), dead=True)
        visit = await slot.next_visit()
        assert visit.card is Absence.MUTE
        visit.release()
        await settle()
        assert slot.state is SlotState.LEFT_IN


@pytest.mark.parametrize("card_in", [True, False])
async def test_a_reader_that_goes_away_is_opened_again(*, card_in: bool) -> None:
    async with running() as (slot, hardware, seen):
        if card_in:
            hardware.insert(a_card())
            await settle()
        hardware.unplug()
        while slot.state is not SlotState.GONE:
            await anyio.lowlevel.checkpoint()
        hardware.unplug(gone=False)
        hardware.insert(a_card())
        assert isinstance((await slot.next_visit()).card, MemoryCard)
        assert hardware.opened > 1
        assert SlotState.GONE in seen


async def test_two_sales_never_wait_for_one_chip() -> None:
    async with running() as (slot, _, _), anyio.create_task_group() as group:
        group.start_soon(slot.next_visit)
        await settle()
        with pytest.raises(MisuseError):
            await slot.next_visit()
        group.cancel_scope.cancel()
