"""The terminal's part of the money protocol, in the right order, and what can go wrong around it.

`Protocol` drives the real journal and sales; `protocols.py` breaks it one piece at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import anyio

from posfw.journal.store import Journal
from posfw.sale.limits import Limits, OfflinePolicy, Refusal
from posfw.sale.machine import Effect
from posfw.sale.task import Sales
from posfw.sim.bank import Place, Verdict
from posfw.uplink.order import Verdict as Word
from posfw.uplink.order import verdict as word_of
from posfw.values.card import CardNumber, CardRead, EntryMode
from posfw.values.identity import Key
from posfw.values.outcome import (
    Answer,
    Approved,
    Declined,
    NotFound,
    Outcome,
    Unknown,
    Unreachable,
)
from posfw.values.printjob import JobState
from posfw.values.transaction import Begun, Conclusion, Ending, Intent, Owed

if TYPE_CHECKING:
    from tests.planted.world import World

__all__ = [
    "CARD",
    "TERMINAL",
    "Cut",
    "Line",
    "Plan",
    "Protocol",
    "Stepping",
    "answer_of",
    "outcome_of",
    "place_of",
]

TERMINAL: Final = "12345678"
CARD: Final = CardRead(CardNumber("6212345678901232"), EntryMode.SWIPED, "2812", "101")
LIMITS: Final = Limits(offline=OfflinePolicy(enabled=True))
APPROVED: Final = "00"


class Cut(BaseException):
    """The power is gone: no code of the terminal may catch this."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes wrong during one action; the defaults are a quiet day.

    Attributes:
        request: arrives, twice, late, or lost.
        answer: arrives, late, or lost.
        inquiry: arrives or lost.
        owed: arrives, lost, or unanswered: what becomes of every owed message.
        cut: the power goes at this step, None: it does not.
    """

    request: str = "arrives"
    answer: str = "arrives"
    inquiry: str = "arrives"
    owed: str = "arrives"
    cut: int | None = None


class Stepping:
    """The journal, with a step at which the power can go before and after every write."""

    def __init__(self, journal: Journal, world: World) -> None:
        self.inner = journal
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def begin(self, intent: Intent) -> Begun:
        self._world.step()
        begun = await self.inner.begin(intent)
        self._world.given(begun)
        self._world.step()
        return begun

    async def conclude(self, conclusion: Conclusion) -> None:
        self._world.step()
        await self.inner.conclude(conclusion)
        self._world.step()

    async def acknowledge(self, owed: Owed, code: str, at: Any) -> None:
        self._world.step()
        await self.inner.acknowledge(owed, code, at)
        self._world.step()


class Line:
    """ports.Acquirer: matches answers by key, sends what is owed first."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.world = protocol.world

    async def authorise(self, begun: Begun, card: CardRead | None) -> Outcome:
        world = self.world
        if world.down or not await self.protocol.forward():
            return Unreachable("the line is down, or a reversal is not answered")
        world.step()
        world.sent[place_of(begun.key)] = begun.intent.note

        def ask() -> Verdict:
            return world.ask(begun)

        verdict: Verdict | None = None
        if world.plan.request == "late":
            world.requests.append(ask)
        elif world.plan.request != "lost":
            verdict = ask()
            verdict = ask() if world.plan.request == "twice" else verdict
        world.step()
        return self.answered(begun.key, verdict)

    def answered(self, key: Key, verdict: Verdict | None) -> Outcome:
        """Give an answer that came to the request that it belongs to."""
        if verdict is None or self.world.plan.answer == "lost":
            return Unknown("no answer")
        if self.world.plan.answer == "late":
            self.world.answers.append((key, verdict))
            return Unknown("no answer yet")
        return outcome_of(verdict)

    async def inquire(self, key: Key) -> Outcome:
        if self.world.down or self.world.plan.inquiry == "lost":
            return Unknown("no answer to the inquiry")
        state, verdict = self.world.bank.inquire(place_of(key))
        if state == "not_found":
            return NotFound()
        return (
            Approved(answer_of(verdict)) if state == "approved" else Declined(answer_of(verdict))
        )

    def seal(self, begun: Begun, card: CardRead) -> bytes:
        return b"sealed"


class Protocol:
    """One power-up of a terminal that does it right."""

    def __init__(self, world: World, journal: Journal) -> None:
        self.world = world
        self.journal: Any = Stepping(journal, world)
        self.sales = self.make_sales()

    def make_sales(self) -> Sales:
        return Sales(self.journal, self.line(), self.world.clock, LIMITS, 1.0, anyio.Lock())

    def line(self) -> Any:
        return Line(self)

    async def recover(self) -> None:
        """Run at every power-up before anything else."""
        await self.sales.recover()

    async def pay(self, intent: Intent, card: CardRead | None) -> Conclusion | Refusal:
        """One key press."""
        ending = await self.sales.run(intent, card, self.watch)
        if isinstance(ending, Conclusion):
            self.show(ending, intent)
            self.world.seen[f"{intent.kind.value} {ending.ending.value}"] += 1
        return ending

    def watch(self, effect: Effect) -> None:
        """See an effect before it is performed."""

    def show(self, conclusion: Conclusion, intent: Intent) -> None:
        """Screen, beep, goods."""
        if conclusion.ending in (Ending.APPROVED, Ending.APPROVED_OFFLINE):
            self.world.shown[place_of(conclusion.key)] = (intent.amount.minor, conclusion.ending)
        self.world.step()

    async def forward(self) -> bool:
        """Send what is owed; False when a reversal stays owed."""
        for owed in await self.journal.owed(64):
            code = self.world.owe(owed)
            if code is not None:
                await self.take(owed, code)
        standing = await self.journal.standing()
        return not standing.reversals

    async def take(self, owed: Owed, code: str) -> None:
        """Record the acquirer's word."""
        now = self.world.clock.now()
        word = word_of(owed.kind, code)
        if word is Word.DONE:
            await self.journal.acknowledge(owed, code, now)
        elif word is Word.REJECTED:
            await self.journal.reject(owed, code, now)

    async def late_answer(self, key: Key, verdict: Verdict) -> None:
        """An answer after the time limit: logged, approves nothing."""

    async def print_one(self) -> None:
        """One copy comes out of the printer."""
        now, job = self.world.clock.now(), await self.journal.next_job()
        if job is None:
            return
        await self.journal.mark(job, JobState.PRINTING, 0, "", now)
        self.world.step()
        if not job.duplicate:
            self.world.papers[(job.ref.kind.value, job.ref.subject, job.copy.value)] += 1
        self.world.step()
        await self.journal.mark(job, JobState.DONE, 1, "", now)

    async def may_settle(self) -> bool:
        """Whether the batch may be frozen and totalled."""
        return not await self.journal.owed(1)


def place_of(key: Key) -> Place:
    return (key.terminal, key.batch, key.stan)


def answer_of(verdict: Verdict) -> Answer:
    return Answer(verdict.code, verdict.auth_code, verdict.reference)


def outcome_of(verdict: Verdict) -> Outcome:
    made = answer_of(verdict)
    return Approved(made) if verdict.code == APPROVED else Declined(made)
