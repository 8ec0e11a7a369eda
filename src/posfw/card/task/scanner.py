"""A barcode scanner on a serial port: scans and codes come out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Final

import anyio
from anyio.abc import TaskStatus

from posfw.card.codes import READER_GONE
from posfw.card.driver import open_stream
from posfw.card.scanner import Scan, ScanParser
from posfw.card.supervisor import Backoff
from posfw.card.task.port import Latest, OpenPort, Port

__all__ = ["Scanner"]

QUEUE_LENGTH: Final = 32  # a cashier scans faster than a catalogue answers


class Scanner:
    """A scanner; `run` must be running for `scans` to yield.

    Args:
        url: device path, link, or socket://host:port.
        baudrate: of the scanner.
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
        self._latest: Latest[Scan | str] = Latest(QUEUE_LENGTH)
        self._port: Port[Scan | str] = Port(
            open_port or partial(open_stream, url, baudrate=baudrate),
            framer=ScanParser,
            heard=self._latest.put,
            lost=lambda: self._latest.put([READER_GONE]),
            backoff=backoff or Backoff(),
            half_frame_s=half_line_s,
        )

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the port open and read it, until cancelled; started after the first attempt."""
        await self._port.run(task_status=task_status)

    def scans(self) -> AsyncIterator[Scan | str]:
        """Yield scans in order, and stable codes (CRD-…) for what was none, until cancelled."""
        return self._latest.all()

    def forget(self) -> None:
        """Drop what was scanned before now."""
        self._latest.items.clear()
