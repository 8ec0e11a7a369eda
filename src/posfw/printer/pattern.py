"""The test pattern: every dot of the head alone, then all of them: dead ones show. Pure."""

from __future__ import annotations

from typing import Final

from posfw.values.document import Logo

__all__ = ["GROUP_DOTS", "dead_dots"]

GROUP_DOTS: Final = 8
STEP_ROWS: Final = 12  # 1.5 mm: a missing stroke is seen without a glass
BLACK_ROWS: Final = 8  # a dead dot is a white line through it; more would only heat the head


def dead_dots(dots: int) -> Logo:
    """Return a staircase of strokes one dot wide, every dot in exactly one step, and a black bar.

    The column of a missing stroke is read off in groups of eight: the step tells which of them.

    Args:
        dots: dots of the head.
    """
    width = (dots + 7) // 8
    spare = 8 * width - dots
    rows: list[bytes] = []
    for step in range(GROUP_DOTS):
        bits = sum(1 << at for at in range(8 * width) if at % GROUP_DOTS == GROUP_DOTS - 1 - step)
        rows += [_within(bits, width, spare)] * STEP_ROWS
    rows += [_within((1 << 8 * width) - 1, width, spare)] * BLACK_ROWS
    return Logo(dots, tuple(rows))


def _within(bits: int, width: int, spare: int) -> bytes:
    """Return a row without dots beyond the head."""
    return (bits >> spare << spare).to_bytes(width, "big")
