from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.printer.budget import Budget, duty_at
from posfw.values.hardware import PrinterProfile, ThermalProfile

PROFILE = PrinterProfile()


@pytest.mark.parametrize(
    ("ambient_c", "duty"),
    [(-10, 0.20), (25, 0.20), (30, 0.15), (35, 0.10), (42.5, 0.07), (50, 0.04), (50.1, 0.0)],
)
def test_duty_follows_the_table(ambient_c: float, duty: float) -> None:
    assert duty_at(ThermalProfile(), ambient_c) == pytest.approx(duty)


def test_no_table_allows_nothing() -> None:
    assert duty_at(ThermalProfile(duty=()), 25) == 0.0


def test_the_published_budget_of_a_minute() -> None:
    # boards page, section 3: 2.2 M black dots a minute at 25 C, 0.44 M at 50 C.
    assert Budget.of(PROFILE, 25).dots == pytest.approx(2.2e6, rel=0.01)
    assert Budget.of(PROFILE, 50).dots == pytest.approx(0.44e6, rel=0.01)


def test_the_rest_of_a_window_is_told_to_the_second() -> None:
    budget = Budget(dots=1000, window_s=60.0).used(900, 5.5)
    assert budget.free_at(100, 6.0) == 6.0
    assert budget.free_at(101, 6.0) == 66.0  # the slot 5..6 s leaves when its end is 60 s old
    assert budget.free_at(5000, 6.0) == 66.0  # more than a window: once the window is empty


@given(st.lists(st.tuples(st.floats(0.0, 20.0), st.integers(0, 400)), max_size=120))
def test_no_window_ever_holds_more_than_the_budget(asked: list[tuple[float, int]]) -> None:
    budget = Budget(dots=1000, window_s=60.0)
    now = 0.0
    fired: deque[tuple[float, int]] = deque()
    for gap_s, dots in asked:
        now += gap_s
        free_at = budget.free_at(dots, now)
        assert free_at >= now
        now = free_at
        assert budget.free_at(dots, now) == now  # what was promised holds
        budget = budget.used(dots, now)
        fired.append((now, dots))
        assert sum(d for at, d in fired if at > now - 60.0) <= 1000
        assert len(budget.slots) <= 62
