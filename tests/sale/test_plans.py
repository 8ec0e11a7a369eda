from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.sale.plans import Plan, chosen, parse, refusal
from posfw.values.errors import ConfigError
from posfw.values.money import Money
from posfw.values.transaction import Instalment

PLANS = (Plan("A", 3, 18_000, 60_000, 200_000), Plan("B", 3), Plan("A", 12, 60_000, 100_000))


def code(minor: int, wanted: Instalment | None) -> str:
    found = refusal(Money(minor), wanted, PLANS)
    return found.code if found else ""


def test_the_first_plan_of_the_acquirer_counts_unless_one_is_named() -> None:
    assert chosen(PLANS, 3) is PLANS[0]
    assert chosen(PLANS, 3, "B") is PLANS[1]
    assert chosen(PLANS, 6) is None
    assert chosen(PLANS, 12, "B") is None


def test_amounts_and_terms_must_be_the_plans() -> None:
    wanted = PLANS[0].of(Money(60_000))
    assert wanted == Instalment("A", 3, 1_080)
    assert code(60_000, wanted) == ""
    assert code(59_999, PLANS[0].of(Money(59_999))) == "SAL-316"
    assert code(200_001, PLANS[0].of(Money(200_001))) == "SAL-318"
    assert code(60_000, Instalment("A", 3, 1_079)) == "SAL-315"
    assert code(60_000, Instalment("C", 3, 1_080)) == "SAL-315"
    assert code(60_000, None) == "SAL-315"
    assert code(1, PLANS[1].of(Money(1))) == ""


def test_a_fee_is_rounded_half_up() -> None:
    plan = Plan("A", 2, 5_000)
    assert [plan.of(Money(minor)).fee_minor for minor in (99, 100, 299, 300)] == [0, 1, 1, 2]


@given(st.integers(1, 10**9), st.integers(2, 60), st.integers(0, 10**6))
def test_the_payments_add_up_to_amount_and_fee(minor: int, periods: int, rate: int) -> None:
    plan = Plan("A", periods, rate).of(Money(minor))
    first, each = plan.each(Money(minor))
    assert first.minor + each.minor * (periods - 1) == minor + plan.fee_minor
    assert 0 <= first.minor - each.minor < periods


def test_plans_are_read_whole_or_not_at_all() -> None:
    rows = [{"plan": "A", "periods": 3, "rate_ppm": 18_000, "least_minor": 60_000}]
    assert parse(rows, source="plans") == (Plan("A", 3, 18_000, 60_000),)
    wrong = [
        {"plan": "", "periods": 1},
        {"plan": "A", "periods": 3, "rate_ppm": -1, "colour": "red"},
        {"plan": "A", "periods": 3},
        "no table",
    ]
    with pytest.raises(ConfigError) as caught:
        parse(wrong, source="plans")  # type: ignore[arg-type]  # what a file may hold
    for told in ("plans[1]: plan", "[1]: periods", "[2]: rate_ppm", "[2]: colour", "[4]: is not"):
        assert told in str(caught.value)
    assert "('A', 3) twice" in str(caught.value)
    with pytest.raises(ConfigError, match="not a list"):
        parse({"plan": "A"}, source="plans")  # type: ignore[arg-type]  # what a file may hold
