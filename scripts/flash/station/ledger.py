"""The station's record: append-only SQLite, each entry chained to the one before by SHA-256.

The chain shows a changed, lost or inserted entry. Who can write the file can also make the whole
chain anew: the last digest belongs into the day's export, kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from station.outcome import BenchError, Exit

__all__ = ["Claim", "Entry", "Ledger", "MacBlock", "SerialRange"]

START: Final = bytes(32)
BUSY_MS: Final = 10_000
COLUMNS: Final = "number, at, kind, unit, body, previous, digest"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row; `body` is what was observed and what was intended."""

    number: int
    at: str
    kind: str
    unit: str
    body: Mapping[str, object]
    previous: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """A number that belongs to a unit for ever; `fresh` unless it had it before."""

    serial: str
    mac: str | None
    fresh: bool


@dataclass(frozen=True, slots=True)
class SerialRange:
    """Numbers from first to last, both used, all of one width: `P2-000100:P2-000999`."""

    prefix: str
    first: int
    last: int
    width: int

    @classmethod
    def parse(cls, text: str) -> SerialRange:
        """Read `FIRST:LAST`.

        Raises:
            BenchError: INPUT.
        """
        match = re.fullmatch(r"([A-Z0-9-]*?)([0-9]+):([A-Z0-9-]*?)([0-9]+)", text)
        if match is None or match[1] != match[3] or len(match[2]) != len(match[4]):
            raise BenchError(Exit.INPUT, f"{text!r} is no range FIRST:LAST of one width.")
        found = cls(match[1], int(match[2]), int(match[4]), len(match[2]))
        if found.first > found.last:
            raise BenchError(Exit.INPUT, f"{text!r} ends before it begins.")
        return found

    def serial(self, number: int) -> str:
        """Return the text of a number."""
        return f"{self.prefix}{number:0{self.width}d}"

    def number(self, serial: str) -> int | None:
        """Return the number of a text of this range, None for any other."""
        digits = serial.removeprefix(self.prefix)
        plain = digits.isascii() and digits.isdigit() and len(digits) == self.width
        if not serial.startswith(self.prefix) or not plain:
            return None
        number = int(digits)
        return number if self.first <= number <= self.last else None


@dataclass(frozen=True, slots=True)
class MacBlock:
    """Addresses of the manufacturer's block: `02:00:5e:10:00:00/24` fixes the first 24 bits."""

    base: int
    count: int

    @classmethod
    def parse(cls, text: str) -> MacBlock:
        """Read `ADDRESS/BITS`.

        Raises:
            BenchError: INPUT.
        """
        match = re.fullmatch(r"((?:[0-9a-f]{2}:){5}[0-9a-f]{2})/([0-9]{1,2})", text.lower())
        if match is None or not 24 <= int(match[2]) <= 48:
            raise BenchError(Exit.INPUT, f"{text!r} is no block ADDRESS/BITS of 24 to 48 bits.")
        base, free = int(match[1].replace(":", ""), 16), 48 - int(match[2])
        if base & ((1 << free) - 1) or base >> 40 & 1:
            raise BenchError(Exit.INPUT, f"{text!r} does not begin a block of single addresses.")
        return cls(base, 1 << free)

    def address(self, index: int) -> str:
        """Return the address at an index of the block."""
        return (self.base + index).to_bytes(6, "big").hex(":")


