from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.sale.family import KINDS, Family, Rules, check, check_new, family, needed
from posfw.sale.limits import FOLLOWING
from posfw.sale.plans import Plan
from posfw.values.card import EntryMode
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.transaction import Begun, Intent, Kind, State, Transaction

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
FIRST = Key("12345678", 3, 1)


def intent(kind: Kind, minor: int = 10_000, original: Key | None = FIRST) -> Intent:
    return Intent(
        kind=kind,
        amount=Money(minor),
        entry_mode=EntryMode.SWIPED,
        card_masked="621234******1232",
        card_token=b"t" * 16,
        operator="01",
        at=NOW,
        original=original,
    )


def made(kind: Kind, stan: int = 1, minor: int = 10_000, **facts: object) -> Transaction:
    wanted = intent(kind, minor, None if stan == 1 else FIRST)
    found = Transaction(Begun(Key("12345678", 3, stan), stan, wanted), State.APPROVED)
    return replace(found, **facts)  # type: ignore[arg-type]  # replace checks the names


def code(
    wanted: Intent, found: Family, *, batch: int = 3, days: float = 0, rules: Rules | None = None
) -> str:
    now = NOW + timedelta(days=days)
    refusal = check(wanted, found, rules or Rules(), batch=batch, now=now)
    return refusal.code if refusal else ""


PREAUTH = Family(made(Kind.PREAUTH))
SALE = Family(made(Kind.SALE))
COMPLETED = Family(made(Kind.COMPLETION))


@given(st.integers(1, 10**9), st.integers(1, 2 * 10**9), st.integers(0, 10**6))
def test_a_completion_never_exceeds_its_part_of_what_was_authorised(
    authorised: int, minor: int, added: int
) -> None:
    found = Family(made(Kind.PREAUTH, minor=authorised), added_minor=added)
    allowed = code(intent(Kind.COMPLETION, minor), found) == ""
    assert allowed == (minor * 100 <= (authorised + added) * 115)


def test_an_authorisation_is_completed_once_in_time_and_in_any_batch() -> None:
    wanted = intent(Kind.COMPLETION)
    assert code(wanted, PREAUTH, batch=9, days=30) == ""
    assert code(wanted, PREAUTH, days=30.1) == "SAL-312"
    assert code(wanted, replace(PREAUTH, completed=True)) == "SAL-311"
    assert code(intent(Kind.PREAUTH_ADD), replace(PREAUTH, completed=True)) == "SAL-311"


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (Kind.COMPLETION, SALE),
        (Kind.PREAUTH_VOID, COMPLETED),
        (Kind.COMPLETION_VOID, PREAUTH),
        (Kind.TIP, PREAUTH),
        (Kind.ADJUST, COMPLETED),
        (Kind.PREAUTH_ADD, Family(made(Kind.PREAUTH, state=State.DECLINED))),
    ],
)
def test_the_original_must_be_of_its_kind_and_approved(kind: Kind, found: Family) -> None:
    assert code(intent(kind), found) == "SAL-310"


def test_a_voided_original_is_closed() -> None:
    found = Family(made(Kind.PREAUTH, voided=True))
    assert code(intent(Kind.COMPLETION), found) == "SAL-302"


def test_voids_take_back_the_whole_in_their_batch() -> None:
    assert code(intent(Kind.PREAUTH_VOID), PREAUTH, batch=9) == ""
    assert code(intent(Kind.PREAUTH_VOID, 9_999), PREAUTH) == "SAL-304"
    assert code(intent(Kind.PREAUTH_VOID), replace(PREAUTH, added_minor=1)) == "SAL-304"
    assert code(intent(Kind.PREAUTH_VOID), replace(PREAUTH, completed=True)) == "SAL-311"
    assert code(intent(Kind.COMPLETION_VOID), COMPLETED) == ""
    assert code(intent(Kind.COMPLETION_VOID), COMPLETED, batch=4) == "SAL-303"
    assert code(intent(Kind.COMPLETION_VOID, 1), COMPLETED) == "SAL-304"


