"""Wrong protocols: each differs from `Protocol` in one piece that field code gets wrong."""

from __future__ import annotations

from typing import Any, Final

from posfw.sale.limits import Refusal
from posfw.sale.machine import Conclude, Effect
from posfw.sim.bank import Place, Verdict
from posfw.values.card import CardRead
from posfw.values.identity import Key
from posfw.values.outcome import Answer, Declined, NotFound, Outcome, Unknown, Unreachable
from posfw.values.transaction import Begun, Conclusion, Ending, Intent, Owed, OwedKind
from tests.planted.protocol import TERMINAL, Line, Protocol, Stepping, outcome_of, place_of
from tests.planted.world import PostingBank

__all__ = ["PLANTED"]


class SendBeforeRecord(Protocol):
    """Commit 1 is written when the answer is there."""

    class _Journal(Stepping):
        async def begin(self, intent: Intent) -> Begun:
            standing = await self.inner.standing()
            counter = await self.inner.reserve_counters(1)
            return Begun(Key(TERMINAL, standing.batch, standing.next_stan), counter, intent)

    class _Line(Line):
        async def authorise(self, begun: Begun, card: CardRead | None) -> Outcome:
            outcome = await super().authorise(begun, card)
            await Stepping.begin(self.protocol.journal, begun.intent)
            return outcome

    def __init__(self, world: Any, journal: Any) -> None:
        super().__init__(world, journal)
        self.journal = self._Journal(journal, world)
        self.sales = self.make_sales()

    def line(self) -> Any:
        return self._Line(self)


class ReversalForgottenOnceSent(Protocol):
    """A reversal is struck off when it was sent, not when it was answered."""

    async def forward(self) -> bool:
        for owed in await self.journal.owed(64):
            code = self.world.owe(owed)
            await self.take(owed, code or "00")
        return True


class LateApprovalAccepted(Protocol):
    """An approval that comes after the time limit makes the sale good."""

    async def late_answer(self, key: Key, verdict: Verdict) -> None:
        if verdict.code == "00":
            await self.journal._transact(_approve, key)


def _approve(sql: Any, key: Key) -> None:
    sql("UPDATE txn SET state = 'approved' WHERE batch = ? AND stan = ?", (key.batch, key.stan))


class GoodsBeforeRecord(Protocol):
    """The customer sees the ending before commit 2."""

    def watch(self, effect: Effect) -> None:
        if isinstance(effect, Conclude):
            self.show(effect.conclusion, self._intent)

    async def pay(self, intent: Intent, card: CardRead | None) -> Conclusion | Refusal:
        self._intent = intent
        return await super().pay(intent, card)


class RetryWithNewNumber(Protocol):
    """No answer: the same sale is asked again under a new STAN, the first one forgotten."""

    class _Line(Line):
        async def authorise(self, begun: Begun, card: CardRead | None) -> Outcome:
            outcome = await super().authorise(begun, card)
            return Declined(Answer("91")) if isinstance(outcome, Unknown) else outcome

    def line(self) -> Any:
        return self._Line(self)

    async def pay(self, intent: Intent, card: CardRead | None) -> Conclusion | Refusal:
        first = await super().pay(intent, card)
        if isinstance(first, Conclusion) and first.reason == "91":
            return await super().pay(intent, card)
        return first


class BankForgetsReversals(PostingBank):
    """A reversal of what it has not seen is not remembered."""

    def reverse(self, place: Place) -> Verdict:
        known = place in self.answers
        verdict = super().reverse(place)
        if not known:
            self.reversed.discard(place)
        return verdict


class BankPostsTwice(PostingBank):
    """A repeat is another sale."""

    def _repeat(self, place: Place, asked: Any) -> Verdict:
        verdict = self.answers[place]
        if verdict.code == "00":
            self.posted[place] += 1
        return verdict


class AnswerOfAnybody(Protocol):
    """Whatever answer comes in belongs to the request that waits."""

    class _Line(Line):
        def answered(self, key: Key, verdict: Verdict | None) -> Outcome:
            if self.world.answers:
                return outcome_of(self.world.answers.pop(0)[1])
            return super().answered(key, verdict)

    def line(self) -> Any:
        return self._Line(self)


class RestartCancels(Protocol):
    """What a power cut left open is taken for never sent."""

    async def recover(self) -> None:
        for found in await self.journal.in_doubt():
            now = self.world.clock.now()
            await self.journal.inner.conclude(Conclusion(found.key, Ending.CANCELLED, now))


class RestartReusesCounters(Protocol):
    """Key counters start from the last concluded transaction: the one under way is not counted."""

    async def recover(self) -> None:
        await self.journal._transact(_count_again)
        self.journal.inner._session.kept.ksn = None
        await super().recover()


def _count_again(sql: Any) -> None:
    sql(
        "UPDATE counter SET value = (SELECT coalesce(max(ksn), 0) FROM txn WHERE state <> 'begun')"
        " WHERE name = 'ksn'"
    )


