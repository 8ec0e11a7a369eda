"""The dot budget: how much black a minute may hold where no sensor watches the head. Pure.

Coverage times duty is constant for an ambient temperature: 0.20 at 25 C, 0.10 at 35 C, 0.04 at
50 C of what the head could fire (HP receipt printer guide p20, CognitiveTPG A798 p25). It holds
for every window of a minute, not only on average, and needs no model to be right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from posfw.values.hardware import PrinterProfile, ThermalProfile

__all__ = ["Budget", "duty_at"]

# The window is remembered in this many slots: bounded memory, exact to one part in 60 and never
# less strict than the rule.
SLOTS = 60


def duty_at(limits: ThermalProfile, ambient_c: float) -> float:
    """Return the mean coverage allowed, between the table's rows by a straight line.

    Below the first row the first holds. Above the last there is no figure: 0, nothing is printed.
    """
    rows = limits.duty
    if not rows or ambient_c > rows[-1][0]:
        return 0.0
    below = rows[0]
    for above in rows:
        if ambient_c <= above[0]:
            span_c = above[0] - below[0]
            part = (ambient_c - below[0]) / span_c if span_c > 0 else 1.0
            return below[1] + max(part, 0.0) * (above[1] - below[1])
        below = above
    return 0.0


@dataclass(frozen=True, slots=True)
class Budget:
    """Dots of the last window, by slot.

    Attributes:
        dots: what any window may hold.
        window_s: its length.
        slots: (number, dots) of each slot with dots in it, oldest first.
    """

    dots: int
    window_s: float
    slots: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, profile: PrinterProfile, ambient_c: float) -> Budget:
        """Return an unused budget."""
        limits = profile.thermal
        rows = profile.max_speed_mm_s / profile.line_mm * limits.window_s
        return cls(int(duty_at(limits, ambient_c) * profile.dots * rows), limits.window_s)

    @property
    def dots_per_s(self) -> float:
        """The rate that can go on for ever."""
        return self.dots / self.window_s

    def at_ambient(self, profile: PrinterProfile, ambient_c: float) -> Budget:
        """Return the same use under another ambient temperature."""
        return replace(self, dots=Budget.of(profile, ambient_c).dots)

    def used(self, dots: int, now: float) -> Budget:
        """Take note of dots fired at `now`."""
        slot = self._slot(now)
        kept = tuple(s for s in self.slots if s[0] >= slot - SLOTS)
        if kept and kept[-1][0] >= slot:
            kept = (*kept[:-1], (kept[-1][0], kept[-1][1] + dots))
        else:
            kept = (*kept, (slot, dots))
        return replace(self, slots=kept)

    def free_at(self, dots: int, now: float) -> float:
        """Return when `dots` fit; `now` where they fit now, and where they never could."""
        need = min(dots, self.dots)
        slot = self._slot(now)
        held = [s for s in self.slots if s[0] >= slot - SLOTS]
        spare = self.dots - sum(count for _, count in held)
        when = now
        for number, count in held:
            if spare >= need:
                break
            spare += count
            # A slot leaves when its last moment is a whole window old.
            when = max(now, (number + SLOTS + 1) * self.window_s / SLOTS)
        return when

    def _slot(self, now: float) -> int:
        return int(now * SLOTS // self.window_s)
