"""Clocks, chance and keys for tests of the application's verbs, over a real journal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from posfw.app.operators import Operators
from posfw.crypto.sign1 import PemSigner
from posfw.journal.store import Journal
from posfw.staff.passwords import Cost
from posfw.values.card import CardRead, EntryMode
from posfw.values.errors import LinkError
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.outcome import Answer, Outcome
from posfw.values.transaction import Begun, Conclusion, Ending, Intent, Kind

CST = timezone(timedelta(hours=8))
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=CST)
TERMINAL = "12345678"
SUPERVISOR = {"approval": {"operator": "00", "password": "482139"}}
SYSTEM = {"approval": {"operator": "99", "password": "48213907"}}


@dataclass
class SetClock:
    at: datetime = NOW
    seconds: float = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return self.at


@dataclass
class CountingRandom:
    calls: int = 0

    def token(self, size: int) -> bytes:
        self.calls += 1
        return self.calls.to_bytes(size, "big")

    def uniform(self, low: float, high: float) -> float:
        raise AssertionError("no chance is needed here")


@dataclass
class ScriptedAcquirer:
    """Answers management messages from a table; a missing one is silence."""

    answers: dict[str, Mapping[str, object]] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)

    async def call(self, message: str, fields: Mapping[str, object]) -> Mapping[str, object]:
        self.asked.append((message, fields))
        if message not in self.answers:
            raise LinkError("silence")
        return self.answers[message]

    async def authorise(self, begun: Begun, card: CardRead | None) -> Outcome:
        raise AssertionError("nothing is authorised here")

    async def inquire(self, key: Key) -> Outcome:
        raise AssertionError("nothing is inquired here")

    def seal(self, begun: Begun, card: CardRead) -> bytes:
        raise AssertionError("nothing is sealed here")

    @property
    def online(self) -> bool:
        return True


def signer(letter: bytes) -> PemSigner:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(letter * 32)
    return PemSigner(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


@asynccontextmanager
async def opened(folder: Path, clock: SetClock) -> AsyncIterator[Journal]:
    async with Journal.open(
        folder / "journal.db", terminal=TERMINAL, chain_key=b"c" * 32, clock=clock, create=True
    ) as journal:
        yield journal


async def staffed(journal: Journal, clock: SetClock) -> Operators:
    """Return operators whose defaults are changed: 99, 00, 01; a second start changes nothing."""
    operators = Operators(journal, clock, CountingRandom(), b"p" * 32, Cost(16, 1, 1))
    for number, old, new in (
        ("99", "12345678", "48213907"),
        ("00", "123456", "482139"),
        ("01", "0000", "4821"),
    ):
        if number in (await operators.staff()).defaults_left:
            await do(operators, "operator_password", operator=number, password=old, new=new)
    return operators


async def do(part: Any, verb: str, /, **body: Any) -> Any:
    return await part.verbs()[verb](body, lambda _: None)


async def sold(
    journal: Journal,
    minor: int,
    kind: Kind = Kind.SALE,
    *,
    original: Key | None = None,
    note: str = "",
    card: str = "621234******1232",
) -> Key:
    """Put one approved transaction into the journal and return its key."""
    intent = Intent(
        kind=kind,
        amount=Money(minor),
        entry_mode=EntryMode.SWIPED,
        card_masked=card,
        card_token=b"t" * 16,
        operator="01",
        at=NOW,
        original=original,
        note=note,
    )
    begun = await journal.begin(intent)
    answer = Answer("00", auth_code="123456")
    await journal.conclude(Conclusion(begun.key, Ending.APPROVED, NOW, answer))
    return begun.key
