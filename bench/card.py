"""The card slice's claims: the loop never stands still while readers work; a cheap port."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import serial
import serial_asyncio
from anyio.abc import ByteStream

from bench.claim import ROUNDS, Claim, best
from posfw.card.driver import open_stream
from posfw.card.task.neo import NeoReader
from posfw.card.task.stripe import SerialCardReader
from posfw.sim.cards import deck
from posfw.sim.reader import PtyReader, pty_reader
from posfw.sim.vivotech import NeoSim, Presented
from posfw.sim.wires import PtyEnd, on_pty
from posfw.values.card import CardRead
from posfw.values.money import Money

CARDS = deck(1)
READS = 100
TICK_S = 0.0005
STALL_MS = 5.0
TRIPS = 3000
SIZE_BYTES = 64


def _queued_s(schedstat: int) -> float:
    """Seconds this thread was ready to run and another one had the processor."""
    return int(os.pread(schedstat, 100, 0).split()[1]) / 1e9


async def ticks(stalls_ms: list[float]) -> None:
    """Note by how much each short sleep overran: what any other task would have felt.

    Time in which other programs had the processor is not the loop's and is taken off.
    """
    schedstat = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    try:
        while True:
            began, queued = time.perf_counter(), _queued_s(schedstat)
            await asyncio.sleep(TICK_S)
            spent = time.perf_counter() - began - (_queued_s(schedstat) - queued)
            stalls_ms.append((spent - TICK_S) * 1e3)
    finally:
        os.close(schedstat)


async def _swipes(port: PtyReader, reader: SerialCardReader) -> None:
    for _ in range(READS):
        await port.swipe(CARDS["visa"])
        read = await anext(reader.reads())
        if not isinstance(read, CardRead):
            raise SystemExit(f"a swipe gave {read}")


async def _taps(sim: NeoSim, reader: NeoReader) -> None:
    async def customer(count: int) -> None:
        await sim.activated(count)
        await sim.present(CARDS["unionpay-chip"], Presented.TAP)

    for count in range(1, READS + 1):
        async with anyio.create_task_group() as group:
            group.start_soon(customer, count)
            read = await reader.activate(Money(count), wait_s=30, counter=count)
        if not isinstance(read, CardRead):
            raise SystemExit(f"a tap gave {read}")


async def _stall_ms(readers: int) -> float:
    """Return the worst stall while a stripe reader and a NEO 2 reader read; 0: nobody reads."""
    sim = NeoSim()
    stalls_ms: list[float] = []
    with pty_reader() as port:
        async with on_pty(sim.serve) as path, anyio.create_task_group() as group:
            stripe, neo = SerialCardReader(port.path), NeoReader(path)
            await group.start(stripe.run)
            await group.start(neo.run)
            group.start_soon(ticks, stalls_ms)
            if readers:
                async with anyio.create_task_group() as work:
                    work.start_soon(_swipes, port, stripe)
                    work.start_soon(_taps, sim, neo)
            else:
                await anyio.sleep(0.5)
            group.cancel_scope.cancel()
    return max(stalls_ms)


def _run(readers: int) -> float:
    return float(anyio.run(_stall_ms, readers))


def card_loop() -> Claim:
    """Worst stall of the event loop while two readers work, against what is allowed."""
    ours = best(lambda: best(lambda: _run(2)))  # other processes' turns only ever add
    idle = best(lambda: _run(0))
    return Claim(
        ours,
        STALL_MS,
        "ms",
        1.0,
        f"{READS} swipes and {READS} activations on two ptys, the simulated readers in the same"
        f" loop, without the turns of other programs; best of"
        f" {ROUNDS**2} rounds; the same loop with nothing to read: {idle:.2f} ms",
    )


async def _echo(port: PtyReader) -> None:
    end = PtyEnd(port.master)
    while True:
        await end.send(await end.receive())


async def _median_us(trip: Callable[[], Awaitable[None]]) -> float:
    times_us = []
    for _ in range(TRIPS):
        began = time.perf_counter()
        await trip()
        times_us.append((time.perf_counter() - began) * 1e6)
    return statistics.median(times_us)


async def _ours_us() -> float:
    with pty_reader() as port:
        async with await open_stream(port.path, baudrate=115200) as stream:
            return await _with_echo(port, _adapter(stream))


def _adapter(stream: ByteStream) -> Callable[[], Awaitable[None]]:
    async def trip() -> None:
        await stream.send(bytes(SIZE_BYTES))
        got = 0
        while got < SIZE_BYTES:
            got += len(await stream.receive())

    return trip


async def _bare_us() -> float:
    """pyserial-asyncio as its own documentation uses it: a reader and a writer."""
    with pty_reader() as port:
        url: Any = await anyio.to_thread.run_sync(
            lambda: serial.serial_for_url(port.path, baudrate=115200, exclusive=True)
        )
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        transport, protocol = await serial_asyncio.connection_for_serial(
            loop, lambda: asyncio.StreamReaderProtocol(reader), url
        )
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)

        async def trip() -> None:
            writer.write(bytes(SIZE_BYTES))
            await writer.drain()
            await reader.readexactly(SIZE_BYTES)

        try:
            return await _with_echo(port, trip)
        finally:
            transport.abort()
            await asyncio.sleep(0)


async def _with_echo(port: PtyReader, trip: Callable[[], Awaitable[None]]) -> float:
    async with anyio.create_task_group() as group:
        group.start_soon(_echo, port)
        await trip()
        median = await _median_us(trip)
        group.cancel_scope.cancel()
    return median


def serial_rtt() -> Claim:
    """Round trip of 64 bytes through the port against bare pyserial-asyncio on the same pty."""
    return Claim(
        best(lambda: anyio.run(_ours_us)),
        best(lambda: anyio.run(_bare_us)),
        "us",
        1.5,
        f"median of {TRIPS} round trips of {SIZE_BYTES} bytes over a pty; best of {ROUNDS} rounds;"
        " other: pyserial-asyncio 0.6 with StreamReader and StreamWriter",
    )


CLAIMS = {"card_loop": card_loop, "serial_rtt": serial_rtt}
