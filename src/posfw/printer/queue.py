"""How far one slip has come on paper, and what an interruption means for it. Pure.

A strip is sent, then proved by the answer to the fence behind it (or by the next status where the
printer has none), and only then done. What may be repeated after paper ran out is what was sent
and neither proved nor thrown away by the printer: at most the strips between `done` and `sent`.

    heat                            paused; the printer goes on where it stopped
    paper out, cover open           what `PrinterProfile.paper_out` says of its buffer:
                            keeps   paused; goes on by itself, nothing is sent again
                            loses   paused; everything not proved before is sent again
                            unsure  unknown, if anything is unproved
    silence, cable, power, restart  unknown: a person looks at the paper and decides

A printer that loses its buffer may take what was still on the wire: an answer to a fence that came
after the trouble proves nothing there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

__all__ = ["AFTER_RESTART", "LOST", "NOT_PROVED", "Activity", "PrinterView", "Progress"]

AFTER_RESTART = "PRN-301"
LOST = "PRN-302"
NOT_PROVED = "PRN-303"
# Strips that may be unproved at a time: enough to keep paper moving.
WINDOW = 3
# Where the buffer may be lost, a strip that was still on the wire then would survive and be
# printed out of its order: one at a time.
WINDOW_UNSURE = 1


@dataclass(frozen=True, slots=True)
class Progress:
    """One slip's strips.

    Attributes:
        total: strips of the slip.
        sent: handed to the wire.
        done: proved to be on paper.
    """

    total: int
    sent: int = 0
    done: int = 0
    base: int = 0
    window: int = WINDOW

    @classmethod
    def begin(cls, total: int, answered: int, *, keeps: bool) -> Progress:
        """Return the start of a slip.

        Args:
            total: its strips.
            answered: the printer's count of fences.
            keeps: whether the printer keeps its buffer when paper ends.
        """
        return cls(total, base=answered, window=WINDOW if keeps else WINDOW_UNSURE)

    @property
    def finished(self) -> bool:
        """Whether every strip is proved."""
        return self.done >= self.total

    @property
    def may_send(self) -> bool:
        """Whether another strip may be under way."""
        return self.sent < self.total and self.sent - self.done < self.window

    def handed_over(self) -> Progress:
        """Take note of a strip that is sent."""
        return replace(self, sent=self.sent + 1)

    def heard(self, answered: int) -> Progress:
        """Take the printer's count of fence answers: one a strip, in order."""
        return replace(self, done=max(self.done, min(self.sent, answered - self.base)))

    def proved(self) -> Progress:
        """Take a status that proves all that was sent."""
        return replace(self, done=self.sent)

    @property
    def fences_to_recover(self) -> int:
        """Fences to send behind `escpos.recover`: one more than strips are unproved.

        So the recovery is surely reached once that many answers have come, whichever of the
        strips before it still were answered.
        """
        return self.sent - self.done + 1

    def recovered(self, answered: int, *, loses: bool) -> Progress:
        """Go on after all fences behind `escpos.recover` are answered.

        Answers come in order: what exceeds the recovery's own belongs to strips sent before. A
        strip without an answer was thrown away with the printer's buffer and is sent again.
        """
        kept = answered - self.base - self.done - self.fences_to_recover
        done = self.done if loses else self.done + max(kept, 0)
        return replace(self, sent=done, done=done, base=answered - done)


class Activity(StrEnum):
    """What the printer is doing."""

    IDLE = "idle"
    WAITING = "waiting"  # a slip waits to begin
    PRINTING = "printing"
    PAUSED = "paused"  # in the middle of a slip


@dataclass(frozen=True, slots=True)
class PrinterView:
    """What screens and `posfw printer status` show.

    Attributes:
        activity: what it is doing.
        job: number of the slip, 0 where there is none.
        band: strips on paper.
        bands: strips of the slip.
        reason: stable code of what holds it up, "" where nothing does.
        resumes_s: seconds until it goes on by itself, None where nobody can tell.
        head_c: the temperature that rules.
        zone: normal, slow or stop.
        connected: whether there is a wire.
    """

    activity: Activity = Activity.IDLE
    job: int = 0
    band: int = 0
    bands: int = 0
    reason: str = ""
    resumes_s: float | None = None
    head_c: float = 0.0
    zone: str = "normal"
    connected: bool = False
