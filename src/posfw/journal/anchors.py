"""The chain held against what was told outside: to the acquirer, or on a slip.

A journal that goes back as a whole file is true in itself; only somebody who heard a later code
can tell. Two cases, told apart by the entry that is missed:

- It lies behind the end of the file that was opened: an old copy. A sign-on passes the acquirer's
  numbers, then sales go on.
- It should be there and another one is: the history was sealed anew. Sales stop until the batch
  is settled, record by record with the acquirer.
"""

from __future__ import annotations

from datetime import datetime

from posfw.journal import chain
from posfw.journal.sql import Sql, append_entry, marked, older
from posfw.values.anchor import Head

__all__ = [
    "contradicted",
    "forgive",
    "head",
    "holds",
    "passed",
    "settled",
    "short",
    "stop",
    "with_code",
]

_MISSED = "anchor_missed"  # counter: the latest entry that was told and is not here
_DOUBT = "anchor_doubt"  # counter: there while sales are stopped


def head(sql: Sql) -> Head | None:
    """Return the last entry's anchor; None before the first entry."""
    rows = sql("SELECT number, mac FROM entry ORDER BY number DESC LIMIT 1")
    if not rows:
        return None
    return Head.at(rows[0][0], bytes(rows[0][1]))


def holds(sql: Sql, told: Head) -> bool:
    """Say whether the journal, or its archive, has the entry that was told with that code.

    Raises:
        JournalArchiveError: the entry is in the archive, and that is missing or another's.
    """
    query = "SELECT mac FROM entry WHERE number = ?"
    rows = sql(query, (told.entry,))
    if not rows and told.entry <= marked(sql).through:
        rows = older(sql, query, (told.entry,))
    return any(Head.at(told.entry, bytes(code)) == told for (code,) in rows)


def passed(sql: Sql) -> int:
    """Return the latest entry that was told, missed and dealt with; 0 if there is none."""
    return _counter(sql, _MISSED)


def contradicted(sql: Sql) -> int:
    """Return the entry for whose sake sales are stopped; 0 if they are not."""
    return _counter(sql, _DOUBT)


def settled(sql: Sql) -> None:
    """Let sales go on: the acquirer has compared the batch with its own records."""
    if contradicted(sql):
        sql("DELETE FROM counter WHERE name = ?", (_DOUBT,))


def forgive(sql: Sql, entry: int) -> None:
    """Never ask again for entries up to this one: the numbers were passed by a sign-on."""
    if entry > passed(sql):
        sql("REPLACE INTO counter VALUES (?, ?)", (_MISSED, entry))


def stop(sql: Sql, told: Head, at: datetime) -> None:
    """Stop sales until the batch is settled: an entry that was told is another one here."""
    forgive(sql, told.entry)
    sql("REPLACE INTO counter VALUES (?, ?)", (_DOUBT, told.entry))
    append_entry(sql, "system", "contradicted", at, {"entry": told.entry, "code": told.code})


def with_code(sql: Sql, code: str, *, whole: bool) -> int | None:
    """Return the newest entry whose short code is `code`, or None.

    Args:
        sql: the journal.
        code: as slips and screens show it (`chain.short_code`).
        whole: look into the archive too.
    """
    query = (
        "SELECT number FROM entry WHERE hex(substr(mac, 1, 4)) = ? ORDER BY number DESC LIMIT 1"
    )
    rows = sql(query, (code.upper(),))
    if not rows and whole:
        rows = older(sql, query, (code.upper(),))
    return int(rows[0][0]) if rows else None


def short(told: Head) -> str:
    """Return an anchor as slips show it."""
    return chain.short_code(told.code)


def _counter(sql: Sql, name: str) -> int:
    rows = sql("SELECT value FROM counter WHERE name = ?", (name,))
    return int(rows[0][0]) if rows else 0
