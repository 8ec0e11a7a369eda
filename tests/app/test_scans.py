"""Who gets a scan: the one who asked last; nobody gets an old one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import anyio

from posfw.app.scans import QUEUE_LENGTH, Code, Item, ScanDesk
from posfw.card.codes import BAD_SCAN, READER_GONE
from posfw.card.scanner import Kind, Scan
from posfw.values.card import Secret

GOODS = Scan(Kind.GTIN, "6901234567892")
CODE = Scan(Kind.QR, "6228123456789012345")
SOON_S = 5.0


class Scanner:
    """A source that yields what a test puts in."""

    def __init__(self) -> None:
        self.send, self._receive = anyio.create_memory_object_stream[Item](1000)

    async def scans(self) -> AsyncIterator[Item]:
        with self.send, self._receive:
            async for item in self._receive:
                yield item


async def scanned(items: list[Item], ask: Callable[[ScanDesk], Awaitable[object]]) -> list[object]:
    """Return what `ask` gets when the items are scanned while it waits."""
    desk, scanner = ScanDesk(), Scanner()
    found: list[object] = []
    async with anyio.create_task_group() as group:
        group.start_soon(desk.run, scanner)

        async def wait() -> None:
            found.append(await ask(desk))
            group.cancel_scope.cancel()

        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        for item in items:
            await scanner.send.send(item)
    return found


async def test_a_payment_code_is_handed_over_as_a_secret() -> None:
    async def ask(desk: ScanDesk) -> Code | None:
        return await desk.next_code(SOON_S)

    [code] = await scanned([CODE], ask)
    assert isinstance(code, Secret)
    assert code.reveal() == b"6228123456789012345"
    assert "6228123456789012345" not in repr(code)
    assert await scanned([Scan(Kind.OTHER, "A1")], ask) == [Secret(b"A1")]


async def test_goods_and_failures_are_no_payment_codes() -> None:
    async def ask(desk: ScanDesk) -> Code | None:
        return await desk.next_code(SOON_S)

    assert await scanned([GOODS], ask) == [BAD_SCAN]
    assert await scanned([Scan(Kind.GS1_128, "0106901234567892")], ask) == [BAD_SCAN]
    assert await scanned([READER_GONE], ask) == [READER_GONE]


async def test_nothing_in_time_is_none() -> None:
    assert await ScanDesk().next_code(0.0) is None
    assert await ScanDesk().next_scan(0.0) is None


async def test_a_scan_that_nobody_asked_for_is_dropped() -> None:
    desk, scanner = ScanDesk(), Scanner()
    async with anyio.create_task_group() as group:
        group.start_soon(desk.run, scanner)
        await scanner.send.send(CODE)
        await anyio.wait_all_tasks_blocked()
        assert desk.present
        assert await desk.next_scan(0.0) is None
        group.cancel_scope.cancel()
    assert "6228123456789012345" not in repr(desk)


async def test_the_newest_holder_gets_it_and_the_older_one_goes_on_afterwards() -> None:
    desk, scanner = ScanDesk(), Scanner()
    async with anyio.create_task_group() as group:
        group.start_soon(desk.run, scanner)
        with desk.taken() as basket:
            with desk.taken() as payment:
                await scanner.send.send(CODE)
                await anyio.wait_all_tasks_blocked()
                assert payment.receive_nowait() == CODE
            await scanner.send.send(GOODS)
            await anyio.wait_all_tasks_blocked()
            assert basket.receive_nowait() == GOODS
            assert basket.statistics().current_buffer_used == 0
        group.cancel_scope.cancel()


async def test_a_holder_that_takes_nothing_does_not_stop_the_line() -> None:
    desk, scanner = ScanDesk(), Scanner()
    async with anyio.create_task_group() as group:
        group.start_soon(desk.run, scanner)
        with desk.taken() as basket:
            for _ in range(QUEUE_LENGTH + 10):
                await scanner.send.send(GOODS)
            await anyio.wait_all_tasks_blocked()
            assert basket.statistics().current_buffer_used == QUEUE_LENGTH
        assert await desk.next_scan(0.0) is None
        group.cancel_scope.cancel()
