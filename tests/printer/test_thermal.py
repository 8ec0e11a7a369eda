from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.printer.thermal import HeatModel

MODEL = HeatModel(tau_s=45.0, rise_c_per_kdot=0.045, ambient_c=25.0)
TEMPERATURES = st.floats(25.0, 120.0)


def test_after_one_time_constant_a_third_of_the_heat_is_left() -> None:
    assert MODEL.cooled(75.0, 45.0) == pytest.approx(25 + 50 / math.e)


def test_the_time_to_resume_is_that_of_the_boards_page() -> None:
    assert MODEL.seconds_to_cool(80.0, 60.0) == pytest.approx(45 * math.log(55 / 35))
    assert MODEL.seconds_to_cool(60.0, 60.0) == 0.0


def test_below_ambient_it_never_cools() -> None:
    assert MODEL.seconds_to_cool(40.0, 25.0) == math.inf
    assert MODEL.seconds_to_cool(40.0, 20.0) == math.inf


@given(TEMPERATURES, st.floats(0.01, 300.0))
def test_cooling_for_the_told_time_reaches_the_told_temperature(c: float, s: float) -> None:
    target_c = MODEL.cooled(c, s)
    assert MODEL.cooled(c, MODEL.seconds_to_cool(c, target_c)) == pytest.approx(target_c)


@given(TEMPERATURES, st.integers(1, 200_000), st.floats(0.5, 60.0))
def test_a_job_heats_as_much_as_many_small_steps(c: float, dots: int, seconds: float) -> None:
    steps = 2000
    stepped = c
    for _ in range(steps):
        stepped = MODEL.cooled(stepped, seconds / steps) + MODEL.rise_c(dots) / steps
    assert MODEL.after_job(c, dots, seconds) == pytest.approx(stepped, abs=0.2)


@given(st.floats(26.0, 120.0))
def test_the_holding_rate_holds(c: float) -> None:
    dots = MODEL.holding_dots_per_s(c) * 10
    assert MODEL.after_job(c, round(dots), 10.0) == pytest.approx(c, abs=0.01)
