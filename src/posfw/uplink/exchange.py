"""Values to messages and back: what a transaction looks like on the line. Pure."""

from __future__ import annotations

from posfw.uplink.messages import DoFirstFlag, Field, InquiryState, Message, MessageType
from posfw.values.card import CardRead
from posfw.values.events import Plain
from posfw.values.identity import Key
from posfw.values.outcome import Answer, Approved, Declined, DoFirst, NotFound, Outcome
from posfw.values.transaction import Begun, Intent, Owed, OwedKind, Transaction

__all__ = ["advice", "answer_of", "authorise", "inquiry", "inquiry_outcome", "outcome", "reversal"]

APPROVED_CODES = frozenset({"00", "10", "11", "16"})
# Codes that end an owed message well: payments page, rules 2 and 8.
REVERSAL_DONE = frozenset({"00", "12", "25"})
ADVICE_DONE = frozenset({"00", "94"})
_FLAGS = {
    DoFirstFlag.PARAMETERS: DoFirst.PARAMETERS,
    DoFirstFlag.STATUS: DoFirst.STATUS,
    DoFirstFlag.SIGN_ON: DoFirst.SIGN_ON,
    DoFirstFlag.KEYS: DoFirst.KEYS,
}


def _money_fields(intent: Intent) -> dict[Field, Plain]:
    fields: dict[Field, Plain] = {
        Field.KIND: intent.kind.value,
        Field.AMOUNT: intent.amount.minor,
        Field.CURRENCY: intent.amount.currency.number,
        Field.ENTRY_MODE: int(intent.entry_mode),
        Field.LOCAL_TIME: intent.at.strftime("%Y%m%d%H%M%S"),
        Field.OPERATOR: intent.operator,
    }
    if intent.original is not None:
        original = intent.original
        fields[Field.ORIGINAL] = [original.terminal, original.batch, original.stan]
    if intent.tip is not None:
        fields[Field.TIP] = intent.tip.minor
    if intent.note:
        fields[Field.NOTE] = intent.note
    if intent.test:
        fields[Field.TEST] = True
    return fields


def authorise(begun: Begun, merchant: str, *, card: CardRead | None, sealed: bytes) -> Message:
    """Return the request of a transaction; a PIN block travels in this message only."""
    fields = _money_fields(begun.intent)
    if sealed:
        fields[Field.CARD] = sealed
    if card is not None and card.pin_block:
        fields[Field.PIN_BLOCK] = card.pin_block.reveal()
    return _message(MessageType.AUTHORISE, begun.key, merchant, fields)


def inquiry(key: Key, merchant: str) -> Message:
    """Return the question how a key stands."""
    return _message(MessageType.INQUIRY, key, merchant, {})


def reversal(owed: Owed, merchant: str) -> Message:
    """Return a reversal: the original's key and the reason, never card data."""
    return _message(MessageType.REVERSAL, owed.key, merchant, {Field.REASON: owed.reason or "06"})


def advice(owed: Owed, transaction: Transaction, merchant: str) -> Message:
    """Return the advice of a transaction that was approved offline."""
    fields = _money_fields(transaction.begun.intent) | {Field.REPEAT: True}
    if owed.sealed:
        fields[Field.CARD] = owed.sealed
    return _message(MessageType.ADVICE, owed.key, merchant, fields)


def _message(kind: MessageType, key: Key, merchant: str, fields: dict[Field, Plain]) -> Message:
    return Message(kind, key.terminal, merchant, key.batch, key.stan, fields)


def answer_of(message: Message) -> Answer:
    """Read what every answer carries."""
    fields = message.fields
    flags = fields.get(Field.DO_FIRST, [])
    balance = fields.get(Field.BALANCE)
    issuer = fields.get(Field.ISSUER_DATA, b"")
    return Answer(
        response_code=str(fields[Field.RESPONSE_CODE]),
        auth_code=str(fields.get(Field.AUTH_CODE, "")),
        reference=str(fields.get(Field.REFERENCE, "")),
        host_time=str(fields.get(Field.HOST_TIME, "")),
        issuer_data=issuer if isinstance(issuer, bytes) else b"",
        balance_minor=balance if isinstance(balance, int) else None,
        do_first=frozenset(_FLAGS[DoFirstFlag(flag)] for flag in flags if isinstance(flag, int))
        if isinstance(flags, (list, tuple))
        else frozenset(),
    )


def outcome(message: Message) -> Outcome:
    """Read the answer to an authorisation."""
    answer = answer_of(message)
    return Approved(answer) if answer.response_code in APPROVED_CODES else Declined(answer)


def inquiry_outcome(message: Message) -> Outcome:
    """Read the answer to an inquiry; a reversed original counts as declined."""
    state = message.fields.get(Field.INQUIRY_STATE, InquiryState.NOT_FOUND)
    answer = answer_of(message)
    if state == InquiryState.APPROVED:
        return Approved(answer)
    return NotFound() if state == InquiryState.NOT_FOUND else Declined(answer)


def ends_well(kind: OwedKind, code: str) -> bool:
    """Say whether a response code ends an owed message as delivered."""
    return code in (REVERSAL_DONE if kind is OwedKind.REVERSAL else ADVICE_DONE)
