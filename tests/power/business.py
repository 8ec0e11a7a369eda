"""A scripted stretch of business, drawn from a seed: every way in which a transaction can end."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import anyio

from posfw.uplink.messages import MessageType
from posfw.values.transaction import Conclusion, Ending, Kind
from tests.power.around import Around, Books, Flight, host_time
from tests.power.terminal import CARD, Parts, Terminal, intent_of, running
from tests.power.vfs import TRACE, Event, recording
from tests.power.virtual import VirtualLoop, without_threads
from tests.power.watch import committed

__all__ = ["STEPS", "record", "trade"]

# What each stretch contains, in drawn order; a settlement and a second batch end it.
STEPS = (
    "sale",
    "sale",
    "declined",
    "void",
    "refund",
    "lost_answer",
    "lost_request",
    "late_answer",
    "late_request",
    "offline",
    "wrong_code",
)


@dataclass(slots=True)
class _Day:
    terminal: Terminal
    around: Around
    chance: Random
    approved: list[tuple[Conclusion, int]] = field(default_factory=list)

    async def sale(self, minor: int | None = None) -> Conclusion:
        amount = minor if minor is not None else self.chance.randrange(1, 200) * 100
        intent = intent_of(Kind.SALE, amount, self.terminal.clock)
        ending = await self.terminal.run(intent, CARD)
        if ending.ending is Ending.APPROVED:
            self.approved.append((ending, amount))
        return ending

    async def against(self, kind: Kind) -> None:
        if not self.approved:
            await self.sale()
        original, amount = self.approved.pop(0)
        taken = amount if kind is Kind.VOID else max(1, amount // 3)
        intent = intent_of(kind, taken, self.terminal.clock, original=original.key)
        await self.terminal.run(intent, None)

    async def step(self, name: str) -> None:
        """Do one thing that happens in a shop."""
        if name == "declined":
            await self.sale(1051)
        elif name in ("void", "refund"):
            await self.against(Kind(name))
        elif name == "offline":
            await self._offline()
        else:
            await self._sale_with(name)

    async def _sale_with(self, name: str) -> None:
        faults, flights = self.around.acquirer.faults, self.around.flights
        authorise = flights.setdefault(MessageType.AUTHORISE, Flight())
        match name:
            case "lost_answer":
                faults.lose_answers = 1
            case "wrong_code":
                faults.wrong_macs = 1
            case "lost_request":
                authorise.lose = 1
            case "late_answer":
                faults.hold_answers = faults.lose_inquiries = 1
            case "late_request":
                authorise.late = 1
                flights.setdefault(MessageType.INQUIRY, Flight()).lose = 1
        await self.sale()
        if name.startswith("late"):
            await self.terminal.until_quiet()
            self.around.deliver_late()

    async def moved(self, old: list[tuple[Conclusion, int]]) -> None:
        """Sell while both batches move into the archive; then refund a sale that lies there."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.terminal.archive)
            for name in ("sale", "declined", "sale"):
                await self.step(name)
        self.approved[:] = old
        await self.against(Kind.REFUND)
        await self.terminal.until_quiet()

    async def _offline(self) -> None:
        self.around.take_down()
        for _ in range(2):
            await self.sale()
        self.around.down = False
        await self.terminal.until_online()
        await self.terminal.until_quiet()


async def trade(folder: Path, around: Around, seed: int, parts: Parts) -> None:
    """Trade through one stretch: steps in drawn order, printing now and then, settle, go on."""
    chance = Random(seed)
    names = chance.sample(STEPS, len(STEPS))
    async with running(folder, around, seed, parts, create=True) as terminal:
        day = _Day(terminal, around, chance)
        await terminal.until_online()
        await terminal.sign_on()
        for name in names:
            await day.step(name)
            if chance.random() < 0.3:
                await terminal.print_all(2)
        await terminal.until_quiet()
        await terminal.settle()
        old = day.approved[-1:]
        day.approved.clear()
        for name in ("sale", "lost_answer", "sale"):
            await day.step(name)
        await terminal.until_quiet()
        await terminal.print_all()
        await terminal.settle()
        await day.moved(old)


def record(folder: Path, seed: int, parts: Parts | None = None) -> list[Event]:
    """Trade once and return everything that reached the disk or the world, in order."""
    loop = VirtualLoop(seed)
    around = Around(Books(), Random(seed + 1))
    with recording(), without_threads(committed), host_time():
        try:
            loop.run_until_complete(trade(folder, around, seed, parts or Parts()))
        finally:
            loop.close()
        if loop.faults:
            raise loop.faults[0]
        return list(TRACE)
