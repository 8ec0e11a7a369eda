"""May this be done now, and may it be done without a line? Pure rules over the journal's standing.

A refusal carries a stable code and what to do; nothing is recorded and nothing leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from posfw.values.card import EntryMode
from posfw.values.texts import mark
from posfw.values.transaction import Intent, Kind, Standing, State, Stored, Transaction

__all__ = [
    "FOLLOWING",
    "Limits",
    "OfflineLeft",
    "OfflinePolicy",
    "Refusal",
    "may_begin",
    "offline_left",
    "offline_reason",
]

# What these need of their original, and of all that happened to it since, `sale.family` judges.
FOLLOWING = frozenset(
    {
        Kind.PREAUTH_ADD,
        Kind.PREAUTH_VOID,
        Kind.COMPLETION,
        Kind.COMPLETION_ADVICE,
        Kind.COMPLETION_VOID,
        Kind.TIP,
        Kind.ADJUST,
        Kind.ADJUST_DOWN,
    }
)
# A void of a void would give the money back twice; a pre-authorisation has taken none.
_ORIGINALS = {
    Kind.VOID: frozenset({Kind.SALE, Kind.OFFLINE_SALE}),
    Kind.REFUND: frozenset(
        {Kind.SALE, Kind.OFFLINE_SALE, Kind.COMPLETION, Kind.COMPLETION_ADVICE, Kind.INSTALMENT}
    ),
    Kind.INSTALMENT_VOID: frozenset({Kind.INSTALMENT}),
    Kind.QR_VOID: frozenset({Kind.QR_SALE}),
    Kind.QR_REFUND: frozenset({Kind.QR_SALE}),
}


@dataclass(frozen=True, slots=True)
class OfflinePolicy:
    """When the terminal may approve by itself. Off by default (payments page, rule 9).

    Attributes:
        enabled: whether at all.
        per_transaction_minor: most for one sale.
        sum_minor: most for all stored sales together.
        count: most stored sales.
        card_sum_minor: most for all stored sales of one card.
        card_count: most stored sales of one card.
        age_h: hours after the oldest stored sale when no further one is taken.
        from_time: HH:MM local time from which it may be done.
        to_time: HH:MM until which; earlier than `from_time` means over midnight, equal all day.
        entry_modes: how a card must come in.
    """

    enabled: bool = False
    per_transaction_minor: int = 25_000
    sum_minor: int = 200_000
    count: int = 500
    card_sum_minor: int = 50_000
    card_count: int = 3
    age_h: float = 24.0
    from_time: str = "00:00"
    to_time: str = "00:00"
    entry_modes: frozenset[EntryMode] = frozenset({EntryMode.SWIPED, EntryMode.CONTACTLESS})


@dataclass(frozen=True, slots=True)
class Limits:
    """What one batch and one transaction may hold (payments page, rules 6 and 11)."""

    batch_records: int = 500
    per_transaction_minor: int = 5_000_000
    refund_minor: int = 10_000_000
    keyed_allowed: bool = True
    batch_age_h: float = 26.0
    offline: OfflinePolicy = OfflinePolicy()


@dataclass(frozen=True, slots=True)
class OfflineLeft:
    """What the offline policy still allows.

    Attributes:
        enabled: whether it is on at all.
        open_now: whether time of day and age allow it now.
        count: sales that may still be stored.
        sum_minor: money that may still be stored.
        expires_at: when the oldest stored sale forbids further ones, None with nothing stored.
        seconds: until then, 0 once it is over or the clock went back, None with nothing stored.
    """

    enabled: bool
    open_now: bool
    count: int
    sum_minor: int
    expires_at: datetime | None
    seconds: int | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not, and what to do instead."""

    code: str
    cause: str
    next_step: str


Check = Callable[[Intent, Standing, Limits, Transaction | None, datetime], Refusal | None]


def may_begin(
    intent: Intent,
    standing: Standing,
    limits: Limits,
    *,
    original: Transaction | None,
    now: datetime,
) -> Refusal | None:
    """Return the first rule that forbids the transaction, or None."""
    for check in _CHECKS:
        refusal = check(intent, standing, limits, original, now)
        if refusal is not None:
            return refusal
    return None


def offline_reason(
    intent: Intent,
    standing: Standing,
    policy: OfflinePolicy,
    now: datetime,
    stored: Stored,
) -> str:
    """Return "" if the transaction may be approved without a line, else why not.

    Args:
        intent: what is to be done.
        standing: of the journal.
        policy: of the site.
        now: local time.
        stored: what the same card has bought without a line.
    """
    oldest = standing.offline_oldest_at
    reasons = (
        (not policy.enabled, mark("offline selling is off")),
        (intent.kind is not Kind.SALE, mark("only sales are taken offline")),
        (
            intent.entry_mode not in policy.entry_modes,
            mark("cards read in this way are never taken offline"),
        ),
        (
            intent.amount.minor > policy.per_transaction_minor,
            mark("the amount is above the offline limit"),
        ),
        (
            standing.offline_sum + intent.amount.minor > policy.sum_minor,
            mark("the sum of stored sales is used up"),
        ),
        (standing.offline_count >= policy.count, mark("the number of stored sales is used up")),
        (
            stored.sum_minor + intent.amount.minor > policy.card_sum_minor,
            mark("the sum of this card's stored sales is used up"),
        ),
        (
            stored.count >= policy.card_count,
            mark("the number of this card's stored sales is used up"),
        ),
        (
            oldest is not None and now - oldest > timedelta(hours=policy.age_h),
            mark("the oldest stored sale is too old"),
        ),
        # A clock that went back would make stored sales young for ever.
        (oldest is not None and now < oldest, mark("the clock is behind the oldest stored sale")),
        (not _open_at(policy, now), mark("offline selling is closed at this time of day")),
    )
    return next((reason for forbidden, reason in reasons if forbidden), "")


