"""Wrong products that the simulation must tell from the right one, each a likely mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, Final
from unittest.mock import patch

import anyio

from posfw.journal import archive, jobs, sales
from posfw.journal.store import Journal
from posfw.sale import machine, task
from posfw.uplink import task as uplink
from posfw.values.outcome import NotFound
from posfw.values.transaction import Conclusion, Ending

__all__ = ["PLANTED"]


@contextmanager
def _forgotten_reversal() -> Iterator[None]:
    """Doubt ends as cancelled, and nobody tells the bank."""
    with patch.object(machine, "reversal_of", lambda _: ()):
        yield


@contextmanager
def _shown_before_commit() -> Iterator[None]:
    """The ending is shown while commit 2 is still on its way to the disk."""
    real = Journal.conclude

    async def early(self: Journal, conclusion: Conclusion) -> None:
        import asyncio  # noqa: PLC0415 - the planted fault's own

        async def later() -> None:
            await anyio.sleep(0.5)
            await real(self, conclusion)

        asyncio.get_running_loop().create_task(later())

    with patch.object(Journal, "conclude", early):
        yield


@contextmanager
def _nothing_owed() -> Iterator[None]:
    """Commit 2 keeps the ending of an offline sale and forgets its advice."""
    real = sales.conclude

    def without(sql: Any, conclusion: Conclusion) -> None:
        if conclusion.ending is Ending.APPROVED_OFFLINE:
            conclusion = replace(conclusion, owed=())
        real(sql, conclusion)

    with patch.object(sales, "conclude", without), patch.object(sales, "_NEEDS", {}):
        yield


@contextmanager
def _silence_is_consent() -> Iterator[None]:
    """A reversal without an answer counts as sent."""

    real = uplink.Uplink._land

    async def land(self: Any, owed: Any, waiting: Any, link: Any) -> None:
        await link.answer(waiting, 1.0)
        if waiting.answer is None:
            await self._journal.acknowledge(owed, "00", self._clock.now())
        link._waiting[waiting.sealed.kid] = waiting
        await real(self, owed, waiting, link)

    with patch.object(uplink.Uplink, "_land", land):
        yield


@contextmanager
def _doubt_forgotten_at_start() -> Iterator[None]:
    """What a power cut left begun is never ended."""

    async def recover(_: task.Sales) -> int:
        return 0

    with patch.object(task.Sales, "recover", recover):
        yield


@contextmanager
def _not_found_is_declined() -> Iterator[None]:
    """The acquirer does not know the key yet, so the sale is taken for not made."""
    real = machine.SaleMachine.inquired

    def inquired(self: Any, event: Any, now: Any) -> Any:
        if isinstance(event.outcome, NotFound):
            return self.conclude(Ending.CANCELLED, now, reason="25")
        return real(self, event, now)

    rules = {**machine._RULES, (machine.State.INQUIRING, machine.Inquired): inquired}
    with patch.object(machine, "_RULES", rules):
        yield


@contextmanager
def _printed_again_unmarked() -> Iterator[None]:
    """After a restart a half printed slip goes back into the queue as if it were new."""

    def again(sql: Any, _: Any) -> int:
        sql("UPDATE job SET state = 'queued' WHERE state IN ('printing', 'paused')")
        return 0

    with patch.object(jobs, "after_restart", again):
        yield


@contextmanager
def _counter_in_memory() -> Iterator[None]:
    """Key counters are reserved in memory alone."""
    real = sales.reserve

    def reserve(sql: Any, count: int) -> int:
        kept = sql("SELECT value FROM counter WHERE name = 'ksn'")[0][0]
        first = real(sql, count)
        sql("UPDATE counter SET value = ? WHERE name = 'ksn'", (kept,))
        return first

    with patch.object(sales, "reserve", reserve):
        yield


@contextmanager
def _archived_and_gone() -> Iterator[None]:
    """The journal lets go of rows that the archive never wrote."""
    with patch.object(archive, "store", lambda *_: None):
        yield


Plant = Callable[[], AbstractContextManager[None]]

PLANTED: Final[Mapping[str, Plant]] = {
    "forgotten_reversal": _forgotten_reversal,
    "shown_before_commit": _shown_before_commit,
    "nothing_owed": _nothing_owed,
    "silence_is_consent": _silence_is_consent,
    "doubt_forgotten_at_start": _doubt_forgotten_at_start,
    "not_found_is_declined": _not_found_is_declined,
    "printed_again_unmarked": _printed_again_unmarked,
    "counter_in_memory": _counter_in_memory,
    "archived_and_gone": _archived_and_gone,
}
