"""A simulated serial scanner."""

from __future__ import annotations

from dataclasses import dataclass

import anyio
from anyio.abc import ByteStream

from posfw.card.scanner import encode_scan

__all__ = ["ScannerSim"]


@dataclass(slots=True)
class ScannerSim:
    """The device.

    Attributes:
        aim: whether it sends AIM identifiers.
        end: what it sends behind each scan.
    """

    aim: bool = True
    end: bytes = b"\r"
    _stream: ByteStream | None = None

    async def serve(self, stream: ByteStream) -> None:
        """Speak on a wire until it breaks; it listens to nothing."""
        self._stream = stream
        while True:
            await stream.receive()

    async def scan(self, text: str, *, aim: str = "]E0") -> None:
        """Scan one code."""
        await self.send(encode_scan(text, aim=aim if self.aim else "", end=self.end))

    async def send(self, data: bytes) -> None:
        """Send anything."""
        if self._stream is None:
            raise anyio.ClosedResourceError
        await self._stream.send(data)
