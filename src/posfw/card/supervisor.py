"""How long to wait before a lost port is opened again, and what a device is at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["Activity", "Backoff"]


class Activity(Enum):
    """What a reader or PIN pad is at, for the screen."""

    IDLE = "idle"
    WAITING = "waiting"  # for a card or a PIN
    READING = "reading"  # a card is there: leave it
    CANCELLING = "cancelling"  # 正在取消: the device has not confirmed yet


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubling, capped, reset by success. A value: `failed()` gives the next one.

    Attributes:
        base_s: the first wait.
        cap_s: the longest wait.
        failures: attempts that failed in a row.
    """

    base_s: float = 0.1
    cap_s: float = 5.0
    failures: int = 0

    @property
    def wait_s(self) -> float:
        """Seconds until the next attempt."""
        if not self.failures:
            return 0.0
        # 2**30 is past every cap; the bound keeps the power small for ever.
        return min(self.cap_s, self.base_s * float(2 ** min(self.failures - 1, 30)))

    def failed(self) -> Backoff:
        """Return the back-off after one more failure."""
        return Backoff(self.base_s, self.cap_s, self.failures + 1)

    def worked(self) -> Backoff:
        """Return the back-off after a success."""
        return Backoff(self.base_s, self.cap_s)
