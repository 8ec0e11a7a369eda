"""Transactions that follow another one: pre-authorisations, tip, adjustment; instalments.

Pure rules beside `limits`: whether amount and original fit. All figures are parameters of the
acquirer. Defaults: tip 10 % as in a UnionPay application (payments page, 3.1); 115 % and 30 days
for completions are common knowledge of the trade, not checked against a rule book.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from posfw.sale.limits import Refusal
from posfw.values.transaction import Intent, Kind, State, Transaction

__all__ = ["KINDS", "Family", "Rules", "check", "check_instalment", "family"]

PERCENT = 100


@dataclass(frozen=True, slots=True)
class Rules:
    """What the acquirer allows.

    Attributes:
        completion_percent: a completion may be so much of what was authorised.
        preauth_days: how long an authorisation can be completed.
        tip_percent: a tip may be so much of the sale.
        periods: instalments that the acquirer has; empty for none.
        instalment_least_minor: smallest amount in instalments.
    """

    completion_percent: int = 115
    preauth_days: int = 30
    tip_percent: int = 10
    periods: frozenset[int] = frozenset()
    instalment_least_minor: int = 60_000


@dataclass(frozen=True, slots=True)
class Family:
    """An original and what has happened to it since.

    Attributes:
        original: the transaction that the intent names.
        added_minor: approved additions to a pre-authorisation.
        completed: an approved completion that is not voided exists.
        tipped: a tip or adjustment exists already.
    """

    original: Transaction
    added_minor: int = 0
    completed: bool = False
    tipped: bool = False

    @property
    def authorised_minor(self) -> int:
        """What the cardholder's bank holds."""
        return self.original.begun.intent.amount.minor + self.added_minor


def family(original: Transaction, transactions: Iterable[Transaction]) -> Family:
    """Gather what names this original among the transactions."""
    approved = [
        t
        for t in transactions
        if t.begun.intent.original == original.key and t.state is State.APPROVED and not t.voided
    ]
    kinds = {t.begun.intent.kind for t in approved}
    return Family(
        original=original,
        added_minor=sum(
            t.begun.intent.amount.minor
            for t in approved
            if t.begun.intent.kind is Kind.PREAUTH_ADD
        ),
        completed=bool(kinds & {Kind.COMPLETION, Kind.COMPLETION_ADVICE}),
        tipped=bool(kinds & {Kind.TIP, Kind.ADJUST}),
    )


def check(
    intent: Intent, found: Family, rules: Rules, *, batch: int, now: datetime
) -> Refusal | None:
    """Return why the intent does not fit its original, or None; other kinds are not judged."""
    rule = _RULES.get(intent.kind)
    if rule is None:
        return None
    original = found.original
    wanted, needs_same_batch, judge = rule
    if original.begun.intent.kind not in wanted or original.state is not State.APPROVED:
        return Refusal("SAL-310", "The original is of another kind.", "Check the voucher number.")
    if original.voided:
        return Refusal("SAL-302", "The original is not open for this.", "Print it and look.")
    if needs_same_batch and original.key.batch != batch:
        return Refusal("SAL-303", "The original is already settled.", "Make a refund instead.")
    return judge(intent, found, rules, now)


def check_instalment(intent: Intent, periods: int, rules: Rules) -> Refusal | None:
    """Return why a sale cannot be paid in so many instalments, or None."""
    if periods not in rules.periods:
        return Refusal("SAL-315", "The acquirer has no such instalment.", "Choose other periods.")
    if intent.amount.minor < rules.instalment_least_minor:
        return Refusal("SAL-316", "The amount is too small for instalments.", "Make a sale.")
    return None


def _percent(minor: int, percent: int) -> int:
    """Return that part of an amount, rounded down: a limit is never exceeded by rounding."""
    return minor * percent // PERCENT


def _in_time(found: Family, rules: Rules, now: datetime) -> Refusal | None:
    if found.completed:
        return Refusal("SAL-311", "It has been completed already.", "Print it and look.")
    if now - found.original.begun.intent.at > timedelta(days=rules.preauth_days):
        return Refusal("SAL-312", "The authorisation is too old.", "Authorise again.")
    return None


def _add(_: Intent, found: Family, rules: Rules, now: datetime) -> Refusal | None:
    return _in_time(found, rules, now)


def _complete(intent: Intent, found: Family, rules: Rules, now: datetime) -> Refusal | None:
    most = _percent(found.authorised_minor, rules.completion_percent)
    if intent.amount.minor > most:
        return Refusal("SAL-313", "More than may be completed.", "Authorise the rest first.")
    return _in_time(found, rules, now)


def _void_preauth(intent: Intent, found: Family, _: Rules, __: datetime) -> Refusal | None:
    if found.completed:
        return Refusal("SAL-311", "It has been completed already.", "Void the completion.")
    return _whole(intent, found.authorised_minor)


def _void_completion(intent: Intent, found: Family, _: Rules, __: datetime) -> Refusal | None:
    return _whole(intent, found.original.begun.intent.amount.minor)


def _whole(intent: Intent, minor: int) -> Refusal | None:
    if intent.amount.minor != minor:
        return Refusal("SAL-304", "A void takes back the whole amount.", "Make a refund instead.")
    return None


def _tip(intent: Intent, found: Family, rules: Rules, _: datetime) -> Refusal | None:
    if found.tipped or found.original.refunded:
        return Refusal("SAL-302", "The original is not open for this.", "Print it and look.")
    if intent.amount.minor > _percent(found.original.begun.intent.amount.minor, rules.tip_percent):
        return Refusal("SAL-314", "The tip is above the limit.", "Make a sale of the rest.")
    return None


_Judge = Callable[[Intent, Family, Rules, datetime], Refusal | None]
_PREAUTH = frozenset({Kind.PREAUTH})
_COMPLETED = frozenset({Kind.COMPLETION, Kind.COMPLETION_ADVICE})
_TIPPABLE = frozenset({Kind.SALE})
# Which original a kind needs, whether in the open batch, and what else must fit.
_RULES: Mapping[Kind, tuple[frozenset[Kind], bool, _Judge]] = {
    Kind.PREAUTH_ADD: (_PREAUTH, False, _add),
    Kind.PREAUTH_VOID: (_PREAUTH, False, _void_preauth),
    Kind.COMPLETION: (_PREAUTH, False, _complete),
    Kind.COMPLETION_ADVICE: (_PREAUTH, False, _complete),
    Kind.COMPLETION_VOID: (_COMPLETED, True, _void_completion),
    Kind.TIP: (_TIPPABLE, True, _tip),
    Kind.ADJUST: (_TIPPABLE, True, _tip),
}
KINDS = frozenset(_RULES)
