"""One power-up from one disk image: recovery, everything owed, one sale, one receipt, a look.

Nothing here knows what the terminal did before the cut.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from enum import Enum, auto
from pathlib import Path
from random import Random

from posfw.values.errors import PosfwError
from posfw.values.transaction import Kind
from tests.power.around import Around, Books, Sent
from tests.power.outside import Paper, Place, Restarted
from tests.power.terminal import CARD, JOURNAL, Parts, Terminal, intent_of, running
from tests.power.vfs import TRACE, effect
from tests.power.virtual import VirtualLoop, raw
from tests.power.watch import whole
from tests.simulation.books import Books as Archived

__all__ = ["Arrival", "put", "restart"]

# sqlite3's: an archive that cannot be read, found by the look beside the application.
_FAULTS = (PosfwError, ExceptionGroup, AssertionError, TimeoutError, sqlite3.DatabaseError)


class Arrival(Enum):
    """What becomes of messages that were on the line when the power went."""

    BEFORE = auto()  # they arrive before the terminal is back
    NEVER = auto()
    LATE = auto()  # they arrive after everything was reversed


def put(files: Mapping[str, bytes], folder: Path) -> None:
    """Make a folder hold exactly these files (and the journal's lock file, which is empty)."""
    for path in folder.iterdir():
        path.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def restart(
    folder: Path,
    loop: VirtualLoop,
    books: Books,
    flying: Mapping[int, Sent],
    arrival: Arrival,
    messages: int,
    parts: Parts,
) -> Restarted:
    """Power up from the files in a folder. Everything that happens goes into the trace."""
    around = Around(books.copied(), Random(messages))
    around.sent = messages
    try:
        return loop.run_until_complete(_back(folder, around, flying, arrival, parts))
    except _FAULTS as error:
        return Restarted(fault=_first(error))
    finally:
        if loop.faults:
            raise loop.faults.pop()


def _first(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


async def _back(
    folder: Path,
    around: Around,
    flying: Mapping[int, Sent],
    arrival: Arrival,
    parts: Parts,
) -> Restarted:
    for number, sent in flying.items():
        if arrival is Arrival.BEFORE:
            around.arrive(sent)
        elif arrival is Arrival.NEVER:
            effect("lost", number)
    # A cut while the very first file was made may leave none: then, and only then, one is made.
    create = not (folder / JOURNAL).exists()
    async with running(folder, around, around.sent, parts, create=create) as terminal:
        quiet = await _day_goes_on(terminal)
        if arrival is Arrival.LATE:
            for sent in flying.values():
                around.arrive(sent)
        return await _looked_at(terminal, around, quiet)


async def _day_goes_on(terminal: Terminal) -> bool:
    await terminal.until_online()
    quiet = await terminal.until_quiet()
    standing = await terminal.journal.standing()
    if standing.settling and quiet:
        await terminal.settle()
    if not standing.signed_on:
        await terminal.sign_on()
    await terminal.run(intent_of(Kind.SALE, 700, terminal.clock), CARD)
    await terminal.print_all(1)
    await terminal.archive()
    standing = await terminal.journal.standing()
    return quiet and not (standing.rejected or standing.in_doubt or standing.reversals)


async def _looked_at(terminal: Terminal, around: Around, quiet: bool) -> Restarted:
    events = [event[1:] for event in TRACE if event[0] == "ext"]
    opened = next(event[1] for event in events if event[0] == "opened")
    bad_entry = await terminal.store.verify(whole=True)
    books = whole(raw())
    papers: list[Paper] = [event[2:5] for event in events if event[0] == "paper" and not event[5]]
    return Restarted(
        opened=opened,
        bad_entry=bad_entry,
        codes=tuple(code for _, code in sorted(books.rows("number, mac", "entry"))),
        rows=_rows(books),
        closed=frozenset(
            number for (number,) in books.rows("number", "batch", "closed_at IS NOT NULL")
        ),
        quiet=quiet,
        messages=tuple(event[1] for event in events if event[0] == "sent"),
        papers=tuple(papers),
        books=around.books,
    )


def _rows(books: Archived) -> dict[Place, tuple[str, int, int]]:
    return {
        (batch, stan): (state, amount, Kind(kind).direction if state == "approved" else 0)
        for batch, stan, state, kind, amount in books.rows(
            "batch, stan, state, kind, amount", "txn"
        )
    }
