from __future__ import annotations

import math
from dataclasses import replace

import pytest

from posfw.printer.strip import Strip
from posfw.printer.throttle import (
    BUDGET_USED,
    HEAD_HOT,
    LEASE_S,
    TOO_COLD,
    TOO_WARM_AROUND,
    Go,
    Start,
    Throttle,
    Wait,
    Zone,
    next_zone,
)
from posfw.values.hardware import PrinterProfile, ThermalProfile

LIMITS = ThermalProfile()
PROFILE = PrinterProfile()
TEXT = Strip(b"", 24, 1100)  # 12 % of 24 rows
BLACK = Strip(b"", 24, 24 * 384)
WHITE = Strip(b"", 24, 0)


def warmed(head_c: float, *, now: float = 100.0) -> Throttle:
    """Return a throttle whose sensor has told `head_c` three times."""
    state = Throttle.begin(PROFILE, now - 2.0, sensor=True)
    for ago_s in (1.0, 0.5, 0.0):
        state = state.observed(head_c, now - ago_s)
    return state


def blind(head_c: float, *, ambient_c: float = 25.0) -> Throttle:
    """Return a throttle without a sensor, cooled down to normal and then at `head_c`."""
    state = Throttle.begin(PROFILE, 0.0, sensor=False, ambient_c=ambient_c).advanced(600.0)
    return replace(state, head_c=head_c)


# Every row: (zone before, temperature, zone after) with slow 60, resume 60, stop 75.
@pytest.mark.parametrize(
    ("zone", "head_c", "after"),
    [
        (Zone.NORMAL, 59.9, Zone.NORMAL),
        (Zone.NORMAL, 60.0, Zone.SLOW),
        (Zone.NORMAL, 75.0, Zone.STOP),
        (Zone.SLOW, 74.9, Zone.SLOW),
        (Zone.SLOW, 57.0, Zone.SLOW),
        (Zone.SLOW, 56.9, Zone.NORMAL),
        (Zone.SLOW, 75.0, Zone.STOP),
        (Zone.STOP, 74.9, Zone.STOP),
        (Zone.STOP, 60.0, Zone.STOP),
        (Zone.STOP, 59.9, Zone.SLOW),
        (Zone.STOP, 56.9, Zone.NORMAL),
    ],
)
def test_zones_have_hysteresis(zone: Zone, head_c: float, after: Zone) -> None:
    assert next_zone(zone, head_c, LIMITS) is after


def test_a_permission_is_a_lease_of_a_second() -> None:
    assert warmed(30.0).ask(TEXT, 100.0) == Go(100.0 + LEASE_S)
    assert LEASE_S == 1.0


def test_without_any_reading_nothing_is_fired() -> None:
    state = Throttle.begin(PROFILE, 0.0, sensor=True)
    assert state.ask(WHITE, 0.1) == Wait(math.inf, "PRN-213")
    assert state.admit(100, 0, 0.1) == Wait(math.inf, "PRN-213")


@pytest.mark.parametrize(
    ("samples", "code"),
    [
        ([-40.0, -40.0], "PRN-211"),
        ([150.0, 150.0], "PRN-212"),
        ([75.0, 20.0], "PRN-215"),
        ([None] * 6, "PRN-213"),
    ],
)
def test_every_fault_of_the_sensor_stops_the_head(samples: list[float | None], code: str) -> None:
    state, now = warmed(30.0), 100.0
    for sample in samples:
        now += 0.5
        state = state.observed(sample, now)
    assert state.ask(TEXT, now) == Wait(math.inf, code)
    assert state.resumes_at(now) == math.inf


def test_the_higher_of_model_and_measurement_rules() -> None:
    heated = warmed(30.0).fired(Strip(b"", 24, 500_000), 100.0)
    assert heated.head_c == pytest.approx(52.5)
    assert heated.observed(31.0, 100.5).head_c == pytest.approx(52.5, abs=0.5)
    assert warmed(30.0).observed(36.0, 100.5).head_c == 36.0


def test_hot_waits_until_resume_and_says_how_long() -> None:
    state = warmed(76.0)
    answer = state.ask(TEXT, 100.0)
    assert isinstance(answer, Wait)
    assert answer.reason == HEAD_HOT
    assert answer.until == pytest.approx(100 + 45 * math.log(51 / 35))
    assert state.resumes_at(100.0) == answer.until
    later = answer.until + 0.01
    cool = state.observed(59.9, later)
    assert isinstance(cool.ask(TEXT, later), Go)


def test_reaching_the_stop_is_counted_once() -> None:
    state = warmed(70.0)
    assert state.stops == 0
    stopped = state.observed(76.0, 100.5).observed(76.5, 101.0)
    assert (stopped.zone, stopped.stops) == (Zone.STOP, 1)


