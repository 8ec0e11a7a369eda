from __future__ import annotations

from posfw.printer.strip import Strip
from posfw.printer.throttle import Throttle
from posfw.sim.head import HeadSim
from posfw.sim.heat import Job, Throttled, VirtualClock, run, strips_of
from posfw.sim.plot import simulated_day
from posfw.values.hardware import PrinterProfile

PROFILE = PrinterProfile()


def test_a_job_is_cut_into_whole_strips() -> None:
    assert strips_of(Job(50, 0.5), 384) == [
        Strip(b"", 24, 4608),
        Strip(b"", 24, 4608),
        Strip(b"", 2, 384),
    ]
    assert strips_of(Job(0, 1.0), 384) == []


def test_a_run_ends_with_its_jobs_or_its_time() -> None:
    clock = VirtualClock()
    head = HeadSim.like(PROFILE.thermal, clock)
    rule = Throttled(Throttle.begin(PROFILE, 0.0, sensor=True))
    trace = run(rule, head, clock, [Job(480, 0.1)] * 3, seconds=60.0)
    assert (trace.jobs, trace.rows) == (3, 1440)
    assert 2.5 <= trace.seconds <= 4.5  # three seconds of paper, and the thermometer's first words
    cut = run(rule, head, clock, [Job(48_000, 0.1)], seconds=1.0)
    assert cut.jobs == 0
    assert 480 <= cut.rows <= 720
    assert head.dots == sum(s.dots for s in strips_of(Job(480, 0.1), 384)) * 3 + (
        cut.rows // 24 * strips_of(Job(24, 0.1), 384)[0].dots
    )


def test_a_seed_gives_the_same_day() -> None:
    first = simulated_day(PROFILE, ambient_c=25.0, seed=3, sensor=False, hours=0.5)
    again = simulated_day(PROFILE, ambient_c=25.0, seed=3, sensor=False, hours=0.5)
    assert first.trace.samples == again.trace.samples
    assert first.peak_c <= PROFILE.thermal.stop_c
    assert {s.zone for s in first.trace.samples} >= {"stop", "normal"}  # it begins hot
