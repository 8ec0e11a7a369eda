from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from posfw.sale.limits import Limits, OfflinePolicy, may_begin, offline_left, offline_reason
from posfw.values.card import EntryMode
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.transaction import (
    Begun,
    Intent,
    Kind,
    Standing,
    State,
    Stored,
    Transaction,
)

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
SALE = Intent(
    kind=Kind.SALE,
    amount=Money(1250),
    entry_mode=EntryMode.SWIPED,
    card_masked="621234******1232",
    card_token=b"t" * 16,
    operator="01",
    at=NOW,
)
STANDING = Standing(batch=3, next_stan=9, signed_on=True)
ORIGINAL = Transaction(Begun(Key("12345678", 3, 7), 1, SALE), State.APPROVED)
REFUND = replace(SALE, kind=Kind.REFUND, original=ORIGINAL.key)
VOID = replace(SALE, kind=Kind.VOID, original=ORIGINAL.key)
POLICY = OfflinePolicy(enabled=True, per_transaction_minor=5000, sum_minor=9000, count=3)


def refused(
    intent: Intent, standing: Standing = STANDING, original: Transaction | None = None
) -> str:
    refusal = may_begin(intent, standing, Limits(), original=original, now=NOW)
    return refusal.code if refusal else ""


@pytest.mark.parametrize(
    ("standing", "code"),
    [
        (STANDING, ""),
        (replace(STANDING, settling=True), "SET-101"),
        (replace(STANDING, signed_on=False), "SET-102"),
        (replace(STANDING, in_doubt=1), "SAL-101"),
        (replace(STANDING, records=500), "SET-103"),
        (replace(STANDING, records=1, batch_opened_at=NOW - timedelta(hours=27)), "SET-104"),
        (replace(STANDING, records=0, batch_opened_at=NOW - timedelta(hours=27)), ""),
    ],
)
def test_standing_decides_whether_to_begin(standing: Standing, code: str) -> None:
    assert refused(SALE, standing) == code


def test_zero_and_too_large_amounts_are_refused() -> None:
    assert refused(replace(SALE, amount=Money(0))) == "SAL-201"
    assert refused(replace(SALE, amount=Money(5_000_001))) == "SAL-202"


def test_a_keyed_card_needs_its_expiry() -> None:
    assert refused(replace(SALE, entry_mode=EntryMode.KEYED)) == "CRD-111"
    assert refused(replace(SALE, entry_mode=EntryMode.KEYED, expiry="2812")) == ""


@pytest.mark.parametrize(
    ("intent", "original", "code"),
    [
        (VOID, None, "SAL-301"),
        (VOID, ORIGINAL, ""),
        (VOID, replace(ORIGINAL, voided=True), "SAL-302"),
        (VOID, replace(ORIGINAL, state=State.DECLINED), "SAL-302"),
        (VOID, replace(ORIGINAL, refunded=Money(1)), "SAL-304"),
        (VOID, replace(ORIGINAL, acknowledged=False), "SAL-305"),
        (REFUND, ORIGINAL, ""),
        (REFUND, replace(ORIGINAL, refunded=Money(1)), "SAL-306"),
        (replace(REFUND, amount=Money(1251)), ORIGINAL, "SAL-306"),
        (replace(REFUND, amount=Money(1000)), replace(ORIGINAL, refunded=Money(250)), ""),
        (REFUND, replace(ORIGINAL, acknowledged=False), "SAL-305"),
    ],
)
def test_originals_limit_what_refers_to_them(
    intent: Intent, original: Transaction | None, code: str
) -> None:
    assert refused(intent, original=original) == code


@pytest.mark.parametrize("kind", [Kind.VOID, Kind.REFUND, Kind.PREAUTH, Kind.BALANCE])
def test_only_what_took_money_is_given_back(kind: Kind) -> None:
    begun = replace(ORIGINAL.begun, intent=replace(SALE, kind=kind))
    assert refused(VOID, original=replace(ORIGINAL, begun=begun)) == "SAL-310"
    assert refused(REFUND, original=replace(ORIGINAL, begun=begun)) == "SAL-310"


def test_every_kind_with_an_original_says_which() -> None:
    for each in (each for each in Kind if each.needs_original):
        intent = replace(SALE, kind=each, original=ORIGINAL.key)
        assert refused(intent, original=None) == "SAL-301"
        assert refused(intent, original=ORIGINAL) in ("", "SAL-310")


