"""Which message asks for what, and what an answer says: from values to fields and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from posfw.codec import cbor
from posfw.uplink.messages import DoFirstFlag, Field, InquiryState, Message, MessageType
from posfw.values.card import CardRead
from posfw.values.errors import MisuseError
from posfw.values.events import Plain
from posfw.values.identity import Key
from posfw.values.outcome import (
    Answer,
    Approved,
    Declined,
    DoFirst,
    NotFound,
    Outcome,
    Unknown,
    Waiting,
)
from posfw.values.transaction import Begun, Intent, Owed, OwedKind

__all__ = [
    "answer_of",
    "authorise",
    "inquired",
    "inquiry",
    "of_owed",
    "outcome_of",
]

APPROVED = "00"
IN_PROGRESS = "09"  # ISO 8583: request in progress; here the payer has not decided
_TYPES = {
    OwedKind.SCRIPT_RESULT: MessageType.SCRIPT_RESULT,
    OwedKind.REVERSAL: MessageType.REVERSAL,
    OwedKind.ADVICE: MessageType.ADVICE,
    OwedKind.UPLOAD: MessageType.UPLOAD,
}
_DO_FIRST = {
    DoFirstFlag.PARAMETERS: DoFirst.PARAMETERS,
    DoFirstFlag.STATUS: DoFirst.STATUS,
    DoFirstFlag.SIGN_ON: DoFirst.SIGN_ON,
    DoFirstFlag.KEYS: DoFirst.KEYS,
}


def authorise(begun: Begun, merchant: str, card: CardRead | None, sealed: bytes) -> Message:
    """Return the online request of a transaction; the only message that carries a PIN block."""
    fields = _intent_fields(begun.intent)
    if sealed:
        fields[Field.CARD] = sealed
    if card is not None and card.pin_block:
        fields[Field.PIN_BLOCK] = card.pin_block.reveal()
    return _message(MessageType.AUTHORISE, begun.key, merchant, fields)


def inquiry(key: Key, merchant: str, *, close: bool = False) -> Message:
    """Return the question how a key stands; `close` ends it first where it is not paid."""
    return _message(MessageType.INQUIRY, key, merchant, {Field.CLOSE: True} if close else {})


def of_owed(owed: Owed, merchant: str, intent: Intent | None, *, repeat: bool) -> Message:
    """Return an owed message under its transaction's own key.

    Args:
        owed: what is owed. A reversal carries key and reason, never card data.
        merchant: merchant number.
        intent: the transaction's, for advices.
        repeat: it may have been sent before. The acquirer deduplicates with or without.
    """
    fields: dict[Field, Plain] = {}
    if owed.kind is OwedKind.ADVICE and intent is not None:
        fields |= _intent_fields(intent)
    if owed.body:
        fields |= _body_fields(owed.body)
    if owed.reason:
        fields[Field.REASON] = owed.reason
    if owed.sealed and owed.kind is not OwedKind.REVERSAL:
        fields[Field.CARD] = owed.sealed
    if repeat:
        fields[Field.REPEAT] = True
    return _message(_TYPES[owed.kind], owed.key, merchant, fields)


def answer_of(message: Message) -> Answer:
    """Return what every verified answer carries."""
    get: Any = message.fields.get
    return Answer(
        response_code=get(Field.RESPONSE_CODE),
        auth_code=get(Field.AUTH_CODE, ""),
        reference=get(Field.REFERENCE, ""),
        host_time=get(Field.HOST_TIME, ""),
        issuer_data=get(Field.ISSUER_DATA, b""),
        balance_minor=get(Field.BALANCE),
        do_first=frozenset(_DO_FIRST[DoFirstFlag(flag)] for flag in get(Field.DO_FIRST, ())),
    )


def outcome_of(message: Message) -> Outcome:
    """Return what the answer to an authorisation means.

    00 approves, 09 is no decision yet (a payer with a telephone), every other code declines.
    """
    answer = answer_of(message)
    if answer.response_code == IN_PROGRESS:
        return _waiting(message)
    return Approved(answer) if answer.response_code == APPROVED else Declined(answer)


def inquired(message: Message) -> Outcome:
    """Return what the answer to an inquiry means.

    INQUIRY_STATE decides; without it the acquirer could not tell. A reversed transaction is
    Declined: nothing is posted.
    """
    answer = answer_of(message)
    match message.fields.get(Field.INQUIRY_STATE):
        case InquiryState.NOT_FOUND:
            return NotFound()
        case InquiryState.APPROVED:
            return Approved(answer)
        case InquiryState.DECLINED | InquiryState.REVERSED:
            return Declined(answer)
        case InquiryState.WAITING:
            return _waiting(message)
    return Unknown(f"the acquirer answered the inquiry with {answer.response_code}")


def _waiting(message: Message) -> Waiting:
    get: Any = message.fields.get
    return Waiting(get(Field.PAY_CODE, ""), get(Field.VALID_S, 0))


def _intent_fields(intent: Intent) -> dict[Field, Plain]:
    fields: dict[Field, Plain] = {
        Field.KIND: intent.kind.value,
        Field.AMOUNT: intent.amount.minor,
        Field.CURRENCY: intent.amount.currency.number,
        Field.ENTRY_MODE: int(intent.entry_mode),
        Field.LOCAL_TIME: intent.at.strftime("%Y%m%d%H%M%S"),
        Field.OPERATOR: intent.operator,
    }
    if intent.tip is not None:
        fields[Field.TIP] = intent.tip.minor
    if intent.original is not None:
        original = intent.original
        fields[Field.ORIGINAL] = [original.terminal, original.batch, original.stan]
    if intent.note:
        fields[Field.NOTE] = intent.note
    if intent.test:
        fields[Field.TEST] = True
    if intent.instalment is not None:
        plan = intent.instalment
        fields[Field.INSTALMENT] = [plan.plan, plan.periods, plan.fee_minor]
    if intent.auth_code:
        fields[Field.AUTH_CODE] = intent.auth_code
    return fields


def _body_fields(body: bytes) -> dict[Field, Plain]:
    item = cbor.decode(body)
    if not isinstance(item, Mapping):
        raise MisuseError("The body of an owed message is not a map of fields.")
    return {_field(key): value for key, value in item.items()}


def _field(key: object) -> Field:
    if isinstance(key, str) and key.upper() in Field.__members__:
        return Field[key.upper()]
    if isinstance(key, int) and key in list(Field):
        return Field(key)
    raise MisuseError(f"The body of an owed message has no field {key!r}.")


def _message(kind: MessageType, key: Key, merchant: str, fields: Mapping[Field, Plain]) -> Message:
    return Message(kind, key.terminal, merchant, key.batch, key.stan, fields)
