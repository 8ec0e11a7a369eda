from __future__ import annotations

import importlib.resources
import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.settle.fees import Bin, Rate, Schedule, entries, parse, summary
from posfw.values.card import EntryMode
from posfw.values.errors import ConfigError
from posfw.values.events import Record, Topic
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.transaction import Begun, Intent, Kind, State, Transaction

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
OLD, NEW = date(2016, 9, 6), date(2026, 3, 1)
SCHEDULE = Schedule(
    (
        Rate(OLD, "debit", 5000, cap_minor=2000),
        Rate(NEW, "debit", 4000, cap_minor=1800),
        Rate(OLD, "credit", 6000, refund_returns=True),
        Rate(OLD, "qr", 3800, fixed_minor=5),
    ),
    (Bin("62", "debit"), Bin("625", "credit")),
)


def made(minor: int, kind: Kind = Kind.SALE, card: str = "621234") -> Transaction:
    intent = Intent(
        kind=kind,
        amount=Money(minor),
        entry_mode=EntryMode.SWIPED,
        card_masked=f"{card}******1232",
        card_token=b"t" * 16,
        operator="01",
        at=NOW,
    )
    return Transaction(Begun(Key("12345678", 3, 1), 1, intent), State.APPROVED)


@given(st.integers(0, 10**12), st.integers(0, 10**6))
def test_the_share_is_rounded_half_up_like_an_accountant_does(minor: int, ppm: int) -> None:
    exact = Decimal(minor) * ppm / 1_000_000
    expected = int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))
    assert Rate(OLD, "debit", ppm).of(minor) == expected


@pytest.mark.parametrize(
    ("minor", "fee"), [(0, 0), (124, 0), (125, 1), (10_000, 40), (10**9, 1800)]
)
def test_the_rate_of_the_day_and_its_cap(minor: int, fee: int) -> None:
    assert SCHEDULE.fee(made(minor)).fee_minor == fee


def test_an_older_day_has_its_older_rate() -> None:
    rate = SCHEDULE.rate("debit", date(2026, 2, 28))
    assert rate is not None
    assert rate.rate_ppm == 5000
    assert SCHEDULE.rate("debit", date(2010, 1, 1)) is None


def test_the_longest_prefix_tells_the_card_and_none_the_dearest_rate() -> None:
    assert SCHEDULE.card(made(1, card="621111")) == "debit"
    assert SCHEDULE.card(made(1, card="625111")) == "credit"
    assert SCHEDULE.card(made(1, Kind.QR_SALE, card="")) == "qr"
    unknown = SCHEDULE.fee(made(10_000, card="411111"))
    assert (unknown.card, unknown.fee_minor) == ("unknown", 60)


@given(st.integers(1, 10**9))
def test_a_void_takes_the_fee_back_exactly(minor: int) -> None:
    found = summary(SCHEDULE, [made(minor), made(minor, Kind.VOID)])
    assert (found.gross_minor, found.fee_minor, found.net_minor) == (0, 0, 0)


def test_a_refund_takes_its_part_back_only_where_the_schedule_says_so() -> None:
    assert SCHEDULE.fee(made(10_000, Kind.REFUND)).fee_minor == 0
    assert SCHEDULE.fee(made(10_000, Kind.REFUND, card="625111")).fee_minor == -60


def beside(sale: Transaction, stan: int, kind: Kind, minor: int) -> Transaction:
    intent = replace(sale.begun.intent, kind=kind, amount=Money(minor), original=sale.key)
    return Transaction(Begun(Key("12345678", 3, stan), stan, intent), State.APPROVED)


