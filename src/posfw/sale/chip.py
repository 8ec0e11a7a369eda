"""What a card itself says about a sale: its last word, and who hears the issuer's for it.

Only values and the shape of the card's side; the kernel and the reader stand elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from posfw.codec import cbor
from posfw.values.card import CardRead
from posfw.values.outcome import Outcome
from posfw.values.transaction import Begun, ChipFacts, Owed, OwedKind

__all__ = ["CardWord", "ChipCard", "Holder", "own_word", "script_result_of"]


@dataclass(frozen=True, slots=True)
class Holder:
    """How the holder of a card was verified where no chip in the slot speaks for it.

    Attributes:
        facts: signature, or why there is none, for the slip.
        online_only: why the terminal must not approve this card by itself, "" where it may.
    """

    facts: ChipFacts | None = None
    online_only: str = ""


@dataclass(frozen=True, slots=True)
class CardWord:
    """A card's last word (EMV Book 3, 10.12).

    Attributes:
        approved: the card gave a certificate and goods may be given.
        reason: stable code of why not, "" when approved.
        card: with its final data; None where it stays as it was read.
        scripts: DE55 data of the script-result message, empty where no script came.
        facts: what the slip prints, None where the card is no contact chip.
    """

    approved: bool
    reason: str = ""
    card: CardRead | None = None
    scripts: bytes = field(default=b"", repr=False)
    facts: ChipFacts | None = None


class ChipCard(Protocol):
    """A chip in the reader: it has approved by itself, or waits for the issuer's word."""

    @property
    def word(self) -> CardWord | None:
        """Its last word where it has approved by itself, None while it waits."""
        ...

    async def complete(self, outcome: Outcome, *, offline_allowed: bool) -> CardWord:
        """Tell it how the request ended and return its last word; ends, and raises nothing.

        A card that is gone, mute or too slow is a word too: not approved.
        """
        ...


def own_word(card: CardRead | None, chip: ChipCard | None) -> CardWord | None:
    """Return the approval that a card gave without the bank: a chip's, or a tap's."""
    if chip is not None:
        return chip.word
    return CardWord(approved=True) if card is not None and card.approved_offline else None


def script_result_of(begun: Begun, word: CardWord | None) -> tuple[Owed, ...]:
    """Return the script result owed for what the card did with the issuer's scripts, if any."""
    if word is None or not word.scripts:
        return ()
    body = cbor.encode({"issuer_result": word.scripts})
    return (Owed(0, OwedKind.SCRIPT_RESULT, begun.key, body=body),)
