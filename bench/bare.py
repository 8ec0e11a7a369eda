"""The peer of `sale_cpu`: a bare loop with the terminal's libraries and none of its care.

Each round: two SQLite commits with the rows of a sale, the keys of one AES DUKPT counter, card
data encrypted, one message coded and authenticated, one TLS round trip, the answer verified and
decoded. Nothing is checked beyond the code, nothing is chained, nobody is told. Run as
`python -m bench.bare PORT FOLDER ROUNDS`; prints its CPU time in microseconds a round.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import ssl
import sys
import tempfile
import time
from pathlib import Path

import aiosqlite
import cbor2

from posfw.crypto.dukpt import initial_key
from posfw.journal.store import SETTINGS
from posfw.keys.software import SoftwareElement
from posfw.sim.certificates import SERVER_NAME

SCHEMA = Path(__file__).parent.parent / "src/posfw/journal/schema/0001.sql"
KEY_ID = bytes(8)
ELEMENT = SoftwareElement(initial_key(bytes(32), KEY_ID), KEY_ID, bytes(32))
CARD = {0: "6212345678901232", 1: 2, 2: "3012", 3: "", 4: "", 5: b"", 7: False}
BODY = {0: 1, 1: 4, 2: "12345678", 3: "8" * 15, 4: 1, 10: "sale", 11: 1250, 12: 156, 13: 2}
ANSWER = {**BODY, 48: "00", 49: "123456", 50: "000000000001", 51: "20260302093000"}


async def rounds(port: int, folder: Path, count: int) -> float:
    """Return microseconds of CPU a round."""
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(folder / "device.pem", folder / "device.key")
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=SERVER_NAME
    )
    with tempfile.TemporaryDirectory() as temporary:
        async with aiosqlite.connect(Path(temporary) / "bare.db", isolation_level=None) as base:
            for name, wanted, _ in SETTINGS:
                await base.execute(f"PRAGMA {name}={wanted}")
            await base.executescript(SCHEMA.read_text(encoding="utf-8"))
            await base.execute("INSERT INTO counter VALUES ('stan', 1), ('ksn', 0)")
            began = 0.0
            for n in range(-20, count):
                if n == 0:  # the first rounds warm up, as the terminal's sign-on does
                    began = time.process_time()
                await one(base, reader, writer, n + 21)
            took = (time.process_time() - began) / count * 1e6
    writer.close()
    return took


async def one(
    base: aiosqlite.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, n: int
) -> None:
    """Do one round."""
    at = "2026-03-02T09:30:00+08:00"
    intent = cbor2.dumps({**BODY, 5: n}, canonical=True)
    await base.execute("BEGIN IMMEDIATE")
    await base.execute("UPDATE counter SET value = ? WHERE name = 'stan'", (n + 1,))
    await base.execute("UPDATE counter SET value = ? WHERE name = 'ksn'", (n,))
    await base.execute(
        "INSERT INTO txn (batch, stan, state, ksn, kind, amount, intent)"
        " VALUES (1, ?, 'begun', ?, 'sale', 1250, ?)",
        (n, n, intent),
    )
    await base.execute(
        "INSERT INTO entry VALUES (?, 'money', 'begun', ?, '01', 1, ?, ?, ?)",
        (2 * n - 1, at, n, intent, bytes(32)),
    )
    await base.execute("COMMIT")
    answer = await ask(reader, writer, n)
    await base.execute("BEGIN IMMEDIATE")
    await base.execute(
        "UPDATE txn SET state = 'approved', answer = ?, concluded_at = ? WHERE batch = 1"
        " AND stan = ?",
        (answer, at, n),
    )
    for copy in ("merchant", "cardholder"):
        await base.execute(
            "INSERT INTO job (rank, kind, subject, copy, duplicate, state)"
            " VALUES (1, 'receipt', ?, ?, 0, 'queued')",
            (f"12345678-000001-{n:06d}", copy),
        )
    await base.execute(
        "INSERT INTO entry VALUES (?, 'money', 'approved', ?, '01', 1, ?, ?, ?)",
        (2 * n, at, n, answer, bytes(32)),
    )
    await base.execute("COMMIT")


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, n: int) -> bytes:
    """Protect, send, receive, verify one message; return the answer's payload."""
    nonce = os.urandom(12)
    data_key, mac_key = ELEMENT.data_key(n), ELEMENT.mac_key(n)
    sealed = data_key.encrypt(nonce, cbor2.dumps(CARD, canonical=True), b"aad")
    payload = cbor2.dumps({**BODY, 5: n, 20: cbor2.dumps([b"", {5: nonce}, sealed])})
    message = cbor2.dumps([b"x" * 18, {}, payload, mac_key.mac(payload)])
    writer.write(len(message).to_bytes(4, "big") + message)
    size = int.from_bytes(await reader.readexactly(4), "big")
    _, _, payload, code = cbor2.loads(await reader.readexactly(size))
    answer_key = ELEMENT.mac_key(n, answer=True)
    hmac.compare_digest(answer_key.mac(payload), code)  # its result is not the point here
    cbor2.loads(payload)
    return bytes(payload)


def canned() -> bytes:
    """Return what the peer answers to everything: an answer of the usual size."""
    payload = cbor2.dumps({**ANSWER, 5: 1}, canonical=True)
    message = cbor2.dumps([b"x" * 18, {}, payload, bytes(32)])
    return len(message).to_bytes(4, "big") + message


if __name__ == "__main__":
    print(asyncio.run(rounds(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))))
