"""What a campaign is made with: the right terminal, and wrong ones that it must catch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final
from unittest.mock import patch

from posfw.journal import archive, opening
from posfw.journal.driver import make
from posfw.journal.opening import fill_archive
from posfw.journal.store import Journal
from posfw.sale.task import Sales
from posfw.values.card import CardRead
from posfw.values.identity import Key
from posfw.values.outcome import Outcome
from posfw.values.transaction import Begun, Intent
from tests.power.around import TERMINAL
from tests.power.terminal import Parts

__all__ = ["CONTROLS", "RIGHT", "Make", "archive_not_synced", "let_go_first"]

Move = Callable[[Journal, datetime, int], bool]


@dataclass(frozen=True, slots=True)
class Make:
    """Parts and SQLite settings of a terminal.

    Attributes:
        settings: replaced in the journal's opening sequence: name → (wanted, read back).
        parts: the protocol.
        move: a step into the archive.
    """

    settings: tuple[tuple[str, str, object], ...] = ()
    parts: Parts = field(default_factory=Parts)
    move: Move = Journal._archive_step

    @contextmanager
    def set(self) -> Iterator[None]:
        """Open journals with these settings, and move like this, in the context."""
        changed = {name: (name, wanted, found) for name, wanted, found in self.settings}
        every = tuple(changed.get(setting[0], setting) for setting in opening.SETTINGS)
        if self.settings and every == opening.SETTINGS:
            raise AssertionError("the control changes no setting")
        with (
            patch.object(opening, "SETTINGS", every),
            patch.object(Journal, "_archive_step", self.move),
        ):
            yield


class _Behind:
    """Everything but what a subclass replaces goes to what stands behind."""

    def __init__(self, behind: Any) -> None:
        self.behind = behind

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)


class _Unwritten(_Behind):
    """A journal whose commit 1 is only made up."""

    async def begin(self, intent: Intent) -> Begun:
        standing = await self.behind.standing()
        counter = await self.behind.reserve_counters(1)
        return Begun(Key(TERMINAL, standing.batch, standing.next_stan), counter, intent)


class _WrittenAfter(_Behind):
    """A line that writes commit 1 when the answer is there."""

    def __init__(self, behind: Any, journal: Any) -> None:
        super().__init__(behind)
        self.journal = journal

    async def authorise(self, begun: Begun, card: CardRead | None) -> Outcome:
        outcome: Outcome = await self.behind.authorise(begun, card)
        await self.journal.begin(begun.intent)
        return outcome


def _sending_first(*, journal: Any, acquirer: Any, **rest: Any) -> Sales:
    wrong: Any = partial(Sales, journal=_Unwritten(journal))
    made: Sales = wrong(acquirer=_WrittenAfter(acquirer, journal), **rest)
    return made


def let_go_first(journal: Journal, at: datetime, keep: int) -> bool:
    """Move a step, but let go of it here before the archive has it."""
    session = journal._session
    step = session.transaction(archive.pick, (keep,), {})
    if step is None:
        return False
    make(session.older.path, fill_archive)
    session.transaction(archive.forget, (step, at), {})
    session.older.transaction(archive.store, step)
    return True


def archive_not_synced(journal: Journal, at: datetime, keep: int) -> bool:
    """Move a step into an archive whose commits are not durable."""
    session = journal._session
    step = session.transaction(archive.pick, (keep,), {})
    if step is None:
        return False
    make(session.older.path, fill_archive)
    session.older.connection.execute("PRAGMA synchronous=OFF")
    session.older.transaction(archive.store, step)
    session.transaction(archive.forget, (step, at), {})
    return True


RIGHT: Final = Make()
CONTROLS: Final = {
    "synchronous_normal": Make((("synchronous", "NORMAL", 1),)),
    "synchronous_off": Make((("synchronous", "OFF", 0),)),
    "rollback_journal_full": Make(
        (("locking_mode", "NORMAL", "normal"), ("journal_mode", "DELETE", "delete"))
    ),
    "send_before_record": Make(parts=Parts(sales=_sending_first)),
    "receipt_before_record": Make(parts=Parts(shown_early=True)),
    "let_go_before_archive": Make(move=let_go_first),
    "archive_not_synced": Make(move=archive_not_synced),
}
