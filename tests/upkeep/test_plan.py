from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from posfw.upkeep.plan import TASKS, Task, due, fold, score
from posfw.values.events import Plain, Record, Topic

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def record(name: str, days: float = 0, topic: Topic = Topic.UPKEEP, **body: Plain) -> Record:
    return Record(topic, name, NOW + timedelta(days=days), "01", body)


def done(task: str, days: float = 0, metres: int = 0) -> Record:
    return Record(
        Topic.UPKEEP,
        "done",
        NOW + timedelta(days=days),
        "01",
        {"task": task, "metres": metres, "parts": ["roller"], "note": "ok"},
    )


def test_work_is_due_by_days_from_when_it_was_last_done() -> None:
    reader = [task for task in TASKS if task.id == "reader"]
    upkeep = fold([done("reader")])
    (early,) = due(upkeep, NOW + timedelta(days=29), reader)
    (late,) = due(upkeep, NOW + timedelta(days=30), reader)
    assert (early.why, late.why, late.on) == ("", "days", date(2026, 4, 1))


def test_work_is_due_by_metres_too() -> None:
    rollers = [Task("clean_rollers", "", "", days=365, metres=500)]
    records = [done("clean_rollers", metres=100), record("metres", mm=599_000)]
    (before,) = due(fold(records), NOW, rollers)
    assert (before.metres_left, before.why) == (1, "")
    (after,) = due(fold([*records, record("metres", mm=600_000)]), NOW, rollers)
    assert (after.metres_left, after.why) == (0, "metres")


def test_the_counter_never_runs_backwards() -> None:
    assert fold([record("metres", mm=5_000), record("metres", mm=1_000)]).metres == 5


def test_what_was_never_done_counts_from_the_first_record() -> None:
    upkeep = fold([record("metres", mm=0)])
    found = due(upkeep, NOW + timedelta(days=14))
    assert [each.task.id for each in found if each.why] == ["clean_rollers"]
    assert not any(each.why for each in due(fold([]), NOW))


def test_the_log_says_who_did_what_with_which_parts() -> None:
    (entry,) = fold([done("reader")]).log
    assert (entry.task, entry.operator, entry.parts, entry.note) == (
        "reader",
        "01",
        ("roller",),
        "ok",
    )


def test_texts_never_tell_anybody_to_grease_the_head() -> None:
    (task,) = [task for task in TASKS if task.id == "lubricate"]
    assert "never the head" in task.en
    assert "不含打印头" in task.zh


@pytest.mark.parametrize(
    ("faults", "restarts", "points", "verdict"),
    [(0, 0, 100, "ok"), (35, 0, 80, "ok"), (37, 0, 79, "watch"), (0, 60, 49, "replace")],
)
def test_stability_is_points_with_thresholds(
    faults: int, restarts: int, points: int, verdict: str
) -> None:
    broken = [record("seen", -1, Topic.FAULT, part="printer")] * faults
    starts = [record("started", -1, Topic.SYSTEM)] * (restarts + 1)
    found = score(broken, starts, NOW)
    assert (found.points, found.verdict) == (points, verdict)
    assert found.by_part == ({"printer": faults} if faults else {})


def test_old_faults_are_forgiven_and_retries_weigh_least() -> None:
    assert score([record("seen", -8, Topic.FAULT)] * 99, [], NOW).points == 100
    retries = [record("retry", -1, Topic.FAULT)] * 70
    found = score(retries, [], NOW)
    assert (found.points, found.retries, found.faults) == (90, 70, 0)
