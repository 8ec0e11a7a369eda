"""Opening a journal: whose file it is, the settings, the numbered schema files."""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from posfw.journal import chain
from posfw.values.errors import (
    JournalArchiveError,
    JournalCorruptError,
    JournalError,
    JournalUnsafeError,
)

__all__ = [
    "APPLICATION_ID",
    "ARCHIVE_ID",
    "SCHEMA_VERSION",
    "SETTINGS",
    "Raw",
    "check_archive",
    "check_file",
    "fill_archive",
    "merge_log",
    "open_archive",
    "open_file",
    "script_of",
    "statements",
]

SCHEMA_VERSION: Final = 2
ARCHIVE_VERSION: Final = 1
APPLICATION_ID: Final = 0x706F7366  # "posf": a foreign database is told apart before it is touched
ARCHIVE_ID: Final = 0x706F7361  # "posa"
# Opening sequence; each is read back (docs/journal.md says why each).
SETTINGS: Final[tuple[tuple[str, str, object], ...]] = (
    ("locking_mode", "EXCLUSIVE", "exclusive"),
    ("journal_mode", "WAL", "wal"),
    ("synchronous", "FULL", 2),
    ("wal_autocheckpoint", "200", 200),
    ("secure_delete", "ON", 1),
    ("foreign_keys", "ON", 1),
    ("trusted_schema", "OFF", 0),
    ("cell_size_check", "ON", 1),
)


class _Rows(Protocol):
    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


class Raw(Protocol):
    """A bare connection in autocommit: what opening and migrations need of sqlite3."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        ...

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> _Rows:
        """Run one statement."""
        ...


def open_file(connection: Raw, path: str, chain_key: bytes, now: datetime, *, fresh: bool) -> None:
    """Check whose file it is, set and read back the settings, bring the schema up to date.

    Args:
        connection: the only one; nothing was executed on it yet.
        path: for messages.
        chain_key: start key of the hash chain.
        now: opening time of the first batch of a new journal.
        fresh: there was no file: only then may one be made.

    Raises:
        JournalCorruptError: damaged, of another program or of a newer schema; not touched.
        JournalError: SQLite refuses a setting.
    """
    version = 0 if fresh else check_file(connection, path)
    _set(connection)
    found = _value(connection, "PRAGMA quick_check")
    if found != "ok":
        raise JournalCorruptError(f"The journal {path} is damaged: {found}.")
    if version < SCHEMA_VERSION:
        _migrate(connection, version, chain_key, now)


def _set(connection: Raw) -> None:
    for name, wanted, expected in SETTINGS:
        connection.execute(f"PRAGMA {name}={wanted}").fetchall()
        found = _value(connection, f"PRAGMA {name}")
        if found != expected:
            raise JournalError(f"SQLite has {name} {found!r} where {wanted} was asked for.")


def fill_archive(connection: Raw, path: str) -> None:
    """Make an empty archive in a new file."""
    _set(connection)
    connection.execute("BEGIN IMMEDIATE")
    for statement in statements(_script("archive-0001")):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id={ARCHIVE_ID}")
    connection.execute(f"PRAGMA user_version={ARCHIVE_VERSION}")
    connection.execute("COMMIT")
    merge_log(connection, path)


def open_archive(connection: Raw, path: str) -> None:
    """Set and read back what a journal's file has, for its archive; no page is checked.

    Raises:
        JournalArchiveError: it is no archive, or one of a newer program.
    """
    check_archive(connection, path)
    _set(connection)


def check_archive(connection: Raw, path: str) -> None:
    """Say whether a file is an archive of this program, without touching it.

    Raises:
        JournalArchiveError: it is not.
    """
    marks = (
        _value(connection, "PRAGMA application_id"),
        _value(connection, "PRAGMA user_version"),
    )
    if marks != (ARCHIVE_ID, ARCHIVE_VERSION):
        raise JournalArchiveError(f"The file {path} is no archive that this program knows.")


def check_file(connection: Raw, path: str) -> int:
    """Say whose file it is without touching it; return its schema version.

    Raises:
        JournalCorruptError: of another program or of a newer schema.
    """
    version: int = _value(connection, "PRAGMA user_version")
    application = _value(connection, "PRAGMA application_id")
    # The file must say that it is ours, tables or not: another program's database before its
    # first table is no journal either.
    if application != APPLICATION_ID:
        raise JournalCorruptError(
            f"The file {path} is a database of another program.",
            code="JRN-009",
            next_step="Move it away if it is not a journal; restore the journal from a backup.",
        )
    if version > SCHEMA_VERSION:
        raise JournalCorruptError(
            f"The journal {path} has schema {version}; this program knows {SCHEMA_VERSION}.",
            code="JRN-010",
            next_step="Install the newer program again.",
        )
    return version


def merge_log(connection: Raw, path: str) -> None:
    """Copy what the write-ahead log holds into the file, and sync both.

    Raises:
        JournalUnsafeError: somebody else reads, so it could not be done.
    """
    if _value(connection, "PRAGMA wal_checkpoint(TRUNCATE)"):
        raise JournalUnsafeError(f"The log of {path} could not be copied into it.")


def _value(connection: Raw, pragma: str) -> Any:
    return connection.execute(pragma).fetchone()[0]


def _migrate(connection: Raw, version: int, chain_key: bytes, now: datetime) -> None:
    """Apply the numbered schema files, all or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number in range(version + 1, SCHEMA_VERSION + 1):
            for statement in statements(script_of(number)):
                connection.execute(statement)
        if version == 0:
            _first_rows(connection, chain_key, now)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _first_rows(connection: Raw, chain_key: bytes, now: datetime) -> None:
    # The start key itself never reaches the file: whoever takes it could seal a new history.
    connection.execute(
        "INSERT INTO chain VALUES (1, ?, ?)", (chain.next_key(chain_key), chain.GENESIS)
    )
    connection.execute("INSERT INTO counter VALUES ('stan', 1), ('ksn', 0)")
    opened = (1, 1, now.isoformat())
    connection.execute("INSERT INTO batch (number, sequence, opened_at) VALUES (?, ?, ?)", opened)


def script_of(number: int) -> str:
    """Return a numbered schema file."""
    return _script(f"{number:04d}")


def _script(name: str) -> str:
    folder = importlib.resources.files("posfw.journal") / "schema"
    return (folder / f"{name}.sql").read_text(encoding="utf-8")


def statements(script: str) -> list[str]:
    """Split a schema file into statements: one ends with a line's last semicolon.

    A trigger stands on lines of its own from CREATE TRIGGER to END; its inner semicolons do not
    end it. Comments are lines of their own.
    """
    found: list[str] = []
    current: list[str] = []
    for line in script.splitlines():
        if not line.strip() or line.lstrip().startswith("--"):
            continue
        current.append(line)
        inside_trigger = current[0].startswith("CREATE TRIGGER") and not line.endswith("END;")
        if line.rstrip().endswith(";") and not inside_trigger:
            found.append("\n".join(current))
            current = []
    if current:
        raise JournalError(f"A schema file ends inside a statement: {current[0]}")
    return found
