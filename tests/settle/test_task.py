from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from posfw.settle.task import settle
from posfw.values.card import CardRead
from posfw.values.errors import CodecError, LinkError, RefusedError
from posfw.values.identity import Key
from posfw.values.outcome import Outcome
from posfw.values.transaction import Begun, Owed, OwedKind, Transaction

NOW = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)


HOST: dict[str, object] = {
    "response_code": "00",
    "debit_count": 0,
    "debit_minor": 0,
    "credit_count": 0,
    "credit_minor": 0,
}


class FixedClock:
    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return NOW


@dataclass
class FakeJournal:
    log: list[str] = field(default_factory=list)
    pending: tuple[Owed, ...] = ()
    closed: dict[str, object] = field(default_factory=dict)

    async def freeze(self, at: datetime) -> int:
        self.log.append("freeze")
        return 3

    async def transactions(self, batch: int | None = None) -> Sequence[Transaction]:
        return []

    async def close(self, batch: int, result: Mapping[str, object], at: datetime) -> int:
        self.log.append("close")
        self.closed = dict(result)
        return batch + 1

    async def batches(self, limit: int) -> Sequence[Mapping[str, object]]:
        return []

    async def owed(self, limit: int, after: int = 0) -> Sequence[Owed]:
        return self.pending

    async def acknowledge(self, owed: Owed, code: str, at: datetime) -> None:
        raise AssertionError("settlement forwards nothing itself")

    reject = acknowledge

    async def clear(self, owed: Owed, operator: str, reason: str, at: datetime) -> None:
        raise AssertionError("settlement clears nothing")

    async def reserve_counters(self, count: int) -> int:
        raise AssertionError("settlement asks through the acquirer")

    async def changed(self) -> None:
        raise AssertionError("settlement waits for nothing")


@dataclass
class FakeAcquirer:
    answer: Mapping[str, object] | None

    async def call(self, message: str, fields: Mapping[str, object]) -> Mapping[str, object]:
        assert (message, fields["batch"]) == ("settle", 3)
        if self.answer is None:
            raise LinkError("silence")
        return self.answer

    async def authorise(self, begun: Begun, card: CardRead | None) -> Outcome:
        raise AssertionError("settlement authorises nothing")

    async def inquire(self, key: Key) -> Outcome:
        raise AssertionError("settlement inquires nothing")

    def seal(self, begun: Begun, card: CardRead) -> bytes:
        raise AssertionError("settlement seals nothing")

    @property
    def online(self) -> bool:
        return True


async def test_a_balanced_batch_is_frozen_then_closed() -> None:
    journal = FakeJournal()
    acquirer = FakeAcquirer({**HOST, "result": 1, "records": []})
    result = await settle(journal, acquirer, journal, FixedClock())
    assert (result.balanced, result.next_batch) == (True, 4)
    assert journal.log == ["freeze", "close"]


async def test_what_is_owed_stops_a_settlement_and_not_the_selling() -> None:
    owed = Owed(1, OwedKind.ADVICE, Key("12345678", 3, 1))
    journal = FakeJournal(pending=(owed,))
    with pytest.raises(RefusedError):
        await settle(journal, FakeAcquirer(None), journal, FixedClock())
    assert journal.log == []


async def test_silence_leaves_the_batch_frozen_for_the_next_try() -> None:
    journal = FakeJournal()
    with pytest.raises(LinkError):
        await settle(journal, FakeAcquirer(None), journal, FixedClock())
    assert journal.log == ["freeze"]
    acquirer = FakeAcquirer({**HOST, "result": 1, "records": []})
    assert (await settle(journal, acquirer, journal, FixedClock())).balanced


@pytest.mark.parametrize("records", [None, "x", [1], [[1, 2]], [[1, 2, "3"]]])
async def test_records_of_another_form_are_never_taken_for_balance(records: object) -> None:
    journal = FakeJournal()
    acquirer = FakeAcquirer({**HOST, "result": 1, "records": records})
    with pytest.raises(CodecError):
        await settle(journal, acquirer, journal, FixedClock())
    assert "close" not in journal.log


async def test_a_difference_outweighs_the_acquirers_word() -> None:
    journal = FakeJournal()
    acquirer = FakeAcquirer({**HOST, "result": 1, "records": [[9, 100, 1]]})
    result = await settle(journal, acquirer, journal, FixedClock())
    assert not result.balanced
    assert journal.closed["differences"] == [[9, None, 100]]


async def test_a_refused_settlement_does_not_close_the_batch() -> None:
    journal = FakeJournal()
    acquirer = FakeAcquirer({**HOST, "result": 1, "records": [], "response_code": "97"})
    with pytest.raises(RefusedError):
        await settle(journal, acquirer, journal, FixedClock())
    assert "close" not in journal.log


async def test_other_totals_at_the_acquirer_are_never_balance() -> None:
    journal = FakeJournal()
    acquirer = FakeAcquirer({**HOST, "result": 1, "records": [], "debit_minor": 999})
    assert not (await settle(journal, acquirer, journal, FixedClock())).balanced
