"""What stands before a payment: an active terminal, a batch with room, somebody who may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from posfw.app.later import loaded
from posfw.app.merchant import Merchant
from posfw.app.verbs import Body, operator_of
from posfw.sale.limits import Refusal
from posfw.staff.operators import Action
from posfw.values.errors import RefusedError
from posfw.values.money import Money

__all__ = ["Gate"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Gate:
    """The merchant's word on every payment.

    Attributes:
        merchant: activation, operators, settlement.
        operators: whether somebody must be signed in, and a supervisor approve what gives money
            back; False is for demonstrations.
        held: why nothing is sold for a reason of the machine, such as a program on trial.
    """

    merchant: Merchant
    operators: bool
    held: Callable[[], Refusal | None] = lambda: None

    async def who(self, body: Body, default: str) -> str:
        """Return who asks: the request's operator, else who is signed in, else the default."""
        if "operator" in body or not self.operators:
            return operator_of(body, default)
        return (await self.merchant.operators.staff()).signed_in or default

    async def sale(self, operator: str, amount: Money) -> Refusal | None:
        """Return why no new sale may begin."""
        refusal = self.held() or await self.merchant.refusal(amount)
        return refusal or await self._works(operator)

    async def back(
        self, body: Body, operator: str, action: Action, subject: str
    ) -> Refusal | None:
        """Return why nothing may be given back; a supervisor's approval is checked and recorded.

        Neither age nor size of the batch stops it: a void makes the batch no fuller than it is.

        Raises:
            RefusedError: no approval, a wrong password, or no right.
        """
        refusal = self.held() or await self.merchant.activation.refusal()
        refusal = refusal or await self._works(operator)
        if refusal is None and self.operators:
            await self.merchant.operators.approve(body, action, subject)
        return refusal

    async def talk(self) -> None:
        """Check that something may leave for the acquirer.

        Raises:
            RefusedError: ACT-102, before the bank's information.
        """
        activation = self.merchant.activation
        if not await activation.may_talk():
            state = (await activation.state()).state
            raise RefusedError(
                f"Nothing leaves for the acquirer while the terminal is {state.value}.",
                code="ACT-102",
                next_step="See what comes next: posfw activate status",
            )

    async def status(self) -> dict[str, Any]:
        """Return what the idle screen says about it."""
        await loaded()
        staff = await self.merchant.operators.staff()
        return {
            "activation": (await self.merchant.activation.state()).state.value,
            "may_sell": await self.merchant.activation.refusal() is None,
            "operators": self.operators,
            "operator": staff.signed_in,
            "locked": staff.locked,
            "settlement": self.merchant.settlement.phase,
            "settlement_trouble": self.merchant.settlement.trouble,
            "deliveries_pressing": await self.merchant.office.goods.pressing(),
            "upkeep_due": await self.merchant.office.upkeep.reminders(),
        }

    async def _works(self, operator: str) -> Refusal | None:
        return await self.merchant.operators.refusal(operator) if self.operators else None
