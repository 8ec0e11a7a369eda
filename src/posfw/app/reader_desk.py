"""A card from a reader that takes it by tap, insertion or swipe; then the sale.

The steps and what the screen says stand in `card.entry`: chip first, a stripe only after a chip
that gave no answer (and marked), one card at a time, 请插卡 and 请移卡 when they are due. A PIN
that the bank calls wrong is asked for again; each try is a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import anyio

from posfw.app.cards import Asked
from posfw.app.holders import AGAIN, NEXT_CARD, TRIES, Holders, sentence
from posfw.app.readers import CardSource
from posfw.app.verbs import Body, Progress, Verb
from posfw.card import codes
from posfw.card.entry import FINAL, Event, Prompt, State, Step, advance, chip_of, event_of
from posfw.card.rules import Chip, admit
from posfw.card.supervisor import Activity
from posfw.ports import Clock
from posfw.sale.limits import Refusal
from posfw.sale.task import Sales
from posfw.values.card import CardRead, EntryMode
from posfw.values.texts import Texts
from posfw.values.transaction import Conclusion, Ending

__all__ = ["ReaderDesk"]

READS: Final = 6  # of one sale; then the cashier starts again
_SCREENS: Final[Mapping[Prompt, str]] = {
    Prompt.REMOVE: "remove_card",
    Prompt.LEAVE: "reading",
    Prompt.CANCELLING: "cancelling",
}
_GOT: Final = frozenset({State.TAKEN, State.CARD_IN})


@dataclass(slots=True)
class _Visit:
    """One customer at the reader."""

    asked: Asked
    texts: Texts
    state: State = State.PRESENT
    shown: Prompt | None = None

    def show(self, prompt: Prompt | None) -> None:
        """Show a prompt; one that stands there already is not told again, but to try again is."""
        if prompt is None:
            return
        screen = _SCREENS.get(prompt, "present_card")
        if prompt is self.shown and screen != "present_card":
            return
        self.shown = prompt
        amount = str(self.asked.amount)
        text = f"{self.texts(prompt.value)}  {amount}"
        fallback = prompt is Prompt.SWIPE_INSTEAD
        self.asked.progress(
            {"screen": screen, "text": text, "amount": amount, "fallback": fallback}
        )

    def go(self, event: Event) -> Step:
        """Advance and show."""
        step = advance(self.state, event)
        self.state = step.state
        self.show(step.prompt)
        return step


@dataclass(slots=True)
class ReaderDesk:
    """Takes cards where one reader gives them, and asks for the PIN.

    Attributes:
        source: the reader.
        slot: whether it takes chips; False for a stripe alone.
        sales: runs transactions.
        holders: PIN, signature, or neither.
        clock: for expiry dates.
        texts: of the screen.
        card_s: how long a card is waited for.
    """

    source: CardSource
    slot: bool
    sales: Sales
    holders: Holders
    clock: Clock
    texts: Texts
    card_s: float
    _visit: _Visit | None = None
    _scope: anyio.CancelScope | None = None
    _turn: anyio.Lock = field(default_factory=anyio.Lock)

    def verbs(self) -> Mapping[str, Verb]:
        """Return the one verb that ends the waiting for a card."""
        return {"card_cancel": self._cancel}

    def watch(self, activity: Activity) -> None:
        """Show what the reader is at; it says so while it works."""
        if self._visit is not None and activity is Activity.READING:
            self._visit.show(Prompt.LEAVE)

    async def _cancel(self, _: Body, __: Progress) -> Body:
        """取消: stop waiting; the sale answers once the reader has confirmed."""
        if self._scope is None or self._visit is None:
            return {"ok": False}
        self._visit.go(Event.CANCEL)
        self._scope.cancel()
        return {"ok": True}

    async def take(self, asked: Asked) -> Conclusion | Refusal:
        """Wait for a card and run the transaction with it. On return the ending is durable."""
        outlook = await self.sales.outlook(asked.kind, asked.amount, EntryMode.CONTACTLESS)
        if outlook.refusal is not None:
            return outlook.refusal
        async with self._turn:
            ended: Conclusion | Refusal = _refused(codes.NO_CARD, self.texts)
            wrong_pins = 0
            while wrong_pins < TRIES:
                ended, again = await self._one(asked, wrong_pins)
                if not again:
                    break
                wrong_pins += 1
            return ended

    async def _one(self, asked: Asked, wrong_pins: int) -> tuple[Conclusion | Refusal, bool]:
        """Take one card to its end; also say whether its PIN was wrong and is asked again."""
        visit = self._visit = _Visit(asked, self.texts)
        try:
            found = await self._card(visit)
            if isinstance(found, Refusal):
                return found, False
            return await self._sold(found, visit, wrong_pins)
        finally:
            self._visit = None

    async def _card(self, visit: _Visit) -> CardRead | Refusal:
        """Wait until the reader has given a card that may be used as it came."""
        self._ask(visit)
        refusal = _refused(codes.NO_CARD, self.texts)
        for _ in range(READS):
            chip = chip_of(visit.state) if self.slot else Chip.NOT_TRIED
            read, event = await self._read(visit)
            if event is None:
                return _refused(str(read), self.texts)
            visit.go(event)
            if isinstance(read, str):
                refusal = _refused(read, self.texts)
            if visit.state in FINAL or event is Event.CHIP_REFUSED:
                return refusal
            if isinstance(read, CardRead) and (visit.state in _GOT or not self.slot):
                return await self._admitted(read, chip, visit)
        return refusal

    def _ask(self, visit: _Visit) -> None:
        if self.slot:
            visit.show(Prompt.PRESENT)
            return
        amount = str(visit.asked.amount)
        text = self.texts("Swipe the card: {amount}", amount=amount)
        visit.asked.progress({"screen": "present_card", "amount": amount, "text": text})

    async def _admitted(self, read: CardRead, chip: Chip, visit: _Visit) -> CardRead | Refusal:
        admitted = admit(read, today=self.clock.now().date(), chip=chip)
        if isinstance(admitted, CardRead):
            return admitted
        await self._finished(visit, approved=False)
        return Refusal(admitted.code, admitted.en, NEXT_CARD)

    async def _read(self, visit: _Visit) -> tuple[CardRead | str, Event | None]:
        """Let the reader take one card; cancelled it returns when the reader has confirmed.

        Returns:
            What came, and what it means; no meaning where it is the reader that failed.
        """
        read: CardRead | str = codes.CANCELLED
        stan = (await self.sales.journal.standing()).next_stan
        with anyio.CancelScope() as self._scope:
            read = await self.source.card(visit.asked.amount, wait_s=self.card_s, counter=stan)
        self._scope = None
        if visit.state is State.CANCELLING:  # whatever came at that moment pays nothing
            return codes.CANCELLED, Event.CONFIRMED
        return read, event_of(read)

    async def _sold(
        self, card: CardRead, visit: _Visit, wrong_pins: int
    ) -> tuple[Conclusion | Refusal, bool]:
        """Verify the holder and run the transaction."""
        ended, again = await self.holders.sold(card, visit.asked, self.sales, wrong_pins)
        approved = isinstance(ended, Conclusion) and ended.ending in _APPROVED
        await self._finished(visit, approved=approved)
        return ended, again

    async def _finished(self, visit: _Visit, *, approved: bool) -> None:
        visit.go(Event.FINISHED)
        await self.source.finished(approved=approved)


_APPROVED: Final = (Ending.APPROVED, Ending.APPROVED_OFFLINE)


def _refused(code: str, texts: Texts) -> Refusal:
    return Refusal(code, sentence(code, texts), AGAIN)
