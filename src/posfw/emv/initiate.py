"""Initiate application processing (EMV Book 3, 10.1): GET PROCESSING OPTIONS."""

from __future__ import annotations

from typing import Final

from posfw.codec.tlv import parse
from posfw.emv.apdu import Response, get_processing_options
from posfw.emv.context import Context, Exit, Turn, card_objects
from posfw.emv.effects import Answer, Transmit
from posfw.emv.tags import CARD, Tag
from posfw.values.errors import CardDataError, CodecError, MisuseError

__all__ = ["enter", "processing_options", "receive"]

CONDITIONS_NOT_SATISFIED: Final = 0x6985


def enter(context: Context) -> Turn:
    """Send what the PDOL asks for; without a PDOL an empty list (10.1)."""
    data = context.fill(context.value(Tag.PDOL))
    return context.but(dol_data=data), Transmit(get_processing_options(data))


def receive(context: Context, answer: Answer) -> Turn:
    """Take AIP and AFL in; 6985 leads back to application selection.

    Raises:
        CardDataError: any other status, or data that is neither of the two formats.
    """
    if not isinstance(answer, Response):
        raise MisuseError(f"{type(answer).__name__} does not answer a command.")
    if answer.sw == CONDITIONS_NOT_SATISFIED:
        return context, Exit.RESELECT
    if not answer.ok:
        raise CardDataError(f"GET PROCESSING OPTIONS ended with {answer.sw:04X}.")
    # The card's own word stands: FCI objects of the same name would be a contradiction.
    found = processing_options(answer.data)
    if found.keys() & {tag for tag in context.data if tag in CARD}:
        raise CardDataError("The card sent its processing options twice.")
    return context.put(found), Exit.DONE


def processing_options(data: bytes) -> dict[int, bytes]:
    """Return AIP, AFL and what format 2 has beside them (Book 3, 6.5.8.4).

    Raises:
        CardDataError: neither format 1 (80) nor format 2 (77), or AIP or AFL missing.
    """
    try:
        nodes = parse(data)
    except CodecError as error:
        raise CardDataError("The processing options are not BER-TLV.") from error
    if len(nodes) == 1 and nodes[0].tag == Tag.RESPONSE_FORMAT_1:
        value = nodes[0].value
        found = {Tag.AIP: value[:2], Tag.AFL: value[2:]}
    elif len(nodes) == 1 and nodes[0].tag == Tag.RESPONSE_FORMAT_2:
        found = card_objects(nodes[0].children)
    else:
        raise CardDataError("The processing options have neither format.")
    for tag in (Tag.AIP, Tag.AFL):
        least, most = CARD[tag]
        if not least <= len(found.get(tag, b"")) <= most:
            raise CardDataError(f"The processing options lack {tag:X}.")
    return found
