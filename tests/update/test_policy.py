from __future__ import annotations

from dataclasses import replace

import pytest

from posfw.update.manifest import Manifest, Release
from posfw.update.policy import Keeping, Situation, judge, keeping, may_update

RUNNING = Release("posfw-x", "0.2.0", 3, (1, 2), "0.1.0", "release")
NEXT = Manifest("posfw-x", "0.3.0", 3, (1, 2), "0.1.0")


def test_a_quiet_terminal_may_be_updated() -> None:
    assert may_update(Situation()) == ()


@pytest.mark.parametrize(
    ("situation", "code"),
    [
        (Situation(records=1), "UPD-101"),
        (Situation(reversals=1), "UPD-102"),
        (Situation(unsent=1), "UPD-102"),
        (Situation(in_doubt=1), "UPD-103"),
        (Situation(jobs=1), "UPD-104"),
        (Situation(unknown_prints=1), "UPD-104"),
        (Situation(settling=True), "UPD-105"),
        (Situation(trial=True), "UPD-106"),
        (Situation(behind=True), "UPD-107"),
    ],
)
def test_everything_that_is_open_forbids_it(situation: Situation, code: str) -> None:
    assert may_update(situation) == (code,)


def test_all_reasons_are_told_at_once() -> None:
    assert may_update(Situation(1, 1, 1, 1, True, 1, 1, True, True)) == tuple(
        f"UPD-{number}" for number in range(101, 108)
    )


def test_a_fitting_bundle_is_taken() -> None:
    assert judge(NEXT, RUNNING, counter=3, schema=2) == ()


@pytest.mark.parametrize(
    ("manifest", "code"),
    [
        (replace(NEXT, compatible="posfw-y"), "UPD-201"),
        (replace(NEXT, version="0.0.9"), "UPD-202"),
        (replace(NEXT, from_version="0.2.1"), "UPD-202"),
        (replace(NEXT, counter=2), "UPD-203"),
        (replace(NEXT, schema=(3, 4)), "UPD-204"),
        (replace(NEXT, schema=(1, 1)), "UPD-204"),
    ],
)
def test_a_bundle_that_does_not_fit_is_named(manifest: Manifest, code: str) -> None:
    assert judge(manifest, RUNNING, counter=3, schema=2) == (code,)


def test_an_older_version_with_the_counter_is_taken() -> None:
    """Bug-fix releases may go back, mended holes may not."""
    assert judge(replace(NEXT, version="0.1.0"), RUNNING, counter=3, schema=2) == ()


@pytest.mark.parametrize("counter", [None, 4])
def test_the_counter_fails_closed(counter: int | None) -> None:
    assert judge(NEXT, RUNNING, counter=counter, schema=2) == ("UPD-203",)


def test_the_running_image_is_a_floor_too() -> None:
    assert judge(replace(NEXT, counter=2), RUNNING, counter=1, schema=2) == ("UPD-203",)


def test_a_program_on_trial_copies_before_it_migrates() -> None:
    def kept(journal: int, copy: int = 0, *, trial: bool = True) -> Keeping:
        return keeping(journal=journal, program=3, trial=trial, failed=False, copy=copy)

    assert kept(2) is Keeping.COPY
    assert kept(2, copy=2) is Keeping.OPEN
    assert kept(3) is Keeping.OPEN
    assert kept(0) is Keeping.OPEN
    assert kept(2, trial=False) is Keeping.OPEN


def test_an_old_program_puts_back_only_after_a_failed_trial() -> None:
    def kept(copy: int, *, failed: bool) -> Keeping:
        return keeping(journal=3, program=2, trial=False, failed=failed, copy=copy)

    assert kept(2, failed=True) is Keeping.PUT_BACK
    assert kept(2, failed=False) is Keeping.REFUSE
    assert kept(0, failed=True) is Keeping.REFUSE
    assert kept(3, failed=True) is Keeping.REFUSE
