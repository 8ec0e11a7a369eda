"""A simulated print head: bulk and thermistor, heated by the dots fired.

Two nodes: the head's body is of first order (gain and time constant of its own, not those of the
profile), the thermistor follows it with a lag, as glue and flex cable make it. The body's
temperature is the truth that tests judge by; the terminal sees the thermistor only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from posfw.values.hardware import ThermalProfile

__all__ = ["HeadSim", "SensorTrouble"]


class SensorTrouble(Enum):
    """What a thermistor circuit can do."""

    NONE = "none"
    OPEN = "open"
    SHORT = "short"
    SILENT = "silent"  # no reading comes
    FROZEN = "frozen"
    JUMPING = "jumping"


@dataclass(slots=True)
class HeadSim:
    """One head; time is the caller's, `factor` lets it run faster than the clock.

    Attributes:
        clock: seconds, never backwards.
        tau_s: cooling of the body.
        rise_c_per_kdot: heating of the body.
        ambient_c: what it cools towards.
        body_c: the true temperature.
        lag_s: of the thermistor.
        factor: head seconds in a clock second.
        peak_c: highest true temperature so far.
        dots: fired so far.
        readings: how often the thermistor was read.
    """

    clock: Callable[[], float]
    tau_s: float = 45.0
    rise_c_per_kdot: float = 0.045
    ambient_c: float = 25.0
    body_c: float = 25.0
    lag_s: float = 1.0
    factor: float = 1.0
    trouble: SensorTrouble = SensorTrouble.NONE
    peak_c: float = -math.inf
    dots: int = 0
    _thermistor_c: float = 25.0
    _at: float = 0.0
    _frozen_c: float = 0.0
    readings: int = 0

    @classmethod
    def like(
        cls,
        thermal: ThermalProfile,
        clock: Callable[[], float],
        *,
        gain: float = 1.0,
        slowness: float = 1.0,
        ambient_c: float | None = None,
        lag_s: float = 1.0,
        factor: float = 1.0,
    ) -> HeadSim:
        """Return a cold head that differs from a profile by two ratios."""
        around_c = thermal.ambient_c if ambient_c is None else ambient_c
        return cls(
            clock=clock,
            tau_s=thermal.tau_s * slowness,
            rise_c_per_kdot=thermal.rise_c_per_kdot * gain,
            ambient_c=around_c,
            body_c=around_c,
            lag_s=lag_s,
            factor=factor,
            peak_c=around_c,
            _thermistor_c=around_c,
            _at=clock(),
        )

    def fire(self, dots: int) -> None:
        """Heat the head by dots fired at once."""
        self.settle()
        self.dots += dots
        self.body_c += self.rise_c_per_kdot * dots / 1000
        self.peak_c = max(self.peak_c, self.body_c)

    def settle(self) -> float:
        """Let the time since the last call pass; return the true temperature."""
        now = self.clock()
        seconds = (now - self._at) * self.factor
        self._at = now
        if seconds <= 0:
            return self.body_c
        above_c = self.body_c - self.ambient_c
        left = math.exp(-seconds / self.tau_s)
        if self.lag_s > 0:
            # Exact answer of a first-order lag to an exponential.
            part_c = above_c * self.tau_s / (self.tau_s - self.lag_s)
            rest_c = self._thermistor_c - self.ambient_c - part_c
            lagging = rest_c * math.exp(-seconds / self.lag_s)
            self._thermistor_c = self.ambient_c + part_c * left + lagging
        self.body_c = self.ambient_c + above_c * left
        if self.lag_s <= 0:
            self._thermistor_c = self.body_c
        return self.body_c

    def set_body(self, body_c: float) -> None:
        """Make the head as hot as this at once, thermistor included."""
        self.settle()
        self.body_c = self._thermistor_c = body_c

    def set_trouble(self, trouble: SensorTrouble) -> None:
        """Break or mend the thermistor circuit."""
        self.settle()
        self._frozen_c = self._thermistor_c
        self.trouble = trouble

    def reading(self) -> float | None:
        """Return what the terminal's converter sees now, in degrees."""
        self.settle()
        self.readings += 1
        seen = {
            SensorTrouble.OPEN: -40.0,
            SensorTrouble.SHORT: 150.0,
            SensorTrouble.SILENT: None,
            SensorTrouble.FROZEN: self._frozen_c,
            SensorTrouble.JUMPING: self._thermistor_c + (-45.0 if self.readings % 2 else 45.0),
        }
        return seen.get(self.trouble, self._thermistor_c)

    async def read(self) -> float | None:
        """Implement ports.HeadSensor."""
        return self.reading()
