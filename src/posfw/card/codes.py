"""The stable codes of reads that gave no card; a code never changes its meaning."""

from __future__ import annotations

from typing import Final

__all__ = [
    "BAD_TRACK",
    "CHIP_FIRST",
    "EXPIRED",
    "HALF_LINE",
    "NOISE",
    "NO_FALLBACK",
    "READER_GONE",
    "UNUSABLE",
]

BAD_TRACK: Final = "CRD-301"  # the head saw a card, track 2 did not decode: swipe again
NOISE: Final = "CRD-302"  # a line that is no swipe, or longer than any swipe
HALF_LINE: Final = "CRD-303"  # a line began and did not end in time
UNUSABLE: Final = "CRD-304"  # a swipe whose content is not ISO/IEC 7813
EXPIRED: Final = "CRD-305"
CHIP_FIRST: Final = "CRD-306"  # the card has a chip that was not tried
NO_FALLBACK: Final = "CRD-307"  # the chip answered and refused: no swipe after that
READER_GONE: Final = "CRD-308"  # the port is lost or cannot be opened; reopened by itself
