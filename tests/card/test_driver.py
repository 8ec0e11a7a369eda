"""The serial stream over real ptys: both directions, stalls, unplugs, closing, sockets."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketStream

from posfw.card.driver import HIGH_WATER_BYTES, SerialStream, open_stream
from posfw.sim.reader import pty_reader
from posfw.values.errors import DeviceError

STALL_BYTES = 200_000


async def test_bytes_go_both_ways() -> None:
    with pty_reader() as port:
        async with await SerialStream.open(port.path, baudrate=115200) as stream:
            await port.write(b"in")
            assert await stream.receive() == b"in"
            await stream.send(b"out")
            await anyio.wait_readable(port.master)
            assert os.read(port.master, 10) == b"out"


async def test_an_idle_unplug_breaks_receiving_after_the_buffered_bytes() -> None:
    with pty_reader() as port:
        async with await SerialStream.open(port.path) as stream:
            await port.write(b"x")
            assert await stream.receive() == b"x"
            port.unplug()
            with anyio.fail_after(2), pytest.raises(anyio.BrokenResourceError):
                await stream.receive()
            with pytest.raises(anyio.BrokenResourceError):
                await stream.send(b"late")


async def test_an_unplug_breaks_a_blocked_send() -> None:
    with pty_reader() as port:
        async with (
            await SerialStream.open(port.path) as stream,
            anyio.create_task_group() as group,
        ):

            async def sending() -> None:
                with pytest.raises(anyio.BrokenResourceError):
                    await stream.send(bytes(STALL_BYTES))

            group.start_soon(sending)
            await anyio.wait_all_tasks_blocked()
            port.unplug()


async def test_a_stalled_peer_ends_a_send_by_its_deadline_and_close_is_immediate() -> None:
    with pty_reader() as port:
        stream = await SerialStream.open(port.path, send_timeout_s=0.05)
        with pytest.raises(TimeoutError):
            await stream.send(bytes(STALL_BYTES))
        with anyio.fail_after(0.5):
            await stream.aclose()
        with pytest.raises(anyio.ClosedResourceError):
            await stream.receive()
        again = await SerialStream.open(port.path)
        await again.aclose()


async def test_close_in_a_cancelled_scope_frees_the_port() -> None:
    with pty_reader() as port:
        with anyio.CancelScope() as scope:
            async with await SerialStream.open(port.path):
                scope.cancel()
        async with await SerialStream.open(port.path):
            pass


async def test_a_slow_consumer_holds_a_bounded_buffer_and_loses_nothing() -> None:
    sent = os.urandom(300_000)
    got = bytearray()
    with pty_reader() as port:
        async with (
            await SerialStream.open(port.path) as stream,
            anyio.create_task_group() as group,
        ):
            group.start_soon(port.write, sent)
            with anyio.fail_after(5):
                while len(got) < len(sent):
                    await anyio.lowlevel.checkpoint()
                    assert stream._protocol.buffered_bytes <= HIGH_WATER_BYTES + 4096
                    got += await stream.receive(1000)
    assert got == sent


async def test_a_port_in_use_or_missing_is_a_device_error(tmp_path: Path) -> None:
    with pty_reader() as port:
        async with await SerialStream.open(port.path):
            with pytest.raises(DeviceError):
                await SerialStream.open(port.path)
    with pytest.raises(DeviceError):
        await open_stream(str(tmp_path / "none"))
    with pytest.raises(DeviceError):
        await open_stream("socket://127.0.0.1:1")


async def test_a_socket_is_a_port_too() -> None:
    async def echo(client: SocketStream) -> None:
        async with client:
            await client.send(await client.receive())

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        number = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, echo)
            async with await open_stream(f"socket://127.0.0.1:{number}") as stream:
                await stream.send(b"hi")
                assert await stream.receive() == b"hi"
            group.cancel_scope.cancel()


async def test_an_unplug_in_the_moment_of_closing_does_no_harm() -> None:
    for _ in range(20):
        with pty_reader() as port:
            stream = await SerialStream.open(port.path)
            port.unplug()
            with anyio.fail_after(1):
                await stream.aclose()
