"""Wires without a kernel: a pair of byte streams, and the door to the control socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anyio
from anyio.abc import ByteStream, Listener, TaskGroup

__all__ = ["Door", "End", "pair"]


class End(ByteStream):
    """One end of a wire; `cut` breaks both ends at once, as a pulled cable does."""

    def __init__(self) -> None:
        self.peer: End
        self._buffer = bytearray()
        self._news = asyncio.Event()
        self._ended = False
        self._closed = False

    async def receive(self, max_bytes: int = 65536) -> bytes:
        await anyio.lowlevel.checkpoint()
        while not self._buffer:
            if self._closed:
                raise anyio.ClosedResourceError
            if self._ended:
                raise anyio.EndOfStream
            self._news.clear()
            await self._news.wait()
        data = bytes(self._buffer[:max_bytes])
        del self._buffer[:max_bytes]
        return data

    async def send(self, item: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        if self._closed:
            raise anyio.ClosedResourceError
        if self._ended:
            raise anyio.BrokenResourceError
        self.peer.take(bytes(item))

    def take(self, data: bytes) -> None:
        """Let bytes arrive here."""
        if not self._ended:
            self._buffer += data
            self._news.set()

    def take_out(self, data: bytes) -> None:
        """Send without waiting, as a device does; what nobody holds is lost."""
        self.peer.take(data)

    async def send_eof(self) -> None:
        self.cut()

    async def aclose(self) -> None:
        self._closed = True
        self.cut()

    def cut(self) -> None:
        """Break the wire; what has arrived can still be read."""
        for end in (self, self.peer):
            end._ended = True
            end._news.set()


def pair() -> tuple[End, End]:
    """Return the two ends of one wire."""
    one, other = End(), End()
    one.peer, other.peer = other, one
    return one, other


class Door(Listener[ByteStream]):
    """The control socket of one life of the terminal."""

    def __init__(self) -> None:
        self._waiting: list[End] = []
        self._knocked = asyncio.Event()
        self.open = True
        self.ends: list[End] = []

    def enter(self) -> End:
        """Connect and return the client's end."""
        ours, theirs = pair()
        self._waiting.append(theirs)
        self.ends = [end for end in self.ends if not end._ended]
        self.ends.append(ours)
        self._knocked.set()
        return ours

    async def serve(
        self,
        handler: Callable[[Any], Any],
        task_group: TaskGroup | None = None,
    ) -> None:
        async with anyio.create_task_group() as group:
            while True:
                await self._knocked.wait()
                self._knocked.clear()
                while self._waiting:
                    (task_group or group).start_soon(handler, self._waiting.pop(0))

    async def aclose(self) -> None:
        self.shut()

    def shut(self) -> None:
        """Nobody comes in any more; who is in hears no more."""
        self.open = False
        for end in self.ends:
            end.cut()