def test_tips_stay_within_their_percent_together_and_come_before_the_settlement() -> None:
    assert code(intent(Kind.TIP, 1_000), SALE) == ""
    assert code(intent(Kind.TIP, 1_001), SALE) == "SAL-314"
    assert code(intent(Kind.TIP, 400), replace(SALE, tipped_minor=600)) == ""
    assert code(intent(Kind.TIP, 401), replace(SALE, tipped_minor=600)) == "SAL-314"
    assert code(intent(Kind.TIP, 1), SALE, batch=4) == "SAL-303"
    assert code(intent(Kind.TIP, 1), Family(made(Kind.SALE, voided=True))) == "SAL-302"
    assert code(intent(Kind.TIP, 1), Family(made(Kind.SALE, refunded=Money(1)))) == "SAL-302"


def test_a_tip_given_with_the_sale_counts_toward_the_percent_of_the_rest() -> None:
    first = made(Kind.SALE, minor=10_500)
    tipped = replace(first.begun.intent, tip=Money(500))
    found = Family(replace(first, begun=replace(first.begun, intent=tipped)))
    assert code(intent(Kind.TIP, 500), found) == ""
    assert code(intent(Kind.TIP, 501), found) == "SAL-314"


def test_an_advice_does_not_overtake_that_of_its_original() -> None:
    stored = Family(made(Kind.SALE, offline=True, acknowledged=False))
    assert code(intent(Kind.TIP, 1), stored) == "SAL-305"
    assert code(intent(Kind.ADJUST, 1), stored) == "SAL-305"


@pytest.mark.parametrize("state", [State.BEGUN, State.REVERSING])
@pytest.mark.parametrize("kind", [k for k in KINDS if k.is_advice])
def test_an_advice_waits_until_nothing_about_its_original_is_in_doubt(
    kind: Kind, state: State
) -> None:
    held = kind is Kind.COMPLETION_ADVICE
    first = made(Kind.PREAUTH if held else Kind.OFFLINE_SALE)
    void = made(Kind.PREAUTH_VOID if held else Kind.VOID, 2, state=state)
    assert code(intent(kind, 1), family(first, [void])) == "SAL-322"
    ended = replace(void, state=State.REVERSED)
    assert code(intent(kind, 1), family(first, [ended])) == ""


def test_only_an_offline_sale_is_adjusted_and_something_stays_of_it() -> None:
    stored = Family(made(Kind.SALE, offline=True))
    called = Family(made(Kind.OFFLINE_SALE))
    for found in (stored, called):
        assert code(intent(Kind.ADJUST, 2_000), found) == ""
        assert code(intent(Kind.ADJUST, 2_001), found) == "SAL-321"
        assert code(intent(Kind.ADJUST_DOWN, 9_999), found) == ""
        assert code(intent(Kind.ADJUST_DOWN, 10_000), found) == "SAL-317"
    again = replace(stored, adjusted_minor=1_500)
    assert code(intent(Kind.ADJUST, 500), again) == ""
    assert code(intent(Kind.ADJUST, 501), again) == "SAL-321"
    assert code(intent(Kind.ADJUST_DOWN, 1), replace(stored, adjusted_minor=-9_999)) == "SAL-317"
    assert code(intent(Kind.ADJUST, 1), SALE) == "SAL-310"
    assert code(intent(Kind.ADJUST, 1), stored, batch=4) == "SAL-303"


@given(st.integers(1, 10**9), st.lists(st.integers(1, 10**8), max_size=5))
def test_accepted_tips_never_exceed_the_percent_together(minor: int, tips: list[int]) -> None:
    found = Family(made(Kind.SALE, minor=minor))
    for tip in tips:
        if code(intent(Kind.TIP, tip), found) == "":
            found = replace(found, tipped_minor=found.tipped_minor + tip)
    assert found.tipped_minor * 100 <= minor * 10


