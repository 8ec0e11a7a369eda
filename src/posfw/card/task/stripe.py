"""A stripe reader on a serial port: cards and codes come out.

What nobody takes is dropped, oldest first: a sale calls `forget` when it asks for a card, so no
old swipe pays.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Final

import anyio
from anyio.abc import TaskStatus

from posfw.card.codes import READER_GONE
from posfw.card.driver import open_stream
from posfw.card.magstripe import LineParser, Outcome
from posfw.card.supervisor import Backoff
from posfw.card.task.port import Latest, OpenPort, Port

__all__ = ["SerialCardReader"]

QUEUE_LENGTH: Final = 4


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
        self._latest: Latest[Outcome] = Latest(QUEUE_LENGTH)
        self._port: Port[Outcome] = Port(
            open_port or partial(open_stream, url, baudrate=baudrate),
            framer=LineParser,
            heard=self._latest.put,
            lost=lambda: self._latest.put([READER_GONE]),
            backoff=backoff or Backoff(),
            half_frame_s=half_line_s,
        )

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the port open and read it, until cancelled; started after the first attempt."""
        await self._port.run(task_status=task_status)

    def reads(self) -> AsyncIterator[Outcome]:
        """Yield cards, and stable codes (CRD-…) for reads that failed, until cancelled."""
        return self._latest.all()

    async def next_read(self) -> Outcome:
        """Return the oldest read as soon as there is one."""
        return await self._latest.next()

    def forget(self) -> None:
        """Drop what was read before now."""
        self._latest.items.clear()
