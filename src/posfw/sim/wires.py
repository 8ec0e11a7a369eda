"""Wires between a simulated device and the terminal: a pty, or memory with four ways to deliver.

A simulated device is anything with `serve(stream)`; it speaks the same bytes on either wire.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias

import anyio
from anyio.abc import ByteStream, ObjectReceiveStream, ObjectSendStream
from anyio.lowlevel import checkpoint

from posfw.sim.reader import pty_reader
from posfw.values.errors import DeviceError

__all__ = ["Delivery", "MemoryPort", "PtyEnd", "Serve", "on_memory", "on_pty"]

Serve: TypeAlias = Callable[[ByteStream], Coroutine[Any, Any, None]]

PIECE_BYTES = 65536
LOSSY_ONE_IN = 40


class Delivery(Enum):
    """How the device's bytes reach the terminal."""

    WHOLE = "whole"
    BYTE_BY_BYTE = "byte_by_byte"
    LOSSY = "lossy"  # one byte in forty is lost, by a seed
    DELAYED = "delayed"  # the other side runs a few rounds between pieces


@dataclass(slots=True)
class _End(ByteStream):
    """One end of a wire in memory."""

    outgoing: ObjectSendStream[bytes]
    incoming: ObjectReceiveStream[bytes]
    delivery: Delivery = Delivery.WHOLE
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    _rest: bytes = b""

    async def receive(self, max_bytes: int = PIECE_BYTES) -> bytes:
        if not self._rest:
            self._rest = await self.incoming.receive()
        data, self._rest = self._rest[:max_bytes], self._rest[max_bytes:]
        return data

    async def send(self, item: bytes) -> None:
        for piece in self._pieces(bytes(item)):
            if self.delivery is Delivery.DELAYED:
                for _ in range(20):
                    await checkpoint()
            await self.outgoing.send(piece)

    async def send_eof(self) -> None:
        await self.outgoing.aclose()

    async def aclose(self) -> None:
        await self.outgoing.aclose()
        await self.incoming.aclose()

    def _pieces(self, data: bytes) -> list[bytes]:
        if self.delivery is Delivery.BYTE_BY_BYTE:
            return [data[at : at + 1] for at in range(len(data))]
        if self.delivery is Delivery.LOSSY:
            kept = bytes(byte for byte in data if self.chance.randrange(LOSSY_ONE_IN))
            return [kept] if kept else []
        if self.delivery is Delivery.DELAYED:
            return [data[at : at + 7] for at in range(0, len(data), 7)]
        return [data]


@dataclass(slots=True)
class MemoryPort:
    """A port in memory; `open` is what a task opens, again after each `unplug`.

    Attributes:
        serve: the device.
        delivery: how its bytes arrive.
        missing: whether opening fails.
        opened: how often it was opened.
    """

    serve: Serve
    delivery: Delivery = Delivery.WHOLE
    seed: int = 0
    missing: bool = False
    opened: int = 0
    _wanted: anyio.Event = field(default_factory=anyio.Event)
    _scope: anyio.CancelScope | None = None
    _device: _End | None = None

    async def open(self) -> ByteStream:
        """Return the terminal's end.

        Raises:
            DeviceError: the device is unplugged.
        """
        if self.missing:
            raise DeviceError("The simulated port is missing.")
        there, ours = anyio.create_memory_object_stream[bytes](math.inf)
        out, theirs = anyio.create_memory_object_stream[bytes](math.inf)
        chance = random.Random(self.seed)
        self._device = _End(out, ours, self.delivery, chance)
        self.opened += 1
        self._wanted.set()
        return _End(there, theirs)

    def unplug(self, *, missing: bool = False) -> None:
        """Pull the cable; with `missing` it stays away until that is cleared."""
        self.missing = missing
        if self._scope is not None:
            self._scope.cancel()

    async def run(self) -> None:
        """Serve each opening, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted = anyio.Event()
            device = self._device
            if device is None:
                continue
            try:
                with anyio.CancelScope() as self._scope:
                    await self.serve(device)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass  # the terminal closed its end
            finally:
                with anyio.CancelScope(shield=True):
                    await device.aclose()


@asynccontextmanager
async def on_memory(
    serve: Serve, delivery: Delivery = Delivery.WHOLE, *, seed: int = 0
) -> AsyncIterator[MemoryPort]:
    """Run a device on a wire in memory for the length of the context."""
    port = MemoryPort(serve, delivery, seed)
    async with anyio.create_task_group() as group:
        group.start_soon(port.run)
        yield port
        group.cancel_scope.cancel()


@dataclass(slots=True)
class PtyEnd(ByteStream):
    """The device's end of a pty; whoever made the pty closes it."""

    master: int

    async def receive(self, max_bytes: int = PIECE_BYTES) -> bytes:
        """Return what the terminal sent."""
        while True:
            await anyio.wait_readable(self.master)
            try:
                return os.read(self.master, max_bytes)
            except BlockingIOError:
                continue

    async def send(self, item: bytes) -> None:
        """Write all of it, waiting while the pty is full."""
        data = bytes(item)
        while data:
            await anyio.wait_writable(self.master)
            try:
                data = data[os.write(self.master, data) :]
            except BlockingIOError:
                continue

    async def send_eof(self) -> None:
        """Not possible: a serial line has no end of file."""
        raise NotImplementedError("a pty has no end of file")

    async def aclose(self) -> None:
        """Do nothing."""


@asynccontextmanager
async def on_pty(serve: Serve, link: Path | None = None) -> AsyncIterator[str]:
    """Run a device on a raw pty for the length of the context; yields the path to open."""
    with pty_reader(link) as port:
        async with anyio.create_task_group() as group:
            group.start_soon(serve, PtyEnd(port.master))
            yield port.path
            group.cancel_scope.cancel()