class Ledger:
    """The open record; several processes at one bench may have it open."""

    def __init__(self, path: Path) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=BUSY_MS / 1000)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            schema = Path(__file__).with_name("ledger.sql").read_text(encoding="utf-8")
            self._db.executescript(schema)
        except sqlite3.Error as error:
            told = f"The record {path} cannot be used: {error}."
            raise BenchError(Exit.INPUT, told) from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def append(self, kind: str, unit: str, body: Mapping[str, object], *, at: datetime) -> Entry:
        """Add an entry; durable on return.

        Raises:
            BenchError: FAILED; the disk is full or the file is damaged: stop the bench.
        """
        with self._transaction():
            return self._append(kind, unit, body, at)

    def claim(
        self, unit: str, numbers: SerialRange, macs: MacBlock | None, *, at: datetime
    ) -> Claim:
        """Reserve the next number for a unit, or return the one it has; durable on return.

        A number is given once: also when the unit never comes back with it.

        Raises:
            BenchError: INPUT; the range or the block is used up, or the unit's own is elsewhere.
        """
        with self._transaction():
            row = self._db.execute(
                "SELECT serial, mac FROM claim WHERE unit = ?", (unit,)
            ).fetchone()
            if row is not None:
                return self._known(unit, Claim(row[0], row[1], fresh=False), numbers)
            taken = {
                number
                for (serial,) in self._db.execute("SELECT serial FROM claim")
                if (number := numbers.number(serial)) is not None
            }
            number = max(taken, default=numbers.first - 1) + 1
            if number > numbers.last:
                raise BenchError(
                    Exit.INPUT, f"The range is used up: {numbers.serial(numbers.last)}."
                )
            mac = self._mac(macs)
            fresh = Claim(numbers.serial(number), mac, fresh=True)
            moment = _utc(at)
            row = (fresh.serial, unit, mac, moment)
            self._db.execute("INSERT INTO claim VALUES (?, ?, ?, ?)", row)
            body = {"serial": fresh.serial, "mac": mac, "state": "reserved"}
            self._append("claim", unit, body, at)
            return fresh

    def entries(self) -> Iterator[Entry]:
        """Yield all entries in order."""
        for row in self._db.execute(f"SELECT {COLUMNS} FROM entry ORDER BY number"):  # noqa: S608 - a constant
            number, at, kind, unit, body, previous, digest = row
            yield Entry(number, at, kind, unit, json.loads(body), previous, digest)

    def verify(self) -> tuple[int, bytes]:
        """Check the chain and return how many entries it has and its last digest.

        Raises:
            BenchError: MISMATCH, naming the first entry that does not fit.
        """
        previous, count = START, 0
        for entry in self.entries():
            count += 1
            wanted = _digest(count, entry.at, entry.kind, entry.unit, entry.body, previous)
            if (entry.number, entry.previous, entry.digest) != (count, previous, wanted):
                raise BenchError(Exit.MISMATCH, f"Entry {count} of the record does not verify.")
            previous = entry.digest
        return count, previous

    def _known(self, unit: str, claim: Claim, numbers: SerialRange) -> Claim:
        if numbers.number(claim.serial) is None:
            told = f"The unit {unit} has the number {claim.serial}, which is not of this range."
            raise BenchError(Exit.INPUT, told)
        return claim

    def _mac(self, macs: MacBlock | None) -> str | None:
        if macs is None:
            return None
        rows = self._db.execute("SELECT mac FROM claim WHERE mac IS NOT NULL")
        indexes = [int(mac.replace(":", ""), 16) - macs.base for (mac,) in rows]
        index = max((i for i in indexes if 0 <= i < macs.count), default=-1) + 1
        if index >= macs.count:
            raise BenchError(Exit.INPUT, "The block of MAC addresses is used up.")
        return macs.address(index)

    def _append(self, kind: str, unit: str, body: Mapping[str, object], at: datetime) -> Entry:
        last = self._db.execute(
            "SELECT number, digest FROM entry ORDER BY number DESC LIMIT 1"
        ).fetchone()
        number, previous = (last[0] + 1, last[1]) if last else (1, START)
        moment, text = _utc(at), _canonical(body)
        digest = _digest(number, moment, kind, unit, body, previous)
        self._db.execute(
            f"INSERT INTO entry ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
            (number, moment, kind, unit, text, previous, digest),
        )
        return Entry(number, moment, kind, unit, body, previous, digest)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            told = f"The record cannot be written: {error}. Stop the bench."
            raise BenchError(Exit.FAILED, told) from error


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _canonical(body: Mapping[str, object]) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _digest(
    number: int, at: str, kind: str, unit: str, body: Mapping[str, object], previous: bytes
) -> bytes:
    fields = [number, at, kind, unit, _canonical(body), previous.hex()]
    return hashlib.sha256(json.dumps(fields, ensure_ascii=False).encode()).digest()
