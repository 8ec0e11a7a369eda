"""One seed from its options to a verdict: days of trading with faults, then healing and rest."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack, chdir, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final
from unittest.mock import patch

import anyio

from posfw.crypto.dukpt import transaction_key
from posfw.keys import software
from posfw.sim import payments
from tests.journal.storage import stored
from tests.simulation.chaos import DAY_S, Chaos
from tests.simulation.loop import SimLoop, without_threads
from tests.simulation.options import Options
from tests.simulation.people import Cashier
from tests.simulation.planted import PLANTED
from tests.simulation.shop import Shop, Trace

__all__ = ["Verdict", "simulate"]

HEALED_S: Final = 600.0  # the goal: ten minutes after healing nothing is open
LOOK_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one seed ended.

    Attributes:
        options: the seed's option set, as one line.
        days: virtual days until healing.
        sales: transactions whose ending somebody saw.
        archived: transactions that the archive holds in the end.
        violations: what was not true, in order.
        unresolved: what was still open ten minutes after healing.
        trace: hash of everything that happened.
        faults: how often each happened.
    """

    options: str
    days: float
    sales: int
    archived: int
    violations: tuple[str, ...]
    unresolved: tuple[str, ...]
    trace: str
    faults: Mapping[str, int] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether nothing was wrong and nothing was left."""
        return not self.violations and not self.unresolved


def simulate(
    seed: int, days: float, *, plant: str = "", say: Callable[[str], object] | None = None
) -> Verdict:
    """Run one seed; `plant` names a fault of `PLANTED` to put into the product."""
    options = Options.of(seed, days)
    loop = SimLoop(seed, options.late_s)
    trace = Trace(loop, say)
    base = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(dir=base if base.is_dir() else None) as name,
        ExitStack() as on,
    ):
        on.enter_context(
            chdir(name)
        )  # the site file names files by it, and the journal its digest
        on.enter_context(without_threads())
        on.enter_context(PLANTED[plant]() if plant else nullcontext())
        # Terminal and acquirer derive every key twice each: remembered, they cost a quarter.
        remembered = lru_cache(maxsize=4096)(transaction_key)
        on.enter_context(patch.object(software, "transaction_key", remembered))
        asyncio.set_event_loop(loop)
        shop = Shop(options, loop, Path(name), trace)
        on.enter_context(patch.object(payments, "host_now", lambda: _host_now(shop)))
        on.enter_context(stored(shop.disk))
        return loop.run_until_complete(_Run(shop).verdict())


class _Run:
    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._cashier = Cashier(shop)
        self._chaos = Chaos(shop)

    async def verdict(self) -> Verdict:
        shop, cashier = self._shop, self._cashier
        paper = asyncio.ensure_future(cashier.read_paper())
        printer = asyncio.ensure_future(shop.printer.run())
        shop.start()
        with anyio.move_on_after(shop.options.days * DAY_S):
            async with anyio.create_task_group() as group:
                group.start_soon(self._chaos.run)
                group.start_soon(cashier.work)
        shop.trace("healed")
        self._chaos.heal()
        unresolved = await self._rest()
        paper.cancel()
        printer.cancel()
        oracle = shop.oracle
        for fault in shop.loop.faults:
            oracle.violates("loop", fault)
        return Verdict(
            options=shop.options.described(),
            days=shop.options.days,
            sales=len(oracle.shown),
            archived=shop.archived(),
            violations=tuple(oracle.violations),
            unresolved=tuple(unresolved),
            trace=shop.trace.digest,
            faults=dict(sorted(shop.trace.faults.items())),
        )

    async def _rest(self) -> list[str]:
        """Wait for rest; return what is still open after ten minutes."""
        shop = self._shop
        left = ["never looked"]
        with anyio.move_on_after(HEALED_S):
            while left:
                await anyio.sleep(LOOK_S)
                left = await self._open()
        books = shop.books() if shop.ready else None
        if books is None:
            return [*left, "the terminal does not run"]
        if not left:
            shop.oracle.at_rest(books)
            bad = await shop.terminal.journal.verify() if shop.terminal else None
            if bad is not None:
                shop.oracle.violates("I9", f"the chain breaks at entry {bad}")
        return left

    async def _open(self) -> list[str]:
        """Do what is to be done; return what is still open."""
        shop, cashier = self._shop, self._cashier
        status = (await cashier.ask({"do": "status"}) or {}).get("result")
        if status is None:
            await self._revive()
            return ["the terminal does not answer"]
        names = ("in_doubt", "reversals", "offline_count", "rejected", "waiting_prints")
        left = [f"{name}: {status[name]}" for name in names if status[name]]
        if not status["online"]:
            left.append("the line is down")
        if status["unknown_prints"]:
            await cashier.look_after_paper()
            left.append(f"unknown_prints: {status['unknown_prints']}")
        if shop.network.flying:
            left.append("messages are on the way")
        if not status["signed_on"]:
            await cashier.ask({"do": "sign_on"})
        if not left and status["records"] + status["settling"]:
            if not await cashier.settle():
                left.append("the batch does not settle")
            left.append("the slip is to be printed")
        return left

    async def _revive(self) -> None:
        """Switch a terminal that does not answer off and on."""
        if self._shop.ready:
            await self._cashier.ask({"do": "stop"})


def _host_now(shop: Shop) -> datetime:
    """The acquirer's clock is right, and the same for the same seed."""
    wrong, shop.clock.wrong_s = shop.clock.wrong_s, 0.0
    now = shop.clock.now()
    shop.clock.wrong_s = wrong
    return now