class ReversalGivenUp(Protocol):
    """A reversal is dropped after three tries, whatever became of it."""

    def __init__(self, world: Any, journal: Any) -> None:
        super().__init__(world, journal)
        self.tries: dict[int, int] = {}

    async def forward(self) -> bool:
        for owed in await self.journal.owed(64):
            self.tries[owed.number] = self.tries.get(owed.number, 0) + 1
            code = self.world.owe(owed)
            if code is None and self.tries[owed.number] >= 3:
                code = "00"
            if code is not None:
                await self.take(owed, code)
        return not (await self.journal.standing()).reversals


class MaybeSentGoesOffline(Protocol):
    """No answer is taken for no line: the sale is approved offline."""

    class _Line(Line):
        async def authorise(self, begun: Begun, card: CardRead | None) -> Outcome:
            outcome = await super().authorise(begun, card)
            return Unreachable("no answer") if isinstance(outcome, Unknown) else outcome

    def line(self) -> Any:
        return self._Line(self)


class ReversalUnderNewNumber(Protocol):
    """A reversal bears a number of its own instead of its original's."""

    async def forward(self) -> bool:
        for owed in await self.journal.owed(64):
            place = place_of(owed.key)
            sent = owed
            if owed.kind is OwedKind.REVERSAL:
                sent = _under(owed, Key(place[0], place[1], place[2] + 500))
            code = self.world.owe(sent)
            if code is not None:
                await self.take(owed, code)
        return not (await self.journal.standing()).reversals


def _under(owed: Owed, key: Key) -> Owed:
    return Owed(owed.number, owed.kind, key, owed.reason, owed.sealed, owed.body)


class HalfPrintedAgain(Protocol):
    """What was being printed at the cut is printed again as an original."""

    async def recover(self) -> None:
        await super().recover()
        await self.journal._transact(_print_again)


def _print_again(sql: Any) -> None:
    sql("UPDATE job SET state = 'queued' WHERE state = 'unknown'")


class NotFoundIsProof(Protocol):
    """The bank does not know the key yet: the sale is taken for never sent."""

    class _Line(Line):
        async def inquire(self, key: Key) -> Outcome:
            outcome = await super().inquire(key)
            return Declined(Answer("25")) if isinstance(outcome, NotFound) else outcome

    def line(self) -> Any:
        return self._Line(self)


class SettlesWhileOwed(Protocol):
    """The batch is closed while offline sales are still on their way."""

    async def may_settle(self) -> bool:
        standing = await self.journal.standing()
        return not (standing.reversals or standing.in_doubt)


class PressedTwice(Protocol):
    """The key bounces: one press is two sales."""

    async def pay(self, intent: Intent, card: CardRead | None) -> Conclusion | Refusal:
        await super().pay(intent, card)
        return await super().pay(intent, card)


class VoidRewrites(Protocol):
    """A void changes the row of its original instead of adding its own effect."""

    async def pay(self, intent: Intent, card: CardRead | None) -> Conclusion | Refusal:
        ending = await super().pay(intent, card)
        if intent.original is not None and isinstance(ending, Conclusion):
            await self.journal._transact(_rewrite, intent.original)
        return ending


def _rewrite(sql: Any, key: Key) -> None:
    sql("UPDATE txn SET state = 'cancelled' WHERE batch = ? AND stan = ?", (key.batch, key.stan))
    sql("DELETE FROM owed WHERE batch = ? AND stan = ?", (key.batch, key.stan))


# Name → terminal, bank. The first eight are those of the reliability study, the others our own.
PLANTED: Final[dict[str, tuple[type[Protocol], type[PostingBank]]]] = {
    "send before record": (SendBeforeRecord, PostingBank),
    "reversal forgotten once sent": (ReversalForgottenOnceSent, PostingBank),
    "late approval accepted": (LateApprovalAccepted, PostingBank),
    "goods before record": (GoodsBeforeRecord, PostingBank),
    "retry with a new number": (RetryWithNewNumber, PostingBank),
    "bank without memory of reversals": (Protocol, BankForgetsReversals),
    "bank without deduplication": (Protocol, BankPostsTwice),
    "answer matched to whoever waits": (AnswerOfAnybody, PostingBank),
    "restart cancels what was begun": (RestartCancels, PostingBank),
    "restart reuses key counters": (RestartReusesCounters, PostingBank),
    "reversal given up after three tries": (ReversalGivenUp, PostingBank),
    "maybe sent is taken offline": (MaybeSentGoesOffline, PostingBank),
    "reversal under a new number": (ReversalUnderNewNumber, PostingBank),
    "half printed is printed again": (HalfPrintedAgain, PostingBank),
    "not found is taken for proof": (NotFoundIsProof, PostingBank),
    "settled while owed": (SettlesWhileOwed, PostingBank),
    "one press is two sales": (PressedTwice, PostingBank),
    "a void rewrites its original": (VoidRewrites, PostingBank),
}
