"""Batches: opened by the one before, frozen for settlement, closed once, never emptied."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from posfw.codec import cbor
from posfw.journal import anchors, chain, jobs
from posfw.journal.rows import TXN_COLUMNS, transaction_of
from posfw.journal.sales import open_batch
from posfw.journal.sql import Row, Sql, append_entry, older, one
from posfw.values.errors import MisuseError, RefusedError
from posfw.values.identity import following
from posfw.values.printjob import Copy, DocumentKind, DocumentRef
from posfw.values.transaction import Transaction

__all__ = ["close", "closed", "freeze", "settled", "thaw", "transactions"]


def transactions(sql: Sql, terminal: str, batch: int | None) -> list[Transaction]:
    """Return the transactions of a batch, in the order of their key counters.

    Of a batch that is moving, and of one whose old sale was refunded, some rows are in the
    archive and some here; these are the newer ones.
    """
    number = open_batch(sql)[0]
    wanted = number if batch is None else batch
    query = f"SELECT {TXN_COLUMNS} FROM txn WHERE batch = ?"  # noqa: S608 - constant columns
    rows = {row[1]: row for row in older(sql, query, (wanted,))} if wanted != number else {}
    rows |= {row[1]: row for row in sql(query, (wanted,))}
    found = [transaction_of(terminal, row) for row in rows.values()]
    return sorted(found, key=lambda each: each.begun.ksn_counter)


def freeze(sql: Sql, at: datetime) -> int:
    """Refuse new transactions until the batch is closed; a second freeze changes nothing."""
    number, frozen, _ = open_batch(sql)
    if not frozen:
        sql("UPDATE batch SET frozen = 1 WHERE number = ?", (number,))
        sql.kept.batch = None
        append_entry(sql, "settlement", "frozen", at, {"batch": number})
    return number


def thaw(sql: Sql, batch: int, reason: str, at: datetime) -> None:
    """Take new transactions again: the acquirer said clearly that it did not settle.

    Raises:
        RefusedError: it is not the open batch.
    """
    number, frozen, _ = open_batch(sql)
    if number != batch:
        raise RefusedError(f"Batch {batch} is not open.", code="SET-110")
    if frozen:
        sql("UPDATE batch SET frozen = 0 WHERE number = ?", (number,))
        sql.kept.batch = None
        append_entry(sql, "settlement", "thawed", at, {"batch": number, "reason": reason})


def close(sql: Sql, batch: int, result: Mapping[str, object], at: datetime) -> int:
    """Close the open batch, queue its slip and open the next.

    Raises:
        RefusedError: it is not the open batch, or something of it is still in doubt.
        MisuseError: it was not frozen first.
    """
    number, frozen, _ = open_batch(sql)
    if number != batch:
        raise RefusedError(f"Batch {batch} is not open.", code="SET-110")
    if not frozen:
        raise MisuseError(f"Batch {batch} is not frozen: sales could still come in.")
    if sql("SELECT 1 FROM txn WHERE batch = ? AND state IN ('begun', 'reversing')", (batch,)):
        raise RefusedError(
            f"Batch {batch} has transactions in doubt.",
            code="SET-111",
            next_step="Wait until the line is up and reversals have been sent.",
        )
    # On the slip: a code outside the file, for all that happened before the batch was closed.
    (code,) = one(sql("SELECT head FROM chain"))
    data = cbor.encode({**result, "head": chain.short_code(bytes(code))})
    sql(
        "UPDATE batch SET closed_at = ?, result = ? WHERE number = ?",
        (at.isoformat(), data, batch),
    )
    (sequence,) = sql("SELECT max(sequence) FROM batch")[0]
    sql.kept.batch = None
    following_number = following(batch)
    sql(
        "INSERT INTO batch (number, sequence, opened_at) VALUES (?, ?, ?)",
        (following_number, sequence + 1, at.isoformat()),
    )
    jobs.insert(
        sql, DocumentRef(DocumentKind.SETTLEMENT, str(batch)), Copy.SINGLE, duplicate=False
    )
    anchors.settled(sql)
    append_entry(sql, "settlement", "closed", at, {"batch": batch, "result": data})
    return following_number


def closed(sql: Sql, limit: int) -> list[dict[str, Any]]:
    """Return closed batches with their settlements, newest first."""
    query = (
        "SELECT number, opened_at, closed_at, result FROM batch WHERE closed_at IS NOT NULL"
        " ORDER BY sequence DESC LIMIT ?"
    )
    rows = sql(query, (limit,))
    if len(rows) < limit:  # one that is moving may be in both
        here = {row[0] for row in rows}
        rows += [row for row in older(sql, query, (limit,)) if row[0] not in here]
    return [_settlement(row) for row in rows[:limit]]


def settled(sql: Sql, batch: int) -> dict[str, Any] | None:
    """Return one closed batch with its settlement; the archive is asked for old ones alone."""
    query = "SELECT number, opened_at, closed_at, result FROM batch WHERE number = ?"
    rows = sql(query, (batch,)) or older(sql, query, (batch,))
    return _settlement(rows[0]) if rows and rows[0][2] else None


def _settlement(row: Row) -> dict[str, Any]:
    number, opened, at, result = row
    return {"batch": number, "opened_at": opened, "closed_at": at, **cbor.decode(bytes(result))}
