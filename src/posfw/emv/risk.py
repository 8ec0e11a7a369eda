"""Terminal risk management (EMV Book 3, 10.6): exception file, floor limit, chance, velocity.

Always performed, also where the card's AIP does not ask for it: a card must not be able to talk
the terminal out of its floor limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from posfw.codec.tlv import parse
from posfw.emv.apdu import Response, get_data
from posfw.emv.bits import TSI, TVR
from posfw.emv.context import Context, Exit, Turn, card_objects
from posfw.emv.effects import Answer, CardHistory, ReviewCard, Transmit
from posfw.emv.pan import digits_of
from posfw.emv.parameters import AidParameters
from posfw.emv.tags import Tag
from posfw.values.card import CardNumber
from posfw.values.errors import InputError, MisuseError

__all__ = ["enter", "receive", "selected", "velocity"]

BOTH_LIMITS: Final = TVR.LOWER_OFFLINE_LIMIT_EXCEEDED | TVR.UPPER_OFFLINE_LIMIT_EXCEEDED


@dataclass(frozen=True, slots=True)
class _Velocity:
    """Reading ATC, then Last Online ATC; -1 stands for "not given"."""

    atc: int | None = None


def enter(context: Context) -> Turn:
    """Ask what the terminal knows of this card."""
    number = CardNumber(digits_of(context.data[Tag.PAN]))
    sequence = context.value(Tag.PAN_SEQUENCE).hex()
    known = int(sequence) if sequence.isdecimal() else None
    return context.mark(tsi=TSI.TERMINAL_RISK_MANAGEMENT, local=None), ReviewCard(number, known)


def receive(context: Context, answer: Answer) -> Turn:
    """Apply limits and chance, then count what the card did offline (10.6.3)."""
    match context.local, answer:
        case None, CardHistory():
            return _limits(context, answer)
        case _Velocity(None), Response():
            return context.but(local=_Velocity(_counter(answer, Tag.ATC))), Transmit(
                get_data(Tag.LAST_ONLINE_ATC)
            )
        case _Velocity(atc), Response():
            last = _counter(answer, Tag.LAST_ONLINE_ATC)
            lower = context.data[Tag.LOWER_OFFLINE_LIMIT][0]
            upper = context.data[Tag.UPPER_OFFLINE_LIMIT][0]
            found = velocity(atc or 0, last, lower, upper)
            return context.mark(found, local=None), Exit.DONE
    raise MisuseError(f"{type(answer).__name__} does not answer risk management.")


def _limits(context: Context, history: CardHistory) -> Turn:
    request, aid, found = context.request, context.aid, TVR.NONE
    if history.listed:
        found |= TVR.CARD_ON_EXCEPTION_FILE
    if request.force_online:
        found |= TVR.MERCHANT_FORCED_ONLINE
    amount = request.amount.minor
    # 10.6.1: split sales count together with this one.
    if amount + history.approved_minor >= aid.floor_minor:
        found |= TVR.FLOOR_LIMIT_EXCEEDED
    elif selected(amount, aid, request.chance_percent):
        found |= TVR.RANDOMLY_SELECTED_ONLINE
    context = context.mark(found)
    if Tag.LOWER_OFFLINE_LIMIT in context.data and Tag.UPPER_OFFLINE_LIMIT in context.data:
        return context.but(local=_Velocity()), Transmit(get_data(Tag.ATC))
    return context, Exit.DONE


def selected(amount_minor: int, aid: AidParameters, chance_percent: int) -> bool:
    """Say whether a sale below the floor limit goes online by chance (10.6.2).

    Below the threshold plainly with the target share; between threshold and floor limit with a
    share that grows to the maximum.
    """
    if amount_minor < aid.threshold_minor:
        return chance_percent <= aid.target_percent
    room = aid.floor_minor - aid.threshold_minor
    growth = aid.max_target_percent - aid.target_percent
    share = aid.target_percent
    if room > 0:
        share += growth * (amount_minor - aid.threshold_minor) // room
    return chance_percent <= share


def velocity(atc: int, last_online: int, lower: int, upper: int) -> TVR:
    """Return the bits of 10.6.3; -1 stands for a counter the card did not give."""
    new = TVR.NEW_CARD if last_online == 0 else TVR.NONE
    if atc < 0 or last_online < 0 or atc <= last_online:
        return new | BOTH_LIMITS
    apart = atc - last_online
    if apart > upper:
        new |= TVR.UPPER_OFFLINE_LIMIT_EXCEEDED
    return new | TVR.LOWER_OFFLINE_LIMIT_EXCEEDED if apart > lower else new


def _counter(response: Response, tag: int) -> int:
    if not response.ok:
        return -1
    try:
        value = card_objects(tuple(parse(response.data))).get(tag)
    except InputError:
        return -1
    return int.from_bytes(value, "big") if value else -1
