"""The one World: everything that is not deterministic enters the application through it."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from datetime import datetime
from random import SystemRandom

from posfw.ports import Clock, Random

__all__ = ["SystemChance", "SystemClock", "World"]


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


@dataclass(frozen=True, slots=True)
class World:
    """Clocks and chance; devices and the line are opened from the board profile and site file."""

    clock: Clock = field(default_factory=SystemClock)
    random: Random = field(default_factory=SystemChance)