def test_no_strip_lifts_the_head_above_the_target() -> None:
    state = warmed(73.8)
    assert isinstance(state.ask(Strip(b"", 24, 1000), 100.0), Go)
    answer = state.ask(BLACK, 100.0)
    assert isinstance(answer, Wait)
    assert answer.reason == HEAD_HOT
    cooled = state.model.cooled(state.head_c, answer.until - 100.0)
    assert cooled + state.model.rise_c(BLACK.dots) == pytest.approx(state.target_c)


def test_paper_sets_the_pace_when_the_head_is_cool() -> None:
    state = warmed(30.0)
    fired = 0
    while isinstance(state.ask(TEXT, 100.0), Go):
        state = state.fired(TEXT, 100.0)
        fired += 1
    assert fired == 6  # a quarter of a second ahead of paper that needs 50 ms a strip
    answer = state.ask(TEXT, 100.0)
    assert isinstance(answer, Wait)
    assert answer.until == pytest.approx(100.05)
    assert not answer.reason


def test_in_the_slow_zone_a_strip_takes_longer_and_white_does_not() -> None:
    state = warmed(73.0)
    assert state.zone is Zone.SLOW
    black = state.fired(BLACK, 100.0).ready_at - 100.0
    white = state.fired(WHITE, 100.0).ready_at - 100.0
    assert white == pytest.approx(0.05)
    assert black > 5 * white


def test_too_cold_is_refused() -> None:
    assert warmed(4.9).ask(TEXT, 100.0) == Wait(math.inf, TOO_COLD)
    assert isinstance(warmed(5.0).ask(TEXT, 100.0), Go)


def test_without_a_sensor_a_process_begins_hot() -> None:
    state = Throttle.begin(PROFILE, 0.0, sensor=False)
    answer = state.ask(TEXT, 0.0)
    assert isinstance(answer, Wait)
    assert answer.reason == HEAD_HOT
    assert answer.until == pytest.approx(45 * 1.2 * math.log(50 / 35))
    assert state.stops == 0


def test_without_a_sensor_the_minute_has_a_budget() -> None:
    state = blind(25.0, ambient_c=50.0)
    assert state.budget is not None
    half = replace(BLACK, dots=state.budget.dots // 2)
    state = state.fired(half, 600.0).fired(half, 600.0)
    state = replace(state, head_c=50.0, ready_at=600.0)
    answer = state.ask(BLACK, 600.0)
    assert isinstance(answer, Wait)
    assert answer.reason == BUDGET_USED
    assert 660.0 <= answer.until <= 661.0
    assert state.admit(800, 30_000, 600.0) == answer


def test_warmer_around_than_the_table_prints_nothing_without_a_sensor() -> None:
    state = blind(30.0).surrounded(51.0)
    assert state.ask(TEXT, 600.0) == Wait(math.inf, TOO_WARM_AROUND)


def test_a_cool_head_prints_at_full_speed() -> None:
    assert warmed(30.0).admit(800, 37_000, 100.0) == Start(1.0)
    assert warmed(30.0).admit(800, 0, 100.0) == Start(1.0)


def test_a_job_that_would_end_too_hot_starts_slowly_instead_of_stopping() -> None:
    state = warmed(72.0)
    answer = state.admit(800, 120_000, 100.0)
    assert isinstance(answer, Start)
    assert 1.0 < answer.stretch < 6.0
    seconds = answer.stretch * 800 / state.rows_per_s
    ends_c = state.model.after_job(state.head_c, 120_000, seconds)
    assert ends_c == pytest.approx(state.target_c, abs=0.01)


def test_a_job_too_black_for_now_waits_first_and_says_how_long() -> None:
    state = warmed(73.5).surrounded(60.0)
    answer = state.admit(800, 400_000, 100.0)
    assert isinstance(answer, Wait)
    assert answer.reason == HEAD_HOT
    assert 100.0 < answer.until < 200.0
    later = answer.until + 0.01
    cooled_c = state.advanced(later).head_c
    begun = state.observed(cooled_c, later).admit(800, 400_000, later)
    assert isinstance(begun, Start)


def test_a_job_too_black_for_any_head_starts_at_the_rate_that_can_be_held() -> None:
    state = warmed(50.0).surrounded(45.0)
    answer = state.admit(8000, 3_000_000, 100.0)
    assert isinstance(answer, Start)
    rate = 3_000_000 / (answer.stretch * 8000 / state.rows_per_s)
    assert rate <= state.model.holding_dots_per_s(state.target_c) + 1


def test_time_never_runs_backwards() -> None:
    state = warmed(50.0)
    assert state.advanced(99.0) is state
