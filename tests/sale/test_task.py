from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import anyio
import pytest

from posfw.sale.chip import Holder
from posfw.sale.limits import Limits, OfflinePolicy, Refusal
from posfw.sale.task import Sales
from posfw.values.card import CardNumber, CardRead, EntryMode
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.outcome import Answer, Approved, NotFound, Outcome, Unknown, Unreachable
from posfw.values.transaction import (
    Begun,
    ChipFacts,
    Conclusion,
    Ending,
    Intent,
    Kind,
    Standing,
    State,
    Stored,
    Transaction,
)

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
CARD = CardRead(CardNumber("6212345678901232"), EntryMode.SWIPED, "2812", "101")
INTENT = Intent(
    kind=Kind.SALE,
    amount=Money(1250),
    entry_mode=EntryMode.SWIPED,
    card_masked="621234******1232",
    card_token=b"t" * 16,
    operator="01",
    at=NOW,
)


class FixedClock:
    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return NOW


@dataclass
class FakeJournal:
    log: list[str] = field(default_factory=list)
    doubtful: list[Transaction] = field(default_factory=list)
    known: dict[Key, Transaction] = field(default_factory=dict)
    stored_value: Stored = field(default_factory=Stored)
    standing_value: Standing = field(default=Standing(batch=1, next_stan=1, signed_on=True))

    async def begin(self, intent: Intent) -> Begun:
        self.log.append("begin")
        return Begun(Key("12345678", 1, 1), 1, intent)

    async def conclude(self, conclusion: Conclusion) -> None:
        self.log.append(f"conclude {conclusion.ending.value}")

    async def transaction(self, key: Key) -> Transaction | None:
        return self.known.get(key)

    async def in_doubt(self) -> Sequence[Transaction]:
        return self.doubtful

    async def standing(self) -> Standing:
        return self.standing_value

    async def stored(self, card_token: bytes) -> Stored:
        return self.stored_value if card_token == INTENT.card_token else Stored()


@dataclass
class FakeAcquirer:
    log: list[str]
    outcome: Outcome = field(default_factory=lambda: Approved(Answer("00")))
    inquiry: Outcome = field(default_factory=NotFound)
    inquiry_hangs: bool = False

    async def authorise(self, begun: Begun, card: CardRead | None) -> Outcome:
        self.log.append("authorise")
        return self.outcome

    async def inquire(self, key: Key) -> Outcome:
        self.log.append("inquire")
        if self.inquiry_hangs:
            await anyio.sleep_forever()
        return self.inquiry

    def seal(self, begun: Begun, card: CardRead) -> bytes:
        self.log.append("seal")
        return b"sealed"

    async def call(self, message: str, fields: Mapping[str, object]) -> Mapping[str, object]:
        raise AssertionError("a sale calls no management message")

    @property
    def online(self) -> bool:
        return True


def sales(journal: FakeJournal, acquirer: FakeAcquirer, *, offline: bool = False) -> Sales:
    return Sales(
        journal=journal,
        acquirer=acquirer,
        clock=FixedClock(),
        limits=Limits(offline=OfflinePolicy(enabled=offline)),
        inquiry_timeout_s=0.01,
        lock=anyio.Lock(),
    )


async def test_online_sale_is_two_commits_around_one_round_trip() -> None:
    journal = FakeJournal()
    ending = await sales(journal, FakeAcquirer(journal.log)).run(INTENT, CARD)
    assert isinstance(ending, Conclusion)
    assert journal.log == ["begin", "authorise", "conclude approved"]


async def test_refused_sale_writes_and_sends_nothing() -> None:
    journal = FakeJournal(standing_value=Standing(batch=1, next_stan=1, signed_on=False))
    ending = await sales(journal, FakeAcquirer(journal.log)).run(INTENT, CARD)
    assert isinstance(ending, Refusal)
    assert journal.log == []


async def test_offline_sale_seals_before_commit_two() -> None:
    journal = FakeJournal()
    acquirer = FakeAcquirer(journal.log, outcome=Unreachable("down"))
    await sales(journal, acquirer, offline=True).run(INTENT, CARD)
    assert journal.log == ["begin", "authorise", "seal", "conclude approved_offline"]


