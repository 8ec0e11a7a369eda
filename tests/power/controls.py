"""What a campaign is made with: the right terminal, and wrong ones that it must catch."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from unittest.mock import patch

from posfw.journal import opening
from posfw.sale.task import Sales
from posfw.values.card import CardRead
from posfw.values.identity import Key
from posfw.values.outcome import Outcome
from posfw.values.transaction import Begun, Intent
from tests.power.around import TERMINAL
from tests.power.terminal import Parts

__all__ = ["CONTROLS", "RIGHT", "Make"]


@dataclass(frozen=True, slots=True)
class Make:
    """Parts and SQLite settings of a terminal.

    Attributes:
        settings: replaced in the journal's opening sequence: name → (wanted, read back).
        parts: the protocol.
    """

    settings: tuple[tuple[str, str, object], ...] = ()
    parts: Parts = field(default_factory=Parts)

    def set(self) -> AbstractContextManager[Any]:
        """Return a context in which journals open with these settings."""
        if not self.settings:
            return nullcontext()
        changed = {name: (name, wanted, found) for name, wanted, found in self.settings}
        every = tuple(changed.get(setting[0], setting) for setting in opening.SETTINGS)
        if every == opening.SETTINGS:
            raise AssertionError("the control changes no setting")
        return patch.object(opening, "SETTINGS", every)


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


RIGHT: Final = Make()
CONTROLS: Final = {
    "synchronous_normal": Make((("synchronous", "NORMAL", 1),)),
    "synchronous_off": Make((("synchronous", "OFF", 0),)),
    "rollback_journal_full": Make(
        (("locking_mode", "NORMAL", "normal"), ("journal_mode", "DELETE", "delete"))
    ),
    "send_before_record": Make(parts=Parts(sales=_sending_first)),
    "receipt_before_record": Make(parts=Parts(shown_early=True)),
}
