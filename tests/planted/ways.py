"""Tips, adjustments, completions, payers with telephones; and terminals that get them wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from posfw.journal.store import Journal
from posfw.sale import family
from posfw.sale.limits import Refusal
from posfw.sim.bank import WAITING, Place, Verdict
from posfw.values.card import EntryMode
from posfw.values.identity import Key
from posfw.values.outcome import Answer, Approved, Declined, NotFound, Outcome, Unknown, Waiting
from posfw.values.transaction import (
    Begun,
    Conclusion,
    Ending,
    Intent,
    Kind,
    Owed,
    OwedKind,
    State,
    Transaction,
)
from tests.planted.protocol import CARD, Line, Protocol, place_of
from tests.planted.world import PostingBank, World

__all__ = ["WRONG", "Patience", "Ways", "WaysWorld"]


@dataclass(frozen=True, slots=True)
class Patience:
    """What the payer and the close do during one payment by telephone.

    Attributes:
        looks: questions before nobody waits any longer.
        pays: at which question, "at close" just before it, or "never".
        close: arrives, lost before the bank, or unanswered by it.
    """

    looks: int = 2
    pays: int | str = "never"
    close: str = "arrives"


class WaysWorld(World):
    """A world that knows what each key is for."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.bank.pays_after = None
        self.patience = Patience()
        self.asked_for: dict[Place, Intent] = {}

    def given(self, begun: Begun) -> None:
        super().given(begun)
        self.asked_for[place_of(begun.key)] = begun.intent

    def ask(self, begun: Begun) -> Verdict:
        intent = begun.intent
        shown = intent.kind is Kind.QR_SALE
        return self.bank.authorise(
            place_of(begun.key),
            kind=intent.kind.value,
            amount=intent.amount.minor,
            card="" if shown else CARD.number.reveal(),
            original=place_of(intent.original) if intent.original else None,
        )

    def _owed(self, owed: Owed) -> Verdict:
        if owed.kind is OwedKind.REVERSAL:
            return super()._owed(owed)
        place = place_of(owed.key)
        intent = self.asked_for[place]
        self.sent.setdefault(place, intent.note)
        original = place_of(intent.original) if intent.original else None
        return self.bank.advise(
            place,
            kind=intent.kind.value,
            amount=intent.amount.minor,
            card=CARD.number.reveal(),
            original=original,
        )

    def late_payer(self) -> None:
        """Somebody pays a code that is still open at the bank, whoever has gone home."""
        for place in sorted(self.bank.waiting):
            self.bank.pay(place)
            self.seen["paid late"] += 1


class WaysLine(Line):
    """Answers a payer who has not decided."""

    def answered(self, key: Key, verdict: Verdict | None) -> Outcome:
        if verdict is not None and verdict.code == WAITING and self.world.plan.answer != "lost":
            return Waiting("code")
        return super().answered(key, verdict)

    async def inquire(self, key: Key) -> Outcome:
        if place_of(key) in self.world.bank.waiting:
            lost = self.world.down or self.world.plan.inquiry == "lost"
            return Unknown("no answer") if lost else Waiting("code")
        return await super().inquire(key)


class Payer:
    """sale.payer.Payer, played from the world's patience."""

    def __init__(self, protocol: Ways) -> None:
        self.protocol = protocol
        self.world: Any = protocol.world
        self.looked = 0

    async def wait(self, begun: Begun, waiting: Waiting) -> bool:
        self.world.step()
        self.looked += 1
        if self.looked == self.world.patience.pays:
            self._pays(begun.key)
        patience: Patience = self.world.patience
        return self.looked >= patience.looks

    async def close(self, key: Key) -> Outcome:
        patience: Patience = self.world.patience
        if patience.pays == "at close":
            self._pays(key)
        self.world.step()
        if self.world.down or patience.close == "lost":
            return Unknown("no answer")
        state, verdict = self.world.bank.close(place_of(key))
        if patience.close == "unanswered":
            return Unknown("no answer")
        if state == "not_found":
            return NotFound()
        made = Answer(verdict.code)
        return Approved(made) if state == "approved" else Declined(made)

    def _pays(self, key: Key) -> None:
        if place_of(key) in self.world.bank.waiting:
            self.world.bank.pay(place_of(key))


