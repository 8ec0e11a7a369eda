"""Processing restrictions (EMV Book 3, 10.4): version, usage control, dates. Never an answer."""

from __future__ import annotations

from typing import Final

from posfw.emv.bits import TVR
from posfw.emv.context import Context, Exit, Turn
from posfw.emv.effects import Service
from posfw.emv.pan import day_of
from posfw.emv.tags import Tag

__all__ = ["enter", "restrictions"]

# Application Usage Control (Book 3, annex C2) as one number; (domestic, international).
_SERVICES: Final = {
    Service.GOODS: (0x2800, 0x1400),  # goods or services: a shop does not tell them apart
    Service.CASH: (0x8000, 0x4000),
    Service.CASHBACK: (0x0080, 0x0040),
}
NOT_AT_ATM: Final = 0x0100


def enter(context: Context) -> Turn:
    """Set what does not fit; terminal action analysis decides what it means."""
    return context.mark(restrictions(context)), Exit.DONE


def restrictions(context: Context) -> TVR:
    """Return the bits of TVR byte 2.

    Raises:
        CardDataError: a date that does not exist.
    """
    return _version(context) | _usage(context) | _dates(context)


def _version(context: Context) -> TVR:
    """10.4.1: a card without a version number fits every terminal."""
    card = context.value(Tag.VERSION_CARD)
    if not card or card == context.aid.version:
        return TVR.NONE
    return TVR.DIFFERENT_APPLICATION_VERSIONS


def _usage(context: Context) -> TVR:
    """10.4.2; without usage control, or for refunds, nothing is asked."""
    control = int.from_bytes(context.value(Tag.USAGE_CONTROL), "big")
    if Tag.USAGE_CONTROL not in context.data:
        return TVR.NONE
    if not control & NOT_AT_ATM:
        return TVR.SERVICE_NOT_ALLOWED
    allowed = _SERVICES.get(context.request.service)
    issuer = context.value(Tag.ISSUER_COUNTRY)
    if allowed is None or not issuer:
        return TVR.NONE
    domestic = issuer == context.value(Tag.TERMINAL_COUNTRY)
    return TVR.NONE if control & allowed[not domestic] else TVR.SERVICE_NOT_ALLOWED


def _dates(context: Context) -> TVR:
    """10.4.3."""
    today, found = context.request.at.date(), TVR.NONE
    effective = context.value(Tag.EFFECTIVE_DATE)
    if effective and day_of(effective) > today:
        found |= TVR.APPLICATION_NOT_YET_EFFECTIVE
    if day_of(context.data[Tag.EXPIRATION_DATE]) < today:
        found |= TVR.EXPIRED_APPLICATION
    return found
