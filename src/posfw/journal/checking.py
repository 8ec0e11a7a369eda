"""Following the chain through archive and journal, a page at a time.

The journal's own part is checked from the code of the last archived entry on; with `whole` the
archive is followed too, from the first entry ever, and what stayed here is held against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from posfw.codec import cbor
from posfw.journal import chain, records
from posfw.journal.archive import ENTRY, digest
from posfw.journal.sql import Mark, Sql, content_of, marked, older, one
from posfw.values.errors import JournalArchiveError

__all__ = ["Check", "begin", "check_archived", "page", "verify"]

PAGE: Final = 1_000  # some 10 ms: a commit waits for one page at most


@dataclass(slots=True)
class Check:
    """A check under way.

    Attributes:
        walk: where it has come.
        bad: the first missing or changed entry, once known.
        ended: nothing is left to check.
    """

    walk: chain.Walk
    bad: int | None = None
    ended: bool = False


def begin(
    start_key: bytes,
    mark: Mark,
    witnesses: Mapping[int, str] = MappingProxyType({}),
    *,
    whole: bool,
) -> Check:
    """Return a check at its start: no file is read, but a key for every entry is made.

    Args:
        start_key: from the secure element.
        mark: how far the journal has moved into its archive.
        witnesses: short codes that were told outside, by number of the entry.
        whole: from the first entry ever, through the archive.
    """
    first = chain.next_key(start_key)
    if whole or not mark.through:
        return Check(chain.Walk(first, chain.GENESIS, 1, witnesses))
    told = {number: code for number, code in witnesses.items() if number > mark.through}
    key = chain.key_at(first, mark.through)
    return Check(chain.Walk(key, mark.head, mark.through + 1, told))


def page(sql: Sql, check: Check) -> None:
    """Check one page more; `check.ended` says whether it was the last."""
    after = check.walk.expected - 1
    if after == 0:  # numbers that nobody gave out are entries too
        query = "SELECT coalesce(min(number), 1) FROM entry"
        after = min(0, *(lowest - 1 for (lowest,) in sql(query) + older(sql, query)))
    found = list(records.links(sql, after, PAGE))
    for link in found:
        check.bad = check.walk.feed(link)
        if check.bad is not None:
            break
    else:
        check.bad = _changed(sql, after, found)
        if not found and check.bad is None:
            running, head = one(sql("SELECT key, head FROM chain"))
            check.bad = check.walk.end(bytes(head), bytes(running)) or _unsealed(sql)
    check.ended = check.bad is not None or not found


def _changed(sql: Sql, after: int, found: list[chain.Link]) -> int | None:
    """Return the first entry that stayed in the journal and is not what the archive holds."""
    through = marked(sql).through
    if not found or after >= through:
        return None
    archived = {link.number: link for link in found}
    stayed = sql(
        f"SELECT {ENTRY} FROM entry WHERE number > ? AND number <= ? ORDER BY number",  # noqa: S608 - constant columns
        (after, min(through, found[-1].number)),
    )
    for row in stayed:
        if archived.get(row[0]) != chain.Link(row[0], content_of(row), bytes(row[8])):
            return int(row[0])
    return None


def _unsealed(sql: Sql) -> int | None:
    """Return the last archived entry unless the chain itself says how far the archive goes."""
    mark = marked(sql)
    rows = sql(
        "SELECT body FROM entry WHERE topic = 'archive' AND topic <> 'money' AND number > ?"
        " ORDER BY number DESC LIMIT 1",
        (mark.through,),
    )
    if not rows and not mark.step:
        return None
    stayed = sql(f"SELECT {ENTRY} FROM entry WHERE number <= ? ORDER BY number", (mark.through,))  # noqa: S608 - constant columns
    told = {
        "through": mark.through,
        "head": mark.head,
        "kept": digest(chain.GENESIS, stayed),
        "step": mark.step,
    }
    same = mark.kept == told["kept"] and bool(rows) and cbor.decode(bytes(rows[0][0])) == told
    return None if same else max(1, mark.through)


def check_archived(sql: Sql) -> None:
    """Read every page of the archive, where nobody sells meanwhile.

    Raises:
        JournalArchiveError: it is missing, damaged or another journal's.
    """
    found = older(sql, "PRAGMA integrity_check(3)")
    if found not in ([], [("ok",)]):
        raise JournalArchiveError(f"The archive is damaged: {found[0][0]}.")


def verify(
    sql: Sql,
    start_key: bytes,
    witnesses: Mapping[int, str] = MappingProxyType({}),
    *,
    whole: bool = False,
) -> int | None:
    """Return the number of the first missing or changed entry, or None."""
    check = begin(start_key, marked(sql), witnesses, whole=whole)
    while not check.ended:
        page(sql, check)
    return check.bad
