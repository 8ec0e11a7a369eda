from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.sale.family import KINDS, Family, Rules, check, check_instalment, family
from posfw.sale.limits import FOLLOWING
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


def test_one_tip_within_its_percent_before_the_settlement() -> None:
    assert code(intent(Kind.TIP, 1_000), SALE) == ""
    assert code(intent(Kind.TIP, 1_001), SALE) == "SAL-314"
    assert code(intent(Kind.TIP, 1), replace(SALE, tipped=True)) == "SAL-302"
    assert code(intent(Kind.TIP, 1), SALE, batch=4) == "SAL-303"
    refunded = Family(made(Kind.SALE, refunded=Money(1)))
    assert code(intent(Kind.ADJUST, 1), refunded) == "SAL-302"


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
    assert family(SALE.original, [made(Kind.TIP, 7, 10)]).tipped
    stranger = replace(others[0], begun=replace(others[0].begun, intent=intent(Kind.SALE)))
    assert family(made(Kind.PREAUTH, 9), [stranger]).added_minor == 0


def test_instalments_are_the_acquirers() -> None:
    rules = Rules(periods=frozenset({3, 6, 12}))
    wanted = intent(Kind.INSTALMENT, 60_000, None)
    assert check_instalment(wanted, 6, rules) is None
    for periods, minor, expected in ((5, 60_000, "SAL-315"), (6, 59_999, "SAL-316")):
        refusal = check_instalment(intent(Kind.INSTALMENT, minor, None), periods, rules)
        assert refusal is not None
        assert refusal.code == expected
    assert check_instalment(wanted, 3, Rules()) is not None


def test_other_kinds_are_not_judged_here() -> None:
    assert code(intent(Kind.REFUND), SALE, batch=9) == ""


def test_limits_leave_to_this_module_what_it_judges_and_nothing_else() -> None:
    assert KINDS == FOLLOWING
