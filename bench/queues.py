"""The peers of `journal_wall`: one durable put of persist-queue and of litequeue.

Runs in `.venv-bench`, without the terminal: `python bench/queues.py NAME FOLDER COUNT BYTES`
prints the milliseconds of each put. Both use SQLite in WAL mode; synchronous is set to FULL and
read back, as in the journal, so that a put that returned survives a power cut.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Callable
from typing import Any


def persist_queue(folder: str) -> tuple[Callable[[bytes], Any], sqlite3.Connection]:
    """Return put and connection of persist-queue's SQLite queue, committing each put."""
    from persistqueue import SQLiteQueue  # type: ignore[import-not-found]  # noqa: PLC0415 - only in .venv-bench

    queue = SQLiteQueue(folder, auto_commit=True)
    return queue.put, queue._putter  # noqa: SLF001 - to set synchronous


def litequeue(folder: str) -> tuple[Callable[[bytes], Any], sqlite3.Connection]:
    """Return put and connection of litequeue."""
    from litequeue import LiteQueue  # type: ignore[import-not-found]  # noqa: PLC0415 - only in .venv-bench

    queue = LiteQueue(f"{folder}/litequeue.db")
    return queue.put, queue.conn


def main(name: str, folder: str, count: int, size: int) -> None:
    """Put `count` messages of `size` bytes and print what each took."""
    put, connection = {"persist-queue": persist_queue, "litequeue": litequeue}[name](folder)
    connection.execute("PRAGMA synchronous=FULL")
    found = [
        connection.execute(f"PRAGMA {n}").fetchone()[0] for n in ("journal_mode", "synchronous")
    ]
    if found != ["wal", 2]:
        raise SystemExit(f"{name} is not durable: {found}")
    message = bytes(range(256)) * (size // 256) + bytes(size % 256)
    times = []
    for _ in range(count):
        before = time.perf_counter()
        put(message)
        times.append((time.perf_counter() - before) * 1e3)
    print(json.dumps(times))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
