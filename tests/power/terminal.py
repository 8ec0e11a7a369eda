"""The terminal as `posfw.app.graph` joins it, without devices: journal, uplink, sales, settlement.

The people and the printer are here too: what they see or hold is an effect in the trace.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import anyio

from posfw.journal import archive
from posfw.journal.store import Journal
from posfw.sale.limits import Limits, OfflinePolicy, Refusal
from posfw.sale.task import Sales
from posfw.settle.task import settle
from posfw.uplink.settings import UplinkSettings
from posfw.uplink.task import Uplink
from posfw.values.card import CardNumber, CardRead, EntryMode
from posfw.values.errors import RefusedError
from posfw.values.events import Record, Topic
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.printjob import JobState
from posfw.values.transaction import Conclusion, Intent, Kind
from tests.power.around import TERMINAL, Around, Chance, Clock, Element
from tests.power.vfs import effect
from tests.power.virtual import raw
from tests.power.watch import facts

__all__ = ["CARD", "JOURNAL", "Parts", "Terminal", "intent_of", "running"]

JOURNAL: Final = "journal.db"
CARD: Final = CardRead(CardNumber("6212345678901232"), EntryMode.SWIPED, "2812", "101")
LIMITS: Final = Limits(offline=OfflinePolicy(enabled=True))
SETTINGS: Final = UplinkSettings(
    addresses=("127.0.0.1:1",),
    server_name="acquirer",
    terminal=TERMINAL,
    merchant="898110154110001",
    authorise_timeout_s=3.0,
    call_timeout_s=5.0,
    heartbeat_s=60.0,
    retry_base_s=0.5,
    retry_cap_s=5.0,
)
MOVED_AT_ONCE: Final = 24  # entries, not 400: a short past moves in many steps, sales between
QUIET_S: Final = 600.0  # within ten minutes of healing nothing may be owed or in doubt

Watch = Callable[[object], None]


def intent_of(
    kind: Kind, minor: int, clock: Clock, *, original: Key | None = None, card: CardRead = CARD
) -> Intent:
    """Return what a key press asks for."""
    return Intent(
        kind=kind,
        amount=Money(minor),
        entry_mode=card.entry_mode,
        card_masked=card.number.masked,
        card_token=b"t" * 16,
        operator="01",
        at=clock.now(),
        original=original,
        expiry=card.expiry,
    )


@dataclass(frozen=True, slots=True)
class Parts:
    """Which parts a terminal is made of; a planted fault replaces one."""

    sales: Callable[..., Sales] = Sales
    uplink: Callable[..., Uplink] = Uplink
    journal: Callable[[Journal], Any] = lambda journal: journal
    shown_early: bool = False  # shows the ending, and gives the receipt, before commit 2


@dataclass(slots=True)
class Terminal:
    """One power-up."""

    store: Journal
    journal: Any  # the store, or a planted fault in front of it
    uplink: Uplink
    sales: Sales
    clock: Clock
    parts: Parts

    async def sign_on(self) -> None:
        """签到, as posfw.app.session does it."""
        standing = await self.journal.standing()
        await self.uplink.call("sign_on", {"batch": standing.batch})
        await self.journal.append(Record(Topic.SESSION, "signed_on", self.clock.now()))
        effect("signed_on")

    async def run(self, intent: Intent, card: CardRead | None = CARD) -> Conclusion:
        """Run one transaction; the cashier sees its ending."""

        def watch(what: Any) -> None:
            if self.parts.shown_early and hasattr(what, "conclusion"):
                _show(what.conclusion, intent)

        ending = await self.sales.run(intent, card, watch)
        if isinstance(ending, Refusal):
            raise RefusedError(ending.cause, code=ending.code)
        _show(ending, intent)
        return ending

    async def print_all(self, most: int = 20) -> int:
        """Print what waits; the receipt is out before anybody records that it is."""
        for printed in range(most):
            job = await self.journal.next_job()
            if job is None:
                return printed
            await self.journal.mark(job, JobState.PRINTING, 0, "", self.clock.now())
            effect(
                "paper",
                job.number,
                job.ref.kind.value,
                job.ref.subject,
                job.copy.value,
                job.duplicate,
            )
            await anyio.sleep(0.5)
            await self.journal.mark(job, JobState.DONE, 1, "", self.clock.now())
        return most

    async def settle(self) -> None:
        """结算: the slip's numbers are on the screen."""
        result = await settle(self.journal, self.uplink, self.journal, self.clock)
        effect("settled", result.batch, result.balanced)

    async def archive(self) -> None:
        """Move every settled batch, as the terminal does by itself while idle."""
        with patch.object(archive, "ENTRIES", MOVED_AT_ONCE):
            await self.store.archive(self.clock.now(), 0)

    async def until_quiet(self) -> bool:
        """Return whether nothing is owed within ten minutes."""
        with anyio.move_on_after(QUIET_S):
            while await self.journal.owed(1):  # noqa: ASYNC110 - virtual time: it costs nothing
                await anyio.sleep(0.5)
            return True
        return False

    async def until_online(self) -> None:
        """Wait for the line."""
        with anyio.fail_after(QUIET_S):
            while not self.uplink.online:
                await self.uplink.changed()


def _show(conclusion: Conclusion, intent: Intent) -> None:
    key = conclusion.key
    effect("shown", (key.batch, key.stan), conclusion.ending.value, intent.amount.minor)


@asynccontextmanager
async def running(
    folder: Path, around: Around, seed: int, parts: Parts, *, create: bool = False
) -> AsyncIterator[Terminal]:
    """Power up: open, end what is in doubt, then the line."""
    element, clock = Element(), Clock()
    async with Journal.open(
        folder / JOURNAL,
        terminal=TERMINAL,
        chain_key=element.chain_key(),
        clock=clock,
        create=create,
    ) as opened:
        effect("opened", facts(raw()))
        journal = parts.journal(opened)
        uplink = parts.uplink(
            journal=journal,
            element=element,
            random=Chance(seed),
            clock=clock,
            settings=SETTINGS,
            dial=around.dial,
        )
        sales = parts.sales(
            journal=journal,
            acquirer=uplink,
            clock=clock,
            limits=LIMITS,
            inquiry_timeout_s=4.0,
            lock=anyio.Lock(),
        )
        recovered = await sales.recover()
        started = Record(Topic.SYSTEM, "started", clock.now(), body={"recovered": recovered})
        await journal.append(started)
        async with anyio.create_task_group() as group:
            group.start_soon(uplink.run)
            yield Terminal(opened, journal, uplink, sales, clock, parts)
            group.cancel_scope.cancel()
