"""A journal in a folder and the endings that its tests use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from posfw.journal.store import Journal
from posfw.values.card import EntryMode
from posfw.values.money import Money
from posfw.values.outcome import Answer, DoFirst
from posfw.values.transaction import (
    Begun,
    Conclusion,
    Ending,
    Intent,
    Kind,
    Owed,
    OwedKind,
)

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
KEY = b"k" * 32
SALE = Intent(
    kind=Kind.SALE,
    amount=Money(1250),
    entry_mode=EntryMode.SWIPED,
    card_masked="621234******1232",
    card_token=b"t" * 16,
    operator="01",
    at=NOW,
    expiry="2812",
    note="order 7",
)


class FixedClock:
    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return NOW


@asynccontextmanager
async def opened(
    folder: Path, *, create: bool = True, reserve_mib: int = 0, terminal: str = "12345678"
) -> AsyncIterator[Journal]:
    async with Journal.open(
        folder / "journal.db",
        terminal=terminal,
        chain_key=KEY,
        clock=FixedClock(),
        create=create,
        reserve_mib=reserve_mib,
    ) as journal:
        yield journal


def approved(begun: Begun, *, copies: int = 2) -> Conclusion:
    answer = Answer("00", "123456", "1", do_first=frozenset({DoFirst.KEYS}))
    return Conclusion(begun.key, Ending.APPROVED, NOW, answer, copies=copies)


def unknown(begun: Begun) -> Conclusion:
    owed = Owed(0, OwedKind.REVERSAL, begun.key, reason="98")
    return Conclusion(begun.key, Ending.UNKNOWN, NOW, reason="98", owed=(owed,))


def offline(begun: Begun) -> Conclusion:
    owed = Owed(0, OwedKind.ADVICE, begun.key, sealed=b"sealed")
    return Conclusion(begun.key, Ending.APPROVED_OFFLINE, NOW, owed=(owed,), copies=2)
