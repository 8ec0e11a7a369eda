"""Performs one sale's effects in order: journal, uplink, journal. Each arrow once."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import anyio

from posfw.ports import Acquirer, Clock, SaleJournal
from posfw.sale import family
from posfw.sale.chip import ChipCard, Holder, own_word
from posfw.sale.limits import Limits, Refusal, may_begin, offline_reason
from posfw.sale.machine import (
    Authorise,
    Await,
    Close,
    Complete,
    Completed,
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
    State,
    Unsealed,
    Waited,
    after_restart,
)
from posfw.sale.payer import Payer
from posfw.sale.rules import Rule, broken, counts
from posfw.values.card import CardRead, EntryMode
from posfw.values.errors import KeyStoreError, MisuseError, PosfwError
from posfw.values.money import Money
from posfw.values.outcome import Outcome, Unknown
from posfw.values.transaction import (
    Begun,
    Conclusion,
    Intent,
    Kind,
    Standing,
    Stored,
    Transaction,
)

__all__ = ["Outlook", "Sales", "Watch"]

UNASKED: Final = Holder()
# After a fault in the middle; what the restart does with it stands in `machine.after_restart`.
IN_DOUBT = "未知-勿重刷 / Unknown: do not swipe again; the next start ends it."

Watch = Callable[[Effect], None]
Since = Callable[[Transaction], Awaitable[Iterable[Transaction]]]


async def _nothing_since(_: Transaction) -> Iterable[Transaction]:
    return ()


async def _nobody() -> Sequence[Transaction]:
    return ()


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a transaction would meet now, asked before a card is touched.

    Attributes:
        refusal: why it may not begin.
        offline_reason: "" where it may be taken without the bank.
        stan: the number that it would get.
    """

    refusal: Refusal | None
    offline_reason: str
    stan: int


@dataclass(frozen=True, slots=True)
class _Sides:
    """Who takes part beside journal and acquirer."""

    card: CardRead | None
    chip: ChipCard | None
    payer: Payer | None

    @property
    def payer_waited_for(self) -> Payer:
        if self.payer is None:
            raise MisuseError("There is nobody who could pay with a telephone.")
        return self.payer


