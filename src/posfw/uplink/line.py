"""Matches answers to requests on one connection, by KSN. No I/O: bytes in, waiters woken."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from posfw.codec.frame import Deframer
from posfw.crypto.cose import parse_mac0
from posfw.ports import SecureElement
from posfw.uplink.messages import Message
from posfw.uplink.session import Sealed, open_answer
from posfw.values.errors import InputError

__all__ = ["Awaited", "Matcher"]

MAX_OUTSTANDING = 64


class Wake(Protocol):
    """Something that wakes a waiter (an event of the runtime)."""

    def set(self) -> None:
        """Wake it."""
        ...


@dataclass(slots=True)
class Awaited:
    """One request under way: its answer, once it has come and verified."""

    request: Sealed
    wake: Wake
    answer: Message | None = None
    lost: bool = False


@dataclass(slots=True)
class Matcher:
    """Requests under way by KSN. What does not verify is counted and was never received."""

    element: SecureElement
    waiting: dict[bytes, Awaited] = field(default_factory=dict)
    ignored: int = 0
    deframer: Deframer = field(default_factory=Deframer)

    def receive(self, data: bytes) -> None:
        """Take bytes from the line.

        Raises:
            CodecError: the framing is broken; the connection cannot go on.
        """
        for payload in self.deframer.feed(data):
            try:
                awaited = self.waiting.get(parse_mac0(payload).kid)
                if awaited is None or awaited.answer is not None:
                    self.ignored += 1  # late, duplicate, or never asked
                    continue
                awaited.answer = open_answer(
                    payload, element=self.element, request=awaited.request
                )
                awaited.wake.set()
            except InputError:
                self.ignored += 1

    def lose(self) -> None:
        """The connection has gone: wake everybody without an answer."""
        for awaited in self.waiting.values():
            awaited.lost = True
            awaited.wake.set()
