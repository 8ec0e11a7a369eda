"""What stands around the terminal under test: clock, chance, line, acquirer, the people's eyes.

The line ends in the simulated acquirer without a socket; every message that leaves, every change
of the bank's books, every screen and every receipt is an effect in the trace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from copy import copy, deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Any, Final
from unittest.mock import patch

import anyio
from anyio.abc import ByteStream

from posfw.codec.frame import Deframer, frame
from posfw.crypto import cose
from posfw.crypto.dukpt import initial_key
from posfw.keys.software import GcmKey, HmacKey, SoftwareElement
from posfw.sim import acquirer as simulated
from posfw.sim import payments
from posfw.sim.bank import Bank
from posfw.sim.ledger import Ledger
from posfw.uplink.messages import Message, MessageType
from posfw.values.card import CardNumber
from posfw.values.errors import LinkError
from tests.power.vfs import effect

__all__ = ["TERMINAL", "Around", "Books", "Chance", "Clock", "Element", "Flight", "Sent"]

TERMINAL: Final = "12345678"
KEY_ID: Final = bytes.fromhex("1234567890123456")
BASE_KEY: Final = bytes(range(32))
_MOVING: Final = frozenset(
    {MessageType.AUTHORISE, MessageType.REVERSAL, MessageType.ADVICE, MessageType.UPLOAD}
)
OPENING: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Clock:
    """ports.Clock over the loop's virtual time."""

    def monotonic(self) -> float:
        return anyio.current_time()

    def now(self) -> datetime:
        return OPENING + timedelta(seconds=anyio.current_time())


class Chance:
    """ports.Random, seeded."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def token(self, size: int) -> bytes:
        return self._random.randbytes(size)

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)


@lru_cache(maxsize=8192)
def _mac_key(element: SoftwareElement, counter: int, answer: bool) -> HmacKey:
    return element.mac_key(counter, answer=answer)


@lru_cache(maxsize=2048)
def _data_key(element: SoftwareElement, counter: int) -> GcmKey:
    return element.data_key(counter)


class Element:
    """The software element, with its derivations remembered across the restarts of a campaign."""

    def __init__(self) -> None:
        self.inner = _INNER
        self.initial_key_id = KEY_ID

    def mac_key(self, counter: int, *, answer: bool = False) -> HmacKey:
        return _mac_key(self.inner, counter, answer)

    def data_key(self, counter: int) -> GcmKey:
        return _data_key(self.inner, counter)

    def token(self, number: CardNumber) -> bytes:
        return self.inner.token(number)

    def chain_key(self) -> bytes:
        return self.inner.chain_key()


_INNER: Final = SoftwareElement(initial_key(BASE_KEY, KEY_ID), KEY_ID, b"s" * 32)


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that left: its number, bytes, key counter and what it is about."""

    number: int
    data: bytes
    counter: int
    type: MessageType
    place: tuple[int, int]  # batch, STAN


@dataclass(slots=True)
class Flight:
    """What the line does to the messages of one kind, from now on; each ends by itself."""

    lose: int = 0
    late: int = 0  # kept until `Around.deliver_late`


@dataclass(frozen=True, slots=True)
class Books:
    """What the bank and the acquirer have written down."""

    bank: Bank = field(default_factory=Bank)
    ledger: Ledger = field(default_factory=Ledger)

    def copied(self) -> Books:
        """Return the books as they are now."""
        bank, ledger = self.bank, self.ledger
        postings = {place: copy(posting) for place, posting in bank.postings.items()}
        return Books(
            replace(
                bank,
                postings=postings,
                answers=dict(bank.answers),
                reversed=set(bank.reversed),
                asked=dict(bank.asked),
                counts=dict(bank.counts),
            ),
            replace(
                ledger,
                movements=list(ledger.movements),
                uploads=deepcopy(ledger.uploads),
                _booked=set(ledger._booked),
            ),
        )


