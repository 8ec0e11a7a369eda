"""What the journal holds right after each commit, read beside the application."""

from __future__ import annotations

import sqlite3
from typing import Any

from tests.power.vfs import effect

__all__ = ["committed", "facts"]

# Everything but how far printing has come: a restart makes half printed jobs unknown.
_FACTS = (
    "SELECT * FROM txn ORDER BY batch, stan",
    "SELECT * FROM owed ORDER BY number",
    "SELECT * FROM counter ORDER BY name",
    "SELECT * FROM batch ORDER BY number",
    "SELECT number, kind, subject, copy, duplicate FROM job ORDER BY number",
)


def facts(connection: sqlite3.Connection) -> int:
    """Return a value that is equal for equal content, within this process."""
    return hash(tuple(tuple(connection.execute(query)) for query in _FACTS))


def committed(connection: Any) -> None:
    """Put a commit into the trace: from now on the application may rely on it."""
    last = connection.execute(
        "SELECT number, mac FROM entry ORDER BY number DESC LIMIT 1"
    ).fetchone()
    effect("committed", facts(connection), *(last or (0, b"")))
