"""The journal's files, its connection, and the way into SQLite's worker thread."""

from __future__ import annotations

from posfw.journal.driver.files import (
    Anchor,
    archive_of,
    cannot_use,
    check_pages,
    forbidden,
    free_mib,
    hold,
    lock_of,
    make,
    release,
    usable,
)
from posfw.journal.driver.session import Archive, Session
from posfw.journal.driver.worker import BUSY_S, Changes, Connect, Worker, connect, connected

__all__ = [
    "BUSY_S",
    "Anchor",
    "Archive",
    "Changes",
    "Connect",
    "Session",
    "Worker",
    "archive_of",
    "cannot_use",
    "check_pages",
    "connect",
    "connected",
    "forbidden",
    "free_mib",
    "hold",
    "lock_of",
    "make",
    "release",
    "usable",
]
