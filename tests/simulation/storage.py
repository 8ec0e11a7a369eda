"""The disk under the journal: calls that fail, and power that goes in the middle of a write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.journal.storage import Storage

__all__ = ["SickDisk"]

_WRITES = ("xWrite", "xSync", "xTruncate")


def _nothing() -> None:
    """Nobody waits for a cut."""


@dataclass
class SickDisk(Storage):
    """A disk that is told what goes wrong next.

    Attributes:
        cut_in: calls until the power goes in the middle of one; 0 for never.
        on_cut: takes the picture of the files.
        hit: is told that a call failed.
    """

    cut_in: int = 0
    on_cut: Callable[[], None] = _nothing
    hit: Callable[[], None] = _nothing

    def verdict(self, name: str) -> int:
        """Return 0 to pass a call on, else the error it ends with."""
        if self.cut_in and name in _WRITES:
            self.cut_in -= 1
            if not self.cut_in:
                self.on_cut()
        failed = self.failed
        code = super().verdict(name)
        if self.failed > failed:
            self.hit()
        return code

    def break_down(self, calls: tuple[str, ...], *, full: bool, forever: bool) -> None:
        """Let the next of these calls fail, or all from now on."""
        self.fails, self.full, self.forever = calls, full, forever
        self._seen = 0
        self.fail_at = 1
