"""Cards that misbehave: pulled out, mute, slow, endless, garbled, each at a chosen command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

__all__ = ["FAULTS", "PATIENCE_S", "CardPulled", "CardSlow", "Faulty", "late"]

PATIENCE_S: Final = 10.0  # how long a terminal waits for one answer (card.pcsc.driver.ANSWER_S)
_MOMENT_S: Final = 0.1


class CardPulled(Exception):  # noqa: N818 - an event, not an error
    """The card left while a command was under way."""


class CardSlow(Exception):  # noqa: N818 - an event, not an error
    """The right answer, but late: whoever carries it waits as long, or gives up before.

    Attributes:
        answer: with its status.
        late_s: behind the command.
    """

    def __init__(self, answer: bytes, late_s: float) -> None:
        super().__init__()
        self.answer = answer
        self.late_s = late_s


def _pulled(_: bytes) -> bytes:
    raise CardPulled


def late(late_s: float) -> Callable[[bytes], bytes]:
    """Return the fault of a card that takes its time."""

    def fault(answer: bytes) -> NoReturn:
        raise CardSlow(answer, late_s)

    return fault


# What becomes of the right answer. Every one of them must end in an outcome, none in an exception.
FAULTS: dict[str, Callable[[bytes], bytes]] = {
    "pulled": _pulled,
    "slow": late(PATIENCE_S - _MOMENT_S),
    "too slow": late(PATIENCE_S + _MOMENT_S),
    "empty": lambda _: b"",
    "one byte": lambda _: b"\x90",
    "bare ok": lambda _: b"\x90\x00",
    "endless 61": lambda answer: answer[:-2] + b"\x61\x10",
    "endless 6C": lambda _: b"\x6c\x10",
    "cut short": lambda answer: answer[: max(0, len(answer) // 2 - 2)] + b"\x90\x00",
    "too long": lambda answer: answer[:-2] + bytes(300) + b"\x90\x00",
    "trailing": lambda answer: answer[:-2] + b"\x01" + b"\x90\x00",
    "garbage": lambda answer: bytes(byte ^ 0x5A for byte in answer[:-2]) + b"\x90\x00",
    "not satisfied": lambda _: b"\x69\x85",
    "failure": lambda _: b"\x64\x00",
    "blocked": lambda _: b"\x6a\x81",
    "file invalid": lambda answer: answer[:-2] + b"\x62\x83",
}


@dataclass(slots=True)
class Faulty:
    """A card with one fault from a command on.

    Attributes:
        at: number of the first faulty answer, from 0.
        lasting: every answer from there on has the fault.
    """

    transmit_right: Callable[[bytes], bytes]
    fault: Callable[[bytes], bytes]
    at: int
    lasting: bool = True
    sent: int = 0

    def transmit(self, command: bytes) -> bytes:
        """Answer, rightly or not.

        Raises:
            CardPulled: the fault is that the card leaves.
            CardSlow: the fault is that the answer is late.
        """
        number, self.sent = self.sent, self.sent + 1
        answer = self.transmit_right(command)
        hit = number >= self.at if self.lasting else number == self.at
        return self.fault(answer) if hit else answer
