"""The journal's claims: what durability costs beside the same SQL done bare."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.claim import Claim, best
from posfw.journal.opening import SETTINGS
from posfw.journal.store import Journal
from posfw.values.card import EntryMode
from posfw.values.money import Money
from posfw.values.outcome import Answer
from posfw.values.transaction import Conclusion, Ending, Intent, Kind

SALES = 300
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


class _Clock:
    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return NOW


def _journal_cpu_us() -> float:
    async def sell(path: Path) -> float:
        async with Journal.open(
            path, terminal="12345678", chain_key=bytes(32), clock=_Clock(), create=True
        ) as journal:
            answer = Answer("00", "123456", "1")  # the uplink's work, not the journal's
            before = time.process_time()
            for _ in range(SALES):
                begun = await journal.begin(INTENT)
                await journal.conclude(
                    Conclusion(begun.key, Ending.APPROVED, NOW, answer, copies=2)
                )
            return (time.process_time() - before) / SALES * 1e6

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(sell(Path(folder) / "journal.db"))


def _bare_cpu_us() -> float:
    """Write the same rows by a bare sqlite3 loop: same schema, same settings."""
    schema = Path(__file__).parent.parent / "src/posfw/journal/schema/0001.sql"
    intent, body, mac = bytes(150), bytes(180), bytes(32)
    with tempfile.TemporaryDirectory() as folder:
        raw = sqlite3.connect(Path(folder) / "bare.db", isolation_level=None)
        for name, wanted, _ in SETTINGS:
            raw.execute(f"PRAGMA {name}={wanted}").fetchall()
        raw.executescript(schema.read_text(encoding="utf-8"))
        raw.execute("INSERT INTO counter VALUES ('stan', 1), ('ksn', 0)")
        raw.execute("INSERT INTO chain VALUES (1, x'00', x'00')")
        before = time.process_time()
        for n in range(1, SALES + 1):
            _bare_sale(raw, n, intent, body, mac)
        took = (time.process_time() - before) / SALES * 1e6
        raw.close()
    return took


def _bare_sale(raw: sqlite3.Connection, n: int, intent: bytes, body: bytes, mac: bytes) -> None:
    at = NOW.isoformat()
    entry = "INSERT INTO entry VALUES (?, 'money', 'begun', ?, '01', 1, ?, ?, ?)"
    raw.execute("BEGIN IMMEDIATE")
    raw.execute("UPDATE counter SET value = ? WHERE name = 'stan'", (n + 1,))
    raw.execute("UPDATE counter SET value = ? WHERE name = 'ksn'", (n,))
    raw.execute(
        "INSERT INTO txn (batch, stan, state, ksn, kind, amount, intent)"
        " VALUES (1, ?, 'begun', ?, 'sale', 1250, ?)",
        (n, n, intent),
    )
    raw.execute(entry, (2 * n - 1, at, n, body, mac))
    raw.execute("UPDATE chain SET key = ?, head = ?", (mac, mac))
    raw.execute("COMMIT")
    raw.execute("BEGIN IMMEDIATE")
    raw.execute(
        "UPDATE txn SET state = 'approved', answer = ?, concluded_at = ? WHERE batch = 1"
        " AND stan = ?",
        (body[:40], at, n),
    )
    for copy in ("merchant", "cardholder"):
        raw.execute(
            "INSERT INTO job (rank, kind, subject, copy, duplicate, state)"
            " VALUES (1, 'receipt', ?, ?, 0, 'queued')",
            (f"12345678-000001-{n:06d}", copy),
        )
    raw.execute(entry, (2 * n, at, n, body[:60], mac))
    raw.execute("UPDATE chain SET key = ?, head = ?", (mac, mac))
    raw.execute("COMMIT")


def journal_commit() -> Claim:
    """CPU of a sale's two durable transitions against a bare loop doing the same inserts."""
    return Claim(
        best(_journal_cpu_us),
        best(_bare_cpu_us),
        "us CPU",
        1.6,
        "a sale's two commits; other: bare sqlite3, same schema, settings and rows, no chain",
    )


CLAIMS = {"journal_commit": journal_commit}
