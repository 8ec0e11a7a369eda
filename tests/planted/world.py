"""A shop for the stateful test: the real journal and sales, a bank, and a line that misbehaves.

The invariants I1–I10 of docs/journal.md are `World.check` (after every event),
`World.check_at_rest` and `World.settle`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from posfw.journal.store import Journal
from posfw.sim.bank import Bank, Place, Verdict
from posfw.values.events import Record, Topic
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.transaction import Begun, Ending, Intent, Kind, Owed, OwedKind, State
from tests.planted.protocol import CARD, TERMINAL, Cut, Plan, Protocol, place_of
from tests.power.around import OPENING

__all__ = ["Clock", "PostingBank", "ViolationError", "World"]

KEY: Final = b"k" * 32


class ViolationError(AssertionError):
    """An invariant does not hold; begins with its number."""


class Clock:
    """ports.Clock by hand: a second passes with every look."""

    def __init__(self) -> None:
        self._seconds = 0

    def monotonic(self) -> float:
        return float(self._seconds)

    def now(self) -> datetime:
        self._seconds += 1
        return OPENING + timedelta(seconds=self._seconds)


class PostingBank(Bank):
    """The simulated bank, counting how often each key was posted (I5)."""

    posted: Counter[Place]

    def _post(self, place: Place, posting: Any) -> None:
        self.posted[place] += 1
        super()._post(place, posting)


def counting(bank: type[PostingBank]) -> PostingBank:
    made = bank()
    made.posted = Counter()
    return made


@dataclass
class World:
    """Everything around one terminal, and everything that was ever seen of it."""

    folder: Path
    protocol_type: type[Protocol] = Protocol
    bank_type: type[PostingBank] = PostingBank
    seen: Counter[str] = field(default_factory=Counter)
    clock: Clock = field(default_factory=Clock)
    down: bool = False
    plan: Plan = field(default_factory=Plan)
    sent: dict[Place, str] = field(default_factory=dict)
    shown: dict[Place, tuple[int, Ending]] = field(default_factory=dict)
    papers: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    requests: list[Callable[[], object]] = field(default_factory=list)
    answers: list[tuple[Key, Verdict]] = field(default_factory=list)
    numbers: list[tuple[int, int, int]] = field(default_factory=list)
    finals: dict[Place, State] = field(default_factory=dict)
    entries: int = 0
    steps: int = 0
    intents: int = 0

    def __post_init__(self) -> None:
        self.bank = counting(self.bank_type)
        self._stack = AsyncExitStack()
        self.terminal: Protocol

    # What happens to the terminal

    def step(self) -> None:
        """One more thing has happened; this may be where the power goes."""
        self.steps += 1
        if self.plan.cut is not None and self.steps > self.plan.cut:
            raise Cut

    async def power_up(self) -> None:
        opened = Journal.open(
            self.folder / "journal.db",
            terminal=TERMINAL,
            chain_key=KEY,
            clock=self.clock,
            create=True,
        )
        journal = await self._stack.enter_async_context(opened)
        self.terminal = self.protocol_type(self, journal)
        await self.terminal.recover()
        if not (await journal.standing()).signed_on:
            await journal.append(Record(Topic.SESSION, "signed_on", self.clock.now()))

    async def power_down(self) -> None:
        await self._stack.aclose()
        self._stack = AsyncExitStack()

    async def act(self, plan: Plan, what: Callable[[], Any]) -> Any:
        """Do something under a plan; where it cuts the power, the terminal starts again."""
        self.plan, self.steps = plan, 0
        try:
            return await what()
        except Cut:
            self.seen["cut"] += 1
            self.plan = Plan()
            await self.power_down()
            await self.power_up()
        finally:
            self.plan = Plan()
        return None

    def intent(self, kind: Kind, minor: int, original: Key | None = None) -> Intent:
        self.intents += 1
        return Intent(
            kind=kind,
            amount=Money(minor),
            entry_mode=CARD.entry_mode,
            card_masked=CARD.number.masked,
            card_token=b"t" * 16,
            operator="01",
            at=self.clock.now(),
            original=original,
            expiry=CARD.expiry,
            note=f"intent {self.intents}",
        )

    # What reaches the bank

    def given(self, begun: Begun) -> None:
        self.numbers.append((begun.key.batch, begun.key.stan, begun.ksn_counter))

    def ask(self, begun: Begun) -> Verdict:
        intent = begun.intent
        return self.bank.authorise(
            place_of(begun.key),
            kind=intent.kind.value,
            amount=intent.amount.minor,
            card=CARD.number.reveal(),
            original=place_of(intent.original) if intent.original else None,
        )

    def owe(self, owed: Owed) -> str | None:
        """Send an owed message; return the acquirer's word if it came."""
        if self.down or self.plan.owed == "lost":
            return None
        verdict = self._owed(owed)
        return None if self.plan.owed == "unanswered" else verdict.code

    def _owed(self, owed: Owed) -> Verdict:
        place = place_of(owed.key)
        if owed.kind is OwedKind.REVERSAL:
            return self.bank.reverse(place)
        self.sent.setdefault(place, f"offline {place}")
        minor = self.shown.get(place, (0, Ending.APPROVED_OFFLINE))[0] or self._advised[place]
        return self.bank.advise(place, kind="sale", amount=minor, card=CARD.number.reveal())

    @property
    def _advised(self) -> dict[Place, int]:
        return {place: minor for place, (minor, _) in self._rows.items()}

    _rows: dict[Place, tuple[int, State]] = field(default_factory=dict)

    # What must hold

    async def look(self) -> None:
        """Read the journal's rows of every batch."""
        journal: Journal = self.terminal.journal
        last = (await journal.standing()).batch
        self._rows = {
            place_of(found.key): (found.begun.intent.amount.minor, found.state)
            for batch in range(1, last + 1)
            for found in await journal.transactions(batch)
        }

    async def check(self) -> None:
        """I3, I5, I6, I7, I9, I10: true after every event."""
        await self.look()
        for place, (minor, ending) in self.shown.items():
            if self._rows.get(place) != (minor, State.APPROVED):
                raise ViolationError(f"I3 {place} was shown approved, is {self._rows.get(place)}")
            if ending is Ending.APPROVED and place not in self.bank.postings:
                raise ViolationError(f"I6 {place} was shown approved, never authorised")
        for place, times in self.bank.posted.items():
            if times > 1:
                raise ViolationError(f"I5 {place} was posted {times} times")
        self._numbers_rise()
        await self._nothing_changes()
        for paper, times in self.papers.items():
            if times > 1:
                raise ViolationError(f"I10 {times} originals of {paper}")

    def _numbers_rise(self) -> None:
        pairs = list(zip(self.numbers, self.numbers[1:], strict=False))
        if any(after[:2] <= before[:2] or after[2] <= before[2] for before, after in pairs):
            raise ViolationError(f"I7 numbers do not rise: {self.numbers}")
        if any(place[1:] not in {n[:2] for n in self.numbers} for place in self.sent):
            raise ViolationError("I7 a key was sent that was never given out durably")

    async def _nothing_changes(self) -> None:
        for place, state in self.finals.items():
            if self._rows.get(place, (0, None))[1] is not state:
                raise ViolationError(f"I9 {place} was {state}, is {self._rows.get(place)}")
        self.finals = {place: state for place, (_, state) in self._rows.items() if state.final}
        at = await self.terminal.journal.position()
        if at["entry"] < self.entries:
            raise ViolationError(f"I9 {self.entries} entries, now {at['entry']}")
        self.entries = at["entry"]

    async def heal(self) -> None:
        """The line is good again: what was late arrives, what is owed is sent."""
        self.down, self.plan = False, Plan()
        late, self.requests = self.requests, []
        for _ in range(4):
            await self.terminal.forward()
        for request in late:
            request()
        answers, self.answers = self.answers, []
        for key, verdict in answers:
            await self.terminal.late_answer(key, verdict)
        await self.terminal.forward()

    async def check_at_rest(self) -> None:
        """I1, I2, I4: true whenever the line has been good for a while."""
        await self.check()
        standing = await self.terminal.journal.standing()
        if standing.in_doubt or standing.reversals or standing.offline_count or standing.rejected:
            raise ViolationError(f"I4 something does not end: {standing}")
        ours = {
            place: minor for place, (minor, state) in self._rows.items() if state is State.APPROVED
        }
        theirs = {
            place: posting.amount for place, posting in self.bank.postings.items() if posting.live
        }
        if ours != theirs:
            raise ViolationError(f"I1 journal {ours}, bank {theirs}")
        live = Counter(self.sent[place] for place in theirs)
        if any(times > 1 for times in live.values()):
            raise ViolationError(f"I2 an intent was posted more than once: {live}")

    async def settle(self) -> None:
        """Close the batch; I8: its totals are the sum of its rows, at the bank too."""
        journal: Journal = self.terminal.journal
        if not await self.terminal.may_settle():
            return
        batch = await journal.freeze(self.clock.now())
        rows = [t for t in await journal.transactions(batch) if t.counts]
        ours = [
            [t.key.stan, t.begun.intent.amount.minor, t.begun.intent.kind.direction] for t in rows
        ]
        theirs = self.bank.records(TERMINAL, batch)
        await journal.close(batch, {"balanced": sorted(ours) == theirs}, self.clock.now())
        self.seen["settled with rows"] += bool(rows)
        if sorted(ours) != theirs:
            raise ViolationError(f"I8 batch {batch}: journal {sorted(ours)}, bank {theirs}")
