"""What the journal keeps between reads is what a fresh read says, after every kind of write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from posfw.journal import owed, sales
from posfw.journal.store import Journal
from posfw.values.card import EntryMode
from posfw.values.events import Record, Topic
from posfw.values.money import Money
from posfw.values.outcome import Answer
from posfw.values.printjob import JobState
from posfw.values.transaction import Begun, Conclusion, Ending, Intent, Kind, Owed, OwedKind

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
SALE = Intent(
    kind=Kind.SALE,
    amount=Money(1250),
    entry_mode=EntryMode.SWIPED,
    card_masked="621234******1232",
    card_token=b"t" * 16,
    operator="01",
    at=NOW,
)


class Clock:
    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return NOW


async def agree(journal: Journal) -> None:
    for _ in range(2):  # once read, once kept
        assert await journal.standing() == await journal._read(sales.standing)
        fresh = await journal._read(owed.read, "12345678", 32, 0)
        assert list(await journal.owed(32)) == list(fresh)


def ending(begun: Begun, *, doubt: bool) -> Conclusion:
    if not doubt:
        answer = Answer("00", "123456", "000000000001")
        return Conclusion(begun.key, Ending.APPROVED, NOW, answer, copies=2)
    reversal = Owed(0, OwedKind.REVERSAL, begun.key, reason="98")
    return Conclusion(begun.key, Ending.UNKNOWN, NOW, owed=(reversal,))


async def test_standing_and_owed_agree_with_a_fresh_read_after_every_write(tmp_path: Path) -> None:
    async with Journal.open(
        tmp_path / "journal.db",
        terminal="12345678",
        chain_key=bytes(32),
        clock=Clock(),
        create=True,
    ) as journal:
        await agree(journal)
        await journal.append(Record(Topic.SESSION, "signed_on", NOW))
        await agree(journal)
        for doubt in (False, True, False):
            begun = await journal.begin(SALE)
            await agree(journal)
            await journal.conclude(ending(begun, doubt=doubt))
            await agree(journal)
        (message,) = await journal.owed(32)
        await journal.acknowledge(message, "00", NOW)
        await agree(journal)
        job = await journal.next_job()
        assert job is not None
        await journal.mark(job, JobState.UNKNOWN, 1, "PRN-302", NOW)
        await agree(journal)
        batch = await journal.freeze(NOW)
        await agree(journal)
        await journal.close(batch, {"balanced": True}, NOW)
        await agree(journal)


@pytest.mark.parametrize("end", ["reject", "clear"])
async def test_every_way_of_ending_an_owed_message_is_seen(tmp_path: Path, end: str) -> None:
    async with Journal.open(
        tmp_path / "journal.db",
        terminal="12345678",
        chain_key=bytes(32),
        clock=Clock(),
        create=True,
    ) as journal:
        begun = await journal.begin(SALE)
        await agree(journal)
        await journal.conclude(ending(begun, doubt=True))
        (message,) = await journal.owed(32)
        ends: dict[str, Callable[[], Awaitable[None]]] = {
            "reject": lambda: journal.reject(message, "12", NOW),
            "clear": lambda: journal.clear(message, "00", "by hand", NOW),
        }
        await ends[end]()
        await agree(journal)
        assert list(await journal.owed(32)) == []
        slips = [job.ref.kind.value for job in await journal.jobs(JobState.QUEUED)]
        assert slips == (["fault"] if end == "reject" else [])
