"""Open connections as the pure modules see them: the journal's, and its archive's beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from posfw.journal.driver.files import archive_of, cannot_use
from posfw.journal.driver.worker import BUSY_S
from posfw.journal.opening import merge_log, open_archive
from posfw.journal.sql import Kept
from posfw.values.anchor import CODE_BYTES, Head
from posfw.values.errors import JournalArchiveError, JournalError

__all__ = ["Archive", "Session"]

T = TypeVar("T")


def _live(path: Path) -> sqlite3.Connection:
    """Open the archive of a running terminal; what its log holds is made durable first."""
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_S,
    )
    try:
        open_archive(connection, str(path))
        merge_log(connection, str(path))
    except BaseException:
        connection.close()
        raise
    return connection


class Archive:
    """The archive beside a journal; opened when it is first asked, never at a start.

    Args:
        path: of the archive.
        opened: makes the connection.
    """

    __slots__ = ("_connection", "_fault", "_opened", "path")

    def __init__(self, path: Path, opened: Callable[[Path], sqlite3.Connection] = _live) -> None:
        self.path = path
        self._opened = opened
        self._connection: sqlite3.Connection | None = None
        self._fault = ""

    @property
    def connection(self) -> sqlite3.Connection:
        """The open connection.

        Raises:
            JournalArchiveError: it is missing, damaged, or failed before.
        """
        if self._fault:
            raise JournalArchiveError(self._fault)
        if self._connection is None:
            if not self.path.is_file():
                raise JournalArchiveError(f"The archive {self.path} is missing.")
            try:
                self._connection = self._opened(self.path)
            except sqlite3.Error as error:
                raise self._failed(error) from error
        return self._connection

    def __call__(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Run one statement and return its rows."""
        connection = self.connection
        try:
            return connection.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def transaction(self, function: Callable[..., T], *values: object) -> T:
        """Run one SQL transaction: durable on return, or nothing of it.

        After a fault of the storage every later call fails, as the journal's own do.
        """
        connection = self.connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            result = function(self, *values)
            connection.execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise self._failed(error) from error
            raise
        return result

    def merge(self) -> None:
        """Copy its log into it: another connection may then read the one file."""
        try:
            merge_log(self.connection, str(self.path))
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> JournalArchiveError:
        self._fault = cannot_use(self.path, error).cause
        return JournalArchiveError(self._fault)

    def close(self) -> None:
        """Close it; the next question opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Session:
    """One connection as the pure modules see it (journal.sql.Sql); lives in the worker thread."""

    __slots__ = (
        "_cause",
        "_cursor",
        "_path",
        "connection",
        "fault",
        "head",
        "kept",
        "older",
        "write",
    )

    def __init__(
        self, connection: sqlite3.Connection, path: Path, archive: Archive | None = None
    ) -> None:
        self.connection = connection
        self.older = archive or Archive(archive_of(path))
        self._path = path
        self._cursor = connection.cursor()
        self.write: Callable[[str, Sequence[Any]], sqlite3.Cursor] = self._cursor.execute
        self.fault: type[JournalError] | None = None
        self._cause = ""
        self.kept = Kept()
        self.head: Head | None = None  # of the last commit: never of what is not durable

    def __call__(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Run one statement and return its rows."""
        return self.write(statement, parameters).fetchall()

    def close(self) -> None:
        """Close for good: a statement left open by a fault would keep the file locked."""
        with suppress(sqlite3.ProgrammingError):  # closed before
            self._cursor.close()
        self.older.close()
        self.connection.close()

    def transaction(
        self,
        function: Callable[..., T],
        values: tuple[object, ...],
        named: Mapping[str, object],
    ) -> T:
        """Run one SQL transaction: committed on return, rolled back whole on any exception.

        After a fault of the storage every later call fails like the first: the kernel may have
        dropped what a failed sync did not write, so only reading the file again tells.
        """
        if self.fault is not None:
            raise self.fault(self._cause)
        execute = self.write
        try:
            execute("BEGIN IMMEDIATE", ())
            result = function(self, *values, **named)
            execute("COMMIT", ())
        except BaseException as error:
            self.kept = Kept()
            if isinstance(error, sqlite3.Error):
                fault = cannot_use(self._path, error)
                self.fault, self._cause = type(fault), fault.cause
            if self.connection.in_transaction:
                execute("ROLLBACK", ())
            if isinstance(error, sqlite3.Error):
                raise fault from error
            raise
        if self.kept.chain is not None:
            _, code, entry = self.kept.chain
            self.head = Head(entry, code[:CODE_BYTES])
        return result
