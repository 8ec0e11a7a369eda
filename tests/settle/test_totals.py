from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from posfw.settle.totals import Difference, Totals, compare, overflows, totals
from posfw.values.card import EntryMode
from posfw.values.errors import RefusedError
from posfw.values.identity import Key
from posfw.values.money import MAX_MINOR, USD, Money
from posfw.values.transaction import Begun, Intent, Kind, State, Transaction

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def made(
    stan: int, minor: int, kind: Kind = Kind.SALE, state: State = State.APPROVED
) -> Transaction:
    intent = Intent(
        kind=kind,
        amount=Money(minor),
        entry_mode=EntryMode.KEYED,
        card_masked="",
        card_token=b"",
        operator="01",
        at=NOW,
    )
    return Transaction(Begun(Key("12345678", 1, stan), stan, intent), state)


BATCH = [
    made(1, 1000),
    made(2, 500, Kind.REFUND),
    made(3, 900, state=State.DECLINED),
    made(4, 800, state=State.REVERSED),
    made(5, 700, Kind.BALANCE),
]


def test_only_approved_money_counts() -> None:
    assert totals(BATCH) == Totals(1, 1000, 1, 500)


def test_equal_records_have_no_differences() -> None:
    assert compare(BATCH, [[1, 1000, 1], [2, 500, -1]]) == ()


def test_missing_extra_and_changed_records_are_named() -> None:
    records = [[1, 999, 1], [9, 5, 1]]
    assert compare(BATCH, records) == (
        Difference(1, 1000, 999),
        Difference(2, -500, None),
        Difference(9, None, 5),
    )


def test_a_credit_posted_as_a_debit_is_a_difference() -> None:
    records = [[1, 1000, 1], [2, 500, 1]]
    assert compare(BATCH, records) == (Difference(2, -500, 500),)


def test_a_voided_sale_still_counts_beside_its_void() -> None:
    voided = [replace(made(1, 1000), voided=True), made(2, 1000, Kind.VOID)]
    assert totals(voided) == Totals(1, 1000, 1, 1000)


def test_a_record_that_the_acquirer_has_twice_is_a_difference() -> None:
    assert compare([made(1, 100)], [[1, 100, 1], [1, 100, 1]]) == (Difference(1, 100, 200),)


def test_two_currencies_are_never_added() -> None:
    other = made(2, 100)
    intent = replace(other.begun.intent, amount=Money(100, USD))
    with pytest.raises(RefusedError):
        totals([made(1, 100), replace(other, begun=replace(other.begun, intent=intent))])


def test_totals_beyond_the_fields_of_a_settlement_stop() -> None:
    assert not overflows(Totals(999, MAX_MINOR, 999, MAX_MINOR))
    for beyond in (
        Totals(1000, 1),
        Totals(1, MAX_MINOR + 1),
        Totals(0, 0, 1000, 1),
        Totals(0, 0, 1, MAX_MINOR + 1),
    ):
        assert overflows(beyond)
    assert overflows(Totals(1, MAX_MINOR), more_minor=1)
    assert overflows(Totals(999, 5), more_minor=1)
    assert not overflows(Totals(998, MAX_MINOR - 1), more_minor=1)


def test_a_batch_that_cannot_be_carried_is_refused_by_name() -> None:
    rows = [made(stan, MAX_MINOR) for stan in (1, 2)]
    with pytest.raises(RefusedError) as refused:
        totals(rows)
    assert refused.value.stable_code == "SET-123"
