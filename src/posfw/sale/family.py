"""Transactions that follow another one: pre-authorisations, tip, adjustment, voids and refunds.

Pure rules beside `limits`: whether amount and original fit. All figures are parameters of the
acquirer. Defaults: tip 10 % as in a UnionPay application (payments page, 3.1); 115 % and 30 days
for completions are common knowledge of the trade, not checked against a rule book.

A tip or an adjustment is a transaction of its own over the difference; what its sale has taken is
the sum, and a void takes all of it back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from posfw.sale import plans
from posfw.sale.limits import Refusal
from posfw.values.transaction import Intent, Kind, State, Transaction

__all__ = ["KINDS", "Family", "Rules", "check", "check_new", "family", "needed"]

PERCENT = 100
AUTH_CODE = 6  # ISO 8583 DE38: an6


@dataclass(frozen=True, slots=True)
class Rules:
    """What the acquirer allows.

    Attributes:
        completion_percent: a completion may be so much of what was authorised.
        preauth_days: how long an authorisation can be completed.
        tip_percent: tips may be so much of the sale without them, all together.
        adjust_percent: an offline sale may be adjusted so much upwards.
        telephone_minor: most for a sale that was authorised by telephone, 0 for none at all.
        plans: instalments that the acquirer has; empty for none.
    """

    completion_percent: int = 115
    preauth_days: int = 30
    tip_percent: int = 10
    adjust_percent: int = 20
    telephone_minor: int = 0
    plans: tuple[plans.Plan, ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """An original and what has happened to it since.

    Attributes:
        original: the transaction that the intent names.
        added_minor: approved additions to a pre-authorisation.
        completed: an approved completion that is not voided exists.
        tipped_minor: tips since; one that was given with the sale is part of its amount.
        adjusted_minor: adjustments since, those downwards negative.
        unsent: one of these has not reached the acquirer.
        doubtful: one, such as a void, has not ended: how the acquirer has the original is unknown.
    """

    original: Transaction
    added_minor: int = 0
    completed: bool = False
    tipped_minor: int = 0
    adjusted_minor: int = 0
    unsent: bool = False
    doubtful: bool = False

    @property
    def authorised_minor(self) -> int:
        """What the cardholder's bank holds."""
        return self.original.begun.intent.amount.minor + self.added_minor

    @property
    def whole(self) -> Transaction:
        """The original with all that it has taken: what a void gives back, a refund at most."""
        more = self.tipped_minor + self.adjusted_minor
        sent = self.original.acknowledged and not self.unsent
        return replace(self.original, added_minor=more, acknowledged=sent)


def family(original: Transaction, transactions: Iterable[Transaction]) -> Family:
    """Gather what names this original among the transactions."""
    about = [t for t in transactions if t.begun.intent.original == original.key]
    approved = [t for t in about if t.state is State.APPROVED and not t.voided]
    kinds = {t.begun.intent.kind for t in approved}

    def sum_of(kind: Kind) -> int:
        return sum(t.begun.intent.amount.minor for t in approved if t.begun.intent.kind is kind)

    return Family(
        original=original,
        added_minor=sum_of(Kind.PREAUTH_ADD),
        completed=bool(kinds & {Kind.COMPLETION, Kind.COMPLETION_ADVICE}),
        tipped_minor=sum_of(Kind.TIP),
        adjusted_minor=sum_of(Kind.ADJUST) - sum_of(Kind.ADJUST_DOWN),
        unsent=not all(t.acknowledged for t in approved),
        doubtful=not all(t.state.final for t in about),
    )


def needed(intent: Intent, original: Transaction) -> bool:
    """Whether it matters what has happened to the original since."""
    takes_back = intent.kind in (Kind.VOID, Kind.REFUND)
    return intent.kind in KINDS or (takes_back and original.begun.intent.kind in _TIPPED)


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
    if intent.kind.is_advice and found.doubtful:
        # An online request waits for the reversal; an advice could overtake it and be refused.
        return Refusal("SAL-322", "Something about it has not ended.", "Wait for the line.")
    return judge(intent, found, rules, now)


