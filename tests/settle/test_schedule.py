from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.settle.schedule import (
    Escalation,
    Level,
    Phase,
    Schedule,
    check_clock,
    notices,
)
from posfw.values.errors import RefusedError
from posfw.values.transaction import Standing

CST = timezone(timedelta(hours=8))
SCHEDULE = Schedule(time(23, 0), warn_min=15, window_min=60)
MORNING = datetime(2026, 3, 2, 8, tzinfo=CST)


def at(hour: int, minute: int = 0, day: int = 2) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=CST)


@pytest.mark.parametrize(
    ("now", "phase", "due"),
    [
        (at(12), Phase.WAIT, at(23)),
        (at(22, 44), Phase.WAIT, at(23)),
        (at(22, 45), Phase.WARN, at(23)),
        (at(23, 0), Phase.DUE, at(23)),
        (at(23, 59), Phase.DUE, at(23)),
        (at(0, 1, day=3), Phase.MISSED, at(23)),
        (at(8, 0, day=5), Phase.MISSED, at(23, day=4)),
    ],
)
def test_phases_of_a_day(now: datetime, phase: Phase, due: datetime) -> None:
    plan = SCHEDULE.plan(MORNING, now)
    assert (plan.phase, plan.at) == (phase, due.replace(tzinfo=None))
    assert plan.runs == (phase in (Phase.DUE, Phase.MISSED))


def test_once_settled_it_waits_for_tomorrow() -> None:
    plan = SCHEDULE.plan(at(23, 1), at(23, 2))
    assert (plan.phase, plan.at.day) == (Phase.WAIT, 3)


def test_a_settlement_at_noon_does_not_replace_the_evenings() -> None:
    assert SCHEDULE.plan(at(12), at(23)).runs


def test_the_repeated_hour_settles_once_and_the_skipped_hour_settles_after_it() -> None:
    berlin, night = ZoneInfo("Europe/Berlin"), Schedule(time(2, 30))
    first = datetime(2026, 10, 25, 2, 30, tzinfo=berlin, fold=0)
    opened = datetime(2026, 10, 24, 9, tzinfo=berlin)
    assert night.plan(opened, first).runs
    again = datetime(2026, 10, 25, 2, 31, tzinfo=berlin, fold=1)
    assert not night.plan(first + timedelta(seconds=5), again).runs
    spring = datetime(2026, 3, 29, 3, 0, tzinfo=berlin)
    assert night.plan(datetime(2026, 3, 28, 9, tzinfo=berlin), spring).runs


@given(
    st.integers(0, 366 * 24 * 60).map(lambda m: MORNING + timedelta(minutes=m)),
    st.integers(0, 4000),
    st.times().map(lambda t: t.replace(second=0, microsecond=0)),
)
def test_following_the_sleep_never_misses_a_phase(
    opened: datetime, minutes: int, due: time
) -> None:
    schedule = Schedule(due)
    now = opened + timedelta(minutes=minutes)
    plan = schedule.plan(opened, now)
    sleep = schedule.sleep_s(plan, now)
    assert 1 <= sleep <= 600
    if not plan.runs and sleep > 2:
        just_before = schedule.plan(opened, now + timedelta(seconds=sleep - 1))
        assert just_before.phase is plan.phase


def standing(**facts: object) -> Standing:
    base = Standing(batch=1, next_stan=2, records=10, batch_opened_at=MORNING, signed_on=True)
    return replace(base, **facts)  # type: ignore[arg-type]  # names are checked by replace itself


def test_a_young_small_batch_says_nothing() -> None:
    assert not notices(Escalation(), standing(), 1000, at(12))


@pytest.mark.parametrize(
    ("facts", "minor", "now", "level", "code"),
    [
        ({}, 0, at(4, day=3), Level.WARN, "SET-104"),
        ({}, 0, at(10, day=3), Level.REFUSE, "SET-104"),
        ({"records": 450}, 0, at(9), Level.WARN, "SET-103"),
        ({"records": 500}, 0, at(9), Level.REFUSE, "SET-103"),
        ({}, 50_000_000, at(9), Level.WARN, "SET-105"),
        ({}, 100_000_000, at(9), Level.REFUSE, "SET-105"),
    ],
)
def test_age_count_and_sum_warn_first_and_then_refuse(
    facts: dict[str, object], minor: int, now: datetime, level: Level, code: str
) -> None:
    found = notices(Escalation(), standing(**facts), minor, now)
    assert [(n.level, n.code) for n in found] == [(level, code)]


def test_an_old_empty_batch_is_no_reason() -> None:
    assert not notices(Escalation(), standing(records=0), 0, at(10, day=9))


def test_refusals_come_first() -> None:
    found = notices(Escalation(), standing(records=500), 50_000_000, at(9))
    assert [n.level for n in found] == [Level.REFUSE, Level.WARN]


def test_a_clock_behind_the_records_refuses_to_settle() -> None:
    with pytest.raises(RefusedError) as refused:
        check_clock(at(8), None, at(9))
    assert refused.value.stable_code == "SET-126"
    with pytest.raises(RefusedError):
        check_clock(datetime(1970, 1, 1, tzinfo=CST), MORNING, None)
    check_clock(at(9), MORNING, at(9, 1))
    check_clock(at(9), None, None)