def test_what_happened_to_an_original_is_gathered() -> None:
    others = [
        made(Kind.PREAUTH_ADD, 2, 300),
        made(Kind.PREAUTH_ADD, 3, 50, state=State.DECLINED),
        made(Kind.PREAUTH_ADD, 4, 70, state=State.REVERSED),
        made(Kind.COMPLETION, 5, 100, voided=True),
    ]
    found = family(PREAUTH.original, others)
    assert (found.added_minor, found.completed, found.authorised_minor) == (300, False, 10_300)
    assert family(PREAUTH.original, [made(Kind.COMPLETION_ADVICE, 6)]).completed
    more = [
        made(Kind.TIP, 7, 10),
        made(Kind.TIP, 8, 20, acknowledged=False),
        made(Kind.ADJUST, 9, 300),
        made(Kind.ADJUST_DOWN, 10, 100),
        made(Kind.TIP, 11, 5_000, state=State.CANCELLED),
    ]
    told = family(SALE.original, more)
    assert (told.tipped_minor, told.adjusted_minor, told.unsent) == (30, 200, True)
    assert told.whole.taken == Money(10_230)
    assert not told.whole.acknowledged
    stranger = replace(others[0], begun=replace(others[0].begun, intent=intent(Kind.SALE)))
    assert family(made(Kind.PREAUTH, 9), [stranger]).added_minor == 0


def new(wanted: Intent, rules: Rules | None = None) -> str:
    refusal = check_new(wanted, rules or Rules())
    return refusal.code if refusal else ""


def test_a_sale_with_a_tip_is_held_to_the_same_percent() -> None:
    for tip, expected in ((1_000, ""), (1_001, "SAL-314")):
        wanted = replace(intent(Kind.SALE, 10_000 + tip, None), tip=Money(tip))
        assert new(wanted) == expected
    above = replace(intent(Kind.SALE, 100, None), tip=Money(101))
    assert new(above) == "SAL-314"
    assert new(replace(intent(Kind.PREAUTH, 11_000, None), tip=Money(1_000))) == "SAL-314"
    assert new(replace(intent(Kind.QR_SALE, 11_000, None), tip=Money(1))) == "SAL-314"


def test_instalments_are_the_acquirers() -> None:
    plan = Plan("A", 6, 30_000, 60_000)
    rules = Rules(plans=(plan,))
    wanted = intent(Kind.INSTALMENT, 60_000, None)
    assert new(replace(wanted, instalment=plan.of(wanted.amount)), rules) == ""
    assert new(wanted, rules) == "SAL-315"
    assert new(replace(wanted, instalment=plan.of(wanted.amount))) == "SAL-315"
    sold = replace(intent(Kind.SALE, 60_000, None), instalment=plan.of(wanted.amount))
    assert new(sold) == "SAL-315"


def test_a_sale_by_telephone_needs_the_acquirers_leave_and_its_code() -> None:
    allowed = Rules(telephone_minor=10_000)
    called = replace(intent(Kind.OFFLINE_SALE, 10_000, None), auth_code="A1B2C3")
    assert new(called, allowed) == ""
    assert new(called) == "SAL-320"
    assert new(replace(called, amount=Money(10_001)), allowed) == "SAL-202"
    for wrong in ("", "12345", "1234567", "12 456", "一二三四五六"):
        assert new(replace(called, auth_code=wrong), allowed) == "SAL-319"


def test_voids_and_refunds_of_a_sale_count_what_came_to_it() -> None:
    assert needed(intent(Kind.VOID), SALE.original)
    assert needed(intent(Kind.REFUND), made(Kind.OFFLINE_SALE))
    assert needed(intent(Kind.TIP), SALE.original)
    assert not needed(intent(Kind.REFUND), made(Kind.INSTALMENT))
    assert not needed(intent(Kind.QR_REFUND), made(Kind.QR_SALE))


def test_other_kinds_are_not_judged_here() -> None:
    assert code(intent(Kind.REFUND), SALE, batch=9) == ""


def test_limits_leave_to_this_module_what_it_judges_and_nothing_else() -> None:
    assert KINDS == FOLLOWING
