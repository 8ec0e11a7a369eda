from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.sale.machine import (
    Authorise,
    Await,
    Close,
    Conclude,
    Concluded,
    Inquire,
    Inquired,
    Record,
    Recorded,
    SaleMachine,
    Seal,
    Sealed,
    Start,
    State,
    Unsealed,
    Waited,
    after_restart,
)
from posfw.values.card import EntryMode
from posfw.values.errors import MisuseError
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
    Waiting,
)
from posfw.values.transaction import Begun, Ending, Intent, Kind, OwedKind

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
INTENT = Intent(
    kind=Kind.SALE,
    amount=Money(1250),
    entry_mode=EntryMode.SWIPED,
    card_masked="621234******1232",
    card_token=b"t" * 16,
    operator="01",
    at=NOW,
)
BEGUN = Begun(Key("12345678", 1, 7), 9, INTENT)


def asked(intent: Intent = INTENT, offline_reason: str = "off") -> SaleMachine:
    machine = SaleMachine()
    assert machine.receive(Start(intent, offline_reason), NOW) == (Record(intent),)
    begun = replace(BEGUN, intent=intent)
    assert machine.receive(Recorded(begun), NOW) == (Authorise(begun),)
    return machine


def ending_of(machine: SaleMachine) -> Ending:
    assert machine.conclusion is not None
    return machine.conclusion.ending


def test_nothing_leaves_before_commit_one() -> None:
    effects = SaleMachine().receive(Start(INTENT, ""), NOW)
    assert effects == (Record(INTENT),)


def test_approved_sale_queues_two_copies_and_owes_nothing() -> None:
    machine = asked()
    (effect,) = machine.receive(Approved(Answer("00", auth_code="123456")), NOW)
    assert isinstance(effect, Conclude)
    assert effect.conclusion.copies == 2
    assert effect.conclusion.owed == ()
    assert machine.receive(Concluded(), NOW) == ()
    assert machine.state is State.DONE


def test_declined_sale_owes_no_reversal_and_prints_nothing() -> None:
    machine = asked()
    machine.receive(Declined(Answer("51")), NOW)
    assert machine.conclusion is not None
    assert (machine.conclusion.ending, machine.conclusion.copies) == (Ending.DECLINED, 0)
    assert machine.conclusion.owed == ()


def test_never_sent_is_cancelled_without_a_reversal() -> None:
    machine = asked()
    machine.receive(Unreachable("connection refused"), NOW)
    assert ending_of(machine) is Ending.CANCELLED
    assert machine.conclusion is not None
    assert machine.conclusion.owed == ()


def test_never_sent_goes_offline_where_the_policy_allows() -> None:
    machine = asked(offline_reason="")
    assert machine.receive(Unreachable("down"), NOW) == (Seal(BEGUN),)
    machine.receive(Sealed(b"sealed"), NOW)
    assert ending_of(machine) is Ending.APPROVED_OFFLINE
    assert machine.conclusion is not None
    (owed,) = machine.conclusion.owed
    assert (owed.kind, owed.sealed) == (OwedKind.ADVICE, b"sealed")


def test_maybe_sent_never_goes_offline_even_where_the_policy_allows() -> None:
    machine = asked(offline_reason="")
    assert machine.receive(Unknown("time-out"), NOW) == (Inquire(BEGUN),)


@pytest.mark.parametrize("outcome", [NotFound(), Unreachable("down"), Unknown("silence")])
def test_doubt_that_the_inquiry_does_not_end_is_reversed(
    outcome: NotFound | Unreachable | Unknown,
) -> None:
    machine = asked()
    machine.receive(Unknown("time-out"), NOW)
    machine.receive(Inquired(outcome), NOW)
    assert ending_of(machine) is Ending.UNKNOWN
    assert machine.conclusion is not None
    (owed,) = machine.conclusion.owed
    assert (owed.kind, owed.reason, owed.key) == (OwedKind.REVERSAL, "98", BEGUN.key)


@pytest.mark.parametrize(
    ("outcome", "ending"),
    [(Approved(Answer("00")), Ending.APPROVED), (Declined(Answer("51")), Ending.DECLINED)],
)
def test_the_inquirys_word_counts(outcome: Approved | Declined, ending: Ending) -> None:
    machine = asked()
    machine.receive(Unknown("time-out"), NOW)
    machine.receive(Inquired(outcome), NOW)
    assert ending_of(machine) is ending


def test_a_balance_in_doubt_owes_nothing() -> None:
    machine = asked(replace(INTENT, kind=Kind.BALANCE))
    machine.receive(Unknown("time-out"), NOW)
    machine.receive(Inquired(NotFound()), NOW)
    assert ending_of(machine) is Ending.CANCELLED


def test_late_approval_has_no_rule_once_concluded() -> None:
    machine = asked()
    machine.receive(Unknown("time-out"), NOW)
    machine.receive(Inquired(NotFound()), NOW)
    with pytest.raises(MisuseError):
        machine.receive(Approved(Answer("00")), NOW)
    assert ending_of(machine) is Ending.UNKNOWN


def test_restart_reverses_what_was_begun() -> None:
    conclusion = after_restart(BEGUN, NOW)
    assert conclusion.ending is Ending.UNKNOWN
    assert [owed.kind for owed in conclusion.owed] == [OwedKind.REVERSAL]


def test_number_is_not_there_before_commit_one() -> None:
    with pytest.raises(MisuseError):
        _ = SaleMachine().begun


