from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.board.thermistor import Thermistor

PART = Thermistor(r25_ohm=30_000, beta=3950, pullup_ohm=10_000, vref_mv=1800, adc_max=4095)


@pytest.mark.parametrize(
    ("celsius", "kilo_ohm"),
    [(0, 100.99), (5, 77.85), (10, 60.57), (15, 47.53), (25, 30.0), (60, 7.45), (80, 3.80)],
)
def test_resistance_is_that_of_the_mechanisms_service_manual(
    celsius: float, kilo_ohm: float
) -> None:
    """Table of the EC-PM-80320 service manual, p20."""
    assert PART.ohm(celsius) / 1000 == pytest.approx(kilo_ohm, rel=0.002)


def test_the_count_at_the_stop_is_the_worked_one() -> None:
    # 4.48 kOhm by hand with 273.15: the manual's rounded zero differs by less than 0.1 C here.
    assert PART.count(75) == pytest.approx(4095 * 4.48 / 14.48, abs=3)


@given(st.floats(-30, 120))
def test_a_voltage_gives_back_the_temperature(celsius: float) -> None:
    millivolt = PART.count(celsius) / PART.adc_max * PART.vref_mv
    assert PART.celsius(millivolt) == pytest.approx(celsius, abs=1e-6)


@pytest.mark.parametrize("millivolt", [-1.0, 0.0, 1800.0, 1900.0])
def test_no_thermistor_makes_the_rails(millivolt: float) -> None:
    assert PART.celsius(millivolt) is None
