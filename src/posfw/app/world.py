"""The one World: everything that is not deterministic enters the application through it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from random import SystemRandom
from typing import Protocol, TypeAlias

from anyio.abc import ByteStream

from posfw.app.control import Listen, unix_listener
from posfw.card.driver import open_stream
from posfw.journal.driver import Connect, connect
from posfw.ports import Clock, Random
from posfw.uplink.driver import Dial, dialler

__all__ = ["OpenPort", "SystemChance", "SystemClock", "World"]

Dialler: TypeAlias = Callable[..., Dial]


class OpenPort(Protocol):
    """Opens a serial port or socket; raises DeviceError while it is missing."""

    def __call__(self, url: str, *, baudrate: int) -> Awaitable[ByteStream]:
        """Return the open port."""
        ...


class SystemClock:
    """The machine's clocks (ports.Clock)."""

    def monotonic(self) -> float:
        """Seconds since boot; never jumps."""
        return time.monotonic()

    def now(self) -> datetime:
        """Local time with its zone."""
        return datetime.now().astimezone()


class SystemChance:
    """The kernel's chance (ports.Random)."""

    def __init__(self) -> None:
        self._random = SystemRandom()

    def token(self, size: int) -> bytes:
        """Return bytes fit for nonces."""
        return secrets.token_bytes(size)

    def uniform(self, low: float, high: float) -> float:
        """Return a number for jitter."""
        return self._random.uniform(low, high)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class World:
    """Everything that is not deterministic; the defaults are the machine's own.

    Attributes:
        clock: monotonic seconds and local time.
        random: nonces and jitter.
        dialler: makes what opens the line to the acquirer.
        open_port: opens a port of the board.
        listen: opens the control socket.
        connect: opens the journal's database and says where its functions run.
    """

    clock: Clock = field(default_factory=SystemClock)
    random: Random = field(default_factory=SystemChance)
    dialler: Dialler = dialler
    open_port: OpenPort = open_stream
    listen: Listen = unix_listener
    connect: Connect = connect