@given(
    st.integers(1, 10**6),
    st.lists(
        st.tuples(st.sampled_from([Kind.TIP, Kind.ADJUST]), st.integers(1, 10**6)), max_size=4
    ),
    st.sampled_from([Kind.SALE, Kind.QR_SALE]),
)
def test_sale_tips_and_adjustments_cost_together_what_one_sale_of_their_sum_costs(
    minor: int, more: list[tuple[Kind, int]], kind: Kind
) -> None:
    sale = made(minor, kind)
    rows = [sale, *(beside(sale, n, k, m) for n, (k, m) in enumerate(more, 2))]
    total = minor + sum(m for _, m in more)
    assert summary(SCHEDULE, rows).fee_minor == SCHEDULE.fee(made(total, kind)).fee_minor
    undone = [*rows, beside(sale, 9, Kind.QR_VOID if kind is Kind.QR_SALE else Kind.VOID, total)]
    assert summary(SCHEDULE, undone).fee_minor == 0


def test_a_tip_pays_no_second_fixed_part_and_no_second_cap() -> None:
    fixed = Schedule((Rate(OLD, "debit", 10_000, cap_minor=300, fixed_minor=7),), SCHEDULE.bins)
    sale = made(20_000)
    tip, more = beside(sale, 2, Kind.TIP, 5_000), beside(sale, 3, Kind.TIP, 90_000)
    assert [fee.fee_minor for fee in fixed.fees([sale, tip, more])] == [207, 50, 50]
    less = beside(sale, 4, Kind.ADJUST_DOWN, 15_000)
    assert [fee.fee_minor for fee in fixed.fees([sale, less])] == [207, -150]


def test_a_void_after_the_rate_changed_takes_back_what_was_charged() -> None:
    sale = made(10_000)
    before = replace(sale.begun.intent, at=datetime(2026, 2, 28, 23, 59, tzinfo=UTC))
    sale = replace(sale, begun=replace(sale.begun, intent=before))
    void = beside(sale, 2, Kind.VOID, 10_000)
    later = replace(void.begun.intent, at=NOW)
    void = replace(void, begun=replace(void.begun, intent=later))
    assert [fee.fee_minor for fee in SCHEDULE.fees([sale, void])] == [50, -50]


def test_a_batch_adds_up() -> None:
    rows = [made(10_000), made(20_000, card="625111"), made(100, Kind.QR_SALE), made(5, card="9")]
    declined = Transaction(rows[0].begun, State.DECLINED)
    found = summary(SCHEDULE, [*rows, declined])
    assert found.gross_minor == 30_105
    assert found.by_card == {"debit": 40, "credit": 120, "qr": 5, "unknown": 0}
    assert (found.fee_minor, found.net_minor, found.unknown) == (165, 29_940, 1)


def test_entries_beside_transactions() -> None:
    body: dict[str, int | str] = {"what": "service", "minor": 9900, "note": "2026"}
    records = [Record(Topic.SETTLEMENT, "fee_entry", NOW, "00", body)]
    records.append(Record(Topic.SETTLEMENT, "closed", NOW, "", {}))
    (entry,) = entries(records)
    assert (entry.what, entry.minor, entry.day, entry.batch) == ("service", 9900, "2026-03-02", 0)


def test_every_shipped_schedule_is_sound() -> None:
    count = 0
    for file in (importlib.resources.files("posfw") / "acquirers").iterdir():
        if file.name.endswith(".toml"):
            document = tomllib.loads(file.read_text(encoding="utf-8"))
            schedule = parse(document["fees"], document["bins"], source=file.name)
            for card in ("debit", "credit", "foreign", "qr"):
                assert schedule.rate(card, date(2026, 3, 2)) is not None
            count += 1
    assert count >= 4


def test_all_mistakes_are_told_at_once() -> None:
    fees = [
        {"from": "2026", "card": "gold", "rate_ppm": -1, "extra": 1},
        {"from": OLD, "card": "debit", "rate_ppm": 1, "cap_minor": True},
    ]
    bins = [{"prefix": "6x", "card": "debit"}, {"prefix": "62"}, {"prefix": "1" * 7, "card": "qr"}]
    with pytest.raises(ConfigError) as error:
        parse(fees, bins, source="x.toml")
    assert len(error.value.cause.splitlines()) == 8
