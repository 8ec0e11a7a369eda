"""Read application data (EMV Book 3, 10.2): the records that the AFL names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from posfw.emv.apdu import Response, read_record
from posfw.emv.context import Context, Exit, Turn, card_objects, template
from posfw.emv.effects import Answer, Transmit
from posfw.emv.pan import day_of, digits_of
from posfw.emv.tags import CARD, Tag
from posfw.values.errors import CardDataError, MisuseError

__all__ = ["Place", "enter", "places", "receive"]

# 10.2, table 28: without these the transaction ends.
MANDATORY: Final = (Tag.EXPIRATION_DATE, Tag.PAN, Tag.CDOL1, Tag.CDOL2)
# EMV sets no bound; 63 entries of 255 records would take an hour.
MAX_RECORDS: Final = 64
LAST_TLV_SFI: Final = 10  # files above are the payment system's or issuer's own (Book 3, 5.3.2)


@dataclass(frozen=True, slots=True)
class Place:
    """One record to read; `signed` goes into offline data authentication."""

    sfi: int
    number: int
    signed: bool


@dataclass(frozen=True, slots=True)
class _Reading:
    places: tuple[Place, ...]
    at: int = 0


def places(afl: bytes) -> tuple[Place, ...]:
    """Return the records in order (10.2 and Book 3, annex A: Application File Locator).

    Raises:
        CardDataError: a length that is no multiple of four, an SFI outside 1..30, record 0, a
            last before the first, more signed records than there are, or more than MAX_RECORDS.
    """
    if not afl or len(afl) % 4:
        raise CardDataError(f"The card's AFL has {len(afl)} bytes.")
    found = tuple(_places(afl))
    if len({(each.sfi, each.number) for each in found}) != len(found):
        raise CardDataError("The card's AFL names a record twice.")
    return found


def _places(afl: bytes) -> Iterator[Place]:
    count = 0
    for at in range(0, len(afl), 4):
        sfi, first, last, signed = afl[at] >> 3, *afl[at + 1 : at + 4]
        wrong = afl[at] & 0x07 or not 1 <= sfi <= 30 or not 1 <= first <= last
        if wrong or signed > last - first + 1:
            raise CardDataError("The card's AFL names records that cannot be.")
        count += last - first + 1
        if count > MAX_RECORDS:
            raise CardDataError(f"The card's AFL names more than {MAX_RECORDS} records.")
        for number in range(first, last + 1):
            yield Place(sfi, number, signed=number < first + signed)


def enter(context: Context) -> Turn:
    """Ask for the first record."""
    found = places(context.data[Tag.AFL])
    return context.but(local=_Reading(found), static=b""), _read(found[0])


def receive(context: Context, answer: Answer) -> Turn:
    """Take one record in and ask for the next.

    Raises:
        CardDataError: any status but 9000, a record that is no template 70, an object twice, or
            at the end mandatory data missing or contradicting itself.
    """
    local = context.local
    if not isinstance(answer, Response) or not isinstance(local, _Reading):
        raise MisuseError(f"{type(answer).__name__} does not answer READ RECORD.")
    if not answer.ok:
        raise CardDataError(f"READ RECORD ended with {answer.sw:04X}.")
    place = local.places[local.at]
    context = _take(context, place, answer.data)
    at = local.at + 1
    if at < len(local.places):
        return context.but(local=_Reading(local.places, at)), _read(local.places[at])
    _check(context)
    return context.but(local=None), Exit.DONE


def _read(place: Place) -> Transmit:
    return Transmit(read_record(place.sfi, place.number))


def _take(context: Context, place: Place, data: bytes) -> Context:
    """10.2 for the objects, 10.3 for what static signatures cover."""
    found: dict[int, bytes] = {}
    if place.sfi <= LAST_TLV_SFI:
        found = card_objects(template(data, Tag.RECORD))
        twice = [tag for tag in found if tag in context.data and tag in CARD]
        if twice:
            raise CardDataError(f"The card sent {twice[0]:X} twice.")
    static = context.static
    if place.signed and static is not None:
        static = _covered(static, place, data)
    return context.put(found, static=static)


def _covered(static: bytes, place: Place, data: bytes) -> bytes | None:
    """Return the signed data with one record more; None rules authentication out (10.3)."""
    if not data or data[0] != Tag.RECORD:
        return None
    if place.sfi > LAST_TLV_SFI:
        return static + data
    # Without tag and length of the template: one length byte up to 127, else 81 or 82.
    return static + data[2 + (data[1] & 0x7F if data[1] & 0x80 else 0) :]


def _check(context: Context) -> None:
    missing = [tag for tag in MANDATORY if tag not in context.data]
    if missing:
        raise CardDataError(f"The card's records lack {missing[0]:X}.")
    number = digits_of(context.data[Tag.PAN])
    if not 8 <= len(number) <= 19:
        raise CardDataError(f"The card's number has {len(number)} digits.")
    day_of(context.data[Tag.EXPIRATION_DATE])
    track2 = context.value(Tag.TRACK_2_EQUIVALENT).hex().upper()
    # Ours, not the Books': a card that names two numbers is not charged on either.
    if track2 and track2.split("D")[0] != number:
        raise CardDataError("The card names two different numbers.")
