from __future__ import annotations

from dataclasses import asdict

from hypothesis import given
from hypothesis import strategies as st

from posfw.activate.acceptance import KINDS, LAST, Round, judged, passed, plan, report


@given(st.integers(0, 200))
def test_a_plan_has_every_kind_varied_amounts_and_the_settlement_last(rounds: int) -> None:
    tasks = plan(rounds, 51)
    assert len(tasks) == max(rounds, len(KINDS) + 1)
    assert {task.kind for task in tasks} == {*KINDS, LAST}
    assert [task.kind for task in tasks].index(LAST) == len(tasks) - 1
    assert [task.number for task in tasks] == list(range(1, len(tasks) + 1))
    for task in tasks[:-1]:
        assert task.minor % 100 == (51 if task.kind == "decline" else 0)
        assert task.minor >= 100
    amounts = [task.minor for task in tasks[:-1]][:40]
    assert len(set(amounts)) == len(amounts)


def test_one_failure_fails_the_run_and_is_named() -> None:
    good, bad = Round(1, "sale", 800, True, 40), Round(2, "print", 0, False, 9, "no paper")
    assert passed([good])
    assert not passed([good, bad])
    assert not passed([])
    found = report([good, bad, Round(3, "sale", 900, True, 60)])
    assert (found.passed, found.failures) == (False, (bad,))
    assert (found.by_kind, found.slowest_ms) == (
        {"sale": 2, "print": 1},
        {"sale": 60, "print": 9},
    )


def test_a_round_comes_back_from_its_record() -> None:
    done = Round(1, "sale", 800, True, 40, "ok")
    assert Round.from_body(asdict(done)) == done


def test_a_round_over_its_budget_fails_the_run_and_says_by_how_much() -> None:
    quick, slow = Round(1, "sale", 800, True, 1500), Round(2, "void", 800, True, 1501)
    assert judged(quick, 1500) == quick
    assert judged(slow, 0) == slow
    late = judged(slow, 1500)
    assert not passed([quick, late])
    assert late.detail.startswith("1501 ms, at most 1500 ms")
