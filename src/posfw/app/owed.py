"""What is owed to the acquirer, as people see it, and its end by a supervisor's signed reason.

Nothing leaves these lists by itself but by the acquirer's word: what it refused waits here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from posfw.app.verbs import Body, Progress, Verb, text_of
from posfw.journal.store import Journal
from posfw.ports import Clock
from posfw.staff.operators import Action
from posfw.values.errors import CodecError, InputError, RefusedError
from posfw.values.money import Money
from posfw.values.transaction import Owed, OwedKind

__all__ = ["OwedDesk"]

MOST_LISTED = 200  # of each kind: an answer on the control socket stays small
LEAST_REASON = 3
_KINDS = {
    OwedKind.SCRIPT_RESULT: "脚本结果 / script result",
    OwedKind.REVERSAL: "冲正 / reversal",
    OwedKind.ADVICE: "通知 / advice",
    OwedKind.UPLOAD: "凭证 / voucher",
}


@dataclass(frozen=True, slots=True)
class OwedDesk:
    """Verbs over owed and refused messages.

    Attributes:
        journal: where they are.
        approve: checks a request's approval, records it, and returns who gave it.
        clock: local time.
    """

    journal: Journal
    approve: Callable[[Body, Action, str], Awaitable[Any]]
    clock: Clock

    def verbs(self) -> Mapping[str, Verb]:
        """Return the verbs."""
        return {"owed": self._list, "owed_clear": self._clear}

    async def _list(self, _: Body, __: Progress) -> Body:
        found = await self._all()
        rows = [await self._row(owed, code) for owed, code in found]
        return {
            "ok": not any(row["refused"] for row in rows),
            "owed": rows,
            "lines": [_line(row) for row in rows] or ["无 / nothing is owed"],
        }

    async def _clear(self, body: Body, _: Progress) -> Body:
        """手工清除: one message, by its number, with a reason and a supervisor's approval."""
        number, reason = body.get("number"), text_of(body, "reason").strip()
        if type(number) is not int:
            raise CodecError("'number' must be a whole number.")
        if len(reason) < LEAST_REASON:
            raise InputError("Say why it is cleared by hand.", code="OPR-220")
        owed = await self._find(number)
        approval = await self.approve(body, Action.CLEAR, f"{owed.kind.value} {owed.key}")
        await self.journal.clear(owed, approval.operator, reason, self.clock.now())
        return {
            "ok": True,
            "cleared": number,
            "kind": owed.kind.value,
            "key": str(owed.key),
            "operator": approval.operator,
        }

    async def _find(self, number: int) -> Owed:
        for owed, _ in await self._all():
            if owed.number == number:
                return owed
        raise RefusedError(
            f"Message {number} is not owed (any more).",
            code="SAL-330",
            next_step="Look at the list: posfw owed list",
        )

    async def _all(self) -> list[tuple[Owed, str]]:
        waiting = [(owed, "") for owed in await self.journal.owed(MOST_LISTED)]
        return [*await self.journal.rejected(), *waiting]

    async def _row(self, owed: Owed, code: str) -> dict[str, Any]:
        found = await self.journal.transaction(owed.key)
        amount = found.begun.intent.amount if found else Money(0)
        return {
            "number": owed.number,
            "kind": owed.kind.value,
            "key": str(owed.key),
            "amount": str(amount),
            "card": found.begun.intent.card_masked if found else "",
            "reason": owed.reason,
            "refused": code,
        }


def _line(row: Mapping[str, Any]) -> str:
    kind = _KINDS[OwedKind(row["kind"])]
    state = f"收单方拒绝 refused {row['refused']}" if row["refused"] else "待发 waiting"
    return f"{row['number']:>6}  {kind}  {row['key']}  {row['amount']}  {state}"
