from __future__ import annotations

from collections.abc import Iterable

import pytest

from posfw.printer.sensor import Sensor, SensorFault
from posfw.values.hardware import ThermalProfile

LIMITS = ThermalProfile()
PERIOD_S = 0.5


def fed(
    samples: Iterable[float | None], sensor: Sensor | None = None, *, model_c: float = 30.0
) -> tuple[Sensor, float]:
    """Feed samples half a second apart; return the sensor and the time of the last one."""
    sensor = sensor or Sensor()
    now = sensor.raw_at
    for sample in samples:
        now += PERIOD_S
        sensor = sensor.reading(sample, now, model_c, LIMITS)
    return sensor, now


def good() -> Sensor:
    sensor, now = fed([30.0, 30.4, 30.2])
    assert sensor.fault_at(now, LIMITS) is None
    return sensor


def test_nothing_is_believed_before_three_good_samples() -> None:
    assert Sensor().fault_at(0.0, LIMITS) is SensorFault.STALE
    sensor, now = fed([30.0, 30.0])
    assert sensor.fault_at(now, LIMITS) is SensorFault.STALE
    assert good().good_c == 30.2


@pytest.mark.parametrize(
    ("odd", "fault"),
    [
        (-40.0, SensorFault.OPEN),
        (float("nan"), SensorFault.OPEN),
        (-30.0, SensorFault.OPEN),
        (120.0, SensorFault.SHORT),
        (150.0, SensorFault.SHORT),
        (70.0, SensorFault.JUMP),
    ],
)
def test_one_odd_sample_is_noise_and_two_are_a_fault(odd: float, fault: SensorFault) -> None:
    once, now = fed([odd], good())
    assert once.fault_at(now, LIMITS) is None
    assert once.good_c == 30.2
    twice, now = fed([odd, odd - 40 if fault is SensorFault.JUMP else odd], good())
    assert twice.fault_at(now, LIMITS) is fault


def test_a_fault_ends_after_three_good_samples() -> None:
    broken, _ = fed([-40.0, -40.0], good())
    assert fed([30.0, 30.0, 30.0], broken)[0].fault is SensorFault.JUMP  # the first is a jump back
    mended, now = fed([30.0, 30.0, 30.0, 30.0], broken)
    assert mended.fault_at(now, LIMITS) is None


def test_silence_makes_the_last_reading_stale() -> None:
    sensor, now = fed([None] * 4, good())
    assert sensor.fault_at(sensor.good_at + LIMITS.max_age_s, LIMITS) is None
    assert sensor.fault_at(sensor.good_at + LIMITS.max_age_s + 0.01, LIMITS) is SensorFault.STALE
    assert now > sensor.good_at


def test_a_reading_that_stays_while_the_model_heats_is_frozen() -> None:
    sensor, _ = fed([30.2], good(), model_c=37.0)
    assert sensor.fault is None
    sensor, _ = fed([30.2], sensor, model_c=38.5)
    assert sensor.fault is SensorFault.FROZEN


def test_cooling_down_does_not_mend_a_frozen_sensor_but_moving_does() -> None:
    frozen, _ = fed([30.2], good(), model_c=50.0)
    assert frozen.fault is SensorFault.FROZEN
    still, _ = fed([30.2] * 20, frozen, model_c=25.0)
    assert still.fault is SensorFault.FROZEN
    moving, _ = fed([31.0, 32.0, 33.0], frozen, model_c=40.0)
    assert moving.fault is None


def test_a_steady_head_at_a_steady_model_is_not_frozen() -> None:
    sensor, now = fed([60.0] * 200, fed([60.0] * 3, model_c=62.0)[0], model_c=62.0)
    assert sensor.fault_at(now, LIMITS) is None


def test_far_below_the_model_for_long_is_a_fault() -> None:
    moving = [31.0 + 0.5 * (n % 2) for n in range(40)]
    shortly, _ = fed(moving[:19], good(), model_c=37.0)
    apart, _ = fed(moving[1:20], shortly, model_c=63.0)
    assert apart.fault is None
    assert fed(moving[2:], apart, model_c=63.0)[0].fault is SensorFault.DISAGREE
    assert fed(moving, apart, model_c=55.0)[0].fault is None
