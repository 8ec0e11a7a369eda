"""A card as it comes: inserted, or swiped where the rules of entry allow it; then the sale.

Chip first; the stripe only after a chip that gave no answer, and marked (Book 4, 11.2; payments
page, section 8). A card pulled out before the bank was asked is inserted again. What a card ends
by itself without an approval is not recorded: nothing has left and nothing is owed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import anyio

from posfw.app.cards import Asked, CardDesk
from posfw.app.chip import ChipSession, History, chip_after
from posfw.app.chip_data import ChipParameters
from posfw.app.chip_people import AtCounter, ChipPeople
from posfw.app.chip_slot import ChipSlot, SlotState, Visit
from posfw.app.holders import AGAIN, NEXT_CARD, Holders, sentence
from posfw.app.verbs import Verb
from posfw.card.codes import CHIP_FIRST, NO_CARD, READER_GONE
from posfw.card.pcsc.status import Absence
from posfw.card.rules import Chip, admit
from posfw.emv.codes import SENTENCES, Code
from posfw.emv.completion import mute_at_reset
from posfw.emv.effects import (
    AuthoriseOnline,
    Fallback,
    Finished,
    Request,
    Service,
    Verdict,
)
from posfw.emv.kernel import Kernel, begin
from posfw.emv.parameters import EmvParameters
from posfw.ports import Clock, Random
from posfw.sale.chip import CardWord
from posfw.sale.limits import Refusal
from posfw.sale.machine import Complete, Effect
from posfw.sale.task import Outlook, Sales, Watch
from posfw.values.card import CardRead, EntryMode
from posfw.values.errors import DeviceError, MisuseError
from posfw.values.outcome import Outcome
from posfw.values.texts import Texts
from posfw.values.transaction import ChipFacts, Conclusion, Kind

__all__ = ["Asked", "ChipDesk", "LiveChip"]

TRIES: Final = 3  # insertions and swipes of one sale; then the cashier starts again


@dataclass(frozen=True, slots=True)
class LiveChip:
    """A chip in the slot between the two halves of its kernel (sale.chip.ChipCard).

    Attributes:
        session: the powered card.
        kernel: at the issuer's question, or at an approval without one.
    """

    session: ChipSession
    kernel: Kernel

    @property
    def word(self) -> CardWord | None:
        """Its last word where it has approved by itself, None while it waits."""
        finished = self.kernel.finished
        return None if finished is None else word_of(finished)

    @property
    def card(self) -> CardRead:
        """The card as it goes to the issuer, or with its certificate."""
        effect = self.kernel.effect
        card = effect.card if isinstance(effect, AuthoriseOnline | Finished) else None
        if card is None:
            raise MisuseError("The chip was not read to the end.")
        return card

    async def complete(self, outcome: Outcome, *, offline_allowed: bool) -> CardWord:
        """Tell the card how the request ended and return its last word."""
        told = await self.session.complete(self.kernel, outcome, offline_allowed=offline_allowed)
        return word_of(told)


def word_of(finished: Finished) -> CardWord:
    """Return a kernel's ending as the sale understands it."""
    return CardWord(
        approved=finished.verdict.approved,
        reason=finished.code.value,
        card=finished.card,
        scripts=finished.script_data.reveal(),
        facts=ChipFacts(dict(finished.receipt), finished.signature),
    )


@dataclass(frozen=True, slots=True)
class _Again:
    """One more try is allowed.

    Attributes:
        chip: what became of the chip.
        refusal: why this try was none.
    """

    chip: Chip
    refusal: Refusal


_End: TypeAlias = Conclusion | Refusal | _Again


