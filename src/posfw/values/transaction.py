"""A financial transaction as the journal keeps it: what was asked, how it stands, what is owed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from posfw.values.card import EntryMode
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.outcome import Answer

__all__ = [
    "Begun",
    "ChipFacts",
    "Conclusion",
    "Ending",
    "Instalment",
    "Intent",
    "Kind",
    "Owed",
    "OwedKind",
    "Standing",
    "State",
    "Stored",
    "Transaction",
]


class Kind(StrEnum):
    """交易类: the financial transactions of the UnionPay POS application."""

    SALE = "sale"  # 消费
    VOID = "void"  # 消费撤销
    REFUND = "refund"  # 退货
    BALANCE = "balance"  # 余额查询
    PREAUTH = "preauth"  # 预授权
    PREAUTH_ADD = "preauth_add"  # 追加预授权
    PREAUTH_VOID = "preauth_void"  # 预授权撤销
    COMPLETION = "completion"  # 预授权完成(请求)
    COMPLETION_ADVICE = "completion_advice"  # 预授权完成(通知)
    COMPLETION_VOID = "completion_void"  # 预授权完成撤销
    OFFLINE_SALE = "offline_sale"  # 离线结算 (voice authorisation)
    ADJUST = "adjust"  # 结算调整: more was due than the offline sale took
    ADJUST_DOWN = "adjust_down"  # 结算调整: less was due
    TIP = "tip"  # 小费
    INSTALMENT = "instalment"  # 分期
    INSTALMENT_VOID = "instalment_void"  # 分期撤销
    QR_SALE = "qr_sale"  # 扫码消费
    QR_VOID = "qr_void"  # 扫码撤销
    QR_REFUND = "qr_refund"  # 扫码退货

    @property
    def direction(self) -> int:
        """+1 debits the card (counts as 借记), -1 credits it, 0 moves no money by itself."""
        return _DIRECTION[self]

    @property
    def needs_original(self) -> bool:
        """Whether it names an earlier transaction."""
        return self in _WITH_ORIGINAL

    @property
    def undoes_original(self) -> bool:
        """Whether its approval ends the original's effect in full (撤销)."""
        return self in _UNDOING

    @property
    def reversible(self) -> bool:
        """Whether an unknown ending is reversed with 0400 (payments page, table 2.2)."""
        return self not in _NOT_REVERSIBLE

    @property
    def is_advice(self) -> bool:
        """Whether the acquirer is told of it (通知) and not asked."""
        return self in _ADVICES


_DIRECTION = dict.fromkeys(Kind, 0) | {
    Kind.SALE: 1,
    Kind.COMPLETION: 1,
    Kind.COMPLETION_ADVICE: 1,
    Kind.OFFLINE_SALE: 1,
    Kind.ADJUST: 1,
    Kind.TIP: 1,
    Kind.INSTALMENT: 1,
    Kind.QR_SALE: 1,
    Kind.VOID: -1,
    Kind.REFUND: -1,
    Kind.COMPLETION_VOID: -1,
    Kind.ADJUST_DOWN: -1,
    Kind.INSTALMENT_VOID: -1,
    Kind.QR_VOID: -1,
    Kind.QR_REFUND: -1,
}
_UNDOING = frozenset(
    {Kind.VOID, Kind.PREAUTH_VOID, Kind.COMPLETION_VOID, Kind.INSTALMENT_VOID, Kind.QR_VOID}
)
_WITH_ORIGINAL = _UNDOING | {
    Kind.REFUND,
    Kind.PREAUTH_ADD,
    Kind.COMPLETION,
    Kind.COMPLETION_ADVICE,
    Kind.ADJUST,
    Kind.ADJUST_DOWN,
    Kind.TIP,
    Kind.QR_REFUND,
}
# Told and not asked for: the authorisation was given before, so there is nobody to ask.
_ADVICES = frozenset(
    {Kind.COMPLETION_ADVICE, Kind.OFFLINE_SALE, Kind.ADJUST, Kind.ADJUST_DOWN, Kind.TIP}
)
# A balance moves nothing; advices are repeated until acknowledged instead of being reversed.
_NOT_REVERSIBLE = _ADVICES | {Kind.BALANCE}


