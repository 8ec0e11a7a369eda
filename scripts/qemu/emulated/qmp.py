"""QEMU's machine protocol: one client, commands in order, events kept."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

__all__ = ["Monitor", "QmpError"]

HEAD = "/machine/peripheral/temp0"


class QmpError(Exception):
    """QEMU refused a command."""


class Monitor:
    """A conversation with QEMU; `events` are names in the order they came with answers."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self._stream = stream
        self._lines = BufferedByteReceiveStream(stream)
        self._turn = anyio.Lock()
        self.events: list[str] = []

    @classmethod
    async def opened(cls, path: Path) -> Monitor:
        """Open the one conversation that QEMU holds at a time."""
        made = cls(await anyio.connect_unix(path))
        await made.hear()  # the greeting
        await made.do("qmp_capabilities")
        return made

    async def aclose(self) -> None:
        """End it."""
        await self._stream.aclose()

    async def do(self, command: str, **arguments: Any) -> Any:
        """Give a command and return its answer.

        Raises:
            QmpError: refused.
        """
        request = {"execute": command, "arguments": arguments}
        async with self._turn:
            await self._stream.send(json.dumps(request).encode() + b"\n")
            while True:
                answer = await self.hear()
                if "return" in answer:
                    return answer["return"]
                if "error" in answer:
                    raise QmpError(f"{command}: {answer['error']['desc']}")

    async def hear(self) -> dict[str, Any]:
        """Return the next line of QEMU, whatever it is."""
        line: dict[str, Any] = json.loads(await self._lines.receive_until(b"\n", 1 << 20))
        if "event" in line:
            self.events.append(line["event"])
        return line

    async def rest(self) -> None:
        """Hear everything up to the end of a QEMU that ended by itself: its last events."""
        async with self._turn:
            with suppress(anyio.BrokenResourceError, anyio.EndOfStream, anyio.IncompleteRead):
                while True:
                    await self.hear()

    async def head_c(self, celsius: float) -> None:
        """Let the head's sensor (tmp105) feel a temperature."""
        value = max(-128_000, min(127_000, round(celsius * 1000)))
        await self.do("qom-set", path=HEAD, property="temperature", value=value)

    async def forwarded(self, guest_port: int) -> int:
        """Return the host's port of a forwarding that QEMU chose itself."""
        table = await self.do("human-monitor-command", **{"command-line": "info usernet"})
        for line in str(table).splitlines():
            words = line.split()
            if "HOST_FORWARD" in line and words[5] == str(guest_port):
                return int(words[3])
        raise QmpError(f"port {guest_port} is not forwarded:\n{table}")
