"""A serial port that is kept open: opened, watched, reopened with back-off; frames come out.

It is read all the time, so an unplug is seen at once and a port never fills up. Opening drops what
came before. Nothing here logs: bytes of a card port hold card data.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

import anyio
from anyio.abc import ByteStream, TaskStatus

from posfw.card.codes import READER_GONE, READER_SILENT
from posfw.card.supervisor import Backoff
from posfw.values.errors import DeviceError

__all__ = ["Framer", "Latest", "OpenPort", "Port"]

T = TypeVar("T")
OpenPort: TypeAlias = Callable[[], Awaitable[ByteStream]]

READ_BYTES: Final = 1024  # the most that is looked at before other tasks get their turn
_LOST: Final = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)


class Framer(Protocol[T]):
    """Bytes in any pieces in, frames out; bounded."""

    @property
    def pending(self) -> bool:
        """Whether a frame has begun and not ended."""
        ...

    def feed(self, data: bytes) -> list[T]:
        """Return what ended within `data`."""
        ...

    def expire(self) -> list[T]:
        """Give up what did not end in time."""
        ...


class Latest(Generic[T]):
    """The newest few items; what nobody takes is dropped, oldest first."""

    def __init__(self, length: int) -> None:
        self.items: deque[T] = deque(maxlen=length)
        self._arrived = anyio.Event()

    def put(self, items: list[T]) -> None:
        """Add items and wake who waits."""
        self.items.extend(items)
        if items:
            self._arrived.set()

    async def all(self) -> AsyncIterator[T]:
        """Yield items, oldest first, until cancelled."""
        while True:
            yield await self.next()

    async def next(self) -> T:
        """Return the oldest item as soon as there is one."""
        while not self.items:
            self._arrived = anyio.Event()
            await self._arrived.wait()
        return self.items.popleft()


class Port(Generic[T]):
    """One device's port.

    Args:
        open_port: opens it; raises DeviceError while it is missing.
        framer: makes a fresh deframer for each opening.
        heard: gets each list of frames as it arrives; must not block.
        lost: called once each time the port is lost or found missing.
        backoff: waits between attempts to open.
        half_frame_s: silence after which a begun frame is given up.
    """

    def __init__(
        self,
        open_port: OpenPort,
        *,
        framer: Callable[[], Framer[T]],
        heard: Callable[[list[T]], None],
        lost: Callable[[], None],
        backoff: Backoff,
        half_frame_s: float,
    ) -> None:
        self._open = open_port
        self._framer = framer
        self._heard = heard
        self._lost = lost
        self._backoff = backoff
        self._half_frame_s = half_frame_s
        self._stream: ByteStream | None = None
        self._told = False

    @property
    def is_open(self) -> bool:
        """Whether the device's port is there now."""
        return self._stream is not None

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the port open and read it, until cancelled; started after the first attempt."""
        started = False
        while True:
            stream = self._stream = await self._attempt()
            if not started:
                started = True
                task_status.started()
            if stream is not None:
                self._told = False
                try:
                    async with stream:
                        await self._read(stream)
                finally:
                    self._stream = None
            if not self._told:
                self._told = True
                self._lost()
            self._backoff = self._backoff.failed()
            await anyio.sleep(self._backoff.wait_s)

    async def send(self, data: bytes) -> None:
        """Hand bytes over.

        Raises:
            DeviceError: the port is not there, or did not take the bytes in time.
        """
        stream = self._stream
        if stream is None:
            raise DeviceError("The device's port is not there.", code=READER_GONE)
        try:
            await stream.send(data)
        except TimeoutError as error:
            raise DeviceError(
                "The device does not take what is sent.", code=READER_SILENT
            ) from error
        except _LOST as error:
            raise DeviceError("The device's port is lost.", code=READER_GONE) from error

    async def _attempt(self) -> ByteStream | None:
        try:
            return await self._open()
        except DeviceError:
            return None

    async def _read(self, stream: ByteStream) -> None:
        """Read until the port is lost."""
        framer = self._framer()
        while True:
            data = b""
            try:
                with anyio.move_on_after(self._half_frame_s if framer.pending else None):
                    data = await stream.receive(READ_BYTES)
            except _LOST:
                self._heard(framer.expire())
                return
            if data:
                # Only bytes prove a working port: one that opens and dies keeps backing off.
                self._backoff = self._backoff.worked()
            self._heard(framer.feed(data) if data else framer.expire())