async def test_a_card_that_has_bought_enough_without_a_line_is_cancelled_with_the_reason() -> None:
    journal = FakeJournal(stored_value=Stored(3, 3000))
    acquirer = FakeAcquirer(journal.log, outcome=Unreachable("down"))
    ending = await sales(journal, acquirer, offline=True).run(INTENT, CARD)
    assert isinstance(ending, Conclusion)
    assert (ending.ending, ending.owed) == (Ending.CANCELLED, ())
    assert ending.reason == "down; the number of this card's stored sales is used up"
    other = replace(INTENT, card_token=b"u" * 16)
    again = await sales(journal, acquirer, offline=True).run(other, CARD)
    assert isinstance(again, Conclusion)
    assert again.ending is Ending.APPROVED_OFFLINE


async def test_what_the_holder_did_goes_to_the_slip_and_a_pin_is_never_taken_offline() -> None:
    free = Holder(ChipFacts({}, signature=False, free_minor=100_000))
    journal = FakeJournal()
    ended = await sales(journal, FakeAcquirer(journal.log)).run(INTENT, CARD, holder=free)
    assert isinstance(ended, Conclusion)
    assert ended.chip == free.facts

    for holder, ending in ((free, Ending.APPROVED_OFFLINE), (Holder(online_only="a PIN"), None)):
        journal = FakeJournal()
        acquirer = FakeAcquirer(journal.log, outcome=Unreachable("the line is down"))
        ended = await sales(journal, acquirer, offline=True).run(INTENT, CARD, holder=holder)
        assert isinstance(ended, Conclusion)
        assert ended.ending is (ending or Ending.CANCELLED)
        assert ("a PIN" in ended.reason) is (ending is None)


async def test_an_inquiry_that_hangs_ends_in_a_reversal() -> None:
    journal = FakeJournal()
    acquirer = FakeAcquirer(journal.log, outcome=Unknown("time-out"), inquiry_hangs=True)
    ending = await sales(journal, acquirer).run(INTENT, CARD)
    assert isinstance(ending, Conclusion)
    assert ending.ending is Ending.UNKNOWN
    assert len(ending.owed) == 1


async def test_recovery_concludes_every_doubt_before_selling() -> None:
    journal = FakeJournal()
    journal.doubtful = [
        Transaction(Begun(Key("12345678", 1, stan), stan, INTENT), State.BEGUN) for stan in (4, 5)
    ]
    assert await sales(journal, FakeAcquirer(journal.log)).recover() == 2
    assert journal.log == ["conclude unknown", "conclude unknown"]


async def test_two_key_presses_run_one_after_the_other() -> None:
    journal = FakeJournal()
    service = sales(journal, FakeAcquirer(journal.log))
    async with anyio.create_task_group() as group:
        group.start_soon(service.run, INTENT, CARD)
        group.start_soon(service.run, replace(INTENT, amount=Money(1)), CARD)
    assert journal.log == ["begin", "authorise", "conclude approved"] * 2


async def test_watcher_sees_effects_in_order() -> None:
    journal = FakeJournal()
    seen: list[str] = []
    await sales(journal, FakeAcquirer(journal.log)).run(
        INTENT, CARD, lambda effect: seen.append(type(effect).__name__)
    )
    assert seen == ["Record", "Authorise", "Conclude"]


@pytest.mark.parametrize("text", ["6212345678901232", "5678901"])
async def test_card_number_is_in_no_repr_of_a_sale(text: str) -> None:
    assert text not in f"{CARD!r} {INTENT!r}"


async def test_a_second_completion_is_refused_by_what_happened_since() -> None:
    journal, acquirer = FakeJournal(), FakeAcquirer([])
    key = Key("12345678", 1, 1)
    hold = Transaction(Begun(key, 1, replace(INTENT, kind=Kind.PREAUTH)), State.APPROVED)
    taken = replace(INTENT, kind=Kind.COMPLETION, original=key)
    journal.known[key] = hold
    since: list[Transaction] = []

    async def followers(original: Transaction) -> list[Transaction]:
        assert original is hold
        return since

    desk = replace(sales(journal, acquirer), since=followers)
    first = await desk.run(taken, None)
    assert isinstance(first, Conclusion)
    since.append(Transaction(Begun(Key("12345678", 1, 2), 2, taken), State.APPROVED))
    second = await desk.run(taken, None)
    assert isinstance(second, Refusal)
    assert second.code == "SAL-311"