@dataclass(slots=True, eq=False, repr=False)
class Sales:
    """The one place where transactions run: one at a time, each to a durable ending.

    Attributes:
        journal: commits 1 and 2.
        acquirer: the line.
        clock: local time for the record.
        limits: rules of the acquirer's parameters and the site file; they may change between two
            transactions.
        inquiry_timeout_s: how long doubt may last before it becomes a reversal.
        lock: a second key press waits here and is then refused or taken by its own right.
        since: transactions since an original, for what may follow it only once.
        rules: what the acquirer allows of pre-authorisations, tips and instalments.
        limited: limits by kind, card, operator and time of day.
        batch: transactions of the open batch, for limits that count.
    """

    journal: SaleJournal
    acquirer: Acquirer
    clock: Clock
    limits: Limits
    inquiry_timeout_s: float
    lock: anyio.Lock
    since: Since = _nothing_since
    rules: family.Rules = field(default_factory=family.Rules)
    limited: Sequence[Rule] = ()
    batch: Callable[[], Awaitable[Sequence[Transaction]]] = _nobody

    async def outlook(self, kind: Kind, amount: Money, entry_mode: EntryMode) -> Outlook:
        """Return what such a transaction would meet now, whatever the card; `run` asks again."""
        standing, now = await self.journal.standing(), self.clock.now()
        intent = Intent(kind, amount, entry_mode, "", b"", "", now)
        return Outlook(
            may_begin(intent, standing, self.limits, original=None, now=now),
            offline_reason(intent, standing, self.limits.offline, now, Stored()),
            standing.next_stan,
        )

    async def run(
        self,
        intent: Intent,
        card: CardRead | None,
        watch: Watch = lambda _: None,
        chip: ChipCard | None = None,
        payer: Payer | None = None,
        holder: Holder = UNASKED,
    ) -> Conclusion | Refusal:
        """Run one transaction to its end. On return the ending is durable.

        Args:
            intent: what is to be done.
            card: as read; a chip's with the data of its first cryptogram.
            watch: sees every effect before it is performed.
            chip: the card is in the reader and has the last word.
            payer: whoever pays with a telephone, waited for; None for cards.
            holder: how the holder of a card without a chip in the slot was verified.

        Cancelled before commit 1 nothing has happened; later the restart rule ends it.
        """
        async with self.lock:
            now = self.clock.now()
            standing = await self.journal.standing()
            refusal = await self._refusal(intent, standing, now)
            if refusal is not None:
                return refusal
            policy = self.limits.offline
            stored = await self.journal.stored(intent.card_token) if policy.enabled else Stored()
            reason = offline_reason(intent, standing, policy, now, stored) or holder.online_only
            word = own_word(card, chip)
            if word is not None and reason:
                return Refusal(
                    "SAL-203",
                    f"The card approved without the bank, and this is not taken: {reason}.",
                    "Try again when the line is up, or take another card.",
                )
            start = Start(
                intent,
                reason,
                waits=chip is not None and word is None,
                word=word,
                advice=intent.kind.is_advice,
                payer=payer is not None,
                facts=holder.facts,
            )
            return await self._drive(start, _Sides(card, chip, payer), watch)

    async def family_of(self, original: Transaction) -> family.Family:
        """Return an original and what has happened to it since."""
        return family.family(original, await self.since(original))

    async def _refusal(self, intent: Intent, standing: Standing, now: datetime) -> Refusal | None:
        """Ask the rules in order: the terminal's, the original's, those by kind."""
        original, found = await self._original(intent), None
        if original is not None and family.needed(intent, original):
            found = await self.family_of(original)
            original = found.whole
        refusal = may_begin(intent, standing, self.limits, original=original, now=now)
        if refusal is None and found is not None:
            refusal = family.check(intent, found, self.rules, batch=standing.batch, now=now)
        if refusal is None and original is None:
            refusal = family.check_new(intent, self.rules)
        if refusal is None and self.limited:
            batch = await self.batch() if counts(self.limited, intent, now) else ()
            refusal = broken(self.limited, intent, batch, now)
        return refusal

    async def recover(self) -> int:
        """End what a power cut left in doubt; return how many there were. Run before selling."""
        doubtful = await self.journal.in_doubt()
        for transaction in doubtful:
            await self.journal.conclude(after_restart(transaction.begun, self.clock.now()))
        return len(doubtful)

    async def _original(self, intent: Intent) -> Transaction | None:
        return await self.journal.transaction(intent.original) if intent.original else None

    async def _drive(self, start: Start, sides: _Sides, watch: Watch) -> Conclusion:
        machine = SaleMachine()
        events: deque[Event] = deque([start])
        try:
            while events:
                for effect in machine.receive(events.popleft(), self.clock.now()):
                    watch(effect)
                    events.append(await self._perform(effect, sides))
        except PosfwError as error:
            if machine.state not in (State.IDLE, State.RECORDING):
                # Bytes may have left and no ending is durable: nobody may take it for a failure.
                error.effect_text = IN_DOUBT
                error.facts |= {"ending": "unknown", "key": str(machine.begun.key)}
            raise
        if machine.conclusion is None:
            raise MisuseError("The transaction ended without a conclusion.")
        return machine.conclusion

    async def _perform(self, effect: Effect, sides: _Sides) -> Event:
        match effect:
            case Record(intent):
                return Recorded(await self.journal.begin(intent))
            case Authorise(begun):
                return await self.acquirer.authorise(begun, sides.card)
            case Inquire(begun):
                return await self._inquired(self.acquirer.inquire(begun.key))
            case Seal(begun, final):
                return self._seal(begun, final or sides.card)
            case Conclude(conclusion):
                await self.journal.conclude(conclusion)
                return Concluded()
            case Await() | Close() | Complete():
                return await self._with_people(effect, sides)

    async def _with_people(self, effect: Await | Close | Complete, sides: _Sides) -> Event:
        """Let whoever pays act: a chip in the reader, or somebody with a telephone."""
        match effect:
            case Complete(outcome, allowed):
                if sides.chip is None:
                    raise MisuseError("There is no chip that could hear the issuer's word.")
                return Completed(await sides.chip.complete(outcome, offline_allowed=allowed))
            case Await(begun, waiting):
                return Waited(await sides.payer_waited_for.wait(begun, waiting))
            case Close(begun):
                return await self._inquired(sides.payer_waited_for.close(begun.key))

    def _seal(self, begun: Begun, card: CardRead | None) -> Event:
        if card is None:
            raise MisuseError("A transaction without a card was to be sealed.")
        try:
            return Sealed(self.acquirer.seal(begun, card))
        except KeyStoreError as error:
            return Unsealed(error.stable_code)

    async def _inquired(self, asked: Awaitable[Outcome]) -> Event:
        outcome: Outcome = Unknown("no answer to the inquiry in time")
        with anyio.move_on_after(self.inquiry_timeout_s):
            outcome = await asked
        return Inquired(outcome)
