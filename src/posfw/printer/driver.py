"""A printer at the end of a wire: kept open, read all the time, written with a deadline.

The wire is opened by a function handed in (a serial port or `socket://host:9100` by the one serial
module, a USB printer-class node by `open_node`), so nothing here knows which it is. `run` reads
without pause: an unplug is seen at once, and answers sort themselves into status and fences.
A write that is not taken in time closes the wire: half a command lies in it.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeAlias

import anyio
from anyio.abc import TaskStatus

from posfw.ports import Wire
from posfw.printer.escpos import status_request
from posfw.printer.fence import Listener
from posfw.printer.status import complete
from posfw.values.errors import DeviceError
from posfw.values.hardware import PrinterProfile

__all__ = ["NodeWire", "OpenWire", "WirePrinter", "open_node"]

OpenWire: TypeAlias = Callable[[], Awaitable[Wire]]

READ_BYTES: Final = 4096
# A printer that talks without being asked may not fill memory; an answer has at most 20 bytes.
STATUS_BYTES: Final = 256
# A full strip at 9,600 Bd needs 1.2 s; a printer may hold back while it prints its buffer.
WRITE_S: Final = 15.0
STATUS_S: Final = 0.5
BITS_A_BYTE: Final = 10  # 8N1
RETRY_S: Final = (0.2, 0.5, 1.0, 2.0)
_LOST: Final = (
    anyio.EndOfStream,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    OSError,
    TimeoutError,
)


class WirePrinter:
    """Implements ports.Printer; `run` must be running.

    Args:
        profile: command set and dialect of the printer.
        open_wire: opens the port; raises DeviceError while it is missing.
        baud: of a serial line, 0 elsewhere: answers wait behind what is still in the line.
        write_s: deadline of one write.
        status_s: deadline of one status answer.
    """

    def __init__(
        self,
        profile: PrinterProfile,
        open_wire: OpenWire,
        *,
        baud: int = 0,
        write_s: float = WRITE_S,
        status_s: float = STATUS_S,
    ) -> None:
        self._profile = profile
        self._open = open_wire
        self._byte_s = BITS_A_BYTE / baud if baud else 0.0
        self._line_free_at = 0.0
        self._write_s = write_s
        self._status_s = status_s
        self._wire: Wire | None = None
        self._sessions = 0
        self._answered = 0
        self._heard = b""
        self._news = anyio.Event()
        self._heard_more = anyio.Event()

    @property
    def session(self) -> int:
        """Number of the open wire, 0 while there is none."""
        return self._sessions if self._wire is not None else 0

    @property
    def answered(self) -> int:
        """Fences answered since the wire was opened."""
        return self._answered

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the wire open and read it, until cancelled; started after the first attempt."""
        started, failures = False, 0
        while True:
            wire = await self._attempt()
            if wire is not None:
                self._begin(wire)
            if not started:
                started = True
                task_status.started()
            if wire is not None:
                try:
                    # Only bytes prove a working port: one that opens and dies keeps backing off.
                    failures = 0 if await self._read(wire) else failures + 1
                finally:
                    self._end(wire)
                    with anyio.CancelScope(shield=True), suppress(*_LOST):
                        await wire.aclose()
            else:
                failures += 1
            await anyio.sleep(RETRY_S[min(failures, len(RETRY_S)) - 1])

    async def write(self, data: bytes) -> None:
        """Hand over whole commands; returns when the wire has taken them.

        Raises:
            DeviceError: PRN-230, gone; PRN-231, not taken in time. The wire is closed then.
        """
        wire = self._wire
        if wire is None:
            raise _gone()
        done = False
        try:
            with anyio.fail_after(self._write_s):
                await wire.send(data)
            done = True
            begun = max(self._line_free_at, anyio.current_time())
            self._line_free_at = begun + len(data) * self._byte_s
        except TimeoutError as error:
            raise DeviceError(
                f"The printer did not take {len(data)} bytes in {self._write_s:g} s.",
                code="PRN-231",
            ) from error
        except _LOST as error:
            raise _gone() from error
        finally:
            if not done:  # half a command may lie in the wire, also after a cancelled write
                self._end(wire)
                with anyio.CancelScope(shield=True), suppress(*_LOST):
                    await wire.aclose()

    async def status(self) -> bytes:
        """Ask for status; return the raw answer, empty when none came in time.

        Raises:
            DeviceError: gone.
        """
        request = status_request(self._profile)
        if not request:
            return b""
        self._heard = b""
        await self.write(request)
        line_s = max(self._line_free_at - anyio.current_time(), 0.0)
        with anyio.move_on_after(self._status_s + line_s):
            while not complete(self._profile.status, self._heard) and self.session:
                self._heard_more = anyio.Event()
                await self._heard_more.wait()
        return self._heard

    async def news(self) -> None:
        """Return when `session` or `answered` has changed since the last call returned."""
        await self._news.wait()
        self._news = anyio.Event()

    async def _attempt(self) -> Wire | None:
        try:
            return await self._open()
        except DeviceError:
            return None

    def _begin(self, wire: Wire) -> None:
        self._wire = wire
        self._sessions += 1
        self._answered = 0
        self._heard = b""
        self._news.set()

    def _end(self, wire: Wire) -> None:
        if self._wire is wire:
            self._wire = None
            self._news.set()
            self._heard_more.set()

    async def _read(self, wire: Wire) -> bool:
        """Read until the wire is lost; return whether anything came."""
        listener = Listener(self._profile.status)
        came = False
        while True:
            try:
                data = await wire.receive(READ_BYTES)
            except _LOST:
                return came
            came = True
            heard = listener.feed(data)
            if heard.status:
                self._heard = (self._heard + heard.status)[-STATUS_BYTES:]
                self._heard_more.set()
            if heard.fences:
                self._answered += heard.fences
                self._news.set()


def _gone() -> DeviceError:
    return DeviceError("The printer is not connected.", code="PRN-230")


class NodeWire:
    """A character device that needs no settings, such as /dev/usb/lp0; made by `open_node`."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    async def receive(self, max_bytes: int = READ_BYTES) -> bytes:
        """Return what has arrived.

        Raises:
            EndOfStream: the device is gone.
            OSError: the same, as some drivers tell it.
        """
        while True:
            await anyio.wait_readable(self._checked())
            try:
                data = os.read(self._handle, max_bytes)
            except BlockingIOError:
                continue
            if not data:
                raise anyio.EndOfStream
            return data

    async def send(self, item: bytes) -> None:
        """Write all of it, waiting while the printer holds back."""
        while item:
            await anyio.wait_writable(self._checked())
            with suppress(BlockingIOError):
                item = item[os.write(self._handle, item) :]

    async def aclose(self) -> None:
        """Close at once; whoever waits on the node is told."""
        if self._handle >= 0:
            handle, self._handle = self._handle, -1
            anyio.notify_closing(handle)
            os.close(handle)

    def _checked(self) -> int:
        if self._handle < 0:
            raise anyio.ClosedResourceError
        return self._handle


async def open_node(path: str) -> NodeWire:
    """Open a USB printer-class node (usblp).

    Raises:
        DeviceError: missing, or in use.
    """

    def open_it() -> int:
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)

    try:
        return NodeWire(await anyio.to_thread.run_sync(open_it))
    except OSError as error:
        raise DeviceError(f"{path} cannot be opened.", code="PRN-230") from error
