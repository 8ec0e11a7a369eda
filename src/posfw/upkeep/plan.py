"""保养: what is due by days and by metres of paper, who did what, parts, faults, stability.

Folded from the UPKEEP, FAULT and SYSTEM topics. Lubrication concerns the feed mechanism, never
the head; which grease, says the mechanism's manual.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from posfw.values.events import Record

__all__ = [
    "TASKS",
    "Due",
    "Score",
    "Task",
    "Upkeep",
    "due",
    "fold",
    "score",
    "unsupported",
]

MM_A_METRE = 1_000


@dataclass(frozen=True, slots=True)
class Task:
    """One kind of work; 0 where days or metres do not count."""

    id: str
    zh: str
    en: str
    days: int
    metres: int = 0


# Intervals are starting points: a site's dust and its mechanism's manual know better.
TASKS = (
    Task(
        "clean_head", "清洁打印头(先冷却)", "Clean the print head (let it cool first)", 30, 1_000
    ),
    Task("clean_rollers", "清洁走纸胶辊", "Wipe the paper rollers", 14, 500),
    Task(
        "lubricate",
        "润滑走纸机构(不含打印头)",
        "Lubricate the feed mechanism, never the head",
        180,
    ),
    Task("reader", "清洁读卡器", "Clean the card reader", 30),
    Task("test_pattern", "打印测试样张", "Print the test pattern and look at it", 30, 1_000),
    Task("backup_drill", "备份与恢复演练", "Make a backup and try to restore it", 30),
    Task("battery", "检查电源与电池", "Check supply and battery", 90),
)


@dataclass(frozen=True, slots=True)
class Done:
    """One piece of work."""

    task: str
    at: datetime
    operator: str
    metres: int
    parts: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The maintenance log.

    Attributes:
        done: newest work by task.
        log: everything, oldest first.
        metres: of paper printed, as last counted.
        since: first record: what was never done counts from here.
    """

    done: Mapping[str, Done] = field(default_factory=dict)
    log: tuple[Done, ...] = ()
    metres: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """One task as it stands; `why` is "", `days` or `metres`."""

    task: Task
    on: date
    metres_left: int | None
    why: str


@dataclass(frozen=True, slots=True)
class Score:
    """Stability over some days: 100 is a quiet terminal (S80–S83).

    Attributes:
        points: 0 to 100.
        verdict: ok, watch or replace.
        faults, restarts, retries: in the window.
        by_part: faults by part.
    """

    points: int
    verdict: str
    faults: int
    restarts: int
    retries: int
    by_part: Mapping[str, int]


def fold(records: Iterable[Record]) -> Upkeep:
    """Return the log after these records of the UPKEEP topic."""
    done: dict[str, Done] = {}
    log: list[Done] = []
    metres, since = 0, None
    for record in records:
        since = since or record.at
        if record.name == "metres":
            metres = max(metres, _number(record.body.get("mm")) // MM_A_METRE)
        elif record.name == "done":
            parts = record.body.get("parts", ())
            each = Done(
                task=str(record.body["task"]),
                at=record.at,
                operator=record.operator,
                metres=_number(record.body.get("metres")),
                parts=tuple(str(part) for part in parts) if isinstance(parts, list) else (),
                note=str(record.body.get("note", "")),
            )
            done[each.task] = each
            log.append(each)
    return Upkeep(done, tuple(log), metres, since)


def due(upkeep: Upkeep, now: datetime, tasks: Iterable[Task] = TASKS) -> tuple[Due, ...]:
    """Return every task with its date, what is due first, the longest overdue before others."""
    found = []
    for task in tasks:
        last = upkeep.done.get(task.id)
        start = (last.at if last else upkeep.since or now).date()
        on = start + timedelta(days=task.days)
        left = None
        if task.metres:
            left = task.metres - (upkeep.metres - (last.metres if last else 0))
        why = "days" if on <= now.date() else ""
        if left is not None and left <= 0:
            why = "metres"
        found.append(Due(task, on, left, why))
    return tuple(sorted(found, key=lambda each: (not each.why, each.on)))


def score(
    faults: Iterable[Record], system: Iterable[Record], now: datetime, days: int = 7
) -> Score:
    """Return the stability of the last `days` days.

    A fault costs 4 points a day on average, a restart 6, a retry 1; below 80 somebody should look,
    below 50 the device should not stay in service.
    """
    after = now - timedelta(days=days)
    recent = [each for each in faults if each.at >= after]
    retries = sum(each.name == "retry" for each in recent)
    broken = [each for each in recent if each.name != "retry"]
    # The first start of a window is not a restart: somebody switched the terminal on.
    starts = sum(each.name == "started" and each.at >= after for each in system)
    restarts = max(0, starts - 1)
    by_part: dict[str, int] = {}
    for each in broken:
        part = str(each.body.get("part", "other"))
        by_part[part] = by_part.get(part, 0) + 1
    lost = (4 * len(broken) + 6 * restarts + retries) // max(1, days)
    points = max(0, 100 - lost)
    verdict = "ok" if points >= 80 else "watch" if points >= 50 else "replace"
    return Score(points, verdict, len(broken), restarts, retries, by_part)


def unsupported(parts: Iterable[str], models: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return the parts, written `part:model`, that are not among the models of their kind (S82).

    A kind that has no list is not judged, and neither is a part without a model.
    """
    found = []
    for each in parts:
        kind, colon, model = each.partition(":")
        if colon and kind in models and model.strip() not in models[kind]:
            found.append(each)
    return tuple(found)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
