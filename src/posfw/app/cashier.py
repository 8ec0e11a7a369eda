"""What a cashier, a cash register or the command line can ask of the running terminal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from posfw.app.answers import conclusion_answer, refusal_answer
from posfw.app.cards import CardDesk
from posfw.app.gate import Gate
from posfw.app.session import Session
from posfw.app.verbs import Body, Progress, Verb, operator_of, text_of
from posfw.board.site import Site
from posfw.card.manual import keyed
from posfw.card.rules import Chip, admit
from posfw.journal.store import Journal
from posfw.ports import Clock, SecureElement
from posfw.sale.limits import Refusal
from posfw.sale.machine import Authorise, Effect, Inquire
from posfw.sale.task import Sales, Watch
from posfw.staff.operators import Action
from posfw.values.card import CardRead
from posfw.values.errors import CodecError, LinkError, RefusedError
from posfw.values.identity import parse_key
from posfw.values.money import Money, parse_amount
from posfw.values.texts import Texts
from posfw.values.transaction import Intent, Kind, Transaction

if TYPE_CHECKING:
    from posfw.app.chip_desk import ChipDesk  # the kernel is loaded where a board has a slot

__all__ = ["Cashier"]


# What the acquirer is told of a terminal: states and reminders, no money and no card data.
VITALS = (
    "printer",
    "printer_reason",
    "unknown_prints",
    "waiting_prints",
    "upkeep_due",
    "offline_count",
    "reversals",
    "rejected",
    "journal_behind",
)


@dataclass(frozen=True, slots=True)
class Cashier:
    """Payments and the session.

    Attributes:
        settle: runs the settlement.
        gate: what every payment passes; None for the rounds of acceptance, whose transactions are
            marked as tests and made before the terminal may sell.
        chips: takes cards where there is a slot for chips; None where there is a stripe only.
    """

    sales: Sales
    journal: Journal
    session: Session
    desk: CardDesk
    element: SecureElement
    clock: Clock
    site: Site
    texts: Texts
    stop: Callable[[], None]
    settle: Callable[[], Awaitable[Mapping[str, Any]]]
    gate: Gate | None = None
    chips: ChipDesk | None = None

    def verbs(self) -> Mapping[str, Verb]:
        """Return the cashier's verbs."""
        return {
            "status": self._status,
            "sale": partial(self._with_card, Kind.SALE),
            "preauth": partial(self._with_card, Kind.PREAUTH),
            "balance": partial(self._with_card, Kind.BALANCE),
            "preauth_add": partial(self._onward, Kind.PREAUTH_ADD),
            "completion": partial(self._onward, Kind.COMPLETION),
            "void": partial(self._undo, Kind.VOID),
            "preauth_void": partial(self._undo, Kind.PREAUTH_VOID),
            "completion_void": partial(self._undo, Kind.COMPLETION_VOID),
            "refund": self._refund,
            "sign_on": self._sign_on,
            "vitals": self._vitals,
            "settle": self._settle,
            "stop": self._stop,
        }

    async def _status(self, _: Body, __: Progress) -> Body:
        return await self.session.status() | (await self.gate.status() if self.gate else {})

    async def _sign_on(self, _: Body, __: Progress) -> Body:
        if self.gate:
            await self.gate.talk()
        found = await self.session.sign_on()
        if found["ok"]:
            await self._vitals({}, lambda _: None)
        return found

    async def _vitals(self, _: Body, __: Progress) -> Body:
        """Tell the acquirer how the terminal is; a line that fails meanwhile changes nothing."""
        status = await self._status({}, lambda _: None)
        told = {name: status[name] for name in VITALS if name in status}
        try:
            answer = await self.session.uplink.call("vitals", told)
        except LinkError as error:
            return {"ok": False, "code": error.stable_code, "told": told}
        return {"ok": answer.get("response_code") == "00", "told": told}

    async def _settle(self, _: Body, progress: Progress) -> Body:
        if self.gate:
            await self.gate.talk()
        progress({"screen": "settling", "text": self.texts("Settling…")})
        return await self.settle()

    async def _stop(self, _: Body, __: Progress) -> Body:
        self.stop()
        return {"ok": True}

    async def _with_card(self, kind: Kind, body: Body, progress: Progress) -> Body:
        """Take a card and begin something new with it."""
        asks_only = kind is Kind.BALANCE
        amount = Money(0) if asks_only else parse_amount(text_of(body, "amount"))
        operator = await self._who(body, "01")
        refusal = await self.gate.sale(operator, amount) if self.gate else None
        if refusal is None and self.chips is not None and "keyed" not in body:

            def intent_of(card: CardRead) -> Intent:
                return self._intent(kind, amount, card, operator, body)

            from posfw.app.chip_desk import Asked  # noqa: PLC0415 - where a slot is

            asked = Asked(kind, amount, intent_of, self._watching(progress), progress)
            return conclusion_answer(await self.chips.take(asked), self.texts)
        card = refusal or await self._card(body, amount, progress)
        if isinstance(card, Refusal):
            return refusal_answer(card, self.texts)
        intent = self._intent(kind, amount, card, operator, body)
        return await self._run(intent, card, progress)

    async def _who(self, body: Body, default: str) -> str:
        return await self.gate.who(body, default) if self.gate else operator_of(body, default)

    async def _card(self, body: Body, amount: Money, progress: Progress) -> CardRead | Refusal:
        """Return the card that was keyed or comes next at the reader, or why it is not taken."""
        read: CardRead | str | None
        if "keyed" in body:
            typed = body["keyed"]
            if not isinstance(typed, Mapping):
                raise CodecError("`keyed` must hold pan and expiry.")
            read = keyed(text_of(typed, "pan"), text_of(typed, "expiry"))
        else:
            text = self.texts("Swipe the card: {amount}", amount=str(amount))
            progress({"screen": "present_card", "amount": str(amount), "text": text})
            read = await self.desk.next_read(self.site.timing.card_s)
        if not isinstance(read, CardRead):
            cause = "The card could not be read." if read else "No card came in time."
            return Refusal(read or "CRD-001", cause, "Try again, or use another card.")
        admitted = admit(read, today=self.clock.now().date(), chip=Chip.NOT_TRIED)
        if isinstance(admitted, CardRead):
            return admitted
        return Refusal(admitted.code, f"{admitted.zh} / {admitted.en}", "Use another card.")

    async def _onward(self, kind: Kind, body: Body, progress: Progress) -> Body:
        """Go on with an authorisation: more of it, or take what it holds."""
        original = await self._original(body)
        amount = parse_amount(text_of(body, "amount"))
        operator = await self._who(body, "01")
        refusal = await self.gate.sale(operator, amount) if self.gate else None
        if refusal is not None:
            return refusal_answer(refusal, self.texts)
        return await self._run(self._against(kind, amount, original, operator), None, progress)

    async def _undo(self, kind: Kind, body: Body, progress: Progress) -> Body:
        """Take the whole of something back, an authorisation with all that was added to it."""
        original = await self._original(body)
        amount = original.begun.intent.amount
        if kind is Kind.PREAUTH_VOID:
            held = await self.sales.family_of(original)
            amount = Money(held.authorised_minor, amount.currency)
        return await self._back(kind, amount, original, body, progress)

    async def _refund(self, body: Body, progress: Progress) -> Body:
        original = await self._original(body)
        amount = parse_amount(text_of(body, "amount"))
        return await self._back(Kind.REFUND, amount, original, body, progress)

    async def _back(
        self, kind: Kind, amount: Money, original: Transaction, body: Body, progress: Progress
    ) -> Body:
        """Give money back for an original: voids and refunds take a supervisor's approval."""
        operator = await self._who(body, "00")
        if self.gate:
            action = Action.VOID if kind.undoes_original else Action.REFUND
            refusal = await self.gate.back(body, operator, action, str(original.key))
            if refusal is not None:
                return refusal_answer(refusal, self.texts)
        return await self._run(self._against(kind, amount, original, operator), None, progress)

    async def _original(self, body: Body) -> Transaction:
        key = parse_key(text_of(body, "key"))
        original = await self.journal.transaction(key)
        if original is None:
            raise RefusedError(
                f"There is no transaction {key}.", code="SAL-301", next_step="Check the number."
            )
        return original

    async def _run(self, intent: Intent, card: CardRead | None, progress: Progress) -> Body:
        ending = await self.sales.run(intent, card, self._watching(progress))
        return conclusion_answer(ending, self.texts)

    def _watching(self, progress: Progress) -> Watch:
        def watch(effect: Effect) -> None:
            if isinstance(effect, Authorise):
                progress(
                    {
                        "screen": "asking",
                        "key": str(effect.begun.key),
                        "text": self.texts("Asking the bank…"),
                    }
                )
            if isinstance(effect, Inquire):
                text = self.texts("No answer yet. Asking how it stands: do not swipe again.")
                progress({"screen": "inquiring", "text": text})

        return watch

    def _intent(
        self, kind: Kind, amount: Money, card: CardRead, operator: str, body: Body
    ) -> Intent:
        return Intent(
            kind=kind,
            amount=amount,
            entry_mode=card.entry_mode,
            card_masked=card.number.masked,
            card_token=self.element.token(card.number),
            operator=operator,
            at=self.clock.now(),
            expiry=card.expiry,
            note=str(body.get("note", ""))[:40],
            test=self.gate is None,
        )

    def _against(self, kind: Kind, amount: Money, original: Transaction, operator: str) -> Intent:
        first = original.begun.intent
        return Intent(
            kind=kind,
            amount=amount,
            entry_mode=first.entry_mode,
            card_masked=first.card_masked,
            card_token=first.card_token,
            operator=operator,
            at=self.clock.now(),
            original=original.key,
            expiry=first.expiry,
            test=self.gate is None,
        )
