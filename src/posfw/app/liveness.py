"""Whether every part still makes progress, on the monotonic clock.

A part that waits for a card or for the line is idle, not stuck: only work that was begun and not
ended within its limit is, and a part whose task is gone. A feeder that merely ran on the event
loop would feed the watchdog while the journal hangs for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from posfw.ports import Clock
from posfw.values.errors import MisuseError

__all__ = ["Liveness"]


@dataclass(slots=True)
class _Part:
    limit_s: float
    ended: bool = False
    begun: dict[int, float] = field(default_factory=dict)  # work -> monotonic second it began


class Liveness:
    """Who is at work since when; `stuck` tells what keeps the watchdog from being fed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._parts: dict[str, _Part] = {}
        self._next = 0

    @contextmanager
    def part(self, name: str, limit_s: float) -> Iterator[None]:
        """Watch a part for the length of its task; leaving it by an error means it is gone.

        Raises:
            MisuseError: the name is taken.
        """
        if name in self._parts and not self._parts[name].ended:
            raise MisuseError(f"The part {name!r} is watched already.")
        self._parts[name] = _Part(limit_s)
        try:
            yield
        except Exception:
            self._parts[name].ended = True
            raise
        except BaseException:
            del self._parts[name]  # cancelled: the terminal stops
            raise
        else:
            del self._parts[name]

    @contextmanager
    def work(self, name: str) -> Iterator[None]:
        """Mark a piece of work of a part; pieces may overlap."""
        part = self._parts.get(name)
        if part is None:
            yield  # not watched: tests of single parts
            return
        number = self._next
        self._next += 1
        part.begun[number] = self._clock.monotonic()
        try:
            yield
        finally:
            del part.begun[number]

    def stuck(self) -> list[str]:
        """Return the parts that are gone or overdue, in words."""
        now = self._clock.monotonic()
        found = []
        for name, part in self._parts.items():
            if part.ended:
                found.append(f"{name} ended")
                continue
            oldest = min(part.begun.values(), default=now)
            if now - oldest > part.limit_s:
                found.append(f"{name} busy for {now - oldest:.0f} s")
        return found
