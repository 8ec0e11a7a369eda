from __future__ import annotations

from collections import Counter

import pytest

from posfw.sim.script import DECLINES, SALES, script

ALWAYS = {
    "lost_answer",
    "late_answer",
    "line_down",
    "power_cut",
    "chip_swipe",
    "void",
    "refund",
    "paper_out",
    "cover_open",
    "hot_head",
    "print_cut",
    "settle",
    "activation",
    "sign_on",
    "shift",
    "lock_out",
    "lock",
    "basket",
    "tips",
    "by_telephone",
    "instalment",
    "held",
    "scanned",
    "shown",
    "taps",
    "x_report",
    "z_report",
    "sign_off",
}


@pytest.mark.parametrize("seed", range(1, 21))
def test_what_must_happen_happens_whatever_the_seed(seed: int) -> None:
    steps = script(seed)
    assert Counter(step.what for step in steps) == Counter(
        dict.fromkeys(ALWAYS, 1) | {"sale": SALES + len(DECLINES)}
    )
    assert {step.code for step in steps if step.code} == set(DECLINES)
    assert [step.what for step in steps[:3]] == ["activation", "sign_on", "shift"]
    assert [step.what for step in steps[-3:]] == ["settle", "z_report", "sign_off"]
    sales = [step for step in steps if step.what == "sale"]
    assert any(step.swiped for step in sales)
    assert any(not step.swiped for step in sales)


def test_the_same_seed_gives_the_same_day_and_another_one_another() -> None:
    assert script(3) == script(3)
    assert script(3) != script(4)
