"""The stream of everything that is not money, and the reading side of the chain."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from posfw.codec import cbor
from posfw.journal.chain import Link
from posfw.journal.sql import Sql, append_entry, content_of, marked, older
from posfw.values.events import Record, Topic

__all__ = ["append", "links", "read"]

_COLUMNS = "number, topic, name, at, operator, batch, stan, body, mac"


def append(sql: Sql, records: tuple[Record, ...]) -> None:
    """Append records in order."""
    for record in records:
        topic, body = record.topic.value, record.body
        append_entry(sql, topic, record.name, record.at, dict(body), operator=record.operator)


def read(sql: Sql, topic: Topic, after: int) -> list[Record]:
    """Return a topic's records in order; they never leave the journal (archive.MOVED)."""
    rows = sql(
        f"SELECT {_COLUMNS} FROM entry"  # noqa: S608 - constant columns
        " WHERE topic = ? AND topic <> 'money' AND number > ? ORDER BY number",
        (topic.value, after),
    )
    return [
        Record(
            topic=topic,
            name=row[2],
            at=datetime.fromisoformat(row[3]),
            operator=row[4],
            body=cbor.decode(bytes(row[7])),
            number=row[0],
        )
        for row in rows
    ]


def links(sql: Sql, after: int, limit: int) -> Iterator[Link]:
    """Yield stored entries as the chain sees them: archived ones, then the journal's."""
    through = marked(sql).through
    query = (
        f"SELECT {_COLUMNS} FROM entry WHERE number > ? AND number %s ? ORDER BY number LIMIT ?"  # noqa: S608 - constant columns
    )
    if through and after < through:
        rows = older(sql, query % "<=", (after, through, limit))
    else:
        rows = sql(query % ">", (after, through, limit))
    for row in rows:
        yield Link(row[0], content_of(row), bytes(row[8]))
