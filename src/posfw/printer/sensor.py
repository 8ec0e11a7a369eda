"""Whether a head's thermometer may be believed. Pure.

A reading is believed when it lies in the sensor's range, follows the one before at a possible
speed, and moves while the model says that the head is being heated. One odd sample is noise and
only lets the last good reading age; a second one in a row is a fault, and a fault means hot.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from posfw.values.hardware import ThermalProfile

__all__ = ["Sensor", "SensorFault"]

# Odd samples in a row that make a fault, good ones that end it: N-of-M against false alarms.
ODD_SAMPLES = 2
GOOD_SAMPLES = 3
# The least step of a 12-bit converter at 75 C is under 0.1 K, of an 8-bit one about 0.9 K.
MOVED_C = 0.2
# A live sensor moves long before the model has risen this much (a lag of 2 s at 2 K/s is 4 K).
FROZEN_RISE_C = 8.0
# Two heads 20 % off the profile in gain and in tau differ from the model by 36 % of 50 K = 18 K.
DISAGREE_C = 30.0
DISAGREE_S = 10.0


class SensorFault(StrEnum):
    """Stable codes of docs/thermal.md."""

    OPEN = "PRN-211"
    SHORT = "PRN-212"
    STALE = "PRN-213"
    FROZEN = "PRN-214"
    JUMP = "PRN-215"
    DISAGREE = "PRN-216"


@dataclass(frozen=True, slots=True)
class Sensor:
    """What is known from the readings so far.

    Attributes:
        good_c: the last believed reading, None before the first.
        good_at: when it was taken.
        fault: why nothing is believed now; STALE before the first reading.
    """

    good_c: float | None = None
    good_at: float = 0.0
    fault: SensorFault | None = SensorFault.STALE
    raw_c: float | None = None
    raw_at: float = 0.0
    odd_count: int = 0
    good_count: int = 0
    still_c: float | None = None
    still_model_c: float = 0.0
    apart_since: float | None = None

    def fault_at(self, now: float, limits: ThermalProfile) -> SensorFault | None:
        """Return the fault as of now: a reading that is too old counts as none."""
        if self.fault is None and now - self.good_at > limits.max_age_s:
            return SensorFault.STALE
        return self.fault

    def reading(
        self, taken_c: float | None, now: float, model_c: float, limits: ThermalProfile
    ) -> Sensor:
        """Take one sample; None is a sample that did not come and only lets the last one age."""
        if taken_c is None:
            return self
        odd = _out_of_range(taken_c, limits) or _jumped(self, taken_c, now, limits)
        seen = replace(self, raw_c=taken_c, raw_at=now)
        return _odd_sample(seen, odd) if odd else _good_sample(seen, taken_c, now, model_c)


def _out_of_range(taken_c: float, limits: ThermalProfile) -> SensorFault | None:
    # An NTC that is torn off reads very cold, a shorted one very hot. Not-a-number is neither.
    if not taken_c > limits.open_c:
        return SensorFault.OPEN
    return SensorFault.SHORT if taken_c >= limits.short_c else None


def _jumped(
    sensor: Sensor, taken_c: float, now: float, limits: ThermalProfile
) -> SensorFault | None:
    if sensor.raw_c is None:
        return None
    before_c, before_at = sensor.raw_c, sensor.raw_at
    if sensor.fault is None and not sensor.odd_count and sensor.good_c is not None:
        before_c, before_at = sensor.good_c, sensor.good_at
    # While doubted, a sample is compared with the one before: a step that stays is believed
    # again once the new level follows itsensor.
    allowed_c = limits.slew_c_per_s * (now - before_at) + MOVED_C
    return SensorFault.JUMP if abs(taken_c - before_c) > allowed_c else None


def _odd_sample(sensor: Sensor, odd: SensorFault) -> Sensor:
    count = sensor.odd_count + 1
    fault = odd if count >= ODD_SAMPLES or sensor.fault else None
    return replace(sensor, fault=fault, odd_count=count, good_count=0)


def _good_sample(sensor: Sensor, taken_c: float, now: float, model_c: float) -> Sensor:
    stuck = sensor.still_c is not None and abs(taken_c - sensor.still_c) < MOVED_C
    if sensor.fault is SensorFault.FROZEN and stuck:
        return sensor  # cooling must not clear it: only a reading that moves does
    needed = GOOD_SAMPLES if sensor.fault or sensor.odd_count else 1
    if sensor.good_count + 1 < needed:
        return replace(sensor, good_count=sensor.good_count + 1)
    seen = replace(sensor, good_c=taken_c, good_at=now, odd_count=0, good_count=0, fault=None)
    return _against_model(seen, taken_c, now, model_c)


def _against_model(sensor: Sensor, taken_c: float, now: float, model_c: float) -> Sensor:
    """Compare with the model: constant while heating, or far below it for long."""
    model_c = max(model_c, taken_c)  # what the measurement adds to the model is no heating
    seen = sensor
    if sensor.still_c is None or abs(taken_c - sensor.still_c) >= MOVED_C:
        seen = replace(seen, still_c=taken_c, still_model_c=model_c)
    elif model_c < sensor.still_model_c:
        seen = replace(seen, still_model_c=model_c)
    elif model_c - sensor.still_model_c > FROZEN_RISE_C:
        return replace(seen, fault=SensorFault.FROZEN)
    if model_c - taken_c < DISAGREE_C:
        return replace(seen, apart_since=None)
    since = now if sensor.apart_since is None else sensor.apart_since
    apart = SensorFault.DISAGREE if now - since >= DISAGREE_S else None
    return replace(seen, apart_since=since, fault=apart)
