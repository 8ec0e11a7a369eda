"""Completion (EMV Book 3, 10.12) and what may follow: fall-back, script results, receipt data.

Fall-back (Book 4, 11.2 and payments page, section 8): the stripe only after a chip that gave no
answer at all; a card pulled out early is inserted again; a chip that has spoken has spoken.
"""

from __future__ import annotations

from typing import Final

from posfw.emv.codes import Code
from posfw.emv.context import Context, Turn
from posfw.emv.effects import Fallback, Finished, Verdict
from posfw.emv.online import card_read, script_data
from posfw.emv.tags import Tag

__all__ = ["finish", "gone", "mute_at_reset"]

_RECEIPT: Final = (
    Tag.CRYPTOGRAM,
    Tag.CRYPTOGRAM_INFORMATION,
    Tag.TVR,
    Tag.TSI,
    Tag.ATC,
    Tag.DF_NAME,
    Tag.APPLICATION_LABEL,
    Tag.PREFERRED_NAME,
    Tag.UNPREDICTABLE_NUMBER,
    Tag.AIP,
    Tag.ISSUER_APPLICATION_DATA,
    Tag.CVM_RESULTS,
)


def finish(
    context: Context,
    verdict: Verdict,
    code: Code = Code.NONE,
    fallback: Fallback = Fallback.NONE,
) -> Turn:
    """End the transaction; what the issuer may have booked and is not approved is reversed."""
    values = ((tag, context.value(tag)) for tag in _RECEIPT)
    return context, Finished(
        verdict=verdict,
        code=code,
        fallback=fallback,
        card=card_read(context, approved_offline=verdict is Verdict.APPROVED_OFFLINE),
        reversal=context.maybe_booked and not verdict.approved,
        script_results=context.script_results,
        script_data=script_data(context),
        receipt={tag: value for tag, value in values if value},
        signature=context.signature and verdict.approved,
        tvr=context.tvr,
        tsi=context.tsi,
        cvm_results=context.value(Tag.CVM_RESULTS),
    )


def gone(context: Context, *, removed: bool) -> Turn:
    """End because the card left or fell silent before its last word.

    A silent chip may be swiped only if it never said anything useful: before it has named an
    application (`84` of the final SELECT is not there yet).
    """
    spoken = Tag.DF_NAME in context.data
    if removed:
        again = Fallback.NONE if context.maybe_booked else Fallback.INSERT_AGAIN
        return finish(context, Verdict.REMOVED, Code.REMOVED, again)
    return finish(
        context, Verdict.TERMINATED, Code.MUTE, Fallback.NONE if spoken else Fallback.STRIPE
    )


def mute_at_reset() -> Finished:
    """Return how an insertion without any ATR ends; no kernel is started for it."""
    return Finished(Verdict.TERMINATED, Code.MUTE, Fallback.STRIPE)
