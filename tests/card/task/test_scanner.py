"""The scanner over memory and a pty."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from posfw.card.codes import BAD_SCAN, HALF_LINE, READER_GONE
from posfw.card.scanner import Kind, Scan
from posfw.card.supervisor import Backoff
from posfw.card.task.scanner import Scanner
from posfw.sim.scanner import ScannerSim
from posfw.sim.wires import Delivery, MemoryPort, on_memory, on_pty

GTIN = "6901234567892"


@asynccontextmanager
async def running(
    sim: ScannerSim, delivery: Delivery = Delivery.WHOLE, *, seed: int = 0
) -> AsyncIterator[tuple[Scanner, AsyncIterator[Scan | str], MemoryPort]]:
    async with on_memory(sim.serve, delivery, seed=seed) as port:
        scanner = Scanner(
            "memory", backoff=Backoff(0.001, 0.01), half_line_s=0.2, open_port=port.open
        )
        async with anyio.create_task_group() as group:
            await group.start(scanner.run)
            await anyio.wait_all_tasks_blocked()  # the simulated end has its wire
            with anyio.fail_after(5):
                yield scanner, scanner.scans(), port
            group.cancel_scope.cancel()


@pytest.mark.parametrize("delivery", [Delivery.WHOLE, Delivery.BYTE_BY_BYTE, Delivery.DELAYED])
@pytest.mark.parametrize("aim", [True, False])
async def test_scans_come_in_order(delivery: Delivery, *, aim: bool) -> None:
    sim = ScannerSim(aim=aim)
    async with running(sim, delivery) as (_, scans, _port):
        await sim.scan(GTIN)
        await sim.scan("https://example.com/你好", aim="]Q1")
        assert await anext(scans) == Scan(Kind.GTIN, GTIN)
        second = await anext(scans)
        assert isinstance(second, Scan)
        assert second.text == "https://example.com/你好"


@pytest.mark.parametrize("seed", range(5))
async def test_a_lossy_line_gives_the_right_number_or_a_code(seed: int) -> None:
    sim = ScannerSim()
    async with running(sim, Delivery.LOSSY, seed=seed) as (scanner, scans, _):
        for _ in range(20):
            await sim.scan(GTIN)
        await anyio.wait_all_tasks_blocked()
        waiting = len(scanner._latest.items)
        assert waiting > 5
        found = [await anext(scans) for _ in range(waiting)]
    good = [scan for scan in found if isinstance(scan, Scan) and scan.kind is Kind.GTIN]
    assert good
    assert {scan.text for scan in good} == {GTIN}


async def test_half_a_code_is_a_code_and_an_unplugged_scanner_comes_back() -> None:
    sim = ScannerSim()
    async with running(sim) as (scanner, scans, port):
        await sim.send(b"]E0690")
        assert await anext(scans) == HALF_LINE
        await sim.scan("6901234567893")
        assert await anext(scans) == BAD_SCAN
        port.unplug()
        assert await anext(scans) == READER_GONE
        found: list[Scan | str] = []
        while not found:
            with anyio.move_on_after(0.02), suppress(anyio.ClosedResourceError):
                await sim.scan(GTIN)
                found.append(await anext(scanner.scans()))
            await anyio.lowlevel.checkpoint()
        assert found == [Scan(Kind.GTIN, GTIN)]


async def test_nobody_listening_costs_no_memory() -> None:
    sim = ScannerSim()
    async with running(sim) as (scanner, _, _port):
        for _ in range(100):
            await sim.scan(GTIN)
        await anyio.wait_all_tasks_blocked()
        assert len(scanner._latest.items) == 32
        scanner.forget()
        assert not scanner._latest.items


async def test_the_same_bytes_over_a_pty(tmp_path: Path) -> None:
    sim = ScannerSim()
    async with on_pty(sim.serve, tmp_path / "scanner") as path:
        scanner = Scanner(path)
        async with anyio.create_task_group() as group:
            await group.start(scanner.run)
            with anyio.fail_after(5):
                await sim.scan(GTIN)
                assert await anext(scanner.scans()) == Scan(Kind.GTIN, GTIN)
            group.cancel_scope.cancel()
