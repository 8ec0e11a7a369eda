"""A stripe reader on a serial port: opened, watched, reopened; cards and codes come out.

`run` reads all the time, so an unplug is seen at once and a port never fills up. What nobody takes
is dropped, oldest first: a sale calls `forget` when it asks for a card, so no old swipe pays.
Nothing here logs: bytes of a card port hold card data.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Final, TypeAlias

import anyio
from anyio.abc import ByteStream, TaskStatus

from posfw.card.codes import READER_GONE
from posfw.card.driver import open_stream
from posfw.card.magstripe import LineParser, Outcome
from posfw.card.supervisor import Backoff
from posfw.values.errors import DeviceError

__all__ = ["OpenPort", "SerialCardReader"]

OpenPort: TypeAlias = Callable[[], Awaitable[ByteStream]]

QUEUE_LENGTH: Final = 4
READ_BYTES: Final = 4096
_LOST: Final = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)


class SerialCardReader:
    """Implements ports.CardReader; `run` must be running for `reads` to yield.

    Args:
        url: device path, link, or socket://host:port.
        baudrate: of the reader, 9600 for MagTek-format heads.
        backoff: waits between attempts to open.
        half_line_s: silence after which a begun line is given up.
        open_port: replaces opening of `url`.
    """

    def __init__(
        self,
        url: str,
        *,
        baudrate: int = 9600,
        backoff: Backoff | None = None,
        half_line_s: float = 0.5,
        open_port: OpenPort | None = None,
    ) -> None:
        self._open: OpenPort = open_port or partial(open_stream, url, baudrate=baudrate)
        self._backoff = backoff or Backoff()
        self._half_line_s = half_line_s
        self._outcomes: deque[Outcome] = deque(maxlen=QUEUE_LENGTH)
        self._arrived = anyio.Event()
        self._told_gone = False

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the port open and read it, until cancelled; started after the first attempt.

        Opening drops what came before it, so a swipe at a closed port is never taken.
        """
        started = False
        while True:
            stream = await self._attempt()
            if not started:
                started = True
                task_status.started()
            if stream is not None:
                self._told_gone = False
                async with stream:
                    await self._read(stream)
            if not self._told_gone:
                self._told_gone = True
                self._put([READER_GONE])
            self._backoff = self._backoff.failed()
            await anyio.sleep(self._backoff.wait_s)

    async def reads(self) -> AsyncIterator[Outcome]:
        """Yield cards, and stable codes (CRD-…) for reads that failed, until cancelled."""
        while True:
            while not self._outcomes:
                self._arrived = anyio.Event()
                await self._arrived.wait()
            yield self._outcomes.popleft()

    def forget(self) -> None:
        """Drop what was read before now."""
        self._outcomes.clear()

    async def _attempt(self) -> ByteStream | None:
        try:
            return await self._open()
        except DeviceError:
            return None

    async def _read(self, stream: ByteStream) -> None:
        """Read until the port is lost."""
        parser = LineParser()
        while True:
            data = b""
            try:
                with anyio.move_on_after(self._half_line_s if parser.pending else None):
                    data = await stream.receive(READ_BYTES)
            except _LOST:
                self._put(parser.expire())
                return
            if data:
                # Only bytes prove a working port: one that opens and dies keeps backing off.
                self._backoff = self._backoff.worked()
            self._put(parser.feed(data) if data else parser.expire())

    def _put(self, outcomes: list[Outcome]) -> None:
        self._outcomes.extend(outcomes)
        if outcomes:
            self._arrived.set()
