"""The journal's file before anybody opens it, and requests to the installer."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

from posfw.update.policy import Keeping, keeping
from posfw.values.errors import DeviceError, JournalCorruptError

__all__ = ["COPY", "ask", "forget_copy", "keep_journal", "schema_of"]

COPY = "journal.before-update"
ANSWER_S = 1000.0  # an installation of 100 MiB on a slow card
MAX_BYTES = 65_536


async def ask(path: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Send one request to the installer and return its last word, result or error.

    Raises:
        DeviceError: UPD-209, there is no installer here, or it does not answer.
    """
    try:
        with anyio.fail_after(ANSWER_S):
            async with await anyio.connect_unix(path) as stream:
                await stream.send(json.dumps(request).encode() + b"\n")
                lines = BufferedByteReceiveStream(stream)
                body: dict[str, Any] = json.loads(await lines.receive_until(b"\n", MAX_BYTES))
                return body
    except (OSError, TimeoutError, ValueError, anyio.BrokenResourceError,
            anyio.IncompleteRead, anyio.DelimiterNotFound) as error:  # fmt: skip
        raise DeviceError(
            f"The installer at {path} does not answer.",
            code="UPD-209",
            effect="Nothing was changed.",
            next_step="Only boards with two slots have one: docs/update.md.",
        ) from error


def schema_of(path: Path) -> int:
    """Return the schema of a database that nobody holds, 0 where there is none.

    Raises:
        JournalCorruptError: it cannot be read.
    """
    if not path.is_file():
        return 0
    try:
        with closing(sqlite3.connect(path)) as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as error:
        raise JournalCorruptError(f"The journal {path} cannot be read: {error}.") from error


def keep_journal(state: Path, *, program: int, trial: bool, failed: bool) -> Keeping:
    """Copy the journal before a trial migrates it, or put it back after a failed trial.

    Durable on return; a power cut in between leaves what the next start does again.

    Raises:
        JournalCorruptError: the file cannot be read, or is another program's future.
    """
    journal, copy = state / "journal.db", state / COPY
    found = keeping(
        journal=schema_of(journal), program=program, trial=trial, failed=failed,
        copy=schema_of(copy),
    )  # fmt: skip
    if found is Keeping.COPY:
        _copy(journal, copy)
    elif found is Keeping.PUT_BACK:
        # First everything into the one file: a stale log beside another database would be played.
        _settle(journal)
        _copy(copy, journal)
    return found


def _settle(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode=DELETE")


def _copy(source: Path, target: Path) -> None:
    fresh = target.with_name(target.name + ".new")
    fresh.unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as whole, closing(sqlite3.connect(fresh)) as new:
        whole.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")
    fresh.chmod(0o600)
    _sync(fresh, os.O_RDWR)
    fresh.replace(target)
    _sync(target.parent, os.O_RDONLY)


def forget_copy(state: Path) -> None:
    """Remove the copy: the program in charge is good, and may sell."""
    (state / COPY).unlink(missing_ok=True)
    _sync(state, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
