from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from posfw.settle.reports import report
from posfw.settle.totals import totals
from posfw.values.card import EntryMode
from posfw.values.identity import Key
from posfw.values.money import USD, Money
from posfw.values.transaction import Begun, Intent, Kind, State, Transaction

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def transaction(
    stan: int,
    minor: int,
    kind: Kind = Kind.SALE,
    state: State = State.APPROVED,
    operator: str = "01",
) -> Transaction:
    intent = Intent(
        kind=kind,
        amount=Money(minor),
        entry_mode=EntryMode.SWIPED,
        card_masked="621234******1232",
        card_token=b"t" * 16,
        operator=operator,
        at=NOW,
    )
    return Transaction(Begun(Key("T0000001", 3, stan), stan, intent), state)


def test_lines_are_by_currency_and_kind_and_by_operator() -> None:
    dollar = transaction(4, 700)
    dollar = replace(
        dollar,
        begun=replace(dollar.begun, intent=replace(dollar.begun.intent, amount=Money(700, USD))),
    )
    found = report(
        3,
        [
            transaction(1, 1000),
            transaction(2, 300, Kind.REFUND, operator="00"),
            transaction(3, 500),
            dollar,
            transaction(5, 9, state=State.DECLINED),
            transaction(6, 9, state=State.REVERSING),
        ],
        opened_at=NOW,
    )
    assert [(x.currency, x.heading, x.count, x.minor) for x in found.kinds] == [
        ("CNY", "refund", 1, -300),
        ("CNY", "sale", 2, 1500),
        ("USD", "sale", 1, 700),
    ]
    assert [(x.heading, x.minor) for x in found.operators if x.currency == "CNY"] == [
        ("00", -300),
        ("01", 1500),
    ]
    assert (found.letter, found.states, found.in_doubt) == ("X", {"declined": 1}, 1)
    assert found.vouchers == (1, 6)


def test_a_closed_batch_makes_a_z() -> None:
    found = report(3, [], opened_at=NOW, closed_at=NOW)
    assert (found.letter, found.kinds, found.vouchers) == ("Z", (), (0, 0))


def test_tips_and_offline_sales_are_told_apart() -> None:
    tipped = transaction(1, 1100)
    tipped = replace(
        tipped,
        offline=True,
        acknowledged=False,
        begun=replace(tipped.begun, intent=replace(tipped.begun.intent, tip=Money(100))),
    )
    found = report(3, [tipped])
    assert (found.tips_minor, found.offline_open) == ({"CNY": 100}, 1)


def test_the_body_is_plain_json() -> None:
    body = report(3, [transaction(1, 1000)], opened_at=NOW).body()
    assert json.loads(json.dumps(body)) == body


@given(
    st.lists(
        st.tuples(st.integers(1, 10**9), st.sampled_from(list(Kind)), st.sampled_from(list(State)))
    )
)
def test_the_reports_sum_is_the_settlements_sum(rows: list[tuple[int, Kind, State]]) -> None:
    every = [transaction(n, minor, kind, state) for n, (minor, kind, state) in enumerate(rows, 1)]
    sums, found = totals(every), report(3, every)
    for lines in (found.kinds, found.operators):
        assert sum(line.minor for line in lines) == sums.debit_minor - sums.credit_minor
        assert sum(line.count for line in lines) == sums.debit_count + sums.credit_count
