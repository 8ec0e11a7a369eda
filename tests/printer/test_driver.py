"""The printer driver on real wires: a pty, a TCP port and a device node."""

from __future__ import annotations

import os
import pty
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic

import anyio
import pytest
from anyio.abc import ByteStream, SocketAttribute, SocketStream

from posfw.card.driver import open_stream
from posfw.printer.driver import OpenWire, WirePrinter, open_node
from posfw.printer.escpos import init, raster
from posfw.printer.fence import fence
from posfw.printer.status import Condition, decode
from posfw.sim.printer import PrinterSim, printer_on_pty
from posfw.values.errors import DeviceError
from posfw.values.hardware import PrinterProfile

PROFILE = PrinterProfile(cutter="partial", max_speed_mm_s=1000.0)
BAND = raster(PROFILE, bytes([0xAA]) * 48 * 24, 48, 24)


@asynccontextmanager
async def driven(open_wire: OpenWire, **settings: float) -> AsyncIterator[WirePrinter]:
    printer = WirePrinter(PROFILE, open_wire, **settings)  # type: ignore[arg-type]
    async with anyio.create_task_group() as group:
        await group.start(printer.run)
        yield printer
        group.cancel_scope.cancel()


async def until_session(printer: WirePrinter, *, connected: bool) -> None:
    with anyio.fail_after(10):
        while bool(printer.session) is not connected:
            await printer.news()


async def until_answered(printer: WirePrinter, count: int) -> None:
    with anyio.fail_after(10):
        while printer.answered < count:
            await printer.news()


def sim() -> PrinterSim:
    return PrinterSim(PROFILE, monotonic)


async def exercised(printer: WirePrinter, paper: PrinterSim) -> None:
    """Print, prove and ask on one wire."""
    await until_session(printer, connected=True)
    assert decode("epson", await printer.status()).ready
    await printer.write(init(PROFILE))
    for count in range(1, 6):
        await printer.write(BAND + fence(PROFILE))
        await until_answered(printer, count)
        assert len(paper.tape) == 24 * count
    paper.open_cover()
    assert decode("epson", await printer.status()).worst is Condition.COVER_OPEN


async def test_a_serial_printer_over_the_one_serial_module() -> None:
    paper = sim()
    async with printer_on_pty(paper) as path, driven(partial(open_stream, path)) as printer:
        await exercised(printer, paper)


async def test_a_usb_printer_node() -> None:
    paper = sim()
    async with printer_on_pty(paper) as path, driven(partial(open_node, path)) as printer:
        await exercised(printer, paper)


async def test_a_network_printer() -> None:
    paper = sim()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)

    async def serve(stream: SocketStream) -> None:
        async def say() -> None:
            while True:
                await stream.send(await paper.said())

        async with stream, anyio.create_task_group() as group:
            group.start_soon(say)
            async for data in stream:
                paper.receive(data)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(paper.run)
        group.start_soon(listener.serve, serve)
        async with driven(partial(open_stream, f"socket://127.0.0.1:{port}")) as printer:
            await exercised(printer, paper)
        group.cancel_scope.cancel()
    await listener.aclose()


async def test_an_unplugged_printer_is_seen_and_opened_again() -> None:
    second = sim()
    async with printer_on_pty(second) as other:
        master, device = pty.openpty()
        tty.setraw(device)
        paths = [other, os.ttyname(device)]

        async def open_wire() -> ByteStream:
            return await open_stream(paths.pop())

        async with driven(open_wire) as printer:
            await until_session(printer, connected=True)
            before = printer.session
            os.close(device)
            os.close(master)
            await until_session(printer, connected=False)
            await until_session(printer, connected=True)
            assert printer.session > before
            assert printer.answered == 0
            assert decode("epson", await printer.status()).ready


async def test_a_missing_printer_is_no_fault_of_the_task() -> None:
    async with driven(partial(open_node, "/dev/does-not-exist")) as printer:
        assert printer.session == 0
        with pytest.raises(DeviceError) as caught:
            await printer.write(b"x")
        assert caught.value.stable_code == "PRN-230"
        with pytest.raises(DeviceError):
            await printer.status()


async def test_a_printer_that_never_answers_gives_no_status() -> None:
    paper = sim()
    paper.answers = False
    async with (
        printer_on_pty(paper) as path,
        driven(partial(open_stream, path), status_s=0.05) as printer,
    ):
        await until_session(printer, connected=True)
        assert await printer.status() == b""


async def test_a_printer_that_takes_nothing_ends_the_write_in_time() -> None:
    master, device = pty.openpty()
    tty.setraw(device)
    try:
        opening = partial(open_stream, os.ttyname(device))
        async with driven(opening, write_s=0.2) as printer:
            await until_session(printer, connected=True)
            with anyio.fail_after(10), pytest.raises(DeviceError) as caught:
                await printer.write(BAND * 200)
            assert caught.value.stable_code == "PRN-231"
    finally:
        os.close(master)
        os.close(device)


async def test_a_cancelled_write_closes_the_wire_because_half_a_command_lies_in_it() -> None:
    master, device = pty.openpty()
    tty.setraw(device)
    try:
        async with driven(partial(open_stream, os.ttyname(device))) as printer:
            await until_session(printer, connected=True)
            session = printer.session
            with anyio.move_on_after(0.1):
                await printer.write(BAND * 200)
            assert printer.session != session
    finally:
        os.close(master)
        os.close(device)