def test_a_settled_sale_cannot_be_voided() -> None:
    assert refused(VOID, replace(STANDING, batch=4), ORIGINAL) == "SAL-303"


def test_keyed_cards_and_large_refunds_are_limits_of_their_own() -> None:
    keyed = replace(SALE, entry_mode=EntryMode.KEYED, expiry="2812")
    strict = Limits(keyed_allowed=False, refund_minor=100)
    acknowledged = replace(ORIGINAL, acknowledged=True)
    for intent, original, code in ((keyed, None, "CRD-110"), (REFUND, acknowledged, "SAL-307")):
        refusal = may_begin(intent, STANDING, strict, original=original, now=NOW)
        assert refusal is not None
        assert refusal.code == code
        assert may_begin(intent, STANDING, Limits(), original=original, now=NOW) is None


def test_offline_is_off_by_default() -> None:
    assert (
        offline_reason(SALE, STANDING, OfflinePolicy(), NOW, Stored()) == "offline selling is off"
    )


@pytest.mark.parametrize(
    ("intent", "standing", "allowed"),
    [
        (SALE, STANDING, True),
        (replace(SALE, entry_mode=EntryMode.KEYED), STANDING, False),
        (replace(SALE, entry_mode=EntryMode.FALLBACK), STANDING, False),
        (REFUND, STANDING, False),
        (replace(SALE, amount=Money(5001)), STANDING, False),
        (SALE, replace(STANDING, offline_sum=7751), False),
        (SALE, replace(STANDING, offline_sum=7750), True),
        (SALE, replace(STANDING, offline_count=3), False),
        (SALE, replace(STANDING, offline_oldest_at=NOW - timedelta(hours=25)), False),
    ],
)
def test_offline_policy_limits_each_quantity(
    intent: Intent, standing: Standing, allowed: bool
) -> None:
    assert (offline_reason(intent, standing, POLICY, NOW, Stored()) == "") is allowed


@pytest.mark.parametrize(
    ("stored", "word"),
    [
        (Stored(), ""),
        (Stored(2, 2750), ""),
        (Stored(2, 2751), "sum of this card"),
        (Stored(3, 1), "number of this card"),
    ],
)
def test_offline_policy_limits_one_card(stored: Stored, word: str) -> None:
    policy = replace(POLICY, card_sum_minor=4000, card_count=3)
    reason = offline_reason(SALE, STANDING, policy, NOW, stored)
    assert word in reason
    assert bool(reason) is bool(word)


@pytest.mark.parametrize(
    ("start", "end", "at", "allowed"),
    [
        ("00:00", "00:00", 3, True),  # equal: all day
        ("08:00", "22:00", 8, True),
        ("08:00", "22:00", 22, False),
        ("08:00", "22:00", 7, False),
        ("18:00", "02:00", 23, True),  # over midnight
        ("18:00", "02:00", 1, True),
        ("18:00", "02:00", 2, False),
    ],
)
def test_offline_selling_keeps_to_its_hours(start: str, end: str, at: int, allowed: bool) -> None:
    policy = replace(POLICY, from_time=start, to_time=end)
    now = NOW.replace(hour=at, minute=0)
    assert (offline_reason(SALE, STANDING, policy, now, Stored()) == "") is allowed
    assert offline_left(STANDING, policy, now).open_now is allowed


def test_the_countdown_tells_what_is_left() -> None:
    stored = replace(
        STANDING, offline_count=2, offline_sum=8000, offline_oldest_at=NOW - timedelta(hours=23)
    )
    left = offline_left(stored, POLICY, NOW)
    assert (left.count, left.sum_minor, left.seconds) == (1, 1000, 3600)
    assert left.expires_at == NOW + timedelta(hours=1)
    assert left.open_now
    over = offline_left(stored, POLICY, NOW + timedelta(hours=2))
    assert (over.seconds, over.open_now) == (0, False)
    nothing = offline_left(STANDING, POLICY, NOW)
    assert (nothing.count, nothing.seconds, nothing.expires_at) == (3, None, None)


def test_a_clock_that_went_back_makes_stored_sales_no_younger() -> None:
    stored = replace(STANDING, offline_count=1, offline_oldest_at=NOW + timedelta(hours=1))
    assert "clock" in offline_reason(SALE, stored, POLICY, NOW, Stored())
    assert offline_left(stored, POLICY, NOW).seconds == 0
