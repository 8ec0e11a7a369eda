"""What is measured, and against what. CPU time of this process, the best of several rounds."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import cbor2

from posfw.crypto.dukpt import initial_key
from posfw.journal.store import SETTINGS, Journal
from posfw.keys.software import SoftwareElement
from posfw.uplink.messages import Field, Message, MessageType
from posfw.uplink.session import open_answer, open_request, protect_answer, protect_request
from posfw.values.card import EntryMode
from posfw.values.money import Money
from posfw.values.outcome import Answer
from posfw.values.transaction import Conclusion, Ending, Intent, Kind

ROUNDS = 3
SALES = 300
EXCHANGES = 300
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
KEY_ID = bytes(8)
ELEMENT = SoftwareElement(initial_key(bytes(32), KEY_ID), KEY_ID, bytes(32))


@dataclass(frozen=True, slots=True)
class Claim:
    """One measured claim; `ratio` is ours over the other's."""

    ours: float
    other: float
    unit: str
    limit: float
    note: str

    @property
    def ratio(self) -> float:
        """Ours over the other's."""
        return self.ours / self.other

    def document(self) -> dict[str, object]:
        """Return the JSON form."""
        return asdict(self) | {"ratio": self.ratio}


class _Clock:
    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return NOW


def _best(run: Callable[[], float]) -> float:
    return min(run() for _ in range(ROUNDS))


def _journal_cpu_us() -> float:
    async def sell(path: Path) -> float:
        async with Journal.open(
            path, terminal="12345678", chain_key=bytes(32), clock=_Clock(), create=True
        ) as journal:
            before = time.process_time()
            for _ in range(SALES):
                begun = await journal.begin(INTENT)
                answer = Answer("00", "123456", "1")
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
        _best(_journal_cpu_us),
        _best(_bare_cpu_us),
        "us CPU",
        1.6,
        "a sale's two commits; other: bare sqlite3, same schema, settings and rows, no chain",
    )


def _fields() -> dict[Field, object]:
    return {
        Field.KIND: "sale",
        Field.AMOUNT: 1250,
        Field.CURRENCY: 156,
        Field.ENTRY_MODE: 2,
        Field.LOCAL_TIME: "20260302093000",
        Field.OPERATOR: "01",
        Field.CARD: bytes(120),
    }


def _uplink_cpu_us() -> float:
    fields = _fields()
    before = time.process_time()
    for counter in range(1, EXCHANGES + 1):
        request = Message(MessageType.AUTHORISE, "12345678", "8" * 15, 1, counter, fields)  # type: ignore[arg-type]  # plain values
        sealed = protect_request(request, ELEMENT, counter)
        opened = open_request(sealed.data, lambda _: ELEMENT)
        answer = Message(
            MessageType.AUTHORISE, "12345678", "8" * 15, 1, counter, {Field.RESPONSE_CODE: "00"}
        )
        open_answer(protect_answer(answer, opened), element=ELEMENT, request=sealed)
    return (time.process_time() - before) / EXCHANGES * 1e6


def _bare_exchange_cpu_us() -> float:
    """Bare cbor2, hmac and key derivation for the same two messages, nothing checked."""
    fields = {int(key): value for key, value in _fields().items()}
    head = {0: 1, 1: 4, 2: "12345678", 3: "8" * 15, 4: 1}
    before = time.process_time()
    for counter in range(1, EXCHANGES + 1):
        for answer, body in ((False, fields), (True, {48: "00"})):
            for _ in range(2):  # both ends derive the key and compute the code
                key = ELEMENT.mac_key(counter, answer=answer)
                payload = cbor2.dumps(head | {5: counter} | body, canonical=True)
                message = cbor2.dumps([b"x" * 18, {}, payload, key.mac(payload)])
                cbor2.loads(cbor2.loads(message)[2])
                hashlib.sha256(message).digest()
    return (time.process_time() - before) / EXCHANGES * 1e6


def uplink_cpu() -> Claim:
    """Encode, protect, verify, decode one exchange on both ends against the bare calls."""
    return Claim(
        _best(_uplink_cpu_us),
        _best(_bare_exchange_cpu_us),
        "us CPU",
        1.5,
        "request and answer, both ends, key derivation included; other: bare cbor2 and hmac",
    )


CLAIMS: dict[str, Callable[[], Claim]] = {
    "journal_commit": journal_commit,
    "uplink_cpu": uplink_cpu,
}
