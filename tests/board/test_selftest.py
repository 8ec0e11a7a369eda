from __future__ import annotations

import pytest

from posfw.board.selftest import Step, passed, reading_step, rise_step, skipped, verdict


@pytest.mark.parametrize(
    ("celsius", "state"),
    [(25.0, "pass"), (-20.0, "pass"), (60.0, "pass"), (61.0, "fail"), (-21.0, "fail"),
     (None, "fail")],
)  # fmt: skip
def test_a_head_at_rest_is_near_the_room(celsius: float | None, state: str) -> None:
    assert reading_step(celsius).state == state


@pytest.mark.parametrize(
    ("before", "after", "state"),
    [(25.0, 30.0, "pass"), (25.0, 25.1, "fail"), (25.0, 90.0, "fail"), (30.0, 25.0, "fail"),
     (None, 30.0, "fail"), (25.0, None, "fail")],
)  # fmt: skip
def test_only_a_rise_within_bounds_proves_heater_and_sensor(
    before: float | None, after: float | None, state: str
) -> None:
    assert rise_step(before, after, 2, 40).state == state


def test_a_skipped_step_is_no_pass_and_no_step_is_no_verdict() -> None:
    assert verdict("b", [passed("a")])["ok"] is True
    assert verdict("b", [passed("a"), skipped("b", "why")])["ok"] is False
    assert verdict("b", [Step("a", "fail")])["ok"] is False
    assert verdict("b", [])["ok"] is False