class Ways(Protocol):
    """One power-up of a terminal that does it right; advices come in the worst order."""

    def make_sales(self) -> Any:
        sales = super().make_sales()
        sales.rules = family.Rules(tip_percent=100, adjust_percent=100)
        sales.since = self._since
        return sales

    async def _since(self, original: Transaction) -> list[Transaction]:
        journal: Journal = self.journal
        last = (await journal.standing()).batch
        return [t for batch in range(1, last + 1) for t in await journal.transactions(batch)]

    def line(self) -> Any:
        return WaysLine(self)

    def payer(self) -> Payer:
        return Payer(self)

    async def forward(self) -> bool:
        """Newest first: a window of messages keeps no order on its way."""
        for owed in reversed(await self.journal.owed(64)):
            code = self.world.owe(owed)
            if code is not None:
                await self.take(owed, code)
        return not (await self.journal.standing()).reversals

    async def show_code(self, intent: Intent) -> Conclusion | Refusal:
        """A code on the screen until it is paid, closed or in doubt."""
        ending = await self.sales.run(intent, None, self.watch, payer=self.payer())
        if isinstance(ending, Conclusion):
            self.show(ending, intent)
            self.world.seen[f"{intent.kind.value} {ending.ending.value}"] += 1
        return ending

    async def follow(self, kind: Kind, key: Key, minor: int) -> None:
        """Something about an earlier transaction; a void takes all of it."""
        original = await self.journal.transaction(key)
        if original is None:
            return
        if kind is Kind.VOID:
            minor = (await self.sales.family_of(original)).whole.taken.minor
        elif kind is Kind.PREAUTH_VOID:
            minor = (await self.sales.family_of(original)).authorised_minor
        elif kind in (Kind.COMPLETION_VOID, Kind.QR_VOID):
            minor = original.begun.intent.amount.minor
        made = await self.pay(self.world.intent(kind, minor, key), None)
        if isinstance(made, Refusal):
            self.world.seen[f"{kind.value} refused"] += 1
            self.world.seen[f"{kind.value} {made.code}"] += 1


def shown(world: World, minor: int) -> Intent:
    """Return a payment by a shown code."""
    intent = world.intent(Kind.QR_SALE, minor)
    return replace(intent, entry_mode=EntryMode.QR, card_masked="", card_token=b"", expiry="")


class ClosedUnheard(Ways):
    """A close without an answer is told as closed."""

    def payer(self) -> Payer:
        class Sure(Payer):
            async def close(self, key: Key) -> Outcome:
                outcome = await super().close(key)
                return Declined(Answer("17")) if isinstance(outcome, Unknown) else outcome

        return Sure(self)


class SilenceDeclines(Ways):
    """Whoever does not answer while the payer acts has declined."""

    def line(self) -> Any:
        class Deaf(WaysLine):
            async def inquire(self, key: Key) -> Outcome:
                outcome = await super().inquire(key)
                return Declined(Answer("91")) if isinstance(outcome, Unknown) else outcome

        return Deaf(self)


class LeavesWithoutClosing(Ways):
    """Nobody closes what nobody waits for any longer."""

    def payer(self) -> Payer:
        class Gone(Payer):
            async def close(self, key: Key) -> Outcome:
                return Declined(Answer("17"))

        return Gone(self)


class TipOvertakes(Ways):
    """A tip is sent although the bank does not know its sale yet."""

    async def follow(self, kind: Kind, key: Key, minor: int) -> None:
        original = await self.journal.transaction(key)
        if kind is not Kind.TIP or original is None or original.state is not State.APPROVED:
            return await super().follow(kind, key, minor)
        if original.voided or original.key.batch != (await self.journal.standing()).batch:
            return None
        known, self.sales.journal = self.sales.journal, _Acknowledged(self.journal)
        try:
            return await super().follow(kind, key, minor)
        finally:
            self.sales.journal = known


class _Acknowledged:
    """A journal that says of everything that the acquirer knows it."""

    def __init__(self, journal: Any) -> None:
        self._inner = journal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def transaction(self, key: Key) -> Transaction | None:
        found = await self._inner.transaction(key)
        return replace(found, acknowledged=True) if found else None


class RestartForgetsPayers(Ways):
    """A restart cancels a payment by telephone instead of taking it back."""

    async def recover(self) -> None:
        for found in await self.journal.in_doubt():
            if found.begun.intent.kind is Kind.QR_SALE:
                now = self.world.clock.now()
                await self.journal.conclude(Conclusion(found.key, Ending.CANCELLED, now))
        await super().recover()


class TipReversed(Ways):
    """An advice that is not answered at once is taken back in the books of the terminal."""

    async def forward(self) -> bool:
        for owed in await self.journal.owed(64):
            code = self.world.owe(owed)
            if code is not None:
                await self.take(owed, code)
            elif owed.kind is OwedKind.ADVICE:
                now = self.world.clock.now()
                await self.journal.clear(owed, "00", "given up", now)
        return not (await self.journal.standing()).reversals


class BankForgetsCloses(PostingBank):
    """A close is answered and not remembered."""

    def close(self, place: Place) -> tuple[str, Verdict]:
        payer = self.waiting.get(place)
        answer = super().close(place)
        if payer is not None:
            self.waiting[place] = payer
            self.closed.discard(place)
            self.answers.pop(place, None)
        return answer


@dataclass(frozen=True)
class Wrong:
    """A wrong terminal or bank."""

    protocol: type[Ways] = Ways
    bank: type[PostingBank] = field(default=PostingBank)


WRONG: Final[Mapping[str, Wrong]] = {
    "a close without an answer is told as closed": Wrong(ClosedUnheard),
    "silence while the payer acts is a decline": Wrong(SilenceDeclines),
    "nobody closes a code": Wrong(LeavesWithoutClosing),
    "a tip overtakes its sale": Wrong(TipOvertakes),
    "a restart forgets who was paying": Wrong(RestartForgetsPayers),
    "an unanswered advice is given up": Wrong(TipReversed),
    "a bank without memory of closes": Wrong(bank=BankForgetsCloses),
}
