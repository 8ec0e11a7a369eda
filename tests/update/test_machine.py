from __future__ import annotations

from datetime import UTC, datetime

import pytest

from posfw.update.machine import TABLE, Progress, Stage, fold, repaired
from posfw.values.events import Plain, Record, Topic

AT = datetime(2026, 3, 1, tzinfo=UTC)


def said(*names: str) -> list[Record]:
    body: dict[str, Plain] = {"version": "0.2.0", "slot": "B", "counter": 5}
    return [Record(Topic.UPDATE, name, AT, body=body) for name in names]


WAYS = {
    Stage.IDLE: (),
    Stage.CHECKED: ("checked",),
    Stage.INSTALLING: ("checked", "installing"),
    Stage.PENDING: ("checked", "installing", "installed"),
    Stage.GOOD: ("checked", "installing", "installed", "good"),
    Stage.REVERTED: ("checked", "installing", "installed", "returned"),
}


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("name", ["checked", "installing", "installed", "failed", "x"])
def test_every_row_and_no_other(stage: Stage, name: str) -> None:
    before = fold(said(*WAYS[stage]))
    assert before.stage is stage
    assert fold(said(*WAYS[stage], name)).stage is TABLE.get((stage, name), stage)


@pytest.mark.parametrize("stage", list(Stage))
def test_what_the_boot_state_proved_counts_everywhere(stage: Stage) -> None:
    assert fold(said(*WAYS[stage], "good")).stage is Stage.GOOD
    assert fold(said(*WAYS[stage], "returned")).stage is Stage.REVERTED


def test_only_a_good_one_raises_the_floor() -> None:
    assert fold(said("checked", "installing", "installed")).counter == 0
    assert fold(said(*WAYS[Stage.GOOD])).counter == 5


def test_a_swallowed_record_is_found() -> None:
    def missing(stage: Stage, slot: str, trial: str) -> str:
        return repaired(Progress(stage, "0.2.0", "B"), slot=slot, trial=trial)

    assert missing(Stage.INSTALLING, "A", "") == "failed"
    assert missing(Stage.INSTALLING, "A", "B") == "installed"
    assert missing(Stage.PENDING, "B", "") == "good"
    assert missing(Stage.PENDING, "A", "") == "returned"
    assert missing(Stage.PENDING, "B", "B") == ""
    for stage in (Stage.IDLE, Stage.CHECKED, Stage.GOOD, Stage.REVERTED):
        assert missing(stage, "A", "") == ""