@dataclass(frozen=True, slots=True)
class ChipDesk:
    """Takes cards for the cashier where there is a slot for chips.

    Attributes:
        slot: chips.
        stripe: swipes.
        sales: runs transactions.
        people: choice, PIN pad, identity.
        holders: PIN or signature of whoever swipes.
        parameters: applications, keys, action codes.
        history: split sales and exception file.
        clock, random: what the kernel does not have.
        texts: of the screen.
        card_s: how long a card is waited for.
    """

    slot: ChipSlot
    stripe: CardDesk
    sales: Sales
    people: ChipPeople
    holders: Holders
    parameters: ChipParameters
    history: History
    clock: Clock
    random: Random
    texts: Texts
    card_s: float

    def verbs(self) -> Mapping[str, Verb]:
        """Return what people answer, and what ends the waiting: a swipe and a chip wait as one."""
        return {**self.people.verbs(), **self.stripe.verbs()}

    async def take(self, asked: Asked) -> Conclusion | Refusal:
        """Wait for a card and run the transaction with it. On return the ending is durable."""
        outlook = await self.sales.outlook(asked.kind, asked.amount, EntryMode.CHIP)
        if outlook.refusal is not None:
            return outlook.refusal
        chip, refusal = Chip.NOT_TRIED, self._no_card(NO_CARD)
        for _ in range(TRIES):
            ended = await self._once(asked, chip, outlook)
            if not isinstance(ended, _Again):
                return ended
            chip, refusal = ended.chip, ended.refusal
            asked.progress({"screen": "again", "code": refusal.code, "text": self._told(refusal)})
        return refusal

    async def _once(self, asked: Asked, chip: Chip, outlook: Outlook) -> _End:
        self._prompt(asked, chip)
        came = await self._first()
        if isinstance(came, Visit):
            try:
                return await self._inserted(came, asked, outlook)
            finally:
                came.release()
                if came.card is not Absence.REMOVED:
                    self._show(asked, "remove_card", self.texts("Remove the card."))
        if not isinstance(came, CardRead):
            return self._no_card(came or NO_CARD)
        return await self._swiped(came, asked, chip)

    def _no_card(self, code: str) -> Refusal:
        return Refusal(code, sentence(code, self.texts), AGAIN)

    def _prompt(self, asked: Asked, chip: Chip) -> None:
        amount = str(asked.amount)
        if self.slot.state is SlotState.LEFT_IN:
            self._show(asked, "remove_card", self.texts("A card is still in: remove it."))
        if chip is Chip.NO_ANSWER or self.slot.state is SlotState.GONE:
            text = self.texts("Swipe the card: {amount}", amount=amount)
        else:
            text = self.texts("Insert or swipe the card: {amount}", amount=amount)
        self._show(asked, "present_card", text, amount=amount, fallback=chip is Chip.NO_ANSWER)

    def _show(self, asked: Asked, screen: str, text: str, **facts: object) -> None:
        asked.progress({"screen": screen, "text": text, **facts})

    def _told(self, refusal: Refusal) -> str:
        return f"{self.texts(refusal.cause)} {self.texts(refusal.next_step)}"

    async def _first(self) -> Visit | CardRead | str | None:
        """Return what comes first: a chip, a swipe, a swipe that failed, or nothing in time."""
        found: Visit | CardRead | str | None = None

        async def inserted() -> None:
            nonlocal found
            visit = await self.slot.next_visit()
            if found is None:
                found = visit
            else:
                visit.release()
            group.cancel_scope.cancel()

        async def swiped() -> None:
            nonlocal found
            read = await self.stripe.next_read(self.card_s)
            found = read if found is None else found
            group.cancel_scope.cancel()

        try:
            async with anyio.create_task_group() as group:
                group.start_soon(inserted)
                group.start_soon(swiped)
        except BaseException:
            if isinstance(found, Visit):
                found.release()  # the sale was given up: the slot goes on without it
            raise
        return found

    async def _swiped(self, read: CardRead, asked: Asked, chip: Chip) -> _End:
        admitted = admit(read, today=self.clock.now().date(), chip=chip)
        if isinstance(admitted, CardRead):
            ended, _ = await self.holders.sold(admitted, asked, self.sales)
            return ended
        refusal = Refusal(admitted.code, admitted.en, NEXT_CARD)
        if admitted.code == CHIP_FIRST and self.slot.state is not SlotState.GONE:
            return _Again(chip, refusal)  # 请插卡
        return refusal

    async def _inserted(self, visit: Visit, asked: Asked, outlook: Outlook) -> _End:
        if isinstance(visit.card, Absence):
            return _not_taken(_PULLED if visit.card is Absence.REMOVED else mute_at_reset())
        parameters = await self.parameters.current()
        if parameters is None:
            return Refusal("CRD-421", "This terminal has no parameters for chips.", NEXT_CARD)
        self._show(asked, "reading", self.texts("Reading the chip: leave the card in."))
        counter = AtCounter(
            self.people, asked.amount, asked.progress, bypass=parameters.pin_bypass
        )
        session = ChipSession(visit.card, counter, self.history)
        kernel = self._begun(self.people.fitted(parameters), asked, outlook)
        try:
            kernel = await session.read(kernel)
        except DeviceError:
            return Refusal(READER_GONE, "The card reader is gone.", AGAIN)
        finished = kernel.finished
        if finished is not None and finished.verdict is not Verdict.APPROVED_OFFLINE:
            return _not_taken(finished)
        chip = LiveChip(session, kernel)
        watch = self._watching(asked)
        return await self.sales.run(asked.intent_of(chip.card), chip.card, watch, chip)

    def _begun(self, parameters: EmvParameters, asked: Asked, outlook: Outlook) -> Kernel:
        """Start the kernel; where the policy would not keep it, the card is asked to go online."""
        request = Request(
            amount=asked.amount,
            at=self.clock.now(),
            unpredictable=self.random.token(4),
            chance_percent=min(99, 1 + int(self.random.uniform(0, 99))),
            counter=outlook.stan,
            service=_SERVICES.get(asked.kind, Service.GOODS),
            force_online=bool(outlook.offline_reason),
        )
        return begin(parameters, request)

    def _watching(self, asked: Asked) -> Watch:
        def watch(effect: Effect) -> None:
            asked.watch(effect)
            if isinstance(effect, Complete):
                self._show(asked, "completing", self.texts("Leave the card in."))

        return watch


_SERVICES: Final = {Kind.REFUND: Service.REFUND}
_PULLED: Final = Finished(Verdict.REMOVED, Code.REMOVED, Fallback.INSERT_AGAIN)


def _not_taken(finished: Finished) -> Refusal | _Again:
    """Return why a chip gave no sale, and whether it may be tried again, and how."""
    sentence, _, _ = SENTENCES[finished.code]
    if finished.fallback is Fallback.NONE:
        return Refusal(finished.code.value, sentence, NEXT_CARD)
    return _Again(chip_after(finished), Refusal(finished.code.value, sentence, AGAIN))
