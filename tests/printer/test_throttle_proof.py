"""The throttle against simulated heads: never hotter than stated, every strip once.

True temperature <= stop_c + MARGIN_C for heads up to 20 % off the profile in gain and time
constant, a thermistor that lags by up to 2 s and breaks in any way, any ambient temperature and
any stream of jobs; and it does print.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from posfw.printer.strip import Strip
from posfw.printer.throttle import MARGIN_C, Go, Start, Throttle, Wait
from posfw.sim.head import HeadSim, SensorTrouble
from posfw.sim.heat import Job, Throttled, Trace, VirtualClock, run, strips_of
from posfw.values.hardware import PrinterProfile, ThermalProfile

PROFILE = PrinterProfile()
LIMITS = PROFILE.thermal
OFF = st.floats(0.8, 1.2)
JOBS = st.lists(
    st.builds(
        Job,
        rows=st.integers(1, 2000),
        coverage=st.sampled_from((0.0, 0.02, 0.12, 0.25, 0.4, 1.0)),
        gap_s=st.sampled_from((0.0, 0.0, 1.0, 20.0)),
    ),
    min_size=1,
    max_size=12,
)
TROUBLES = st.lists(
    st.tuples(st.floats(0.0, 120.0), st.sampled_from(SensorTrouble)), max_size=4
).map(lambda found: sorted(found, key=lambda pair: pair[0]))


@dataclass(frozen=True)
class Breaking:
    """Breaks the thermistor at its times."""

    troubles: list[tuple[float, SensorTrouble]]

    def __call__(self, now: float, head: HeadSim) -> None:
        due = [trouble for at, trouble in self.troubles if at <= now]
        if due and head.trouble is not due[-1]:
            head.set_trouble(due[-1])


def printed(jobs: list[Job]) -> list[tuple[int, int]]:
    return [(n, at) for n, job in enumerate(jobs) for at in range(len(strips_of(job, 384)))]


def shift(
    jobs: list[Job],
    *,
    gain: float = 1.0,
    slowness: float = 1.0,
    ambient_c: float = 25.0,
    lag_s: float = 1.0,
    period_s: float = 0.25,
    sensor: bool = True,
    told_c: float | None = None,
    troubles: list[tuple[float, SensorTrouble]] | None = None,
    seconds: float = 3600.0,
) -> tuple[Trace, HeadSim, Throttle]:
    clock = VirtualClock()
    head = HeadSim.like(
        LIMITS, clock, gain=gain, slowness=slowness, ambient_c=ambient_c, lag_s=lag_s
    )
    rule = Throttled(Throttle.begin(PROFILE, 0.0, sensor=sensor, ambient_c=told_c))
    watch = Breaking(troubles or [])
    trace = run(rule, head, clock, jobs, seconds=seconds, period_s=period_s, watch=watch)
    return trace, head, rule.state


@settings(max_examples=60, deadline=None)
@given(JOBS, OFF, OFF, st.floats(6.0, 50.0), st.floats(0.0, 2.0), st.floats(0.1, 0.5))
def test_with_a_sensor_no_head_gets_hotter_than_stated(
    jobs: list[Job], gain: float, slow: float, ambient_c: float, lag_s: float, period_s: float
) -> None:
    trace, head, _ = shift(
        jobs,
        gain=gain,
        slowness=slow,
        ambient_c=ambient_c,
        lag_s=lag_s,
        period_s=period_s,
        seconds=4 * 3600.0,
    )
    assert head.peak_c <= LIMITS.stop_c + MARGIN_C
    assert trace.strips == printed(jobs)


@settings(max_examples=60, deadline=None)
@given(JOBS, OFF, OFF, st.floats(6.0, 50.0), TROUBLES)
def test_whatever_the_sensor_does_the_head_stays_below(
    jobs: list[Job],
    gain: float,
    slow: float,
    ambient_c: float,
    troubles: list[tuple[float, SensorTrouble]],
) -> None:
    trace, head, _ = shift(
        jobs, gain=gain, slowness=slow, ambient_c=ambient_c, troubles=troubles, seconds=600.0
    )
    assert head.peak_c <= LIMITS.stop_c + MARGIN_C
    assert trace.strips == printed(jobs)[: len(trace.strips)]


@settings(max_examples=60, deadline=None)
@given(JOBS, OFF, OFF, st.floats(6.0, 50.0), st.floats(0.0, 10.0))
def test_without_a_sensor_no_head_gets_hotter_than_the_stop(
    jobs: list[Job], gain: float, slow: float, ambient_c: float, above_c: float
) -> None:
    told_c = min(ambient_c + above_c, 50.0)
    trace, head, _ = shift(
        jobs,
        gain=gain,
        slowness=slow,
        ambient_c=ambient_c,
        sensor=False,
        told_c=told_c,
        seconds=4 * 3600.0,
    )
    assert head.peak_c <= LIMITS.stop_c
    assert trace.strips == printed(jobs)


def test_control_a_head_beyond_the_tolerances_does_get_too_hot() -> None:
    """The judge can fail: 80 % more gain with a slow thermistor breaks the bound."""
    jobs = [Job(8000, 1.0)]
    _, head, _ = shift(jobs, gain=1.8, slowness=1.2, lag_s=8.0, period_s=2.0)
    assert head.peak_c > LIMITS.stop_c + MARGIN_C


def test_control_without_the_throttle_the_head_burns() -> None:
    clock = VirtualClock()
    head = HeadSim.like(LIMITS, clock)

    class Never(Throttled):
        def admit(self, rows: int, dots: int, now: float) -> Start | Wait:
            return Start(1.0)

        def ask(self, strip: Strip, now: float) -> Go | Wait:
            return Go(now + 1)

    rule = Never(Throttle.begin(PROFILE, 0.0, sensor=True))
    run(rule, head, clock, [Job(8000, 1.0)], seconds=60.0)
    assert head.peak_c > LIMITS.max_c


def test_a_nominal_head_is_never_stopped_in_the_middle_of_a_receipt() -> None:
    jobs = list(itertools.repeat(Job(800, 0.4), 200))
    for ambient_c in (10.0, 25.0, 35.0):
        trace, _, state = shift(jobs, ambient_c=ambient_c, told_c=ambient_c, seconds=4 * 3600.0)
        assert state.stops == 0
        assert trace.jobs == len(jobs)


def test_a_resume_at_the_slow_limit_cannot_oscillate_into_the_stop() -> None:
    tight = replace(PROFILE, thermal=ThermalProfile(stop_c=66.0, resume_c=60.0, slow_c=65.0))
    clock = VirtualClock()
    head = HeadSim.like(tight.thermal, clock)
    rule = Throttled(Throttle.begin(tight, 0.0, sensor=True))
    run(rule, head, clock, itertools.repeat(Job(800, 1.0)), seconds=300.0)
    assert head.peak_c <= 66.0 + MARGIN_C
