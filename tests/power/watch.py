"""What journal and archive hold together right after each commit, read beside the application.

A move into the archive changes nothing of it: a cut in a move opens with the same content.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from posfw.journal.archive import TXN
from tests.power.vfs import effect
from tests.simulation.books import Books

__all__ = ["committed", "facts", "whole"]

# Everything but how far printing has come: a restart makes half printed jobs unknown.
_FACTS = (
    (
        "txn",
        TXN,
    ),
    ("batch", "number, sequence, opened_at, closed_at, result"),
    ("job", "number, kind, subject, copy, duplicate"),
)
_HERE = (
    "SELECT * FROM owed ORDER BY number",
    "SELECT * FROM counter ORDER BY name",
    "SELECT number FROM batch WHERE frozen AND closed_at IS NULL",
)


def facts(connection: sqlite3.Connection) -> int:
    """Return a value that is equal for equal content, within this process."""
    books = whole(connection)
    both = tuple(
        tuple(sorted(books.rows(columns, table), key=_place)) for table, columns in _FACTS
    )
    return hash((both, tuple(tuple(connection.execute(query)) for query in _HERE)))


def whole(connection: sqlite3.Connection) -> Books:
    """Return the journal of a connection and the archive beside it as one."""
    path = Path(connection.execute("PRAGMA database_list").fetchone()[2])
    return Books(path, connection, path.parent)


def _place(row: Sequence[object]) -> str:
    """Order by key; a torn archive may say NULL where no NULL can be."""
    return repr(row[:2])


def committed(connection: Any) -> None:
    """Put a commit into the trace: from now on the application may rely on it."""
    last = connection.execute(
        "SELECT number, mac FROM entry ORDER BY number DESC LIMIT 1"
    ).fetchone()
    effect("committed", facts(connection), *(last or (0, b"")))
