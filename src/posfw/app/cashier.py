"""What a cashier, a cash register or the command line can ask of the running terminal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from posfw.app.answers import conclusion_answer, refusal_answer
from posfw.app.cards import Asked, CardDesk, CardTaker
from posfw.app.gate import Gate
from posfw.app.session import Session
from posfw.app.verbs import Body, Progress, Verb, operator_of, text_of
from posfw.board.site import Site
from posfw.card.codes import NO_CARD
from posfw.card.manual import keyed
from posfw.card.rules import Chip, admit
from posfw.journal.store import Journal
from posfw.ports import Clock, SecureElement
from posfw.sale import plans
from posfw.sale.limits import Refusal
from posfw.sale.machine import Authorise, Await, Effect, Inquire
from posfw.sale.payer import Payer
from posfw.sale.task import Sales, Watch
from posfw.staff.operators import Action
from posfw.values.card import CardRead
from posfw.values.errors import CodecError, LinkError, RefusedError
from posfw.values.identity import parse_key
from posfw.values.money import Money, parse_amount
from posfw.values.texts import Texts
from posfw.values.transaction import Conclusion, Instalment, Intent, Kind, Transaction

__all__ = ["Cashier"]

# What takes the whole of it back, and a part of it, where that is a kind of its own.
_VOIDS = {Kind.INSTALMENT: Kind.INSTALMENT_VOID, Kind.QR_SALE: Kind.QR_VOID}
_REFUNDS = {Kind.QR_SALE: Kind.QR_REFUND}

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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Cashier:
    """Payments and the session. Its parts are used by who takes money in other ways.

    Attributes:
        settle: runs the settlement.
        gate: what every payment passes; None for the rounds of acceptance, whose transactions are
            marked as tests and made before the terminal may sell.
        chips: takes cards where there is more than a stripe (a slot, a reader with a kernel, a PIN
            pad); None where there is a stripe only.
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
    chips: CardTaker | None = None

    def verbs(self) -> Mapping[str, Verb]:
        """Return the cashier's verbs."""
        return {
            "status": self._status,
            "sale": partial(self._with_card, Kind.SALE),
            "preauth": partial(self._with_card, Kind.PREAUTH),
            "balance": partial(self._with_card, Kind.BALANCE),
            "preauth_add": partial(self._onward, Kind.PREAUTH_ADD),
            "completion": partial(self._onward, Kind.COMPLETION),
            "instalment": partial(self._with_card, Kind.INSTALMENT),
            "instalments": self._instalments,
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
            told = await self._vitals({}, lambda _: None)
            if self.gate:
                demands = self.gate.merchant.demands
                left = await demands.signed_on(found["do_first"], status_told=told["ok"])
                found["to_do"] = left
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
        if "tip" in body:
            amount += parse_amount(text_of(body, "tip"))
        operator = await self.who(body, "01")
        refusal = await self.gate.sale(operator, amount) if self.gate else None

        def intent_of(card: CardRead) -> Intent:
            return self.intent(kind, amount, card, operator, body)

        asked = Asked(kind, amount, intent_of, self.watching(progress), progress)
        if refusal is None and self.chips is not None and "keyed" not in body:
            return await self._ended(await self.chips.take(asked))
        card = refusal or await self.card(body, amount, progress)
        if isinstance(card, Refusal):
            return refusal_answer(card, self.texts)
        if "keyed" in body:
            return await self.run(intent_of(card), card, progress)
        from posfw.app.holders import Holders  # noqa: PLC0415 - not before the first swipe

        ended, _ = await Holders(self.texts).sold(card, asked, self.sales)  # there is no PIN pad
        return conclusion_answer(ended, self.texts, kind)

    async def _instalments(self, body: Body, _: Progress) -> Body:
        """List the acquirer's plans; with an amount, what each would make of it."""
        amount = parse_amount(text_of(body, "amount")) if "amount" in body else None
        return {"ok": True, "plans": [_plan(p, amount) for p in self.sales.rules.plans]}

    async def who(self, body: Body, default: str) -> str:
        """Return who asks; see `Gate.who`."""
        return await self.gate.who(body, default) if self.gate else operator_of(body, default)

    async def card(self, body: Body, amount: Money, progress: Progress) -> CardRead | Refusal:
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
            from posfw.app.holders import AGAIN, sentence  # noqa: PLC0415 - where no card came

            code = read or NO_CARD
            return Refusal(code, sentence(code, self.texts), AGAIN)
        admitted = admit(read, today=self.clock.now().date(), chip=Chip.NOT_TRIED)
        if isinstance(admitted, CardRead):
            return admitted
        return Refusal(admitted.code, f"{admitted.zh} / {admitted.en}", "Use another card.")

    async def _onward(self, kind: Kind, body: Body, progress: Progress) -> Body:
        """Go on with an authorisation: more of it, or take what it holds."""
        original = await self.original_of(body)
        amount = parse_amount(text_of(body, "amount"))
        operator = await self.who(body, "01")
        refusal = await self.gate.sale(operator, amount) if self.gate else None
        if refusal is not None:
            return refusal_answer(refusal, self.texts)
        intent = self.against(kind, amount, original, operator, body)
        return await self.run(intent, None, progress)

    async def _undo(self, kind: Kind, body: Body, progress: Progress) -> Body:
        """Take the whole of something back, an authorisation with all that was added to it."""
        original = await self.original_of(body)
        amount = original.begun.intent.amount
        if kind is Kind.VOID:
            kind = _VOIDS.get(original.begun.intent.kind, kind)
        if kind in (Kind.VOID, Kind.PREAUTH_VOID):
            found = await self.sales.family_of(original)
            held = Money(found.authorised_minor, amount.currency)
            amount = held if kind is Kind.PREAUTH_VOID else found.whole.taken
        return await self.give_back(kind, amount, original, body, progress)

    async def _refund(self, body: Body, progress: Progress) -> Body:
        original = await self.original_of(body)
        amount = parse_amount(text_of(body, "amount"))
        kind = _REFUNDS.get(original.begun.intent.kind, Kind.REFUND)
        return await self.give_back(kind, amount, original, body, progress)

    async def give_back(
        self, kind: Kind, amount: Money, original: Transaction, body: Body, progress: Progress
    ) -> Body:
        """Give money back for an original: voids and refunds take a supervisor's approval."""
        operator = await self.who(body, "00")
        if self.gate:
            action = Action.VOID if kind.undoes_original else Action.REFUND
            refusal = await self.gate.back(body, operator, action, str(original.key))
            if refusal is not None:
                return refusal_answer(refusal, self.texts)
        intent = self.against(kind, amount, original, operator, body)
        return await self.run(intent, None, progress)

    async def original_of(self, body: Body) -> Transaction:
        """Return the transaction that a request's key names.

        Raises:
            RefusedError: SAL-301, there is none.
        """
        key = parse_key(text_of(body, "key"))
        original = await self.journal.transaction(key)
        if original is None:
            raise RefusedError(
                f"There is no transaction {key}.", code="SAL-301", next_step="Check the number."
            )
        return original

    async def run(
        self,
        intent: Intent,
        card: CardRead | None,
        progress: Progress,
        payer: Payer | None = None,
    ) -> Body:
        """Run one transaction and tell its ending."""
        ending = await self.sales.run(intent, card, self.watching(progress), payer=payer)
        return await self._ended(ending, intent.kind)

    async def _ended(self, ending: Conclusion | Refusal, kind: Kind | None = None) -> Body:
        """Tell an ending; what its answer wants done first is noted for the next sale."""
        heard = ending.answer if isinstance(ending, Conclusion) else None
        if self.gate and heard and heard.do_first:
            await self.gate.merchant.demands.note(heard.do_first)
        return conclusion_answer(ending, self.texts, kind)

    def watching(self, progress: Progress) -> Watch:
        """Return what tells each step to whoever asked."""
        paying = False  # with a telephone: questions in between are no doubt

        def watch(effect: Effect) -> None:
            nonlocal paying
            if isinstance(effect, Authorise):
                progress(
                    {
                        "screen": "asking",
                        "key": str(effect.begun.key),
                        "text": self.texts("Asking the bank…"),
                    }
                )
            if isinstance(effect, Await):
                paying = True
                waiting, text = effect.waiting, self.texts("Waiting for the payer…")
                if waiting.code:
                    text = self.texts("Let the customer scan the code.")
                key, seconds = str(effect.begun.key), waiting.valid_s
                shown = {"screen": "qr", "key": key, "code": waiting.code, "seconds": seconds}
                progress(shown | {"text": text})
            elif isinstance(effect, Inquire) and not paying:
                text = self.texts("No answer yet. Asking how it stands: do not swipe again.")
                progress({"screen": "inquiring", "text": text})

        return watch

    def intent(
        self, kind: Kind, amount: Money, card: CardRead, operator: str, body: Body
    ) -> Intent:
        """Return what is to be done with a card, with tip and instalments that were asked for."""
        tip = parse_amount(text_of(body, "tip")) if "tip" in body else None
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
            tip=tip,
            instalment=self._chosen(amount, body) if kind is Kind.INSTALMENT else None,
            auth_code=str(body.get("auth_code", "")) if kind is Kind.OFFLINE_SALE else "",
            request=str(body.get("intent", "")),
        )

    def _chosen(self, amount: Money, body: Body) -> Instalment | None:
        """Return what the acquirer's plan makes of the amount; None where it has none."""
        periods = body.get("periods")
        if type(periods) is not int:
            raise CodecError("`periods` is a whole number.")
        plan = plans.chosen(self.sales.rules.plans, periods, str(body.get("plan", "")))
        return plan.of(amount) if plan else None

    def against(
        self, kind: Kind, amount: Money, original: Transaction, operator: str, body: Body
    ) -> Intent:
        """Return what is to be done about an earlier transaction."""
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
            request=str(body.get("intent", "")),
        )


def _plan(plan: plans.Plan, amount: Money | None) -> dict[str, Any]:
    """Return a plan as it is listed; with an amount that it takes, fee and payments too."""
    row: dict[str, Any] = {
        "plan": plan.plan,
        "periods": plan.periods,
        "rate_ppm": plan.rate_ppm,
        "least": str(Money(plan.least_minor)),
        "most": str(Money(plan.most_minor)) if plan.most_minor else "",
    }
    if amount is not None:
        made = plan.of(amount)
        row["fits"] = plans.refusal(amount, made, (plan,)) is None
        first, each = made.each(amount)
        row |= {"fee": str(Money(made.fee_minor)), "first": str(first), "each": str(each)}
    return row
