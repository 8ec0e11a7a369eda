"""How the holder of a card is verified before the acquirer is asked: PIN, signature, or neither.

What the rules ask for stands in `card.rules`; here the PIN pad is asked, and the limit without PIN
and signature (小额免密免签) is the acquirer's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from posfw.app.cards import Asked
from posfw.card.codes import CANCELLED, SENTENCES
from posfw.card.pinpad import PROMPTS
from posfw.card.rules import EntryRefusal, Terms, Verification, verification, verified
from posfw.ports import PinPad
from posfw.sale.chip import Holder
from posfw.sale.limits import Refusal
from posfw.sale.task import Sales
from posfw.values.card import CardRead, Secret
from posfw.values.errors import DeviceError
from posfw.values.money import Money
from posfw.values.texts import Texts, mark
from posfw.values.transaction import ChipFacts, Conclusion, Ending, Kind

__all__ = [
    "AGAIN",
    "NEXT_CARD",
    "TRIES",
    "WRONG_PIN",
    "FreeLimit",
    "Holders",
    "never_free",
    "sentence",
]

FreeLimit: TypeAlias = Callable[[], Awaitable[Money | None]]

NEXT_CARD: Final = mark("Use another card.")
AGAIN: Final = mark("Try again, or use another card.")
WRONG_PIN: Final = "55"  # ISO 8583; sale.responses says: try once more
TRIES: Final = len(PROMPTS)
PIN_ASKED: Final = mark("only the bank can check this card's PIN")
ASKED_ONLINE: Final = mark("this card must be asked for")
# The limit is for what takes money or holds it (payments page, 2.3, rule 12).
_FREE_KINDS: Final = frozenset({Kind.SALE, Kind.PREAUTH})


def sentence(code: str, texts: Texts) -> str:
    """Return the plain sentence of a read that gave no card, in the language of the screen."""
    told = texts(code)
    return told if told != code else SENTENCES.get(code, "The card could not be read.")


async def never_free() -> Money | None:
    """Return no limit: every tap is verified."""
    return None


@dataclass(frozen=True, slots=True)
class Holders:
    """Whoever stands at the counter with a card.

    Attributes:
        texts: of the screen.
        pad: takes PINs; None where there is none.
        free_limit: up to here a tap needs neither PIN nor signature; acquirer's data.
    """

    texts: Texts
    pad: PinPad | None = None
    free_limit: FreeLimit = never_free

    async def sold(
        self, card: CardRead, asked: Asked, sales: Sales, wrong_pins: int = 0
    ) -> tuple[Conclusion | Refusal, bool]:
        """Verify the holder and run the transaction; a stripe's wrong PIN is asked for again.

        Args:
            card: admitted.
            asked: the transaction.
            sales: runs it; each try is one of its own.
            wrong_pins: how often the bank has called this card's PIN wrong.

        Returns:
            The ending, and whether the PIN was wrong and the card must come again: a cryptogram is
            for one question.
        """
        while True:
            ready = await self.verified(card, asked, wrong_pins)
            if isinstance(ready, Refusal):
                return ready, False
            read, holder = ready
            intent = asked.intent_of(read)
            ended = await sales.run(intent, read, asked.watch, holder=holder)
            wrong_pins += 1
            if not (read.pin_block and _wrong_pin(ended)) or wrong_pins >= TRIES:
                return ended, False
            if card.emv:
                return ended, True

    async def verified(
        self, card: CardRead, asked: Asked, wrong_pins: int = 0
    ) -> tuple[CardRead, Holder] | Refusal:
        """Return the card as it goes to the acquirer, or why it does not.

        Args:
            card: admitted.
            asked: the transaction.
            wrong_pins: how often the bank has called this card's PIN wrong.
        """
        limit = await self.free_limit() if asked.kind in _FREE_KINDS else None
        terms = Terms(limit, pin_pad=self.pad is not None)
        found = verification(card, asked.amount, terms)
        if isinstance(found, EntryRefusal):
            return Refusal(found.code, found.en, NEXT_CARD)
        block: Secret | None = None
        if found.pin and self.pad is not None:
            entered = await self._pin(self.pad, card, asked, wrong_pins)
            if isinstance(entered, Refusal):
                return entered
            block = entered
        ready = verified(card, found, block)
        return ready, _holder(ready, found, limit)

    async def _pin(
        self, pad: PinPad, card: CardRead, asked: Asked, wrong_pins: int
    ) -> Secret | Refusal:
        text = self.texts("Enter the PIN.")
        if wrong_pins:
            text = f"{self.texts('The PIN was wrong.')} {text}"
        asked.progress({"screen": "enter_pin", "text": text, "wrong": wrong_pins})
        try:
            prompt = min(wrong_pins, TRIES - 1)
            block = await pad.pin_block(card.number, asked.amount, prompt)
        except DeviceError as error:
            cause = mark("The PIN pad does not answer.")
            return Refusal(error.stable_code, cause, mark("Check its cable, then try again."))
        if block is None:
            return Refusal(CANCELLED, mark("No PIN was entered."), AGAIN)
        return block


def _wrong_pin(ended: Conclusion | Refusal) -> bool:
    if isinstance(ended, Refusal) or ended.ending is not Ending.DECLINED:
        return False
    return ended.answer is not None and ended.answer.response_code == WRONG_PIN


def _holder(card: CardRead, found: Verification, limit: Money | None) -> Holder:
    """Return what the slip shows; the reader's own words for an EMV block are not kept."""
    free_minor = limit.minor if found.free and limit is not None else 0
    facts = ChipFacts({}, signature=card.signature, free_minor=free_minor)
    reason = PIN_ASKED if found.pin else ASKED_ONLINE if found.online else ""
    return Holder(facts, reason)