class _Acquirer(simulated.Acquirer):
    """The simulated acquirer with the terminal's element remembered."""

    def element_of(self, key_id: bytes) -> Any:
        return Element() if key_id == KEY_ID else super().element_of(key_id)


@dataclass(slots=True)
class Around:
    """One acquirer and the way to it.

    Attributes:
        books: what the acquirer starts with.
        chance: delays.
        acquirer: drive its faults.
        down: dialling fails.
        flights: what the line does to requests by type.
    """

    books: Books
    chance: Random
    down: bool = False
    flights: dict[MessageType, Flight] = field(default_factory=dict)
    acquirer: _Acquirer = field(init=False)
    late: list[Sent] = field(default_factory=list)
    lines: set[_Line] = field(default_factory=set)
    sent: int = 0

    def __post_init__(self) -> None:
        self.acquirer = _Acquirer(BASE_KEY, bank=self.books.bank, ledger=self.books.ledger)

    async def dial(self) -> ByteStream:
        await anyio.sleep(self.chance.uniform(0.01, 0.2))
        if self.down:
            raise LinkError("No acquirer address answers.")
        line = _Line(self)
        self.lines.add(line)
        return line

    def take_down(self) -> None:
        """End every connection and refuse new ones until `down` is False again."""
        self.down = True
        for line in list(self.lines):
            line.end()

    def leave(self, data: bytes) -> tuple[Sent, Flight]:
        """Note a message that leaves; return what the line does to it."""
        sealed = cose.parse_mac0(data)
        message = Message.decode(sealed.payload)
        counter = int.from_bytes(sealed.kid[-4:], "big")
        self.sent += 1
        place = (message.batch, message.stan)
        sent = Sent(self.sent, data, counter, message.type, place)
        effect("sent", sent)
        return sent, self.flights.setdefault(message.type, Flight())

    def arrive(self, sent: Sent) -> list[bytes]:
        """Give a message to the acquirer; its books after it are part of the effect."""
        answers = self.acquirer.answers(sent.data)
        moved = sent.type in _MOVING
        effect("arrived", sent.number, self.books.copied() if moved else None)
        return answers

    def deliver_late(self) -> None:
        """Let the requests arrive that the line has kept; their answers find nobody."""
        late, self.late = self.late, []
        for sent in late:
            self.arrive(sent)


class _Line(ByteStream):
    """One connection. Messages take a while both ways and may overtake one another."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self._deframer = Deframer()
        self._answers: list[bytes] = []
        self._event = anyio.Event()
        self._ended = False

    async def receive(self, max_bytes: int = 65536) -> bytes:
        while not self._answers:
            if self._ended:
                raise anyio.EndOfStream
            await self._event.wait()
            self._event = anyio.Event()
        return self._answers.pop(0)

    async def send(self, item: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        if self._ended:
            raise anyio.BrokenResourceError
        for payload in self._deframer.feed(bytes(item)):
            self._leave(payload)

    async def send_eof(self) -> None:
        self.end()

    async def aclose(self) -> None:
        self.end()

    def end(self) -> None:
        self._ended = True
        self._around.lines.discard(self)
        self._event.set()

    def _leave(self, payload: bytes) -> None:
        around = self._around
        sent, flight = around.leave(payload)
        if flight.lose:
            flight.lose -= 1
            effect("lost", sent.number)
        elif flight.late:
            flight.late -= 1
            around.late.append(sent)
        else:
            self._later(lambda: self._arrive(sent))

    def _arrive(self, sent: Sent) -> None:
        for answer in self._around.arrive(sent):
            self._later(lambda answer=answer: self._answer(answer))  # type: ignore[misc]  # bound now

    def _answer(self, data: bytes) -> None:
        if not self._ended:
            self._answers.append(frame(data))
            self._event.set()

    def _later(self, what: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(self._around.chance.uniform(0.01, 0.15), what)


def host_time() -> Any:
    """Return a patch that puts the acquirer on the terminal's clock: one seed, one trace."""

    return patch.object(payments, "host_now", lambda: Clock().now())