class State(StrEnum):
    """Where a transaction stands. BEGUN and REVERSING are in doubt; the others are final."""

    BEGUN = "begun"  # commit 1: bytes may have left
    APPROVED = "approved"
    DECLINED = "declined"
    CANCELLED = "cancelled"  # never sent: nothing owed
    REVERSING = "reversing"  # a reversal is owed; a late approval approves nothing
    REVERSED = "reversed"  # the acquirer's word
    CLEARED = "cleared"  # by hand: a supervisor's signed reason

    @property
    def final(self) -> bool:
        """Whether only further entries, never a change of this one, can follow."""
        return self not in (State.BEGUN, State.REVERSING)


class OwedKind(StrEnum):
    """What must still reach the acquirer, in the order in which it is sent."""

    SCRIPT_RESULT = "script_result"
    REVERSAL = "reversal"
    ADVICE = "advice"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True)
class Instalment:
    """分期: how a cardholder pays an amount back to the bank; the merchant gets all of it at once.

    Attributes:
        plan: the acquirer's code of the plan, at most 8 letters or digits.
        periods: how many.
        fee_minor: what the cardholder pays for it in all, beside the amount.
    """

    plan: str
    periods: int
    fee_minor: int = 0

    def each(self, amount: Money) -> tuple[Money, Money]:
        """Return the first payment and each further one: the first has the indivisible rest."""
        total = amount.minor + self.fee_minor
        each, rest = divmod(total, self.periods)
        return Money(each + rest, amount.currency), Money(each, amount.currency)


@dataclass(frozen=True, slots=True)
class Intent:
    """What is to be done, before it has a number. Made once per key press: I2's anchor.

    Attributes:
        kind: the transaction.
        amount: total, tip included.
        entry_mode: how the card came in.
        card_masked: first six, last four.
        card_token: keyed HMAC of the card number, 16 bytes, for limits and search.
        operator: two digits 00–99.
        at: terminal time with zone.
        original: the transaction that a void, refund or completion names.
        tip: part of `amount`.
        expiry: YYMM or "".
        note: free text of at most 40 characters (order or delivery number), "" if none.
        test: made before ACTIVE: marked 测试/TESTING, never funded.
        instalment: how it is paid back, None for everything but 分期.
        auth_code: given by telephone before an offline sale (DE38), else "".
        request: by which whoever asked knows it again (app.once), "" if nobody does.
    """

    kind: Kind
    amount: Money
    entry_mode: EntryMode
    card_masked: str
    card_token: bytes
    operator: str
    at: datetime
    original: Key | None = None
    tip: Money | None = None
    expiry: str = ""
    note: str = ""
    test: bool = False
    instalment: Instalment | None = None
    auth_code: str = ""
    request: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """Commit 1's receipt: durable key and DUKPT counter; only now may a byte leave."""

    key: Key
    ksn_counter: int
    intent: Intent


@dataclass(frozen=True, slots=True)
class Owed:
    """A message that must reach the acquirer, durable until its word or a signed reason ends it.

    Attributes:
        number: row number, 0 before it is stored.
        kind: which message.
        key: the transaction it belongs to.
        reason: DE39 of a reversal: 98 no answer, A0 answer did not verify, 06 other; else "".
        sealed: card data as COSE_Encrypt0 under the transaction's own DUKPT key (advices), never
            a PIN block; empty where none is needed.
        body: further fields of the message (strict CBOR bytes), empty where none are needed.
    """

    number: int
    kind: OwedKind
    key: Key
    reason: str = ""
    sealed: bytes = b""
    body: bytes = b""


class Ending(StrEnum):
    """How commit 2 ends a transaction."""

    APPROVED = "approved"
    APPROVED_OFFLINE = "approved_offline"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"  # a reversal is owed

    @property
    def state(self) -> State:
        """The state a transaction has after this ending."""
        return _STATE_AFTER[self]


