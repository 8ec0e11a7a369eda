"""A journal with years of sales, made in minutes: settled batches multiplied by bulk SQL.

Rows, indexes and file sizes are those of a journal that sold all of it; the codes of multiplied
entries are copies, so the chain of such a journal does not verify.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posfw.journal.driver import archive_of

__all__ = ["multiply"]

# One replica of batch 1 in the archive: `replica` further on, `through` entries, `jobs` jobs each.
_ARCHIVED = (
    (
        "INSERT INTO entry SELECT number + :replica * :through, topic, name, at, operator,"
        " CASE batch WHEN 0 THEN 0 ELSE batch + :replica END, stan, body, mac FROM entry"
        " WHERE number <= :through"
    ),
    (
        "INSERT INTO txn SELECT batch + :replica, stan, state, ksn, kind, amount, intent, offline,"
        " answer, concluded_at, refunded, voided, open_owed, reason, step FROM txn WHERE batch = 1"
    ),
    (
        "INSERT INTO job SELECT number + :replica * :jobs, rank, kind,"
        " CASE kind WHEN 'receipt' THEN"
        " substr(subject, 1, 9) || printf('%06d', 1 + :replica) || substr(subject, 16)"
        " ELSE 1 + :replica END, copy, duplicate, state, band, reason, step FROM job"
        " WHERE number <= :jobs"
    ),
    (
        "INSERT INTO batch SELECT number + :replica, sequence + :replica, opened_at, closed_at,"
        " result, step FROM batch WHERE number = 1"
    ),
)
# What is still in the journal comes after the replicas; first below zero, so that no two meet.
_SHIFTED = (
    (
        "UPDATE entry SET number = -number - :more * :through,"
        " batch = CASE batch WHEN 0 THEN 0 ELSE batch + :more END WHERE number > :through"
    ),
    "UPDATE entry SET number = -number WHERE number < 0",
    "UPDATE txn SET batch = batch + :more",
    "UPDATE batch SET number = -number - :more, sequence = -sequence - :more",
    "UPDATE batch SET number = -number, sequence = -sequence",
    (
        "UPDATE job SET number = -number - :more * :jobs, subject = CASE kind WHEN 'receipt' THEN"
        " substr(subject, 1, 9) || printf('%06d', substr(subject, 10, 6) + :more)"
        " || substr(subject, 16) ELSE subject + :more END"
    ),
    "UPDATE job SET number = -number",
    "UPDATE archived SET through = :through * (1 + :more)",
)
# Records stay in the journal when their batch moves.
_STAYED = (
    "INSERT INTO entry SELECT number + :replica * :through, topic, name, at, operator, batch,"
    " stan, body, mac FROM entry WHERE number <= :through"
)


def multiply(journal: Path, times: int) -> None:
    """Make a closed journal's one archived batch `times` batches; shift what is not archived."""
    more = times - 1
    with _loose(journal) as live, _loose(archive_of(journal)) as archive:
        (through,) = live.execute("SELECT through FROM archived").fetchone()
        (jobs,) = archive.execute("SELECT max(number) FROM job").fetchone()
        facts = {"through": through, "jobs": jobs, "more": more}
        for statement in _SHIFTED:
            live.execute(statement, facts)
        for replica in range(1, times):
            for statement in _ARCHIVED:
                archive.execute(statement, {**facts, "replica": replica})
            live.execute(_STAYED, {**facts, "replica": replica})
        archive.execute(
            "UPDATE step SET through = ? WHERE number = (SELECT max(number) FROM step)",
            (through * times,),
        )


@contextmanager
def _loose(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database without its triggers, and without waiting for the disk."""
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA synchronous=OFF")
    raw.execute("PRAGMA journal_mode=DELETE").fetchall()
    raw.execute("PRAGMA cache_size=-200000")
    made = raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in made:
        raw.execute(f"DROP TRIGGER {name}")
    yield raw
    for _, text in made:
        raw.execute(text)
    raw.commit()
    raw.close()
