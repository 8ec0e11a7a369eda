"""An NTC thermistor at an analogue-digital converter: kelvins from volts and back.

R(T) = R25 * exp(B * (1/(273+T) - 1/298)), with the rounded zero that the mechanism's own service
manual uses (EC-PM-80320 p20: 30 kOhm, B 3950; 80 C 3.80 kOhm, 60 C 7.45 kOhm). The thermistor
lies between the input and ground, the pull-up between the input and the reference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

__all__ = ["Thermistor"]

_ZERO_K: Final = 273.0
_REFERENCE_K: Final = 298.0


@dataclass(frozen=True, slots=True)
class Thermistor:
    """The part and its circuit; see the module's text."""

    r25_ohm: float
    beta: float
    pullup_ohm: float
    vref_mv: float
    adc_max: int

    def ohm(self, celsius: float) -> float:
        """Return the resistance at a temperature."""
        power = self.beta * (1 / (_ZERO_K + celsius) - 1 / _REFERENCE_K)
        return self.r25_ohm * math.exp(power)

    def count(self, celsius: float) -> float:
        """Return what a converter with its full scale at the reference reads."""
        ohm = self.ohm(celsius)
        return self.adc_max * ohm / (ohm + self.pullup_ohm)

    def celsius(self, millivolt: float) -> float | None:
        """Return the temperature, or None at a voltage no thermistor makes: open or shorted."""
        if not 0 < millivolt < self.vref_mv:
            return None
        ohm = self.pullup_ohm * millivolt / (self.vref_mv - millivolt)
        return 1 / (math.log(ohm / self.r25_ohm) / self.beta + 1 / _REFERENCE_K) - _ZERO_K
