"""Acceptance rounds through the terminal's own verbs: what a cashier could do, done by a list."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from posfw.activate.acceptance import Task
from posfw.activate.profile import Profile
from posfw.app.verbs import Handler
from posfw.values.errors import PosfwError
from posfw.values.money import Money

__all__ = ["Rounds"]


@dataclass(slots=True)
class Rounds:
    """app.activation.TryRound over a handler of verbs.

    Attributes:
        handler: the terminal's verbs, without the gate that refuses live sales.
        printed: waits until the print job of this number has ended; whether it came out. None
            where no printer is wired: the round then fails and says so.
        drop_line: breaks the acquirer's line once; None where that cannot be tried.
        line_up: waits until the line is up again; whether it came.
    """

    handler: Handler
    printed: Callable[[int], Awaitable[bool]] | None = None
    drop_line: Callable[[], None] | None = None
    line_up: Callable[[], Awaitable[bool]] | None = None
    _last_key: str = field(default="", init=False)

    async def __call__(self, task: Task, profile: Profile) -> tuple[bool, str]:
        """Do one round; faults of the product fail it and are told."""
        tries = {
            "sale": self._sale,
            "decline": self._decline,
            "void": self._void,
            "refund": self._refund,
            "print": self._print,
            "line_loss": self._line_loss,
            "settlement": self._settlement,
        }
        try:
            return await tries[task.kind](task, profile)
        except PosfwError as error:
            return False, str(error)

    async def _ask(self, verb: str, **body: Any) -> Mapping[str, Any]:
        return await self.handler(verb, body, lambda _: None)

    async def _pay(self, task: Task, profile: Profile) -> Mapping[str, Any]:
        keyed = {"pan": profile.test_card, "expiry": profile.test_expiry}
        amount = str(Money(task.minor))
        answer = await self._ask("sale", amount=amount, keyed=keyed, note="测试/TESTING")
        self._last_key = str(answer.get("key", "")) or self._last_key
        return answer

    async def _sale(self, task: Task, profile: Profile) -> tuple[bool, str]:
        return _ended(await self._pay(task, profile), "success")

    async def _decline(self, task: Task, profile: Profile) -> tuple[bool, str]:
        answer = await self._pay(task, profile)
        passed, detail = _ended(answer, "failed")
        return passed and answer.get("kind") == "declined", detail

    async def _void(self, task: Task, profile: Profile) -> tuple[bool, str]:
        paid, detail = _ended(await self._pay(task, profile), "success")
        if not paid:
            return False, detail
        return _ended(await self._ask("void", key=self._last_key), "success")

    async def _refund(self, task: Task, profile: Profile) -> tuple[bool, str]:
        paid, detail = _ended(await self._pay(task, profile), "success")
        if not paid:
            return False, detail
        half = str(Money(task.minor // 2))
        return _ended(await self._ask("refund", key=self._last_key, amount=half), "success")

    async def _print(self, task: Task, profile: Profile) -> tuple[bool, str]:
        if self.printed is None:
            return False, "no printer is wired here"
        if not self._last_key:
            await self._pay(task, profile)
        answer = await self._ask("reprint", key=self._last_key)
        return await self.printed(int(answer["job"])), f"job {answer['job']}"

    async def _line_loss(self, task: Task, profile: Profile) -> tuple[bool, str]:
        """The line breaks; the next sale must end well, or plainly not at all."""
        if self.drop_line is None or self.line_up is None:
            return False, "the line cannot be broken here"
        self.drop_line()
        answer = await self._pay(task, profile)
        detail = f"{answer.get('ending')} {answer.get('key', '')}"
        if answer.get("ending") not in ("success", "failed") or not answer.get("key"):
            return False, detail
        if not await self.line_up():
            return False, f"{detail}; the line did not come back"
        return True, detail

    async def _settlement(self, _: Task, __: Profile) -> tuple[bool, str]:
        answer = await self._ask("settle")
        return bool(answer.get("ok")), f"batch {answer.get('batch')}"


def _ended(answer: Mapping[str, Any], wanted: str) -> tuple[bool, str]:
    detail = f"{answer.get('ending')} {answer.get('key', '')} {answer.get('code', '')}".strip()
    return answer.get("ending") == wanted, detail
