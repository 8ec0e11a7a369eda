"""A simulated stripe reader: lines to a pty, in good and in bad ways."""

from __future__ import annotations

import os
import pty
import random
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import anyio

from posfw.sim.cards import TestCard

__all__ = ["PtyReader", "Way", "pieces", "pty_reader"]


class Way(Enum):
    """How a swipe reaches the wire."""

    WHOLE = "whole"
    BYTE_BY_BYTE = "byte_by_byte"
    BAD_TRACK = "bad_track"
    NOISE = "noise"  # a burst of anything, ended, then the good line
    HALF_LINE = "half_line"


def pieces(card: TestCard, way: Way, *, seed: int = 0) -> list[bytes]:
    """Return what is written, one piece a write."""
    line = card.line
    if way is Way.BYTE_BY_BYTE:
        return [line[at : at + 1] for at in range(len(line))]
    if way is Way.BAD_TRACK:
        return [b"%E?;E?\r"]
    if way is Way.NOISE:
        return [random.Random(seed).randbytes(400) + b"\r", line]
    if way is Way.HALF_LINE:
        return [line[: len(line) // 2]]
    return [line]


@dataclass(slots=True)
class PtyReader:
    """The reader's end of a pty; `path` is what the terminal opens."""

    master: int
    path: str

    async def swipe(
        self, card: TestCard, *, way: Way = Way.WHOLE, delay_s: float = 0.0, seed: int = 0
    ) -> None:
        """Swipe a card; `delay_s` passes before every piece."""
        for piece in pieces(card, way, seed=seed):
            await anyio.sleep(delay_s)
            await self.write(piece)

    async def write(self, data: bytes) -> None:
        """Write all of it, waiting while the pty is full."""
        while data:
            await anyio.wait_writable(self.master)
            try:
                data = data[os.write(self.master, data) :]
            except BlockingIOError:
                continue

    def unplug(self) -> None:
        """Pull the cable: the terminal's side breaks."""
        if self.master >= 0:
            os.close(self.master)
            self.master = -1


@contextmanager
def pty_reader(link: Path | None = None) -> Iterator[PtyReader]:
    """Make a raw pty for the length of the context, reachable by `link` if one is given."""
    master, device = pty.openpty()
    tty.setraw(device)
    os.set_blocking(master, False)
    path = os.ttyname(device)
    if link is not None:
        link.unlink(missing_ok=True)
        link.symlink_to(path)
    reader = PtyReader(master, str(link or path))
    try:
        yield reader
    finally:
        reader.unplug()
        os.close(device)
        if link is not None:
            link.unlink(missing_ok=True)