EVENTS = st.sampled_from(
    [
        Approved(Answer("00")),
        Declined(Answer("05")),
        Unreachable("x"),
        Unknown("x"),
        NotFound(),
        Inquired(NotFound()),
        Inquired(Approved(Answer("00"))),
        Sealed(b"s"),
        Concluded(),
    ]
)


@given(st.lists(EVENTS, max_size=8), st.sampled_from(["", "off"]))
def test_any_order_of_events_concludes_at_most_once(events: list[object], offline: str) -> None:
    machine = asked(offline_reason=offline)
    conclusions = 0
    for event in events:
        try:
            effects = machine.receive(event, NOW)  # type: ignore[arg-type]  # drawn from the union
        except MisuseError:
            continue
        conclusions += sum(isinstance(effect, Conclude) for effect in effects)
    assert conclusions <= 1


def advice(kind: Kind, original: Key | None) -> tuple[SaleMachine, Begun, tuple[object, ...]]:
    begun = replace(BEGUN, intent=replace(INTENT, kind=kind, original=original))
    machine = SaleMachine()
    machine.receive(Start(begun.intent, "only sales are taken offline", advice=True), NOW)
    return machine, begun, machine.receive(Recorded(begun), NOW)


@pytest.mark.parametrize("kind", [k for k in Kind if k.is_advice and k.needs_original])
def test_an_advice_about_an_original_asks_nobody_and_is_owed(kind: Kind) -> None:
    machine, begun, effects = advice(kind, Key("12345678", 1, 3))
    assert machine.conclusion is not None
    assert effects == (Conclude(machine.conclusion),)
    assert ending_of(machine) is Ending.APPROVED_OFFLINE
    (owed,) = machine.conclusion.owed
    assert (owed.kind, owed.key, owed.sealed) == (OwedKind.ADVICE, begun.key, b"")
    assert machine.conclusion.copies == 2


def test_a_sale_by_telephone_seals_its_card_first() -> None:
    machine, begun, effects = advice(Kind.OFFLINE_SALE, None)
    assert effects == (Seal(begun),)
    machine.receive(Sealed(b"sealed"), NOW)
    assert machine.conclusion is not None
    assert [owed.sealed for owed in machine.conclusion.owed] == [b"sealed"]
    lost, _, _ = advice(Kind.OFFLINE_SALE, None)
    lost.receive(Unsealed("KEY-101"), NOW)
    assert ending_of(lost) is Ending.CANCELLED


def paying(first: Outcome | None = None) -> SaleMachine:
    machine = SaleMachine()
    intent = replace(INTENT, kind=Kind.QR_SALE, entry_mode=EntryMode.QR)
    machine.receive(Start(intent, "off", payer=True), NOW)
    machine.receive(Recorded(replace(BEGUN, intent=intent)), NOW)
    if first is not None:
        machine.receive(first, NOW)
    return machine


CODE = Waiting("https://pay.example/1", 60)


def test_a_code_is_shown_until_it_is_paid() -> None:
    machine = paying()
    assert machine.receive(CODE, NOW) == (Await(machine.begun, CODE),)
    assert machine.receive(Waited(over=False), NOW) == (Inquire(machine.begun),)
    assert machine.receive(Inquired(Waiting()), NOW) == (Await(machine.begun, Waiting()),)
    machine.receive(Waited(over=False), NOW)
    machine.receive(Inquired(Approved(Answer("00"))), NOW)
    assert ending_of(machine) is Ending.APPROVED


@pytest.mark.parametrize("outcome", [NotFound(), Unreachable("down"), Unknown("silence")])
def test_silence_decides_nothing_while_the_payer_has_time(
    outcome: NotFound | Unreachable | Unknown,
) -> None:
    machine = paying(CODE)
    machine.receive(Waited(over=False), NOW)
    assert machine.receive(Inquired(outcome), NOW) == (Await(machine.begun, CODE),)


@pytest.mark.parametrize(
    ("outcome", "ending"),
    [
        (Approved(Answer("00")), Ending.APPROVED),
        (Declined(Answer("17")), Ending.DECLINED),
        (NotFound(), Ending.UNKNOWN),
        (Unreachable("down"), Ending.UNKNOWN),
        (Unknown("silence"), Ending.UNKNOWN),
        (Waiting(), Ending.UNKNOWN),
    ],
)
def test_when_time_is_up_it_is_closed_and_only_the_acquirers_word_ends_it(
    outcome: Approved | Declined | NotFound | Unreachable | Unknown | Waiting, ending: Ending
) -> None:
    machine = paying(CODE)
    assert machine.receive(Waited(over=True), NOW) == (Close(machine.begun),)
    machine.receive(Inquired(outcome), NOW)
    assert ending_of(machine) is ending
    assert machine.conclusion is not None
    kinds = [owed.kind for owed in machine.conclusion.owed]
    assert kinds == ([OwedKind.REVERSAL] if ending is Ending.UNKNOWN else [])


def test_a_lost_first_answer_is_asked_for_and_the_payer_goes_on() -> None:
    machine = paying(Unknown("time-out"))
    assert machine.receive(Inquired(CODE), NOW) == (Await(machine.begun, CODE),)
    gone = paying(Unknown("time-out"))
    gone.receive(Inquired(NotFound()), NOW)
    assert ending_of(gone) is Ending.UNKNOWN


def test_a_card_that_is_told_to_wait_is_in_doubt() -> None:
    machine = asked()
    assert machine.receive(Waiting(), NOW) == (Inquire(machine.begun),)
    machine.receive(Inquired(Waiting()), NOW)
    assert ending_of(machine) is Ending.UNKNOWN
