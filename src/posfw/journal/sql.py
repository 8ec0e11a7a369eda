"""What the pure modules of the journal see of a database: one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from posfw.codec import cbor
from posfw.journal import chain
from posfw.values.errors import JournalArchiveError, MisuseError

__all__ = [
    "Kept",
    "Mark",
    "Row",
    "Rows",
    "Sql",
    "Written",
    "append_entry",
    "append_row",
    "content_of",
    "marked",
    "older",
    "one",
]

Row = Sequence[Any]
Rows = Callable[..., list[Row]]  # runs one statement and returns its rows


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the journal has moved into its archive.

    Attributes:
        step: number of the last move, 0 before the first.
        through: the last entry that moved.
        head: its code.
        kept: digest over the entries up to there that stayed in the journal.
    """

    step: int
    through: int
    head: bytes
    kept: bytes


@dataclass(slots=True)
class Kept:
    """Single rows that every commit needs, kept from one transaction to the next.

    The journal is opened EXCLUSIVE, so nobody else can change them. None means "read it again";
    a transaction that is rolled back leaves a new, empty one behind.

    Attributes:
        chain: key of the next entry, head, number of the last entry.
        stan: the next STAN.
        ksn: the last DUKPT counter given out.
        batch: number, frozen, opening time of the open batch.
        begun: kind and amount of what was begun here and is not concluded, by batch and STAN.
        mark: how far the archive goes.
        fits: whether the archive was seen to be this journal's.
    """

    chain: tuple[bytes, bytes, int] | None = None
    stan: int | None = None
    ksn: int | None = None
    batch: tuple[int, bool, str] | None = None
    begun: dict[tuple[int, int], tuple[str, int]] = field(default_factory=dict)
    mark: Mark | None = None
    fits: bool = False


class Written(Protocol):
    """What a writing statement leaves (sqlite3.Cursor)."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""
        ...


class Sql(Protocol):
    """One open SQL transaction."""

    @property
    def kept(self) -> Kept:
        """What the last transaction left in memory."""
        ...

    def __call__(self, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return its rows."""
        ...

    @property
    def older(self) -> Rows:
        """Run one statement in the archive; ask through `older`, which knows whether it fits."""
        ...

    @property
    def write(self) -> Callable[[str, Sequence[Any]], Written]:
        """Run one statement that returns no rows: a commit's hot path."""
        ...


def one(rows: list[Row]) -> Row:
    """Return the only row.

    Raises:
        MisuseError: none or several.
    """
    if len(rows) != 1:
        raise MisuseError(f"{len(rows)} rows where the journal has one.")
    return rows[0]


def marked(sql: Sql) -> Mark:
    """Return how far the journal has moved into its archive."""
    if sql.kept.mark is None:
        sql.kept.mark = Mark(*one(sql("SELECT step, through, head, kept FROM archived")))
    return sql.kept.mark


def older(sql: Sql, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
    """Return rows of the archive; none, without looking, while nothing was ever moved.

    Raises:
        JournalArchiveError: it is missing, damaged or another journal's.
    """
    mark = marked(sql)
    if not mark.step:
        return []
    if not sql.kept.fits:
        found = sql.older("SELECT through, head FROM step WHERE number = ?", (mark.step,))
        if found != [(mark.through, mark.head)]:
            raise JournalArchiveError("The archive is not the one that this journal moved into.")
        sql.kept.fits = True
    return sql.older(statement, parameters)


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
    return append_row(sql, (topic, name, at.isoformat(), operator, *key, cbor.encode(dict(body))))


def append_row(sql: Sql, row: tuple[str, str, str, str, int, int, bytes]) -> int:
    """Append topic, name, time, operator, batch, STAN and encoded body, sealed."""
    kept = sql.kept
    key, head, last = kept.chain or _chain(sql)
    number = last + 1
    code = chain.seal(key, head, cbor.encode((number, *row)))
    following = chain.next_key(key)
    write = sql.write
    write("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (number, *row, code))
    write("UPDATE chain SET key = ?, head = ?", (following, code))
    kept.chain = (following, code, number)
    return number


def _chain(sql: Sql) -> tuple[bytes, bytes, int]:
    key, head = one(sql("SELECT key, head FROM chain"))
    (last,) = one(sql("SELECT coalesce(max(number), 0) FROM entry"))
    return bytes(key), bytes(head), last
