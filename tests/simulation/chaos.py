"""What goes wrong around a terminal, when, for how long; and how all of it is mended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

import anyio

from tests.simulation.shop import Shop

__all__ = ["Chaos"]

DAY_S = 86_400.0


class Chaos:
    """Drives every fault that is switched on, each at its own times."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._chance = Random(f"chaos {shop.options.seed}")

    async def run(self) -> None:
        """Break things until cancelled."""
        kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "line_down": self._line_down,
            "power_cut": self._power_cut,
            "cut_in_write": self._cut_in_write,
            "cut_in_print": self._cut_in_print,
            "process_killed": self._process_killed,
            "disk_error": self._disk_error,
            "disk_full": self._disk_full,
            "sync_failed": self._sync_failed,
            "clock_jump": self._clock_jump,
            "stall": self._stall,
            "paper_out": self._paper_out,
            "cover_open": self._cover_open,
            "printer_off": self._printer_off,
            "printer_unplugged": self._printer_unplugged,
            "head_hot": self._head_hot,
            "reader_unplugged": self._reader_unplugged,
        }
        async with anyio.create_task_group() as group:
            for name, happens in kinds.items():
                rate = self._shop.options.rate(name)
                if rate:
                    group.start_soon(self._again, name, rate, happens)

    async def _again(self, name: str, rate: float, happens: Callable[[], Awaitable[None]]) -> None:
        chance = Random(f"{name} {self._shop.options.seed}")
        while True:
            await anyio.sleep(chance.expovariate(rate / DAY_S))
            if name not in ("cut_in_write", "cut_in_print"):  # told when they happen
                self._shop.trace.fault(name)
            await happens()

    async def _while(self, longest_s: float) -> None:
        """Let it last: mostly short, sometimes long."""
        await anyio.sleep(longest_s * self._chance.random() ** 4 + 0.1)

    def heal(self) -> None:
        """Mend everything at once."""
        shop = self._shop
        shop.healed = shop.network.healed = True
        shop.network.down = False
        shop.disk.cut_in = shop.cut_in_print = 0
        shop.disk.heal()
        shop.clock.wrong_s = 0.0
        shop.reader_plugged = shop.cable_plugged = shop.powered = True
        printer = shop.printer
        printer.switch(on=True)
        printer.close_cover()
        printer.make_hot(hot=False)
        printer.load_paper()
        shop.start()

    async def _line_down(self) -> None:
        self._shop.network.down = True
        self._shop.network.break_all()
        await self._while(4 * 3600.0)
        self._shop.network.down = False

    async def _power_cut(self) -> None:
        self._shop.cut(self._chance.choice((1.0, 10.0, 600.0, 7200.0)))

    async def _process_killed(self) -> None:
        self._shop.cut(2.0)

    async def _cut_in_write(self) -> None:
        self._shop.disk.cut_in = self._chance.randrange(1, 60)

    async def _cut_in_print(self) -> None:
        self._shop.cut_in_print = self._chance.randrange(1, 30)

    async def _disk_error(self) -> None:
        self._break(("xWrite",), full=False)
        await self._while(600.0)
        self._shop.disk.heal()

    async def _disk_full(self) -> None:
        self._break(("xWrite",), full=True)
        await self._while(3600.0)
        self._shop.disk.heal()

    async def _sync_failed(self) -> None:
        self._break(("xSync",), full=False)
        await self._while(60.0)
        self._shop.disk.heal()

    def _break(self, calls: tuple[str, ...], *, full: bool) -> None:
        forever = self._chance.random() < 0.5
        self._shop.disk.break_down(calls, full=full, forever=forever)

    async def _clock_jump(self) -> None:
        days = self._chance.choice((-1.0, -0.1, -0.01, 0.01, 0.1, 1.0))
        self._shop.clock.wrong_s = days * DAY_S
        await self._while(4 * 3600.0)
        self._shop.clock.wrong_s = 0.0

    async def _stall(self) -> None:
        self._shop.loop.stall(self._chance.choice((0.05, 1.0, 20.0)))

    async def _paper_out(self) -> None:
        self._shop.printer.end_paper(self._chance.randrange(600))
        await self._while(3600.0)
        self._shop.printer.load_paper()

    async def _cover_open(self) -> None:
        self._shop.printer.open_cover()
        await self._while(600.0)
        self._shop.printer.close_cover()

    async def _printer_off(self) -> None:
        self._shop.printer.switch(on=False)
        await self._while(3600.0)
        self._shop.printer.switch(on=True)

    async def _printer_unplugged(self) -> None:
        self._shop.pull_printer()
        await self._while(3600.0)
        self._shop.cable_plugged = True

    async def _head_hot(self) -> None:
        self._shop.printer.make_hot()
        await self._while(600.0)
        self._shop.printer.make_hot(hot=False)

    async def _reader_unplugged(self) -> None:
        self._shop.pull_reader()
        await self._while(3600.0)
        self._shop.reader_plugged = True
