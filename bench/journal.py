"""The journal's claims: what durability costs beside the same SQL done bare."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bench.claim import Claim, best
from posfw.journal import driver
from posfw.journal.opening import open_file
from posfw.journal.store import Journal
from posfw.values.card import EntryMode
from posfw.values.document import JobState
from posfw.values.money import Money
from posfw.values.outcome import Answer
from posfw.values.transaction import Conclusion, Ending, Intent, Kind
from tests.journal.storage import Storage, stored, why_not

SALES = 300
BATCH = 500  # records a batch holds
# Larger figures take minutes: SOAK_SALES=100000 and BYTES_SALES=100000 are a release's.
SOAK_SALES = int(os.environ.get("SOAK_SALES", "4000"))
BYTES_SALES = int(os.environ.get("BYTES_SALES", "4000"))
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
INTENT = Intent(
    kind=Kind.SALE,
    amount=Money(1250),
    entry_mode=EntryMode.SWIPED,
    card_masked="621234******1232",
    card_token=b"t" * 16,
    operator="01",
    at=NOW,
)
ANSWER = Answer("00", "123456", "1")


class _Clock:
    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return NOW


def _with_journal(run: Callable[[Journal, Path], Awaitable[float]]) -> float:
    async def main(folder: Path) -> float:
        path = folder / "journal.db"
        async with Journal.open(
            path, terminal="12345678", chain_key=bytes(32), clock=_Clock(), create=True
        ) as journal:
            return await run(journal, path)

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(main(Path(folder)))


async def _sell(journal: Journal, count: int) -> None:
    for _ in range(count):
        begun = await journal.begin(INTENT)
        await journal.conclude(Conclusion(begun.key, Ending.APPROVED, NOW, ANSWER, copies=2))


async def _trade(journal: Journal, count: int) -> None:
    """Sell, print and settle as a shop does: a job ends, a batch closes."""
    for n in range(1, count + 1):
        await _sell(journal, 1)
        for _ in range(2):
            job = await journal.next_job()
            if job is not None:
                await journal.mark(job, JobState.DONE, 0, "", NOW)
        if n % BATCH == 0:
            await journal.close(await journal.freeze(NOW), {}, NOW)


def _journal_cpu_us() -> float:
    async def run(journal: Journal, _: Path) -> float:
        before = time.process_time()
        await _sell(journal, SALES)
        return (time.process_time() - before) / SALES * 1e6

    return _with_journal(run)


def _statements() -> list[tuple[str, tuple[Any, ...]]]:
    """Return what the journal writes for SALES sales: the very statements and values."""
    found: list[tuple[str, tuple[Any, ...]]] = []

    class Recording(driver.Session):
        def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
            super().__init__(connection, path)
            write = self.write

            def recorded(statement: str, values: Any) -> sqlite3.Cursor:
                found.append((statement, tuple(values)))
                return write(statement, values)

            self.write = recorded

    async def run(journal: Journal, _: Path) -> float:
        found.clear()  # what opening did
        await _sell(journal, SALES)
        return 0.0

    with patch("posfw.journal.store.Session", Recording):
        _with_journal(run)
    end = 1 + max(n for n, (text, __) in enumerate(found) if "INSERT INTO job" in text)
    while found[end - 1][0] != "COMMIT":
        end += 1
    return [each for each in found[:end] if not each[0].startswith("SELECT")]


def _bare_cpu_us(statements: list[tuple[str, tuple[Any, ...]]]) -> float:
    """Write the same rows by a bare sqlite3 loop: same schema, settings, statements and values."""
    with tempfile.TemporaryDirectory() as folder:
        raw = sqlite3.connect(Path(folder) / "bare.db", isolation_level=None)
        open_file(raw, "bare.db", bytes(32), NOW, fresh=True)
        execute = raw.execute
        before = time.process_time()
        for statement, values in statements:
            execute(statement, values)
        took = (time.process_time() - before) / SALES * 1e6
        raw.close()
    return took


def journal_commit() -> Claim:
    """CPU of a sale's two durable transitions against a bare loop doing the same inserts."""
    statements = _statements()
    return Claim(
        best(_journal_cpu_us),
        best(lambda: _bare_cpu_us(statements)),
        "us CPU",
        1.6,
        "a sale's two commits; other: a bare sqlite3 loop of the same statements, values, schema"
        " and settings in one thread. Chain, encoding and the way to the worker are ours",
    )


def sale_commits() -> Claim:
    """Syncs a sale waits for: counted under the journal, against its two durable transitions."""
    if why_not():
        raise RuntimeError(f"syncs cannot be counted here: {why_not()}")
    storage = Storage()
    counts: list[int] = []

    async def run(journal: Journal, _: Path) -> float:
        await _sell(journal, 1)
        for __ in range(SALES):
            before = storage.calls["xSync"]
            await _sell(journal, 1)
            counts.append(storage.calls["xSync"] - before)
        return 0.0

    with stored(storage):
        _with_journal(run)
    counts.sort()
    return Claim(
        float(counts[len(counts) // 2]),
        2.0,
        "syncs",
        1.0,
        f"fdatasync of an approved sale, median of {SALES}; mean {sum(counts) / SALES:.2f} with"
        " the log's copying into the file every 200 pages",
    )


def journal_bytes() -> Claim:
    """File bytes a sale, printed and settled."""

    async def run(journal: Journal, path: Path) -> float:
        await _trade(journal, BATCH)
        before = path.stat().st_size
        await _trade(journal, BYTES_SALES)
        await journal.reopen(NOW)  # copies the log into the file
        return (path.stat().st_size - before) / BYTES_SALES

    return Claim(
        _with_journal(run),
        2048.0,
        "bytes",
        1.0,
        f"file growth a sale over {BYTES_SALES} sales with two receipts, settled every {BATCH};"
        " limit: 2 KiB, so that a million sales fit 2 GiB",
    )


def soak() -> Claim:
    """Resident memory must not grow with sales; log and open files stay bounded."""
    notes: list[str] = []

    async def run(journal: Journal, path: Path) -> float:
        await _trade(journal, 6 * BATCH)  # SQLite's 2 MB page cache is full
        before, files, log = _rss_kib(), _open_files(), 0
        for _ in range(SOAK_SALES // BATCH):
            await _trade(journal, BATCH)
            log = max(log, path.with_name(path.name + "-wal").stat().st_size)
        notes.append(f"log at most {log / 2**20:.1f} MiB, open files {_open_files() - files:+d}")
        if log > 4 * 2**20 or _open_files() != files:
            raise RuntimeError(notes[0])
        return max(1.0, float(_rss_kib() - before))

    grown = _with_journal(run)
    return Claim(
        grown,
        1024.0,
        "KiB",
        1.0,
        f"resident growth over {SOAK_SALES} sales (SOAK_SALES), limit 1 MiB; {notes[0]}",
    )


def _rss_kib() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


CLAIMS = {
    "journal_commit": journal_commit,
    "sale_commits": sale_commits,
    "journal_bytes": journal_bytes,
    "soak": soak,
}
