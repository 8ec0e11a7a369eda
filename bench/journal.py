"""The journal's claims: what durability costs beside the same SQL done bare."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from bench.claim import ROUNDS, Claim
from bench.growth import multiply
from posfw.journal import driver
from posfw.journal.archive import KEEP_BATCHES
from posfw.journal.opening import open_file
from posfw.journal.store import Journal
from posfw.values.card import EntryMode
from posfw.values.events import Record, Topic
from posfw.values.money import Money
from posfw.values.outcome import Answer
from posfw.values.printjob import JobState
from posfw.values.transaction import Conclusion, Ending, Intent, Kind
from tests.journal.storage import Storage, stored, why_not

T = TypeVar("T")

SALES = 300
PEERS = Path(__file__).parent.parent / ".venv-bench" / "bin" / "python"
PUT_BYTES = 300  # what one transition writes beside keys: two bodies and a code
BATCH = 500  # records a batch holds
# Larger figures take minutes: SOAK_SALES=100000 and BYTES_SALES=100000 are a release's.
SOAK_SALES = int(os.environ.get("SOAK_SALES", "4000"))
BYTES_SALES = int(os.environ.get("BYTES_SALES", "4000"))
# 1,000,000 is a release's; that journal is 1.6 GB.
GROWTH_SALES = int(os.environ.get("GROWTH_SALES", "20000"))
GROWTH_STARTS, GROWTH_BLOCKS, GROWTH_BLOCK = 21, 20, 50
GROWTH_START_LIMIT = 1.5
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


def _opened(path: Path, *, create: bool = True) -> AbstractAsyncContextManager[Journal]:
    return Journal.open(
        path, terminal="12345678", chain_key=bytes(32), clock=_Clock(), create=create
    )


def _with_journal(run: Callable[[Journal, Path], Awaitable[T]]) -> T:
    async def main(folder: Path) -> T:
        path = folder / "journal.db"
        async with _opened(path) as journal:
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
            await journal.append(Record(Topic.SESSION, "signed_on", NOW, body={"batch": n}))
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


def _way_cpu_us(statements: list[tuple[str, tuple[Any, ...]]]) -> float:
    """Write the same rows, precomputed, through the journal's worker: what the way alone costs."""

    async def run(journal: Journal, _: Path) -> float:
        execute, left = journal.raw.execute, iter(statements)

        def commit() -> None:
            for statement, values in left:
                execute(statement, values)
                if statement == "COMMIT":
                    return

        before = time.process_time()
        for __ in range(2 * SALES):
            await journal._worker.run(commit)  # noqa: SLF001 - the way itself is measured
        return (time.process_time() - before) / SALES * 1e6

    return _with_journal(run)


def journal_commit() -> Claim:
    """CPU of a sale's two durable transitions against a bare loop doing the same inserts."""
    statements = _statements()
    rounds = [  # in turns: all see the same disk
        (_journal_cpu_us(), _way_cpu_us(statements), _bare_cpu_us(statements))
        for _ in range(3 * ROUNDS)
    ]
    ours, way, bare = (min(times) for times in zip(*rounds, strict=True))
    return Claim(
        ours,
        bare,
        "us CPU",
        1.6,
        "a sale's two commits; other: a bare sqlite3 loop of the same statements, values, schema"
        f" and settings in one thread. Ours: the way to the worker and back ({way - bare:.0f} us"
        f" with the same precomputed values, {way / bare:.2f} times the loop), chain, encoding",
    )


def _commits_ms() -> list[float]:
    """Return how long each of SALES sales waited for a commit, on average of its two."""

    async def run(journal: Journal, _: Path) -> list[float]:
        return [each / 2 * 1e3 for each in await _commits_s(journal, SALES)]

    return _with_journal(run)


def _puts_ms(name: str) -> list[float]:
    """Return how long puts into a queue took, in its own process and environment."""
    if not PEERS.exists():
        raise RuntimeError("make .venv-bench/ready installs persist-queue and litequeue")
    with tempfile.TemporaryDirectory() as folder:
        command: list[str | Path] = [
            PEERS,
            "bench/queues.py",
            name,
            folder,
            str(2 * SALES),
            str(PUT_BYTES),
        ]
        done = subprocess.run(command, cwd=PEERS.parents[2], capture_output=True, check=True)
    times: list[float] = json.loads(done.stdout)
    return times


