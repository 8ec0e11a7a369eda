"""The journal's rows and its archive's as one, read beside the terminal with plain SQL."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Books"]

_LOG = "-wal"


class Books:
    """What a journal and its archive hold together; a row that is in both counts as the journal's.

    The archive is read from a copy: the terminal holds it alone; a look must not merge its log.

    Args:
        path: of the journal.
        raw: the terminal's connection to it.
        copies: folder for the copy.
    """

    def __init__(self, path: Path, raw: sqlite3.Connection, copies: Path) -> None:
        self._raw = raw
        self._archive = path.with_name(path.name + ".archive")
        self._copy = copies / "archive-looked-at"

    def txn(self, batch: int, stan: int) -> tuple[str, int]:
        """Return state and amount of one transaction, ("missing", 0) where nobody has it."""
        query = "SELECT state, amount FROM txn WHERE batch = ? AND stan = ?"
        place = (batch, stan)
        found = self._raw.execute(query, place).fetchall() or self._older(
            lambda archive: archive.execute(query, place).fetchall()
        )
        return found[0] if found else ("missing", 0)

    def archived(self) -> int:
        """Return how many transactions the archive holds."""
        return len(self._older(lambda archive: archive.execute("SELECT 1 FROM txn").fetchall()))

    def here(self, query: str) -> list[Any]:
        """Ask the journal alone."""
        return self._raw.execute(query).fetchall()

    def rows(self, columns: str, table: str, where: str = "1", *values: object) -> list[Any]:
        """Return rows of the journal, and those of the archive whose key is not among them.

        Args:
            columns: what is asked; the table's key comes first.
            table: txn (key: batch, stan), entry, batch or job (key: number).
            where: a condition on the table's own columns.
            values: for its marks.
        """
        keys = 2 if table == "txn" else 1
        query = f"SELECT {columns} FROM {table} WHERE {where}"
        here = self._raw.execute(query, values).fetchall()
        older = self._older(lambda archive: archive.execute(query, values).fetchall())
        key = "batch, stan" if table == "txn" else "number"
        known = {tuple(row) for row in self._raw.execute(f"SELECT {key} FROM {table}")}
        return here + [row for row in older if tuple(row[:keys]) not in known]

    def _older(self, ask: Callable[[sqlite3.Connection], list[Any]]) -> list[Any]:
        if not self._archive.is_file():
            return []
        for suffix in ("", _LOG):
            source = self._archive.with_name(self._archive.name + suffix)
            target = self._copy.with_name(self._copy.name + suffix)
            target.unlink(missing_ok=True)
            if source.is_file():
                shutil.copyfile(source, target)
        archive = sqlite3.connect(f"file:{self._copy}?vfs=unix", uri=True)
        try:
            return ask(archive)
        finally:
            archive.close()