def check_new(intent: Intent, rules: Rules) -> Refusal | None:
    """Return why something new is not taken: its tip, its instalments, its telephone call."""
    if intent.tip is not None:
        base = max(0, intent.amount.minor - intent.tip.minor)
        if intent.kind not in _TIPPED or intent.tip.minor > _percent(base, rules.tip_percent):
            return _TOO_MUCH_TIP
    if intent.kind is Kind.INSTALMENT or intent.instalment is not None:
        return plans.refusal(intent.amount, intent.instalment, rules.plans)
    if intent.kind is Kind.OFFLINE_SALE:
        return _telephone(intent, rules)
    return None


def _telephone(intent: Intent, rules: Rules) -> Refusal | None:
    code = intent.auth_code
    if not rules.telephone_minor:
        return Refusal(
            "SAL-320", "The acquirer takes no sales authorised by telephone.", "Wait for the line."
        )
    if not (len(code) == AUTH_CODE and code.isascii() and code.isalnum()):
        return Refusal("SAL-319", "An authorisation code has six characters.", "Ask for it again.")
    if intent.amount.minor > rules.telephone_minor:
        return Refusal(
            "SAL-202", "The amount is above this terminal's limit.", "Ask a supervisor."
        )
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
    first = found.original.begun.intent
    given = first.tip.minor if first.tip else 0
    base = first.amount.minor - given + found.adjusted_minor
    if given + found.tipped_minor + intent.amount.minor > _percent(base, rules.tip_percent):
        return _TOO_MUCH_TIP
    return _open(found)


def _open(found: Family) -> Refusal | None:
    """An advice must not overtake that of its original, and a refund ends what can be changed."""
    if found.original.refunded:
        return Refusal("SAL-302", "The original is not open for this.", "Print it and look.")
    if not found.original.acknowledged:
        return Refusal(
            "SAL-305", "The original has not reached the acquirer.", "Wait for the line."
        )
    return None


def _adjust(intent: Intent, found: Family, rules: Rules, _: datetime) -> Refusal | None:
    original, minor = found.original, intent.amount.minor
    first = original.begun.intent
    if first.kind is not Kind.OFFLINE_SALE and not original.offline:
        return Refusal("SAL-310", "The original is of another kind.", "Check the voucher number.")
    if intent.kind is Kind.ADJUST_DOWN:
        if minor >= first.amount.minor + found.adjusted_minor:
            return Refusal("SAL-317", "Nothing would be left of the sale.", "Void it.")
    elif found.adjusted_minor + minor > _percent(first.amount.minor, rules.adjust_percent):
        return Refusal("SAL-321", "The adjustment is above the limit.", "Make a sale of the rest.")
    return _open(found)


_Judge = Callable[[Intent, Family, Rules, datetime], Refusal | None]
_PREAUTH = frozenset({Kind.PREAUTH})
_COMPLETED = frozenset({Kind.COMPLETION, Kind.COMPLETION_ADVICE})
_TIPPED = frozenset({Kind.SALE, Kind.OFFLINE_SALE})
_TOO_MUCH_TIP = Refusal("SAL-314", "The tip is above the limit.", "Make a sale of the rest.")
# Which original a kind needs, whether in the open batch, and what else must fit.
_RULES: Mapping[Kind, tuple[frozenset[Kind], bool, _Judge]] = {
    Kind.PREAUTH_ADD: (_PREAUTH, False, _add),
    Kind.PREAUTH_VOID: (_PREAUTH, False, _void_preauth),
    Kind.COMPLETION: (_PREAUTH, False, _complete),
    Kind.COMPLETION_ADVICE: (_PREAUTH, False, _complete),
    Kind.COMPLETION_VOID: (_COMPLETED, True, _void_completion),
    Kind.TIP: (_TIPPED, True, _tip),
    Kind.ADJUST: (_TIPPED, True, _adjust),
    Kind.ADJUST_DOWN: (_TIPPED, True, _adjust),
}
KINDS = frozenset(_RULES)
