"""Performs one sale's effects in order: journal, uplink, journal. Each arrow once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import anyio

from posfw.ports import Acquirer, Clock, SaleJournal
from posfw.sale.limits import Limits, Refusal, may_begin, offline_reason
from posfw.sale.machine import (
    Authorise,
    Conclude,
    Concluded,
    Effect,
    Event,
    Inquire,
    Inquired,
    Record,
    Recorded,
    SaleMachine,
    Seal,
    Sealed,
    Start,
    after_restart,
)
from posfw.values.card import CardRead
from posfw.values.errors import MisuseError
from posfw.values.outcome import Outcome, Unknown
from posfw.values.transaction import Begun, Conclusion, Intent, Transaction

__all__ = ["Sales"]

Watch = Callable[[Effect], None]


@dataclass(frozen=True, slots=True)
class Sales:
    """The one place where transactions run: one at a time, each to a durable ending.

    Attributes:
        journal: commits 1 and 2.
        acquirer: the line.
        clock: local time for the record.
        limits: rules of the acquirer's parameters and the site file.
        inquiry_timeout_s: how long doubt may last before it becomes a reversal.
        lock: a second key press waits here and is then refused or taken by its own right.
    """

    journal: SaleJournal
    acquirer: Acquirer
    clock: Clock
    limits: Limits
    inquiry_timeout_s: float
    lock: anyio.Lock

    async def run(
        self, intent: Intent, card: CardRead | None, watch: Watch = lambda _: None
    ) -> Conclusion | Refusal:
        """Run one transaction to its end. On return the ending is durable.

        Cancelled before commit 1 nothing has happened; later the restart rule ends it.
        """
        async with self.lock:
            now = self.clock.now()
            standing = await self.journal.standing()
            original = await self._original(intent)
            refusal = may_begin(intent, standing, self.limits, original=original, now=now)
            if refusal is not None:
                return refusal
            reason = offline_reason(intent, standing, self.limits.offline, now)
            return await self._drive(Start(intent, reason), card, watch)

    async def recover(self) -> int:
        """End what a power cut left in doubt; return how many there were. Run before selling."""
        doubtful = await self.journal.in_doubt()
        for transaction in doubtful:
            await self.journal.conclude(after_restart(transaction.begun, self.clock.now()))
        return len(doubtful)

    async def _original(self, intent: Intent) -> Transaction | None:
        return await self.journal.transaction(intent.original) if intent.original else None

    async def _drive(self, start: Start, card: CardRead | None, watch: Watch) -> Conclusion:
        machine = SaleMachine()
        events: deque[Event] = deque([start])
        while events:
            for effect in machine.receive(events.popleft(), self.clock.now()):
                watch(effect)
                events.append(await self._perform(effect, card))
        if machine.conclusion is None:
            raise MisuseError("The transaction ended without a conclusion.")
        return machine.conclusion

    async def _perform(self, effect: Effect, card: CardRead | None) -> Event:
        match effect:
            case Record(intent):
                return Recorded(await self.journal.begin(intent))
            case Authorise(begun):
                return await self.acquirer.authorise(begun, card)
            case Inquire(begun):
                return await self._inquire(begun)
            case Seal(begun):
                if card is None:
                    raise MisuseError("A transaction without a card was to go offline.")
                return Sealed(self.acquirer.seal(begun, card))
            case Conclude(conclusion):
                await self.journal.conclude(conclusion)
                return Concluded()

    async def _inquire(self, begun: Begun) -> Event:
        outcome: Outcome = Unknown("no answer to the inquiry in time")
        with anyio.move_on_after(self.inquiry_timeout_s):
            outcome = await self.acquirer.inquire(begun.key)
        return Inquired(outcome)
