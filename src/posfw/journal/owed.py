"""Messages owed to the acquirer: they end by its word or a signed reason, never by a count."""

from __future__ import annotations

from datetime import datetime

from posfw.journal import jobs
from posfw.journal.rows import owed_of
from posfw.journal.sql import Sql, append_entry
from posfw.values.errors import MisuseError
from posfw.values.printjob import Copy, DocumentKind, DocumentRef
from posfw.values.transaction import Owed, OwedKind, State

__all__ = ["acknowledge", "clear", "read", "reject", "rejected"]

RANKS = range(len(OwedKind))
_COLUMNS = "number, kind, batch, stan, reason, sealed, body"


def read(sql: Sql, terminal: str, limit: int, after: int) -> list[Owed]:
    """Return owed messages in sending order: rank of the kind, then age.

    `limit` and `after` count within each kind: sixteen reversals that nobody answers must not
    hide the first advice.
    """
    rows = [
        row
        for rank in RANKS
        for row in sql(
            f"SELECT {_COLUMNS} FROM owed WHERE rejected = '' AND rank = ? AND number > ?"  # noqa: S608 - constant columns
            " ORDER BY number LIMIT ?",
            (rank, after, limit),
        )
    ]
    return [owed_of(terminal, row) for row in rows]


def rejected(sql: Sql, terminal: str) -> list[tuple[Owed, str]]:
    """Return what the acquirer refused, with its code: a person decides."""
    rows = sql(f"SELECT {_COLUMNS}, rejected FROM owed WHERE rejected <> '' ORDER BY number")  # noqa: S608 - constant columns
    return [(owed_of(terminal, row[:-1]), row[-1]) for row in rows]


def acknowledge(sql: Sql, owed: Owed, code: str, at: datetime) -> None:
    """End it by the acquirer's word; a second acknowledgement changes nothing."""
    if not _open(sql, owed):
        return
    _end(sql, owed, "acknowledged", code, "", at)
    if owed.kind is OwedKind.REVERSAL:
        _state(sql, owed, State.REVERSED, owed.reason)


def reject(sql: Sql, owed: Owed, code: str, at: datetime) -> None:
    """Keep it on the list that a person sees; it is never sent again."""
    if not _open(sql, owed):
        raise MisuseError(f"Message {owed.number} is not owed.")
    sql("UPDATE owed SET rejected = ? WHERE number = ?", (code, owed.number))
    if owed.kind is OwedKind.REVERSAL:  # 故障报告单: paper for whoever has to call the acquirer
        ref = DocumentRef(DocumentKind.FAULT, str(owed.key))
        jobs.insert(sql, ref, Copy.SINGLE, duplicate=False)
    body = {"owed": owed.number, "kind": owed.kind.value, "code": code}
    append_entry(sql, "money", "rejected", at, body, key=(owed.key.batch, owed.key.stan))


def clear(sql: Sql, owed: Owed, operator: str, reason: str, at: datetime) -> None:
    """End it by a supervisor's signed reason.

    Raises:
        MisuseError: it is not owed, or no reason is given.
    """
    if not reason.strip() or not _open(sql, owed):
        raise MisuseError(f"Message {owed.number} cannot be cleared without a reason.")
    _end(sql, owed, "cleared", reason, operator, at)
    if owed.kind is OwedKind.REVERSAL:
        _state(sql, owed, State.CLEARED, reason)


def _open(sql: Sql, owed: Owed) -> bool:
    """Say whether this very message is still owed: number, kind and key."""
    rows = sql(
        "SELECT 1 FROM owed WHERE number = ? AND kind = ? AND batch = ? AND stan = ?",
        (owed.number, owed.kind.value, owed.key.batch, owed.key.stan),
    )
    return bool(rows)


def _end(sql: Sql, owed: Owed, name: str, word: str, operator: str, at: datetime) -> None:
    key = (owed.key.batch, owed.key.stan)
    sql("DELETE FROM owed WHERE number = ?", (owed.number,))
    sql("UPDATE txn SET open_owed = open_owed - 1 WHERE batch = ? AND stan = ?", key)
    body = {"owed": owed.number, "kind": owed.kind.value, "word": word}
    append_entry(sql, "money", name, at, body, operator=operator, key=key)


def _state(sql: Sql, owed: Owed, state: State, reason: str) -> None:
    sql(
        "UPDATE txn SET state = ?, reason = ? WHERE batch = ? AND stan = ? AND state = ?",
        (state.value, reason, owed.key.batch, owed.key.stan, State.REVERSING.value),
    )
