"""Moving what is settled into the archive: rows picked, stored there, then let go here.

The archive's commit comes first and the journal's second. Between the two the same rows are in
both, and the journal's count; the next move begins by taking back what was never confirmed. So a
power cut at any point loses nothing and shows nothing twice.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from posfw.codec import cbor
from posfw.journal.sql import Mark, Row, Rows, Sql, append_entry, content_of, marked, older, one
from posfw.values.errors import JournalArchiveError, MisuseError

__all__ = [
    "ENTRIES",
    "KEEP_BATCHES",
    "MOVED",
    "TXN",
    "Step",
    "cut_back",
    "digest",
    "end_of",
    "forget",
    "holds",
    "pick",
    "read_back",
    "store",
]

# Whose entries leave the journal. Every other topic is folded by a slice at each start.
MOVED: Final = ("money", "print", "archive")
KEEP_BATCHES: Final = (
    2  # closed batches that stay: reprints and slips of yesterday need no archive
)
ENTRIES: Final = 400  # moved at a time: a sale that comes meanwhile waits for no more

ENTRY: Final = "number, topic, name, at, operator, batch, stan, body, mac"
TXN: Final = (
    "batch, stan, state, ksn, kind, amount, intent, offline, answer, concluded_at, refunded,"
    " voided, open_owed, reason"
)
JOB: Final = "number, rank, kind, subject, copy, duplicate, state, band, reason"
BATCH: Final = "number, sequence, opened_at, closed_at, result"
_REPLACE_TXN: Final = "REPLACE INTO txn VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ENDED: Final = "state NOT IN ('begun', 'reversing') AND open_owed = 0"


@dataclass(frozen=True, slots=True)
class Step:
    """One move: everything up to entry `through`, and rows that nothing will change by itself.

    Attributes:
        base: how far the moves before it came.
        through: the last entry that moves.
        entries: rows of ENTRY after the base up to `through`, whatever their topic.
        transactions: rows of TXN.
        jobs: rows of JOB.
        batches: rows of BATCH: one with the last step of a batch.
    """

    base: Mark
    through: int
    entries: list[Row]
    transactions: list[Row]
    jobs: list[Row]
    batches: list[Row]

    @property
    def number(self) -> int:
        """Its number."""
        return self.base.step + 1

    @property
    def head(self) -> bytes:
        """The code of its last entry."""
        return bytes(self.entries[-1][8]) if self.entries else self.base.head


def pick(sql: Sql, keep: int) -> Step | None:
    """Return the next move, or None while no more than `keep` closed batches are here.

    Transactions that still owe something stay, and move when they have ended.
    """
    closed = sql(f"SELECT {BATCH} FROM batch WHERE closed_at IS NOT NULL ORDER BY sequence")  # noqa: S608 - constant columns
    if len(closed) <= keep:
        return None
    oldest, base = closed[0], marked(sql)
    through = min(_closing(sql, oldest[0], len(closed)), base.through + ENTRIES)
    entries = sql(
        f"SELECT {ENTRY} FROM entry WHERE number > ? AND number <= ? ORDER BY number",  # noqa: S608 - constant columns
        (base.through, through),
    )
    transactions = sql(
        f"SELECT {TXN} FROM txn WHERE {_ENDED}"  # noqa: S608 - constant columns
        " AND (batch = ? OR batch NOT IN (SELECT number FROM batch)) ORDER BY ksn LIMIT ?",
        (oldest[0], ENTRIES),
    )
    jobs = _ended_jobs(sql, oldest[0])
    whole = not entries and len(transactions) < ENTRIES and len(jobs) < ENTRIES
    return Step(base, through, entries, transactions, jobs, [oldest] if whole else [])


def _closing(sql: Sql, batch: int, back: int) -> int:
    """Return the entry that closed a batch: `back` closings before the end."""
    rows = sql(
        "SELECT number, body FROM entry WHERE topic = 'settlement' AND topic <> 'money'"
        " AND name = 'closed' ORDER BY number DESC LIMIT 1 OFFSET ?",
        (back - 1,),
    )
    if not rows or cbor.decode(bytes(rows[0][1]))["batch"] != batch:
        raise MisuseError(f"The entry that closed batch {batch} is not where it must be.")
    return int(rows[0][0])


def _ended_jobs(sql: Sql, batch: int) -> list[Row]:
    """Return ended jobs up to the batch's slip; never the newest job, whose number counts on."""
    return sql(
        f"SELECT {JOB} FROM job WHERE state IN ('done', 'void') AND number <="  # noqa: S608 - constant columns
        " (SELECT min(number) FROM job WHERE kind = 'settlement' AND subject = ?)"
        " AND number < (SELECT max(number) FROM job) ORDER BY number LIMIT ?",
        (str(batch), ENTRIES),
    )


