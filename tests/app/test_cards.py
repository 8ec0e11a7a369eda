from __future__ import annotations

from collections.abc import AsyncIterator

import anyio

from posfw.app.cards import CardDesk
from posfw.values.card import CardNumber, CardRead, EntryMode

CARD = CardRead(CardNumber("6212345678901232"), EntryMode.SWIPED, "2812", "101")
SOON_S = 5.0


class Reader:
    """A reader whose cards come when the test says so."""

    def __init__(self) -> None:
        self.send, self._receive = anyio.create_memory_object_stream[CardRead | str](8)

    async def reads(self) -> AsyncIterator[CardRead | str]:
        with self.send, self._receive:
            async for read in self._receive:
                yield read


async def test_the_next_card_goes_to_whoever_waits() -> None:
    desk, reader = CardDesk(), Reader()
    found: list[CardRead | str | None] = []
    async with anyio.create_task_group() as group:
        group.start_soon(desk.run, reader)

        async def wait() -> None:
            found.append(await desk.next_read(SOON_S))

        async with anyio.create_task_group() as waiting:
            waiting.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            await reader.send.send(CARD)
            await reader.send.send("CRD-002")  # a second read belongs to nobody
        group.cancel_scope.cancel()
    assert found == [CARD]


async def test_a_card_that_nobody_waits_for_is_dropped() -> None:
    desk, reader = CardDesk(), Reader()
    async with anyio.create_task_group() as group:
        group.start_soon(desk.run, reader)
        await reader.send.send(CARD)
        await anyio.wait_all_tasks_blocked()
        assert await desk.next_read(0.0) is None
        group.cancel_scope.cancel()
    assert "6212345678901232" not in repr(desk)


async def test_no_card_in_time_is_none() -> None:
    assert await CardDesk().next_read(0.0) is None


async def test_whoever_gives_up_does_not_take_the_next_ones_card_away() -> None:
    desk, reader = CardDesk(), Reader()
    found: list[CardRead | str | None] = []
    async with anyio.create_task_group() as group:
        group.start_soon(desk.run, reader)

        async def wait() -> None:
            found.append(await desk.next_read(SOON_S))

        patience = anyio.CancelScope()

        async def give_up() -> None:
            with patience:
                await desk.next_read(SOON_S)

        async with anyio.create_task_group() as waiting:
            waiting.start_soon(give_up)
            await anyio.wait_all_tasks_blocked()
            waiting.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            patience.cancel()
            await anyio.wait_all_tasks_blocked()
            await reader.send.send(CARD)
        group.cancel_scope.cancel()
    assert found == [CARD]


async def test_cancelling_tells_whoever_waits_and_nobody_else() -> None:
    desk, reader = CardDesk(), Reader()
    cancel = desk.verbs()["card_cancel"]
    assert await cancel({}, lambda _: None) == {"ok": False}
    found: list[CardRead | str | None] = []
    async with anyio.create_task_group() as group:
        group.start_soon(desk.run, reader)

        async def wait() -> None:
            found.append(await desk.next_read(SOON_S))

        async with anyio.create_task_group() as waiting:
            waiting.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            assert await cancel({}, lambda _: None) == {"ok": True}
            assert await cancel({}, lambda _: None) == {"ok": False}
            await reader.send.send(CARD)  # came too late: it pays nothing
        async with anyio.create_task_group() as waiting:
            waiting.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            await reader.send.send(CARD)
            await anyio.wait_all_tasks_blocked()
            assert await cancel({}, lambda _: None) == {"ok": False}
        group.cancel_scope.cancel()
    assert found == ["CRD-002", CARD]
