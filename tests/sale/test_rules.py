from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.sale.rules import Rule, broken, counts, parse
from posfw.values.card import EntryMode
from posfw.values.errors import ConfigError
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.transaction import Begun, Intent, Kind, State, Transaction

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
INTENT = Intent(
    kind=Kind.SALE,
    amount=Money(10_000),
    entry_mode=EntryMode.SWIPED,
    card_masked="621234******1232",
    card_token=b"t" * 16,
    operator="01",
    at=NOON,
)


def sold(stan: int, **facts: Any) -> Transaction:
    intent = replace(INTENT, **facts)
    return Transaction(Begun(Key("12345678", 1, stan), stan, intent), State.APPROVED)


def code(
    rule: Rule, intent: Intent = INTENT, batch: tuple[Transaction, ...] = (), now: datetime = NOON
) -> str:
    refusal = broken((rule,), intent, batch, now)
    return refusal.code if refusal else ""


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        (Rule(most_minor=0), True),
        (Rule(kinds=frozenset({Kind.REFUND}), most_minor=0), False),
        (Rule(kinds=frozenset({Kind.SALE}), most_minor=0), True),
        (Rule(operators=("00",), most_minor=0), False),
        (Rule(operators=("00", "01-98"), most_minor=0), True),
        (Rule(cards=("4",), most_minor=0), False),
        (Rule(cards=("4", "6212"), most_minor=0), True),
        (Rule(entry_modes=frozenset({EntryMode.KEYED}), most_minor=0), False),
        (Rule(from_time="12:00", to_time="12:01", most_minor=0), True),
        (Rule(from_time="11:00", to_time="12:00", most_minor=0), False),
        (Rule(from_time="22:00", to_time="12:01", most_minor=0), True),
        (Rule(from_time="22:00", to_time="06:00", most_minor=0), False),
    ],
)
def test_a_rule_is_about_what_it_names(rule: Rule, *, fits: bool) -> None:
    assert (code(rule) == "SAL-210") == fits


def test_one_transaction_has_its_most() -> None:
    assert code(Rule(most_minor=10_000)) == ""
    assert code(Rule(most_minor=9_999)) == "SAL-210"


def test_count_and_sum_go_by_batch_card_or_operator() -> None:
    others = (sold(1), sold(2, card_token=b"u" * 16), sold(3, operator="02"))
    for per, before in (("batch", 3), ("card", 2), ("operator", 2)):
        assert code(Rule(count=before + 1, per=per), batch=others) == ""
        assert code(Rule(count=before, per=per), batch=others) == "SAL-211"
        whole = (before + 1) * 10_000
        assert code(Rule(sum_minor=whole, per=per), batch=others) == ""
        assert code(Rule(sum_minor=whole - 1, per=per), batch=others) == "SAL-212"


def test_only_what_was_approved_and_is_meant_counts() -> None:
    others = (
        replace(sold(1), state=State.DECLINED),
        replace(sold(2), state=State.REVERSED),
        sold(3, kind=Kind.REFUND),
        sold(4, kind=Kind.PREAUTH),
    )
    assert code(Rule(kinds=frozenset({Kind.SALE}), count=1), batch=others) == ""
    assert code(Rule(kinds=frozenset({Kind.SALE, Kind.REFUND}), count=1), batch=others) != ""


def test_the_batch_is_read_only_where_a_rule_that_fits_counts() -> None:
    evening = Rule(from_time="18:00", to_time="06:00", count=1)
    assert not counts((Rule(most_minor=5), evening), INTENT, NOON)
    assert counts((evening,), INTENT, NOON.replace(hour=20))


@given(st.lists(st.integers(1, 10**6), max_size=20), st.integers(1, 10**7))
def test_what_is_let_through_never_adds_up_to_more(amounts: list[int], most: int) -> None:
    rule, batch = Rule(sum_minor=most, count=10), list[Transaction]()
    for stan, minor in enumerate(amounts, 1):
        wanted = replace(INTENT, amount=Money(minor))
        if broken((rule,), wanted, batch, NOON) is None:
            batch.append(sold(stan, amount=Money(minor)))
    assert sum(t.begun.intent.amount.minor for t in batch) <= most
    assert len(batch) <= 10


def test_rules_are_read_whole_or_not_at_all() -> None:
    row = {
        "kinds": ["refund", "void"],
        "operators": ["01-98"],
        "cards": ["62"],
        "entry_modes": ["keyed"],
        "from_time": "22:00",
        "to_time": "06:00",
        "most_minor": 5,
        "count": 3,
        "per": "card",
    }
    (rule,) = parse([row], source="rules")
    assert rule.kinds == {Kind.REFUND, Kind.VOID}
    assert rule.entry_modes == {EntryMode.KEYED}
    assert (rule.operators, rule.cards, rule.count, rule.per) == (("01-98",), ("62",), 3, "card")


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"kinds": ["sale"]},
        {"kinds": ["robbery"], "count": 1},
        {"kinds": "sale", "count": 1},
        {"operators": ["1"], "count": 1},
        {"cards": ["6212345"], "count": 1},
        {"entry_modes": ["telepathy"], "count": 1},
        {"from_time": "24:00", "count": 1},
        {"count": -1},
        {"count": True},
        {"most_minor": 1.5},
        {"count": 1, "per": "moon"},
        {"count": 1, "colour": "red"},
        "no table",
    ],
)
def test_a_row_that_does_not_fit_is_refused_with_its_number(row: Any) -> None:
    with pytest.raises(ConfigError, match=r"rules\[2\]"):
        parse([{"count": 1}, row], source="rules")
    with pytest.raises(ConfigError, match="not a list"):
        parse({"count": 1}, source="rules")  # type: ignore[arg-type]  # what a file may hold