def offline_left(standing: Standing, policy: OfflinePolicy, now: datetime) -> OfflineLeft:
    """Return how much may still be sold without a line: the idle screen's countdown."""
    oldest = standing.offline_oldest_at
    expires_at = oldest + timedelta(hours=policy.age_h) if oldest is not None else None
    seconds = None
    if oldest is not None and expires_at is not None:
        seconds = 0 if now < oldest else max(0, int((expires_at - now).total_seconds()))
    return OfflineLeft(
        enabled=policy.enabled,
        open_now=policy.enabled and _open_at(policy, now) and seconds != 0,
        count=max(0, policy.count - standing.offline_count),
        sum_minor=max(0, policy.sum_minor - standing.offline_sum),
        expires_at=expires_at,
        seconds=seconds,
    )


def _open_at(policy: OfflinePolicy, now: datetime) -> bool:
    start, end, at = policy.from_time, policy.to_time, f"{now:%H:%M}"
    if start == end:
        return True
    return start <= at < end if start < end else (at >= start or at < end)


def _state(
    intent: Intent, standing: Standing, limits: Limits, _: Transaction | None, now: datetime
) -> Refusal | None:
    del intent
    if standing.settling:
        return Refusal("SET-101", "Settlement is under way.", "Finish it: posfw settle")
    if not standing.signed_on:
        return Refusal("SET-102", "The terminal is not signed on.", "Sign on: posfw sign-on")
    if standing.in_doubt:
        return Refusal("SAL-101", "Another transaction has not ended.", "Wait until it has ended.")
    if standing.records >= limits.batch_records:
        return Refusal("SET-103", "The batch is full.", "Settle: posfw settle")
    opened = standing.batch_opened_at
    too_old = opened is not None and now - opened > timedelta(hours=limits.batch_age_h)
    if too_old and standing.records:
        return Refusal("SET-104", "Yesterday's batch is not settled.", "Settle: posfw settle")
    return None


def _amount(
    intent: Intent, _: Standing, limits: Limits, __: Transaction | None, ___: datetime
) -> Refusal | None:
    if not intent.amount and intent.kind is not Kind.BALANCE:
        return Refusal("SAL-201", "The amount is zero.", "Enter an amount.")
    if intent.amount.minor > limits.per_transaction_minor:
        return Refusal(
            "SAL-202", "The amount is above this terminal's limit.", "Ask a supervisor."
        )
    return None


def _entry(
    intent: Intent, _: Standing, limits: Limits, __: Transaction | None, ___: datetime
) -> Refusal | None:
    if intent.entry_mode is EntryMode.KEYED and intent.original is None:
        if not limits.keyed_allowed:
            return Refusal("CRD-110", "Keyed cards are not allowed here.", "Use the card itself.")
        if not intent.expiry:
            return Refusal("CRD-111", "A keyed card needs its expiry date.", "Enter it as YYMM.")
    return None


def _original(
    intent: Intent,
    standing: Standing,
    limits: Limits,
    original: Transaction | None,
    _: datetime,
) -> Refusal | None:
    if not intent.kind.needs_original:
        return None
    if original is None:
        return Refusal("SAL-301", "The original was not found.", "Check the voucher number.")
    if intent.kind in FOLLOWING:
        return None
    if original.begun.intent.kind not in _ORIGINALS[intent.kind]:
        return Refusal("SAL-310", "The original is of another kind.", "Check the voucher number.")
    if original.state is not State.APPROVED or original.voided:
        return Refusal("SAL-302", "The original is not open for this.", "Print it and look.")
    if intent.kind.undoes_original:
        return _void(intent, standing, original)
    return _refund(intent, limits, original)


def _void(intent: Intent, standing: Standing, original: Transaction) -> Refusal | None:
    if original.key.batch != standing.batch:
        return Refusal("SAL-303", "The original is already settled.", "Make a refund instead.")
    if original.refunded or intent.amount != original.taken:
        return Refusal("SAL-304", "A void takes back the whole amount.", "Make a refund instead.")
    if not original.acknowledged:
        return Refusal(
            "SAL-305", "The original has not reached the acquirer.", "Wait for the line."
        )
    return None


def _refund(intent: Intent, limits: Limits, original: Transaction) -> Refusal | None:
    if original.taken < original.refunded + intent.amount:
        return Refusal("SAL-306", "More than the original would be refunded.", "Check the amount.")
    if intent.amount.minor > limits.refund_minor:
        return Refusal(
            "SAL-307", "The refund is above this terminal's limit.", "Call the acquirer."
        )
    if not original.acknowledged:
        return Refusal(
            "SAL-305", "The original has not reached the acquirer.", "Wait for the line."
        )
    return None


_CHECKS: tuple[Check, ...] = (_state, _amount, _entry, _original)
