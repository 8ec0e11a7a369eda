"""What the pure modules of the journal see of a database: one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from posfw.codec import cbor
from posfw.journal import chain
from posfw.values.errors import MisuseError

__all__ = ["Row", "Sql", "append_entry", "content_of", "one"]

Row = Sequence[Any]


class Sql(Protocol):
    """One open SQL transaction."""

    def __call__(self, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return its rows."""
        ...


def one(rows: list[Row]) -> Row:
    """Return the only row.

    Raises:
        MisuseError: none or several.
    """
    if len(rows) != 1:
        raise MisuseError(f"{len(rows)} rows where the journal has one.")
    return rows[0]


def content_of(row: Row) -> bytes:
    """Return the bytes that the chain seals: number, topic, name, at, operator, key and body."""
    return cbor.encode([*row[:7], bytes(row[7])])


def append_entry(
    sql: Sql,
    topic: str,
    name: str,
    at: datetime,
    body: Mapping[str, object],
    *,
    operator: str = "",
    key: tuple[int, int] = (0, 0),
) -> int:
    """Append one sealed entry and return its number."""
    ratchet, head = one(sql("SELECT key, head FROM chain"))
    number = int(sql("SELECT coalesce(max(number), 0) + 1 FROM entry")[0][0])
    row = (number, topic, name, at.isoformat(), operator, *key, cbor.encode(dict(body)))
    code = chain.seal(ratchet, head, content_of(row))
    sql("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, code))
    sql("UPDATE chain SET key = ?, head = ?", (chain.next_key(ratchet), code))
    return number
