"""The acquirer's own books against the bank's, and each way in which they can disagree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.sim.bank import Bank, Place
from posfw.sim.ledger import Disagreement, Ledger

TERMINAL, BATCH = "12345678", 1


def place(stan: int) -> Place:
    return (TERMINAL, BATCH, stan)


def booked() -> Ledger:
    ledger = Ledger()
    ledger.move(place(1), "sale", 1000)
    ledger.move(place(2), "refund", 300)
    ledger.move(place(3), "preauth", 5000)
    return ledger


def test_sales_pay_refunds_give_back_and_a_preauthorisation_moves_nothing() -> None:
    assert booked().records(TERMINAL, BATCH) == [[1, 1000, 1], [2, 300, -1]]
    assert booked().totals(TERMINAL, BATCH) == {
        "debit_count": 1,
        "debit_minor": 1000,
        "credit_count": 1,
        "credit_minor": 300,
    }
    assert booked().records(TERMINAL, 2) == []


def test_a_reversal_ends_a_record_once() -> None:
    ledger = booked()
    for _ in range(2):
        ledger.undo(place(1))
    ledger.move(place(1), "sale", 1000)  # a booked place is never booked again
    assert ledger.records(TERMINAL, BATCH) == [[2, 300, -1]]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (Disagreement.NONE, [[1, 1000, 1], [2, 300, -1]]),
        (Disagreement.MISSING, [[2, 300, -1]]),
        (Disagreement.EXTRA, [[1, 1000, 1], [2, 300, -1], [3, 100, 1]]),
        (Disagreement.AMOUNT, [[1, 1001, 1], [2, 300, -1]]),
    ],
)
def test_it_can_be_driven_to_disagree(how: Disagreement, expected: list[list[int]]) -> None:
    ledger = booked()
    ledger.disagreement = how
    assert ledger.records(TERMINAL, BATCH) == expected
    counted = ledger.totals(TERMINAL, BATCH)
    assert counted["debit_count"] + counted["credit_count"] == len(expected)
    assert ledger.upload(TERMINAL, BATCH, booked().records(TERMINAL, BATCH)) == 2
    assert bool(ledger.unlike(TERMINAL, BATCH)) is (how is not Disagreement.NONE)


MOVES = st.lists(
    st.tuples(st.sampled_from(["authorise", "advise", "reverse"]), st.integers(1, 4)), max_size=20
)


@given(MOVES)
def test_two_programs_of_totals_agree_whatever_happens(moves: list[tuple[str, int]]) -> None:
    bank, ledger = Bank(), Ledger()
    for what, stan in moves:
        where = place(stan)
        if what == "reverse":
            if bank.reverse(where).code in ("00", "25"):
                ledger.undo(where)
            continue
        ask = bank.advise if what == "advise" else bank.authorise
        if ask(where, kind="sale", amount=1000 + stan, card="6212345678901232").code == "00":
            ledger.move(where, "sale", 1000 + stan)
    assert ledger.records(TERMINAL, BATCH) == bank.records(TERMINAL, BATCH)
    assert ledger.totals(TERMINAL, BATCH) == bank.totals(TERMINAL, BATCH)
