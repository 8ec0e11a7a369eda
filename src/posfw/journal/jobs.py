"""The print queue as rows: what waits, what is half printed, what nobody knows."""

from __future__ import annotations

from datetime import datetime

from posfw.journal.rows import job_of
from posfw.journal.sql import Sql, append_entry, older
from posfw.values.errors import JournalArchiveError, MisuseError
from posfw.values.printjob import Copy, DocumentKind, DocumentRef, Job, JobState

__all__ = [
    "after_restart",
    "enqueue",
    "in_state",
    "insert",
    "mark",
    "next_job",
    "queue_receipts",
    "receipts",
]

_COLUMNS = "number, kind, subject, copy, duplicate, state, band, reason"
RANK = {kind: rank for rank, kind in enumerate(DocumentKind)}
MAX_WAITING = 1_000
_RECEIPTS = "INSERT INTO job (rank, kind, subject, copy, duplicate, state) VALUES "
_RECEIPT = f"({RANK[DocumentKind.RECEIPT]}, '{DocumentKind.RECEIPT.value}', ?, '%s', 0, 'queued')"
_ONE = _RECEIPTS + _RECEIPT % Copy.MERCHANT.value
_BOTH = _ONE + ", " + _RECEIPT % Copy.CARDHOLDER.value


def insert(sql: Sql, ref: DocumentRef, copy: Copy, *, duplicate: bool) -> int:
    """Queue one copy and return its number."""
    sql(
        "INSERT INTO job (rank, kind, subject, copy, duplicate, state)"
        " VALUES (?, ?, ?, ?, ?, 'queued')",
        (RANK[ref.kind], ref.kind.value, ref.subject, copy.value, int(duplicate)),
    )
    return int(sql("SELECT last_insert_rowid()")[0][0])


def queue_receipts(sql: Sql, subject: str, copies: int) -> None:
    """Queue the merchant's copy of a transaction's receipt, or (2) the cardholder's as well."""
    if copies == 1:
        sql.write(_ONE, (subject,))
    else:
        sql.write(_BOTH, (subject, subject))


def enqueue(sql: Sql, ref: DocumentRef, copy: Copy, at: datetime, *, duplicate: bool) -> Job:
    """Queue a copy on request; a copy that was ever queued before is a duplicate.

    So is one of which nobody knows, because the archive cannot be read (I10).
    """
    query = "SELECT 1 FROM job WHERE kind = ? AND subject = ? AND copy = ? LIMIT 1"
    values = (ref.kind.value, ref.subject, copy.value)
    try:
        before = bool(sql(query, values) or older(sql, query, values))
    except JournalArchiveError:
        before = True
    number = insert(sql, ref, copy, duplicate=duplicate or before)
    append_entry(sql, "print", "asked", at, {"job": number, "subject": ref.subject})
    return _job(sql, number)


def next_job(sql: Sql) -> Job | None:
    """Return the half printed job, else the most urgent, else the oldest."""
    rows = sql(
        f"SELECT {_COLUMNS} FROM job WHERE state NOT IN ('done', 'void') AND state <> 'unknown'"  # noqa: S608 - constant columns
        " ORDER BY state = 'queued', rank, number LIMIT 1"
    )
    return job_of(rows[0]) if rows else None


def mark(sql: Sql, job: Job, state: JobState, band: int, reason: str, at: datetime) -> None:
    """Move a job on; only the ends and the doubts of a job are entries of the chain.

    Raises:
        MisuseError: the job has already ended.
    """
    current = _job(sql, job.number)
    if current.state in (JobState.DONE, JobState.VOID):
        raise MisuseError(f"Job {job.number} has ended as {current.state.value}.")
    sql(
        "UPDATE job SET state = ?, band = ?, reason = ? WHERE number = ?",
        (state.value, band, reason, job.number),
    )
    if state in (JobState.DONE, JobState.VOID, JobState.UNKNOWN):
        body = {"job": job.number, "state": state.value, "reason": reason}
        append_entry(sql, "print", state.value, at, body)


def in_state(sql: Sql, state: JobState) -> list[Job]:
    """Return the jobs in a state that the journal still holds, oldest first."""
    rows = sql(
        f"SELECT {_COLUMNS} FROM job WHERE state = ? ORDER BY number LIMIT ?",  # noqa: S608 - constant columns
        (state.value, MAX_WAITING),
    )
    return [job_of(row) for row in rows]


def receipts(sql: Sql, terminal: str, batch: int) -> list[Job]:
    """Return the receipts of a batch that were ever queued, wherever they lie, oldest first."""
    first = f"{terminal}-{batch:06d}-"
    query = f"SELECT {_COLUMNS} FROM job WHERE kind = ? AND subject >= ? AND subject < ?"  # noqa: S608 - constant columns
    values = (DocumentKind.RECEIPT.value, first, first + "~")
    rows = {row[0]: row for row in older(sql, query, values)}
    rows |= {row[0]: row for row in sql(query, values)}
    return [job_of(row) for _, row in sorted(rows.items())]


def after_restart(sql: Sql, at: datetime) -> int:
    """Make every job that was begun unknown: paper may hold all, some or none of it.

    A paused one too: a printer that keeps its buffer prints on by itself when paper is put in,
    and nobody heard how far it came.
    """
    begun = in_state(sql, JobState.PRINTING) + in_state(sql, JobState.PAUSED)
    for job in begun:
        mark(sql, job, JobState.UNKNOWN, job.band, "PRN-301", at)
    return len(begun)


def _job(sql: Sql, number: int) -> Job:
    rows = sql(f"SELECT {_COLUMNS} FROM job WHERE number = ?", (number,))  # noqa: S608 - constant columns
    if not rows:
        raise MisuseError(f"There is no print job {number}.")
    return job_of(rows[0])
