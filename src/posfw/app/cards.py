"""Hands the card that comes next to whoever waits for one; a card nobody waits for is dropped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import anyio

from posfw.app.verbs import Body, Progress, Verb
from posfw.card.codes import CANCELLED
from posfw.ports import CardReader
from posfw.sale.limits import Refusal
from posfw.sale.task import Watch
from posfw.values.card import CardRead
from posfw.values.money import Money
from posfw.values.transaction import Conclusion, Intent, Kind

__all__ = ["Asked", "CardDesk", "CardTaker"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One transaction before its card.

    Attributes:
        intent_of: makes its intent once the card is known.
        watch: sees the sale's effects.
        progress: tells the screen.
    """

    kind: Kind
    amount: Money
    intent_of: Callable[[CardRead], Intent]
    watch: Watch
    progress: Progress


class CardTaker(Protocol):
    """Takes cards in more ways than by stripe: a slot for chips, or a reader with a kernel."""

    async def take(self, asked: Asked) -> Conclusion | Refusal:
        """Wait for a card and run the transaction with it. On return the ending is durable."""
        ...


@dataclass(slots=True)
class CardDesk:
    """At most one waits; nothing is kept: card data lives no longer than its sale."""

    _waiting: anyio.Event | None = None
    _read: CardRead | str | None = field(default=None, repr=False)

    def verbs(self) -> Mapping[str, Verb]:
        """Return the one verb that ends the waiting for a card."""
        return {"card_cancel": self._cancel}

    async def _cancel(self, _: Body, __: Progress) -> Body:
        """取消: whoever waits is told CRD-002 in the place of a card; too late once one came."""
        waits = self._waiting is not None and not self._waiting.is_set()
        if self._waiting is not None and waits:
            self._read = CANCELLED
            self._waiting.set()
        return {"ok": waits}

    async def run(self, reader: CardReader) -> None:
        """Pass on reads until cancelled."""
        async for read in reader.reads():
            if self._waiting is not None and not self._waiting.is_set():
                self._read = read
                self._waiting.set()

    async def next_read(self, timeout_s: float) -> CardRead | str | None:
        """Return the next card, a stable code for a read that failed, or None after the time."""
        mine = self._waiting = anyio.Event()
        try:
            with anyio.move_on_after(timeout_s):
                await mine.wait()
            return self._read if mine.is_set() else None
        finally:
            if self._waiting is mine:  # else somebody newer waits: the next card is theirs
                self._waiting = None
                self._read = None