_STATE_AFTER = {
    Ending.APPROVED: State.APPROVED,
    Ending.APPROVED_OFFLINE: State.APPROVED,
    Ending.DECLINED: State.DECLINED,
    Ending.CANCELLED: State.CANCELLED,
    Ending.UNKNOWN: State.REVERSING,
}


@dataclass(frozen=True, slots=True)
class ChipFacts:
    """What a card leaves for the slip; no card data among it (payments page, 3.2).

    Attributes:
        tags: values by EMV tag: cryptogram, TVR, TSI, ATC, AID, label and the like.
        signature: the cardholder signs.
        free_minor: a tap up to this amount needed neither PIN nor signature (小额免密免签); 0: not
            waived.
    """

    tags: Mapping[int, bytes]
    signature: bool
    free_minor: int = 0


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Commit 2: the ending, the receipts it causes and what is owed because of it."""

    key: Key
    ending: Ending
    at: datetime
    answer: Answer | None = None
    reason: str = ""
    owed: tuple[Owed, ...] = ()
    copies: int = 0  # receipt jobs to queue: 0, 1 (merchant) or 2 (and cardholder)
    chip: ChipFacts | None = None


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction as it stands now: the intent and everything appended since.

    Attributes:
        begun: what commit 1 recorded.
        state: where it stands.
        offline: approved within the offline policy, advice owed or acknowledged.
        answer: the acquirer's answer, if one came.
        concluded_at: time of commit 2.
        refunded: sum of approved refunds against it.
        voided: an approved void exists.
        acknowledged: every owed message of it has reached the acquirer.
        reason: why it was declined, reversed or cleared ("" if plainly approved).
        chip: what its chip left for the slip, None where none took part.
        added_minor: net sum of tips and adjustments since; the journal's row does not know them,
            `sale.family` adds them up.
    """

    begun: Begun
    state: State
    offline: bool = False
    answer: Answer | None = None
    concluded_at: datetime | None = None
    refunded: Money = field(default_factory=lambda: Money(0))
    voided: bool = False
    acknowledged: bool = True
    reason: str = ""
    chip: ChipFacts | None = None
    added_minor: int = 0

    @property
    def taken(self) -> Money:
        """All that it has taken: its amount, tips and adjustments."""
        amount = self.begun.intent.amount
        return Money(amount.minor + self.added_minor, amount.currency)

    @property
    def key(self) -> Key:
        """The transaction's identity."""
        return self.begun.key

    @property
    def counts(self) -> bool:
        """Whether it belongs into the batch totals: approved and moving money."""
        return self.state is State.APPROVED and self.begun.intent.kind.direction != 0


@dataclass(frozen=True, slots=True)
class Standing:
    """What limits are checked against, read in one go before a sale.

    Attributes:
        batch: open batch number.
        next_stan: the STAN the next transaction will get.
        records: transactions of the open batch that count toward its 500-record limit.
        in_doubt: BEGUN transactions (a sale is under way or was cut).
        reversals: owed reversals.
        offline_count: approved offline, not yet acknowledged.
        offline_sum: their sum in minor units.
        offline_oldest_at: when the oldest of them was approved.
        batch_opened_at: when the open batch began.
        settling: a settlement was started and has not closed its batch: no sale.
        signed_on: a sign-on is on record since the last sign-off.
        rejected: messages the acquirer refused, waiting for a person.
        unknown_prints: receipts whose printing was cut.
    """

    batch: int
    next_stan: int
    records: int = 0
    in_doubt: int = 0
    reversals: int = 0
    offline_count: int = 0
    offline_sum: int = 0
    offline_oldest_at: datetime | None = None
    batch_opened_at: datetime | None = None
    settling: bool = False
    signed_on: bool = False
    rejected: int = 0
    unknown_prints: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """What one card has bought without a line, and the acquirer has not heard of yet.

    Attributes:
        count: stored sales.
        sum_minor: their sum in minor units.
    """

    count: int = 0
    sum_minor: int = 0