def journal_wall() -> Claim:
    """Wall time of one durable transition against one durable put of two queues on SQLite."""
    found: dict[str, list[float]] = {"journal": [], "persist-queue": [], "litequeue": []}
    for _ in range(ROUNDS):  # in turns: all see the same disk
        found["journal"] += _commits_ms()
        for name in ("persist-queue", "litequeue"):
            found[name] += _puts_ms(name)
    middle = {name: sorted(times)[len(times) // 2] for name, times in found.items()}
    peers = ", ".join(f"{name} {middle[name]:.3f}" for name in ("persist-queue", "litequeue"))
    return Claim(
        middle["journal"],
        min(middle["persist-queue"], middle["litequeue"]),
        "ms p50",
        2.0,
        f"one of a sale's two commits (three to five rows, chain) against one put of {PUT_BYTES}"
        f" bytes (one row), all WAL with synchronous FULL; {peers}; other: the faster",
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


async def _past(folder: Path, transactions: int) -> Path:
    """Return a closed journal with so many settled sales: two batches in it, others archived."""
    folder.mkdir(parents=True)
    path = folder / "journal.db"
    archived = transactions // BATCH - KEEP_BATCHES
    async with _opened(path) as journal:
        await _trade(journal, BATCH * (KEEP_BATCHES + (archived > 0)))
        await journal.archive(NOW)
    if archived > 1:
        multiply(path, archived)
    return path


async def _commits_s(journal: Journal, count: int = GROWTH_BLOCK) -> list[float]:
    """Return how long the two commits of each of `count` sales took together."""
    found = []
    for _ in range(count):
        before = time.perf_counter()
        begun = await journal.begin(INTENT)
        await journal.conclude(Conclusion(begun.key, Ending.APPROVED, NOW, ANSWER, copies=2))
        found.append(time.perf_counter() - before)
    return found


async def _start_s(path: Path) -> float:
    """Return how long a start takes until the terminal knows where it stands."""
    before = time.perf_counter()
    async with _opened(path, create=False) as journal:
        await journal.in_doubt()
        await journal.standing()
        return time.perf_counter() - before


async def _grown(folder: Path) -> dict[str, list[float]]:
    """Measure a short past and a long one turn by turn: both see the same disk."""
    pasts = {"short": 1_000, "long": GROWTH_SALES}
    paths = {name: await _past(folder / name, count) for name, count in pasts.items()}
    found: dict[str, list[float]] = {}
    for _ in range(GROWTH_STARTS):
        for name, path in paths.items():
            found.setdefault(f"{name} start", []).append(await _start_s(path))
    async with _opened(paths["short"]) as short, _opened(paths["long"]) as long:
        for _ in range(GROWTH_BLOCKS):
            found.setdefault("short", []).extend(await _commits_s(short))
            found.setdefault("long", []).extend(await _commits_s(long))
        first = (await long.transactions(1))[0]
        if await long.transaction(first.begun.key) != first:
            raise RuntimeError("the first sale is not found in the archive")
    return found


def journal_growth() -> Claim:
    """p50 of a sale's two commits with a long past against a short one; start-up in the note."""
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(_grown(Path(folder) / "journals"))
    middle = {name: sorted(times)[len(times) // 2] * 1e3 for name, times in found.items()}
    start = middle["long start"] / middle["short start"]
    if start > GROWTH_START_LIMIT:
        raise RuntimeError(f"a start takes {start:.2f} times as long: limit {GROWTH_START_LIMIT}")
    return Claim(
        middle["long"],
        middle["short"],
        "ms p50",
        1.1,
        f"a sale's two commits after {GROWTH_SALES} sales (GROWTH_SALES) against 1000; start-up"
        f" {middle['long start']:.1f} ms against {middle['short start']:.1f} ms: ratio"
        f" {start:.2f}, limit {GROWTH_START_LIMIT}",
    )


def journal_bytes() -> Claim:
    """File bytes a sale, printed, settled and archived: journal and archive together."""

    async def run(journal: Journal, path: Path) -> float:
        files = path, path.with_name(path.name + ".archive")

        async def held() -> int:
            await journal.reopen(NOW)  # copies the log into the file
            return sum(file.stat().st_size for file in files)

        await _trade(journal, 4 * BATCH)
        await journal.archive(NOW)
        before = await held()
        for _ in range(BYTES_SALES // BATCH):
            await _trade(journal, BATCH)
            await journal.archive(NOW)
        return (await held() - before) / BYTES_SALES

    return Claim(
        _with_journal(run),
        2048.0,
        "bytes",
        1.0,
        f"growth of journal and archive a sale over {BYTES_SALES} sales (BYTES_SALES) with two"
        f" receipts, settled every {BATCH}, archived as they settle; limit: 2 KiB, so that a"
        " million sales fit 2 GiB",
    )


def soak() -> Claim:
    """Resident memory must not grow with sales; log and open files stay bounded."""
    notes: list[str] = []

    async def run(journal: Journal, path: Path) -> float:
        await _trade(journal, 6 * BATCH)  # SQLite's 2 MB page cache is full
        await journal.archive(NOW)
        before, files, log = _rss_kib(), _open_files(), 0
        for _ in range(SOAK_SALES // BATCH):
            await _trade(journal, BATCH)
            await journal.archive(NOW)
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
        f"resident growth over {SOAK_SALES} sales (SOAK_SALES), archived as they settle; limit"
        f" 1 MiB; {notes[0]}",
    )


def _rss_kib() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


CLAIMS = {
    "journal_commit": journal_commit,
    "journal_wall": journal_wall,
    "sale_commits": sale_commits,
    "journal_growth": journal_growth,
    "journal_bytes": journal_bytes,
    "soak": soak,
}
