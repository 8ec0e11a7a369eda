"""The judge of the throttle's bench: its optimum is one."""

from __future__ import annotations

import itertools
import math

import pytest

from bench.printer_throttle import STOP_C, Optimum
from posfw.sim.head import HeadSim
from posfw.sim.heat import Job, VirtualClock, run

SLOTS = 14
SLOT_S = 24 * 0.125 / 60.0  # one strip at full speed
HEAT_C = 2.0


def head(clock: VirtualClock, ambient_c: float, from_c: float) -> HeadSim:
    return HeadSim(
        clock, tau_s=1.0, rise_c_per_kdot=HEAT_C, ambient_c=ambient_c, body_c=from_c, lag_s=0.0
    )


def best_of_all_schedules(ambient_c: float, from_c: float) -> int:
    """Try every way of firing or waiting in each slot; return the most strips within the limit."""
    most = 0
    for schedule in itertools.product((0, 1), repeat=SLOTS):
        c, feasible = from_c, True
        for fires in schedule:
            c += HEAT_C * fires
            feasible = feasible and c <= STOP_C
            c = ambient_c + (c - ambient_c) * math.exp(-SLOT_S)
        if feasible:
            most = max(most, sum(schedule))
    return most


@pytest.mark.parametrize(
    ("ambient_c", "from_c"), [(25.0, 70.0), (50.0, 79.0), (70.0, 78.5), (20.0, 30.0)]
)
def test_no_schedule_prints_more_than_the_optimum(ambient_c: float, from_c: float) -> None:
    clock = VirtualClock()
    sim = head(clock, ambient_c, from_c)
    jobs = itertools.repeat(Job(24, 1000 / (24 * 384)))
    trace = run(Optimum(sim, 480.0), sim, clock, jobs, seconds=SLOTS * SLOT_S - 1e-6)
    assert sim.peak_c <= STOP_C + 1e-6
    assert len(trace.strips) >= best_of_all_schedules(ambient_c, from_c)
