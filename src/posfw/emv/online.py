"""Online processing (EMV Book 3, 10.9): what the issuer gets (DE55), and its answer taken in.

The tag lists are UnionPay's (payments page, 3.1); Visa and Mastercard take the same set.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from posfw.codec.tlv import Node, encode
from posfw.emv.context import Context, Exit, Turn
from posfw.emv.effects import Answer, AuthoriseOnline, OnlineAnswer, UnableToGoOnline
from posfw.emv.pan import digits_of
from posfw.emv.tags import Tag
from posfw.values.card import CardNumber, CardRead, EntryMode, Secret
from posfw.values.errors import CardDataError, MisuseError

__all__ = [
    "AUTHORISATION_TAGS",
    "SCRIPT_RESULT_TAGS",
    "card_read",
    "enter",
    "receive",
    "script_data",
]

APPROVED: Final = "00"
SCRIPT_RESULT: Final = 0xDF31

AUTHORISATION_TAGS: Final = (
    Tag.CRYPTOGRAM,
    Tag.CRYPTOGRAM_INFORMATION,
    Tag.ISSUER_APPLICATION_DATA,
    Tag.UNPREDICTABLE_NUMBER,
    Tag.ATC,
    Tag.TVR,
    Tag.TRANSACTION_DATE,
    Tag.TRANSACTION_TYPE,
    Tag.AMOUNT,
    Tag.TRANSACTION_CURRENCY,
    Tag.AIP,
    Tag.TERMINAL_COUNTRY,
    Tag.AMOUNT_OTHER,
    Tag.TERMINAL_CAPABILITIES,
    Tag.CVM_RESULTS,
    Tag.TERMINAL_TYPE,
    Tag.INTERFACE_SERIAL,
    Tag.DF_NAME,
    Tag.VERSION_TERMINAL,
    Tag.SEQUENCE_COUNTER,
)
# With 8A once there is one: a stored certificate needs it (payments page, 3.1, "offline adds 8A").
_COMPLETED_TAGS: Final = (*AUTHORISATION_TAGS, Tag.AUTHORISATION_RESPONSE_CODE)
SCRIPT_RESULT_TAGS: Final = (
    Tag.TERMINAL_CAPABILITIES,
    Tag.TVR,
    Tag.UNPREDICTABLE_NUMBER,
    Tag.INTERFACE_SERIAL,
    Tag.ISSUER_APPLICATION_DATA,
    Tag.CRYPTOGRAM,
    Tag.ATC,
    Tag.AIP,
    Tag.TERMINAL_COUNTRY,
    Tag.TRANSACTION_DATE,
)


def enter(context: Context) -> Turn:
    """Ask the issuer."""
    card = card_read(context)
    if card is None:
        raise CardDataError("The card's number cannot be used.")
    return context, AuthoriseOnline(card)


def receive(context: Context, answer: Answer) -> Turn:
    """Take the answer in; an answer that is neither 00 nor readable never approves."""
    match answer:
        case OnlineAnswer(code, issuer_data):
            if len(code) != 2 or not code.isascii():
                raise MisuseError("A response code has two characters.")
            return context.put(
                {Tag.AUTHORISATION_RESPONSE_CODE: code.encode()},
                host_code=code,
                issuer_data=issuer_data,
                maybe_booked=code == APPROVED,
            ), Exit.DONE
        case UnableToGoOnline():
            booked = context.but(maybe_booked=answer.maybe_sent)
            allowed = answer.offline_allowed and not answer.maybe_sent
            return booked, Exit.UNABLE if allowed else Exit.REFUSE
    raise MisuseError(f"{type(answer).__name__} does not answer an online request.")


def card_read(context: Context, *, approved_offline: bool = False) -> CardRead | None:
    """Return what a sale needs of the card, None as long as its number is not known."""
    number = None
    if Tag.PAN in context.data:
        with suppress(CardDataError):
            number = CardNumber(digits_of(context.data[Tag.PAN]))
    if number is None:
        return None
    sequence = context.value(Tag.PAN_SEQUENCE)
    track2 = context.value(Tag.TRACK_2_EQUIVALENT).hex().upper().rstrip("F").replace("D", "=")
    return CardRead(
        number=number,
        entry_mode=EntryMode.CHIP,
        expiry=context.value(Tag.EXPIRATION_DATE).hex()[:4],
        service_code=context.value(Tag.SERVICE_CODE).hex()[1:],
        track2=Secret(track2.encode()),
        emv=Secret(_objects(context, _COMPLETED_TAGS)),
        sequence=int(sequence.hex()) if sequence.hex().isdecimal() else None,
        pin_block=context.pin_block,
        holder=context.value(Tag.CARDHOLDER_NAME).decode("ascii", "replace").strip(),
        approved_offline=approved_offline,
        signature=context.signature,
    )


def script_data(context: Context) -> Secret:
    """Return the chip data of a script-result message, empty where no script came."""
    if not context.script_results:
        return Secret(b"")
    results = encode([Node(SCRIPT_RESULT, context.script_results)])
    return Secret(_objects(context, SCRIPT_RESULT_TAGS) + results)


def _objects(context: Context, tags: Iterable[int]) -> bytes:
    """Primitive objects of one length byte: all that DE55 holds is shorter than 128 bytes."""
    held = context.objects()
    found = [(tag, held[tag]) for tag in tags if held.get(tag)]
    return b"".join([_HEADS[tag] + _LENGTHS[len(value)] + value for tag, value in found])


_HEADS: Final = {
    tag: tag.to_bytes((tag.bit_length() + 7) // 8, "big")
    for tag in {*_COMPLETED_TAGS, *SCRIPT_RESULT_TAGS}
}
_LENGTHS: Final = tuple(bytes((size,)) for size in range(0x80))
