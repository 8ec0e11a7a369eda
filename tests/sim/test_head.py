from __future__ import annotations

import math

import pytest

from posfw.sim.head import HeadSim, SensorTrouble
from posfw.sim.heat import VirtualClock
from posfw.values.hardware import ThermalProfile


def head(clock: VirtualClock, **settings: float) -> HeadSim:
    return HeadSim.like(ThermalProfile(), clock, ambient_c=25.0, **settings)


def test_dots_heat_and_time_cools() -> None:
    clock = VirtualClock()
    sim = head(clock)
    sim.fire(1_000_000)
    assert sim.body_c == pytest.approx(25 + 45)
    clock.now = 45.0
    assert sim.settle() == pytest.approx(25 + 45 / math.e)
    assert sim.peak_c == pytest.approx(70)


def test_the_thermistor_follows_with_its_lag_however_time_is_cut() -> None:
    coarse_clock, fine_clock = VirtualClock(), VirtualClock()
    coarse, fine = head(coarse_clock, lag_s=2.0), head(fine_clock, lag_s=2.0)
    coarse.fire(500_000)
    fine.fire(500_000)
    for step in range(1, 31):
        fine_clock.now = step / 10
        fine.settle()
    coarse_clock.now = 3.0
    assert coarse.reading() == pytest.approx(fine.reading())
    lagging = coarse.reading()
    assert lagging is not None
    assert 25 < lagging < coarse.body_c


def test_a_factor_lets_the_head_run_ahead_of_the_clock() -> None:
    clock = VirtualClock()
    sim = head(clock, factor=15.0)
    sim.fire(1_000_000)
    clock.now = 3.0
    assert sim.settle() == pytest.approx(25 + 45 / math.e)


async def test_every_trouble_of_the_sensor_shows() -> None:
    clock = VirtualClock()
    sim = head(clock, lag_s=0.0)
    assert await sim.read() == pytest.approx(25.0)
    sim.set_trouble(SensorTrouble.FROZEN)
    sim.set_body(70.0)
    assert await sim.read() == pytest.approx(25.0)
    for trouble, shown in (
        (SensorTrouble.OPEN, -40.0),
        (SensorTrouble.SHORT, 150.0),
        (SensorTrouble.SILENT, None),
        (SensorTrouble.NONE, 70.0),
    ):
        sim.set_trouble(trouble)
        assert await sim.read() == shown
    sim.set_trouble(SensorTrouble.JUMPING)
    first, second = await sim.read(), await sim.read()
    assert first is not None
    assert second is not None
    assert abs(first - second) == 90.0