def read_back(sql: Sql, base: Mark) -> Step | None:
    """Return the move after `base` as the archive holds it, or None if there is none.

    Raises:
        JournalArchiveError: the archive has another past than `base`.
    """
    before = older(sql, "SELECT through, head FROM step WHERE number = ?", (base.step,))
    if base.step and before != [(base.through, base.head)]:
        raise JournalArchiveError("The copy of the archive is another journal's.")
    number = base.step + 1
    found = older(sql, "SELECT through FROM step WHERE number = ?", (number,))
    if not found or number > marked(sql).step:
        return None
    (through,) = found[0]
    entries = older(
        sql,
        f"SELECT {ENTRY} FROM entry WHERE number > ? AND number <= ? ORDER BY number",  # noqa: S608 - constant columns
        (base.through, through),
    )
    transactions, jobs, batches = (
        older(sql, f"SELECT {columns} FROM {table} WHERE step = ?", (number,))  # noqa: S608 - constant columns
        for table, columns in (("txn", TXN), ("job", JOB), ("batch", BATCH))
    )
    return Step(base, through, entries, transactions, jobs, batches)


def end_of(archive: Rows) -> Mark:
    """Return the last move that an archive holds."""
    rows = archive("SELECT number, through, head FROM step ORDER BY number DESC LIMIT 1")
    number, through, head = rows[0] if rows else (0, 0, bytes(32))
    return Mark(number, through, head, b"")


def holds(archive: Rows, mark: Mark) -> bool:
    """Say whether an archive has the past that a journal has moved into it."""
    found = archive("SELECT through, head FROM step WHERE number = ?", (mark.step,))
    return found == [(mark.through, mark.head)]


def cut_back(archive: Rows, mark: Mark) -> None:
    """Take away what a journal that was put back from an older copy has not moved.

    Rows of an older batch stay as they are, changed since or not: an old sale that was refunded
    meanwhile must not be refunded again.
    """
    archive("UPDATE confirmed SET through = ?", (mark.through,))
    archive("DELETE FROM entry WHERE number > ?", (mark.through,))
    archive("DELETE FROM batch WHERE step > ?", (mark.step,))
    archive("DELETE FROM job WHERE step > ?", (mark.step,))
    archive(
        "DELETE FROM txn WHERE step > ? AND batch NOT IN (SELECT number FROM batch)", (mark.step,)
    )
    archive("DELETE FROM step WHERE number > ?", (mark.step,))


def store(archive: Rows, step: Step) -> None:
    """Write a move into the archive, after taking back one that the journal never confirmed.

    Raises:
        JournalArchiveError: the archive does not end where the journal let go.
    """
    base = step.base
    (confirmed,) = one(archive("SELECT through FROM confirmed"))
    if confirmed > base.through:
        raise JournalArchiveError("The archive holds more than this journal has moved into it.")
    archive("UPDATE confirmed SET through = ?", (base.through,))
    archive("DELETE FROM entry WHERE number > ?", (base.through,))
    archive("DELETE FROM step WHERE number > ?", (base.step,))
    last = archive("SELECT number, mac FROM entry ORDER BY number DESC LIMIT 1")
    if last != ([(base.through, base.head)] if base.through else []):
        raise JournalArchiveError("The archive does not end where this journal goes on.")
    number = step.number
    for row in step.entries:
        archive("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    for row in step.transactions:
        archive(_REPLACE_TXN, (*row, number))
    for row in step.jobs:
        archive("REPLACE INTO job VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, number))
    for row in step.batches:
        archive("REPLACE INTO batch VALUES (?, ?, ?, ?, ?, ?)", (*row, number))
    archive("INSERT INTO step VALUES (?, ?, ?)", (number, step.through, step.head))


def forget(sql: Sql, step: Step, at: datetime) -> None:
    """Let go of what the archive holds durably; an entry seals how far it goes."""
    base = marked(sql)
    if base != step.base:
        raise MisuseError("The journal has moved on since this step was picked.")
    stays = digest(base.kept, [row for row in step.entries if row[1] not in MOVED])
    write = sql.write
    write(
        "UPDATE archived SET step = ?, through = ?, head = ?, kept = ?",
        (step.number, step.through, step.head, stays),
    )
    sql.kept.mark = None
    write(
        "DELETE FROM entry WHERE number > ? AND number <= ?"
        " AND topic IN ('money', 'print', 'archive')",
        (base.through, step.through),
    )
    for row in step.transactions:
        write("DELETE FROM txn WHERE batch = ? AND stan = ?", (row[0], row[1]))
    for row in step.jobs:
        write("DELETE FROM job WHERE number = ?", (row[0],))
    for row in step.batches:
        write("DELETE FROM batch WHERE number = ?", (row[0],))
    body = {"through": step.through, "head": step.head, "kept": stays, "step": step.number}
    append_entry(sql, "archive", "moved", at, body)


def digest(start: bytes, rows: list[Row]) -> bytes:
    """Return the running digest over entries (rows of ENTRY) that stay in the journal."""
    code = start
    for row in rows:
        code = hashlib.sha256(code + content_of(row) + bytes(row[8])).digest()
    return code
