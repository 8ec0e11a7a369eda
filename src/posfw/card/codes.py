"""The stable codes of reads that gave no card; a code never changes its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = [
    "BAD_SCAN",
    "BAD_TRACK",
    "CANCELLED",
    "CARD_REFUSED",
    "CHIP_FIRST",
    "CHIP_MUTE",
    "ENCRYPTED",
    "EXPIRED",
    "HALF_LINE",
    "LEFT_IN",
    "MISMATCH",
    "NOISE",
    "NO_CARD",
    "NO_FALLBACK",
    "NO_PIN_PAD",
    "OTHER_WAY",
    "READER_GONE",
    "READER_REFUSED",
    "READER_SILENT",
    "SENTENCES",
    "SEVERAL_CARDS",
    "TRY_AGAIN",
    "UNUSABLE",
]

NO_CARD: Final = "CRD-001"  # nothing came in time
CANCELLED: Final = "CRD-002"  # the sale was cancelled before a card was read
BAD_TRACK: Final = "CRD-301"  # the head saw a card, track 2 did not decode: swipe again
NOISE: Final = "CRD-302"  # a line that is no swipe, or longer than any swipe
HALF_LINE: Final = "CRD-303"  # a line began and did not end in time
UNUSABLE: Final = "CRD-304"  # a swipe whose content is not ISO/IEC 7813
EXPIRED: Final = "CRD-305"
CHIP_FIRST: Final = "CRD-306"  # the card has a chip that was not tried
NO_FALLBACK: Final = "CRD-307"  # the chip answered and refused: no swipe after that
READER_GONE: Final = "CRD-308"  # the port is lost or cannot be opened; reopened by itself
READER_SILENT: Final = "CRD-309"  # the port is open, the reader does not answer
READER_REFUSED: Final = "CRD-310"  # the reader does not do what was asked: see its set-up
ENCRYPTED: Final = "CRD-311"  # the reader encrypts under a key this terminal has no part in
TRY_AGAIN: Final = "CRD-312"  # the card was taken away too early, or talking to it failed
CARD_REFUSED: Final = "CRD-313"  # the card or the reader's kernel declined, or the card is blocked
MISMATCH: Final = "CRD-314"  # a result that is not of this transaction, or contradicts itself
OTHER_WAY: Final = "CRD-315"  # not by tap: insert the card, or swipe it
SEVERAL_CARDS: Final = "CRD-316"  # more than one card in the field: present one
CHIP_MUTE: Final = "CRD-317"  # the chip gave no answer: the only way to a fall-back
LEFT_IN: Final = "CRD-318"  # a card is still in the reader
BAD_SCAN: Final = "CRD-319"  # a scan that cannot be used: scan again
NO_PIN_PAD: Final = "CRD-320"  # this card needs a PIN and there is nothing to enter it on

# What people are told, in English; the catalogues have the other languages under the code.
SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        NO_CARD: "No card came in time.",
        CANCELLED: "Cancelled.",
        BAD_TRACK: "The stripe was not read: swipe again.",
        NOISE: "That was no card: try again.",
        HALF_LINE: "The reader was interrupted: try again.",
        UNUSABLE: "The card's data is wrong: use another card.",
        EXPIRED: "The card has expired.",
        CHIP_FIRST: "This card has a chip: insert it.",
        NO_FALLBACK: "The chip refused: the stripe is not taken.",
        READER_GONE: "The card reader is not connected: check its cable.",
        READER_SILENT: "The card reader does not answer: switch it off and on.",
        READER_REFUSED: "The card reader refused: have its set-up checked.",
        ENCRYPTED: "The card reader is set up for another acquirer.",
        TRY_AGAIN: "Tap again and hold the card still.",
        CARD_REFUSED: "The card was declined: use another card.",
        MISMATCH: "The reader's answer does not belong to this sale: try again.",
        OTHER_WAY: "Insert the card.",
        SEVERAL_CARDS: "Present one card only.",
        CHIP_MUTE: "The chip does not answer: check how the card is inserted, then swipe it.",
        LEFT_IN: "Remove the card.",
        BAD_SCAN: "The code was not read: scan again.",
        NO_PIN_PAD: "This card needs a PIN, and there is no PIN pad.",
    }
)
