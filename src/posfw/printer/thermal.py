"""Heat of a print head: the first-order model. Pure.

    T' = (ambient - T) / tau + gain * dots per second            (boards page, section 3)

Both the throttle and the simulated head solve it exactly between events; they share the formula
and nothing else: the simulated head has its own parameters, a lag, and faults.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["HeatModel"]


@dataclass(frozen=True, slots=True)
class HeatModel:
    """A first-order head.

    Attributes:
        tau_s: time constant of cooling.
        rise_c_per_kdot: heating by 1,000 dots fired at once.
        ambient_c: what it cools towards.
    """

    tau_s: float
    rise_c_per_kdot: float
    ambient_c: float

    def cooled(self, head_c: float, seconds: float) -> float:
        """Return the temperature after `seconds` without firing."""
        if seconds <= 0:
            return head_c
        return self.ambient_c + (head_c - self.ambient_c) * math.exp(-seconds / self.tau_s)

    def rise_c(self, dots: int) -> float:
        """Return what firing `dots` at once adds."""
        return self.rise_c_per_kdot * dots / 1000

    def after_job(self, head_c: float, dots: int, seconds: float) -> float:
        """Return the temperature after firing `dots` evenly over `seconds` (above zero)."""
        settled = self.tau_s * self.rise_c(dots) / seconds
        left = math.exp(-seconds / self.tau_s)
        return self.ambient_c + (head_c - self.ambient_c) * left + settled * (1 - left)

    def holding_dots_per_s(self, head_c: float) -> float:
        """Return the rate that keeps a temperature; zero or less where it must only cool."""
        return (head_c - self.ambient_c) / self.tau_s / self.rise_c_per_kdot * 1000

    def seconds_to_cool(self, head_c: float, target_c: float) -> float:
        """Return the time until `target_c` without firing; infinite where it is never reached."""
        if head_c <= target_c:
            return 0.0
        if target_c <= self.ambient_c:
            return math.inf
        return self.tau_s * math.log((head_c - self.ambient_c) / (target_c - self.ambient_c))
