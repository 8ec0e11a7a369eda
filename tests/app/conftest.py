"""A journal with some business in it, for the parts that app joins to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

import posfw.app.graph  # noqa: F401 - names what it loads later
from posfw.app.later import load
from posfw.journal.store import Journal
from posfw.values.card import EntryMode
from posfw.values.events import Record, Topic
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.outcome import Answer
from posfw.values.transaction import Conclusion, Ending, Intent, Kind

load()  # parts without a graph around them do not wait for modules; a loop must not import

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
Sell = Callable[..., Awaitable[Key]]


class FixedClock:
    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return NOW


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
async def journal(tmp_path: Path, clock: FixedClock) -> AsyncIterator[Journal]:
    async with Journal.open(
        tmp_path / "journal.db",
        terminal="12345678",
        chain_key=bytes(32),
        clock=clock,
        create=True,
    ) as opened:
        await opened.append(Record(Topic.SESSION, "signed_on", NOW))
        yield opened


@pytest.fixture
def sell(journal: Journal) -> Sell:
    """Journal an approved transaction and return its key."""

    async def sold(
        minor: int = 1250, *, kind: Kind = Kind.SALE, original: Key | None = None
    ) -> Key:
        intent = Intent(
            kind=kind,
            amount=Money(minor),
            entry_mode=EntryMode.SWIPED,
            card_masked="621234******1232",
            card_token=b"t" * 16,
            operator="01",
            at=NOW,
            original=original,
        )
        begun = await journal.begin(intent)
        answer = Answer("00", "123456", "000000000001")
        await journal.conclude(Conclusion(begun.key, Ending.APPROVED, NOW, answer, copies=2))
        return begun.key

    return sold
