"""The card's side of a sale: its word between the two commits, and approvals of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.codec import cbor
from posfw.sale.chip import CardWord, own_word, script_result_of
from posfw.sale.limits import Limits, OfflinePolicy, Refusal
from posfw.sale.machine import (
    Complete,
    Completed,
    Conclude,
    Concluded,
    Inquired,
    Recorded,
    SaleMachine,
    Seal,
    Sealed,
    Start,
    State,
    Unsealed,
)
from posfw.sale.task import Sales
from posfw.values.card import CardNumber, CardRead, EntryMode, Secret
from posfw.values.errors import KeyStoreError, MisuseError
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.outcome import (
    Answer,
    Approved,
    Declined,
    NotFound,
    Outcome,
    Unknown,
    Unreachable,
)
from posfw.values.transaction import (
    Begun,
    ChipFacts,
    Conclusion,
    Ending,
    Intent,
    Kind,
    OwedKind,
    Standing,
    Stored,
    Transaction,
)

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
CARD = CardRead(CardNumber("6216261000000000018"), EntryMode.CHIP, "3012", "220")
FINAL = replace(CARD, emv=Secret(b"final"))
INTENT = Intent(
    kind=Kind.SALE,
    amount=Money(1250),
    entry_mode=EntryMode.CHIP,
    card_masked="621626*********0018",
    card_token=b"t" * 16,
    operator="01",
    at=NOW,
)
BEGUN = Begun(Key("12345678", 1, 7), 9, INTENT)
FACTS = ChipFacts({0x9F26: b"12345678"}, signature=False)
YES = CardWord(approved=True, card=FINAL, facts=FACTS)
NO = CardWord(approved=False, reason="CRD-412", card=FINAL, facts=FACTS)
OK = Approved(Answer("00", auth_code="123456"))
UPLOAD, ADVICE = OwedKind.UPLOAD, OwedKind.ADVICE
REVERSAL, RESULT = OwedKind.REVERSAL, OwedKind.SCRIPT_RESULT


def waiting(offline_reason: str = "off", intent: Intent = INTENT) -> SaleMachine:
    machine = SaleMachine()
    machine.receive(Start(intent, offline_reason, waits=True), NOW)
    machine.receive(Recorded(replace(BEGUN, intent=intent)), NOW)
    return machine


def told(machine: SaleMachine, outcome: Outcome) -> Complete:
    (effect,) = machine.receive(outcome, NOW)
    assert isinstance(effect, Complete)
    return effect


def ended(machine: SaleMachine) -> bool:
    return machine.conclusion is not None


def concluded(machine: SaleMachine) -> tuple[Ending, list[OwedKind]]:
    found = machine.conclusion
    assert found is not None
    return found.ending, [each.kind for each in found.owed]


def test_the_issuers_approval_reaches_the_card_before_anybody_sees_an_ending() -> None:
    machine = waiting()
    assert told(machine, OK) == Complete(OK, offline_allowed=False)
    assert not ended(machine)
    assert machine.receive(Completed(YES), NOW) == (Seal(BEGUN, FINAL),)
    assert not ended(machine)
    machine.receive(Sealed(b"sealed"), NOW)
    assert concluded(machine) == (Ending.APPROVED, [UPLOAD])
    assert machine.conclusion is not None
    assert machine.conclusion.owed[0].sealed == b"sealed"
    assert (machine.conclusion.chip, machine.conclusion.answer) == (FACTS, OK.answer)
    machine.receive(Concluded(), NOW)
    assert machine.state is State.DONE


def test_a_card_that_refuses_what_the_issuer_approved_is_reversed_with_06() -> None:
    machine = waiting()
    told(machine, OK)
    machine.receive(Completed(NO), NOW)
    assert concluded(machine) == (Ending.UNKNOWN, [REVERSAL])
    assert machine.conclusion is not None
    assert machine.conclusion.owed[0].reason == "06"
    assert (machine.conclusion.reason, machine.conclusion.copies) == ("CRD-412", 0)


@pytest.mark.parametrize("word", [YES, NO])
def test_no_word_of_a_card_approves_what_the_issuer_declined(word: CardWord) -> None:
    machine = waiting(offline_reason="")
    told(machine, Declined(Answer("51")))
    machine.receive(Completed(word), NOW)
    assert concluded(machine) == (Ending.DECLINED, [])


def test_without_a_line_card_and_policy_together_take_it_offline() -> None:
    machine = waiting(offline_reason="")
    assert told(machine, Unreachable("down")).offline_allowed
    assert machine.receive(Completed(YES), NOW) == (Seal(BEGUN, FINAL),)
    machine.receive(Sealed(b"sealed"), NOW)
    assert concluded(machine) == (Ending.APPROVED_OFFLINE, [ADVICE])


@pytest.mark.parametrize(("reason", "word"), [("", NO), ("off", NO), ("off", YES)])
def test_without_a_line_one_no_is_enough(reason: str, word: CardWord) -> None:
    machine = waiting(offline_reason=reason)
    assert told(machine, Unreachable("down")).offline_allowed is not bool(reason)
    machine.receive(Completed(word), NOW)
    assert concluded(machine) == (Ending.CANCELLED, [])


@pytest.mark.parametrize("outcome", [NotFound(), Unreachable("down"), Unknown("silence")])
@pytest.mark.parametrize("word", [YES, NO])
def test_doubt_is_reversed_whatever_the_card_says(
    outcome: NotFound | Unreachable | Unknown, word: CardWord
) -> None:
    machine = waiting(offline_reason="")
    machine.receive(Unknown("time-out"), NOW)
    (effect,) = machine.receive(Inquired(outcome), NOW)
    assert isinstance(effect, Complete)
    assert isinstance(effect.outcome, Unknown)
    assert not effect.offline_allowed
    machine.receive(Completed(word), NOW)
    assert concluded(machine) == (Ending.UNKNOWN, [REVERSAL])
    assert machine.conclusion is not None
    assert machine.conclusion.owed[0].reason == "98"


@pytest.mark.parametrize("outcome", [OK, Declined(Answer("51"))])
def test_the_inquirys_word_reaches_the_card_too(outcome: Approved | Declined) -> None:
    machine = waiting()
    machine.receive(Unknown("time-out"), NOW)
    assert machine.receive(Inquired(outcome), NOW) == (Complete(outcome, offline_allowed=False),)


@pytest.mark.parametrize(
    ("outcome", "word", "owed"),
    [
        (OK, YES, [RESULT, UPLOAD]),
        (OK, NO, [RESULT, REVERSAL]),
        (Declined(Answer("51")), NO, [RESULT]),
    ],
)
def test_script_results_are_owed_whatever_the_ending(
    outcome: Outcome, word: CardWord, owed: list[OwedKind]
) -> None:
    machine = waiting()
    told(machine, outcome)
    machine.receive(Completed(replace(word, scripts=b"\xdf\x31\x00")), NOW)
    if machine.state is State.CERTIFYING:
        machine.receive(Sealed(b"sealed"), NOW)
    assert concluded(machine)[1] == owed
    assert machine.conclusion is not None
    assert cbor.decode(machine.conclusion.owed[0].body) == {"issuer_result": b"\xdf\x31\x00"}


def test_no_scripts_owe_nothing() -> None:
    assert script_result_of(BEGUN, YES) == script_result_of(BEGUN, None) == ()


def test_a_lost_key_loses_the_certificate_and_not_the_sale() -> None:
    machine = waiting()
    told(machine, OK)
    machine.receive(Completed(YES), NOW)
    machine.receive(Unsealed("SEC-003"), NOW)
    assert concluded(machine) == (Ending.APPROVED, [])
    assert machine.conclusion is not None
    assert machine.conclusion.reason == "SEC-003"


def test_a_card_that_approved_by_itself_asks_nobody() -> None:
    machine = SaleMachine()
    machine.receive(Start(INTENT, "", word=YES), NOW)
    assert machine.receive(Recorded(BEGUN), NOW) == (Seal(BEGUN, FINAL),)
    machine.receive(Sealed(b"sealed"), NOW)
    assert concluded(machine) == (Ending.APPROVED_OFFLINE, [ADVICE])
    assert machine.conclusion is not None
    assert machine.conclusion.chip == FACTS


def test_a_certificate_that_cannot_be_sealed_is_no_sale() -> None:
    machine = SaleMachine()
    machine.receive(Start(INTENT, "", word=YES), NOW)
    machine.receive(Recorded(BEGUN), NOW)
    machine.receive(Unsealed("SEC-003"), NOW)
    assert concluded(machine) == (Ending.CANCELLED, [])


@pytest.mark.parametrize(
    "start", [Start(INTENT, "off", word=YES), Start(INTENT, "", waits=True, word=YES)]
)
def test_a_cards_own_approval_is_taken_only_where_offline_is_allowed(start: Start) -> None:
    with pytest.raises(MisuseError):
        SaleMachine().receive(start, NOW)


def test_a_chip_that_waits_cannot_be_passed_over() -> None:
    """Rows of sales without a chip do not lead around its last word."""
    machine = waiting(offline_reason="")
    told(machine, OK)
    for event in (OK, Sealed(b"s"), Concluded(), Inquired(OK), Unreachable("x")):
        with pytest.raises(MisuseError):
            machine.receive(event, NOW)


EVENTS = st.sampled_from(
    [
        OK,
        Declined(Answer("05")),
        Unreachable("x"),
        Unknown("x"),
        Inquired(NotFound()),
        Inquired(OK),
        Completed(YES),
        Completed(NO),
        Sealed(b"s"),
        Unsealed("SEC-001"),
        Concluded(),
    ]
)


@given(st.lists(EVENTS, max_size=8), st.sampled_from(["", "off"]))
def test_no_order_of_events_approves_without_both_words(
    events: list[object], offline: str
) -> None:
    machine, taken, conclusions = waiting(offline), list[object](), 0
    for event in events:
        try:
            effects = machine.receive(event, NOW)  # type: ignore[arg-type]  # drawn from the union
        except MisuseError:
            continue
        taken.append(event)
        conclusions += sum(isinstance(effect, Conclude) for effect in effects)
    assert conclusions <= 1
    if machine.conclusion is None:
        return
    if machine.conclusion.ending is Ending.APPROVED:
        assert Completed(YES) in taken
        assert OK in taken or Inquired(OK) in taken
    if machine.conclusion.ending is Ending.APPROVED_OFFLINE:
        assert Completed(YES) in taken
        assert Unreachable("x") in taken
        assert offline == ""


# --- through Sales -----------------------------------------------------------------------------


class FixedClock:
    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return NOW


@dataclass
class FakeJournal:
    log: list[str]
    signed_on: bool = True
    endings: list[Conclusion] = field(default_factory=list)

    async def begin(self, intent: Intent) -> Begun:
        self.log.append("begin")
        return replace(BEGUN, intent=intent)

    async def conclude(self, conclusion: Conclusion) -> None:
        self.log.append(f"conclude {conclusion.ending.value}")
        self.endings.append(conclusion)

    async def transaction(self, key: Key) -> Transaction | None:
        raise AssertionError(f"nobody needs {key}")

    async def in_doubt(self) -> Sequence[Transaction]:
        return ()

    async def standing(self) -> Standing:
        return Standing(batch=1, next_stan=7, signed_on=self.signed_on)

    async def stored(self, card_token: bytes) -> Stored:
        return Stored()


@dataclass
class FakeAcquirer:
    log: list[str]
    outcome: Outcome = OK
    pulled: bool = False  # the secure element, after the request

    async def authorise(self, begun: Begun, card: CardRead | None) -> Outcome:
        self.log.append("authorise")
        return self.outcome

    async def inquire(self, key: Key) -> Outcome:
        self.log.append("inquire")
        return NotFound()

    def seal(self, begun: Begun, card: CardRead) -> bytes:
        if self.pulled:
            raise KeyStoreError("pulled", code="SEC-003")
        self.log.append(f"seal {card.emv.reveal().decode()}")
        return b"sealed"

    async def call(self, message: str, fields: Mapping[str, object]) -> Mapping[str, object]:
        raise AssertionError("a sale calls no management message")

    @property
    def online(self) -> bool:
        return True


@dataclass
class FakeChip:
    log: list[str]
    answer: CardWord = YES
    word: CardWord | None = None

    async def complete(self, outcome: Outcome, *, offline_allowed: bool) -> CardWord:
        self.log.append(f"complete {type(outcome).__name__} {offline_allowed}")
        return self.answer


def sales(log: list[str], acquirer: FakeAcquirer, *, offline: bool = False) -> Sales:
    policy = OfflinePolicy(enabled=offline, entry_modes=frozenset({EntryMode.CHIP}))
    return Sales(
        journal=FakeJournal(log),
        acquirer=acquirer,
        clock=FixedClock(),
        limits=Limits(offline=policy),
        inquiry_timeout_s=0.01,
        lock=anyio.Lock(),
    )


async def test_a_chip_sale_is_two_commits_around_both_words() -> None:
    log: list[str] = []
    await sales(log, FakeAcquirer(log)).run(INTENT, CARD, chip=FakeChip(log))
    expected = ["begin", "authorise", "complete Approved False", "seal final"]
    assert log == [*expected, "conclude approved"]


async def test_an_approval_of_the_card_alone_is_recorded_sealed_and_kept() -> None:
    log: list[str] = []
    chip = FakeChip(log, word=YES)
    ending = await sales(log, FakeAcquirer(log), offline=True).run(INTENT, CARD, chip=chip)
    assert isinstance(ending, Conclusion)
    assert log == ["begin", "seal final", "conclude approved_offline"]


@pytest.mark.parametrize("chip", [True, False])
async def test_an_approval_that_the_policy_forbids_is_not_taken(chip: bool) -> None:
    log: list[str] = []
    given_chip = FakeChip(log, word=YES) if chip else None
    card = replace(CARD, approved_offline=True)
    ending = await sales(log, FakeAcquirer(log)).run(INTENT, card, chip=given_chip)
    assert isinstance(ending, Refusal)
    assert (ending.code, log) == ("SAL-203", [])


async def test_a_tap_that_the_reader_approved_is_kept_as_it_was_read() -> None:
    log: list[str] = []
    card = replace(CARD, approved_offline=True, emv=Secret(b"tap"))
    await sales(log, FakeAcquirer(log), offline=True).run(INTENT, card)
    assert log == ["begin", "seal tap", "conclude approved_offline"]


async def test_a_key_pulled_after_the_approval_still_ends_the_sale() -> None:
    log: list[str] = []
    acquirer = FakeAcquirer(log, pulled=True)
    ending = await sales(log, acquirer).run(INTENT, CARD, chip=FakeChip(log))
    assert isinstance(ending, Conclusion)
    assert (ending.ending, ending.reason) == (Ending.APPROVED, "SEC-003")


async def test_the_outlook_says_what_a_sale_would_meet() -> None:
    log: list[str] = []
    found = await sales(log, FakeAcquirer(log)).outlook(Kind.SALE, Money(100), EntryMode.CHIP)
    assert (found.refusal, found.stan) == (None, 7)
    assert found.offline_reason == "offline selling is off"
    refused = await sales(log, FakeAcquirer(log)).outlook(Kind.SALE, Money(0), EntryMode.CHIP)
    assert refused.refusal is not None
    assert refused.refusal.code == "SAL-201"
    assert log == []


def test_whose_word_counts() -> None:
    tapped = replace(CARD, approved_offline=True)
    assert own_word(CARD, None) is own_word(None, None) is None
    assert own_word(tapped, None) == CardWord(approved=True)
    assert own_word(tapped, FakeChip([])) is None  # a chip that waits has not approved
    assert own_word(CARD, FakeChip([], word=YES)) is YES
