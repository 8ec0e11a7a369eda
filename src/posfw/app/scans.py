"""Hands scans to whoever asked for them last; a scan nobody asked for is dropped.

A basket is filled by many scans in a row, a payment takes one code. Who asks while another is
still at it has the scanner to himself until he is done: a payment code never lands in a basket.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from posfw.card.codes import BAD_SCAN
from posfw.card.scanner import Kind, Scan
from posfw.values.card import Secret

__all__ = ["Code", "Item", "ScanDesk", "ScanSource"]

Item: TypeAlias = Scan | str
Code: TypeAlias = Secret | str

QUEUE_LENGTH: Final = 64  # of one holder: more than a cashier scans while a catalogue is read


class ScanSource(Protocol):
    """A scanner as the desk reads it (card.task.scanner)."""

    def scans(self) -> AsyncIterator[Item]:
        """Yield scans in order, and stable codes (CRD-…) for what was none, until cancelled."""
        ...


@dataclass(slots=True)
class ScanDesk:
    """The newest holder gets the scans; nothing is kept for later.

    Attributes:
        present: whether the board has a scanner at all.
    """

    present: bool = False
    _holders: list[MemoryObjectSendStream[Item]] = field(default_factory=list)

    async def run(self, scanner: ScanSource) -> None:
        """Pass on scans until cancelled."""
        self.present = True
        async for item in scanner.scans():
            if self._holders:
                try:
                    self._holders[-1].send_nowait(item)
                except (anyio.WouldBlock, anyio.BrokenResourceError):
                    continue  # a holder that takes nothing loses the newest, never the line

    @contextmanager
    def taken(self) -> Iterator[MemoryObjectReceiveStream[Item]]:
        """Hold the scanner for the length of the context: scans and stable codes come out."""
        send, receive = anyio.create_memory_object_stream[Item](QUEUE_LENGTH)
        self._holders.append(send)
        try:
            with send, receive:
                yield receive
        finally:
            self._holders.remove(send)

    async def next_scan(self, timeout_s: float = math.inf) -> Item | None:
        """Return the next scan, the stable code of one that failed, or None after the time."""
        with self.taken() as scans, anyio.move_on_after(timeout_s):
            return await scans.receive()
        return None

    async def next_code(self, timeout_s: float = math.inf) -> Code | None:
        """Return the next code that may be a payment code, from a display or from paper.

        The text is UTF-8 and as secret as a card number: it pays once. Goods numbers are not
        taken for one.

        Returns:
            The code; the stable code of a scan that failed or was a goods number; None after
            `timeout_s` seconds.
        """
        scan = await self.next_scan(timeout_s)
        if not isinstance(scan, Scan):
            return scan
        if scan.kind in (Kind.GTIN, Kind.GS1_128):
            return BAD_SCAN
        return Secret(scan.text.encode("utf-8"))
