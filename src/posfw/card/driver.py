"""The one serial module: a port as an anyio byte stream over pyserial-asyncio 0.6.

What pyserial-asyncio does wrong on its own is contained here: opening blocks (done in a thread);
closing drains on the loop (the port's `flush` is taken away and its output dropped first); the
write buffer has no bound (`send` waits, with a deadline); a late write fault goes to the loop's
handler or is lost (kept, and raised from the next call). asyncio backend only.
"""

from __future__ import annotations

import asyncio
import termios
from collections import deque
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

import anyio
import serial
import serial_asyncio
from anyio.abc import ByteStream
from anyio.lowlevel import cancel_shielded_checkpoint, checkpoint

from posfw.values.errors import DeviceError

__all__ = ["SerialStream", "open_stream"]

HIGH_WATER_BYTES: Final = 65536
LOW_WATER_BYTES: Final = 32768
WRITE_BYTES: Final = 4096
CONNECT_S: Final = 5.0


async def open_stream(
    url: str, *, baudrate: int = 9600, send_timeout_s: float = 5.0
) -> ByteStream:
    """Open a device path, a link to one, or `socket://host:port`.

    A socket does not go through pyserial: its close would sleep 0.3 s on the loop.

    Raises:
        DeviceError: it cannot be opened.
    """
    if not url.startswith("socket://"):
        return await SerialStream.open(url, baudrate=baudrate, send_timeout_s=send_timeout_s)
    try:
        parts = urlsplit(url)
        with anyio.fail_after(CONNECT_S):
            return await anyio.connect_tcp(parts.hostname or "", parts.port or 0)
    except (OSError, ValueError) as error:
        raise DeviceError(f"{url} cannot be opened.") from error


class _Transport(serial_asyncio.SerialTransport):  # type: ignore[misc] # untyped base
    """0.6 with two holes closed; the version is pinned because both are its inner methods."""

    def _fatal_error(self, exc: Exception, message: str = "") -> None:
        self._abort(exc)

    def _call_connection_lost(self, exc: Exception | None) -> None:
        if self._serial is not None:  # a fault and an abort may each have scheduled this
            super()._call_connection_lost(exc)


class _Protocol(asyncio.Protocol):
    """Collects received pieces and carries flow control between transport and stream."""

    def __init__(self) -> None:
        self.pieces: deque[bytes] = deque()
        self.buffered_bytes = 0
        self.paused = False
        self.error: Exception | None = None
        self.transport: Any = None
        self.gone = asyncio.Event()
        self.changed = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc
        for event in (self.gone, self.changed, self.writable):
            event.set()

    def data_received(self, data: bytes) -> None:
        self.pieces.append(data)
        self.buffered_bytes += len(data)
        self.changed.set()
        if self.buffered_bytes >= HIGH_WATER_BYTES and not self.paused:
            self.paused = True
            self.transport.pause_reading()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def take(self, max_bytes: int) -> bytes:
        data = self.pieces.popleft()
        if len(data) > max_bytes:
            self.pieces.appendleft(data[max_bytes:])
            data = data[:max_bytes]
        self.buffered_bytes -= len(data)
        if self.paused and self.buffered_bytes < LOW_WATER_BYTES and not self.gone.is_set():
            self.paused = False
            self.transport.resume_reading()
        return data


class SerialStream(ByteStream):
    """A serial port; made by `open`. While reading is paused an unplug goes unnoticed."""

    def __init__(self, transport: Any, protocol: _Protocol, send_timeout_s: float) -> None:
        self._transport = transport
        self._protocol = protocol
        self._send_timeout_s = send_timeout_s
        self._closed = False
        self._receiving = anyio.ResourceGuard("reading from")
        self._sending = anyio.ResourceGuard("writing to")

    @classmethod
    async def open(
        cls, url: str, *, baudrate: int = 9600, send_timeout_s: float = 5.0
    ) -> SerialStream:
        """Open a port for this process alone, 8N1.

        Raises:
            DeviceError: it is missing, in use, or does not take the settings.
        """

        def open_port() -> Any:
            port = serial.serial_for_url(url, exclusive=True, baudrate=baudrate)
            port.flush = _no_drain
            return port

        try:
            port = await anyio.to_thread.run_sync(open_port)
        except (OSError, ValueError) as error:
            raise DeviceError(f"{url} cannot be opened.") from error
        protocol = _Protocol()
        transport = _Transport(asyncio.get_running_loop(), protocol, port)
        transport.set_write_buffer_limits(WRITE_BYTES, WRITE_BYTES // 4)
        # The transport arms its reader one tick later; a close before that would miss it.
        await cancel_shielded_checkpoint()
        return cls(transport, protocol, send_timeout_s)

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Return what has arrived; buffered data comes before a loss is reported.

        Raises:
            BrokenResourceError: the device is gone.
            ClosedResourceError: closed on this side.
        """
        with self._receiving:
            if self._protocol.pieces:
                await checkpoint()  # waiting below is one; two would cost another round
            while self._closed or not self._protocol.pieces:
                self._check()
                self._protocol.changed.clear()
                await self._protocol.changed.wait()
            return self._protocol.take(max_bytes)

    async def send(self, item: bytes) -> None:
        """Hand the bytes over; at most 4 KiB wait in memory when this returns.

        Raises:
            TimeoutError: not taken within the deadline; what was left is dropped.
            BrokenResourceError: the device is gone.
            ClosedResourceError: closed on this side.
        """
        with self._sending:
            await checkpoint()
            if len(item) <= WRITE_BYTES and self._protocol.writable.is_set():
                self._check()
                self._transport.write(bytes(item))
                if self._protocol.writable.is_set():  # as nearly always: no deadline is needed
                    self._check()
                    return
                item = b""  # handed over; what is left is the wait
            try:
                with anyio.fail_after(self._send_timeout_s):
                    for start in range(0, len(item), WRITE_BYTES):
                        self._check()
                        self._transport.write(bytes(item[start : start + WRITE_BYTES]))
                        await self._protocol.writable.wait()
                    await self._protocol.writable.wait()
                    self._check()
            except TimeoutError:
                if not self._protocol.gone.is_set():
                    self._transport.flush()
                raise

    async def send_eof(self) -> None:
        """Not possible: a serial line has no end of file."""
        raise NotImplementedError("a serial line has no end of file")

    async def aclose(self) -> None:
        """Drop what is unsent and close, also from a cancelled scope; the port is free after."""
        if self._closed:
            return
        self._closed = True
        self._protocol.changed.set()
        with anyio.CancelScope(shield=True):
            if not self._protocol.gone.is_set():
                # With neither watched, no loss can close the port while the thread uses it.
                self._transport.flush()
                self._transport.pause_reading()
                if not self._transport.is_closing():
                    await anyio.to_thread.run_sync(_drop_output, self._transport.serial)
                # pyserial-asyncio forgets its loop when the loss came first; then gone is set.
                with suppress(AttributeError):
                    self._transport.abort()
            await self._protocol.gone.wait()
        await checkpoint()

    def _check(self) -> None:
        if self._closed:
            raise anyio.ClosedResourceError
        if self._protocol.gone.is_set():
            raise anyio.BrokenResourceError from self._protocol.error


def _no_drain() -> None:
    """Stand in for tcdrain, which on a held UART may never return."""


def _drop_output(port: Any) -> None:
    """Empty the kernel's output (TCOFLUSH), so that close(2) has nothing to wait for."""
    try:
        port.reset_output_buffer()
    except (OSError, termios.error):
        return  # the device went away meanwhile
