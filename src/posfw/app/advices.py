"""Told to the acquirer and not asked: tips, adjustments, completions, sales by telephone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from posfw.app.answers import refusal_answer
from posfw.app.cashier import Cashier
from posfw.app.verbs import Body, Progress, Verb, text_of
from posfw.sale.limits import Refusal
from posfw.values.money import Money, parse_amount
from posfw.values.transaction import Kind, Transaction

__all__ = ["VERBS", "Advices"]

VERBS = ("tip", "adjust", "completion_advice", "offline_sale")


@dataclass(frozen=True, slots=True)
class Advices:
    """Verbs over the cashier."""

    cashier: Cashier

    def verbs(self) -> Mapping[str, Verb]:
        """Return the verbs, `VERBS`."""
        return {
            "tip": self._tip,
            "adjust": self._adjust,
            "completion_advice": self._completion,
            "offline_sale": self._by_telephone,
        }

    async def _tip(self, body: Body, progress: Progress) -> Body:
        """小费: more for a sale of the open batch, within the acquirer's percentage."""
        return await self._onward(Kind.TIP, body, progress)

    async def _completion(self, body: Body, progress: Progress) -> Body:
        """预授权完成(通知): take what an authorisation holds without asking."""
        return await self._onward(Kind.COMPLETION_ADVICE, body, progress)

    async def _onward(self, kind: Kind, body: Body, progress: Progress) -> Body:
        original = await self.cashier.original_of(body)
        amount = parse_amount(text_of(body, "amount"))
        return await self._told(kind, amount, original, body, progress)

    async def _adjust(self, body: Body, progress: Progress) -> Body:
        """离线调整: `amount` is what the offline sale is to come to without its tips.

        Less than before gives money back, and needs a supervisor.
        """
        cashier = self.cashier
        original = await cashier.original_of(body)
        found = await cashier.sales.family_of(original)
        now = original.begun.intent.amount.minor + found.adjusted_minor
        wanted = parse_amount(text_of(body, "amount"))
        change = Money(abs(wanted.minor - now), wanted.currency)
        if wanted.minor < now:
            return await cashier.give_back(Kind.ADJUST_DOWN, change, original, body, progress)
        return await self._told(Kind.ADJUST, change, original, body, progress)

    async def _told(
        self, kind: Kind, amount: Money, original: Transaction, body: Body, progress: Progress
    ) -> Body:
        cashier = self.cashier
        operator = await cashier.who(body, "01")
        refusal = await cashier.gate.sale(operator, amount) if cashier.gate else None
        if refusal is not None:
            return refusal_answer(refusal, cashier.texts)
        intent = cashier.against(kind, amount, original, operator, body)
        return await cashier.run(intent, None, progress)

    async def _by_telephone(self, body: Body, progress: Progress) -> Body:
        """离线结算: a sale whose authorisation code was given by telephone."""
        cashier, kind = self.cashier, Kind.OFFLINE_SALE
        amount = parse_amount(text_of(body, "amount"))
        operator = await cashier.who(body, "01")
        refusal = await cashier.gate.sale(operator, amount) if cashier.gate else None
        card = refusal or await cashier.card(body, amount, progress)
        if isinstance(card, Refusal):
            return refusal_answer(card, cashier.texts)
        return await cashier.run(
            cashier.intent(kind, amount, card, operator, body), card, progress
        )
