"""What is sent when, what an acknowledgement means, and how long to wait after a failure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from posfw.values.transaction import Owed, OwedKind

__all__ = ["SENDING_ORDER", "Backoff", "Verdict", "before_sale", "verdict"]

# UnionPay: script result, reversal, stored transactions; then only the next request.
SENDING_ORDER: Final = (
    OwedKind.SCRIPT_RESULT,
    OwedKind.REVERSAL,
    OwedKind.ADVICE,
    OwedKind.UPLOAD,
)
_FIRST: Final = frozenset({OwedKind.SCRIPT_RESULT, OwedKind.REVERSAL})
_SUCCESS: Final = {
    OwedKind.SCRIPT_RESULT: frozenset({"00", "94"}),
    OwedKind.REVERSAL: frozenset({"00", "12", "25"}),
    OwedKind.ADVICE: frozenset({"00", "94"}),
    OwedKind.UPLOAD: frozenset({"00", "94"}),
}
_MAC_REFUSED: Final = "A0"


class Verdict(Enum):
    """What an acquirer's response code does to an owed message."""

    DONE = auto()  # acknowledge
    REJECTED = auto()  # to the list that a person sees, never sent again
    KEYS_DIFFER = auto()  # end this round, keep the message
    SILENT = auto()  # no answer: keep it, go on with other kinds


def verdict(kind: OwedKind, code: str) -> Verdict:
    """Judge a response code (payments page, section 3, rules 2 and 8)."""
    if code in _SUCCESS[kind]:
        return Verdict.DONE
    if code == _MAC_REFUSED:
        return Verdict.KEYS_DIFFER
    return Verdict.REJECTED


def before_sale(owed: Iterable[Owed]) -> list[Owed]:
    """Return what must have reached the acquirer before a sale: script results and reversals."""
    return [each for each in owed if each.kind in _FIRST]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits after failures in a row: the ceiling doubles up to a cap; the wait is drawn below it.

    Full jitter keeps a street of terminals from calling in step after a common outage.

    Attributes:
        base_s: first ceiling.
        cap_s: highest ceiling.
        stable_s: what lasted this long was no failure.
        failed: failures in a row.
    """

    base_s: float
    cap_s: float
    stable_s: float
    failed: int = 0

    def after(self, lasted_s: float) -> Backoff:
        """Return the state after an attempt that lasted this long and then ended."""
        failed = 1 if lasted_s >= self.stable_s else min(self.failed + 1, 32)
        return Backoff(self.base_s, self.cap_s, self.stable_s, failed)

    @property
    def ceiling_s(self) -> float:
        """The longest wait now; the actual one is drawn evenly from 0 to this."""
        if not self.failed:
            return 0.0
        return min(self.cap_s, self.base_s * 2.0 ** (self.failed - 1))
