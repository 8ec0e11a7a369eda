"""A terminal with reader, PIN pad and scanner on ptys: taps, chips, PINs, fall-backs, baskets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from posfw.app.graph import Terminal, running
from posfw.app.verbs import Body
from posfw.app.world import World
from posfw.board.site import parse_site
from posfw.cli.places import load_board
from posfw.sim.cards import deck
from posfw.sim.rig import Rig, rig
from posfw.sim.vivotech import Presented
from posfw.values.card import EntryMode
from posfw.values.identity import parse_key
from posfw.values.texts import ENGLISH
from posfw.values.transaction import Transaction

pytestmark = [pytest.mark.system, pytest.mark.may_block]

CARDS = deck(3)
LIMIT = "1000.00"  # of the acquirer's profile, without PIN and signature
ABOVE = "1000.01"
Act = tuple[str, Presented]


@dataclass
class Shop:
    """A terminal, what stands around it, and what its screen has shown."""

    terminal: Terminal
    around: Rig
    screens: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def progress(self, body: Body) -> None:
        self.screens.append(body["screen"])
        self.texts.append(body["text"])

    async def do(self, verb: str, body: dict[str, Any]) -> Any:
        return await self.terminal.cashier.verbs()[verb](body, self.progress)

    async def sell(self, amount: str, *acts: Act, pins: tuple[str | None, ...] = ()) -> Any:
        """Sell with cards that are presented as often as the reader asks, and PINs in turn."""
        ended: list[Any] = []
        before = len(self.around.neo.activations)
        async with anyio.create_task_group() as group:

            async def sale() -> None:
                ended.append(await self.do("sale", {"amount": amount}))
                group.cancel_scope.cancel()

            async def customer() -> None:
                for count, (name, way) in enumerate(acts, start=before + 1):
                    await self.around.neo.activated(count)
                    await self.around.neo.present(CARDS[name], way)

            async def typist() -> None:
                pad = self.around.pad
                for pin in pins:
                    await pad.waiting()
                    await (pad.give_up() if pin is None else pad.enter(pin))

            group.start_soon(customer)
            group.start_soon(typist)
            with anyio.fail_after(20):
                await sale()
        return ended[0]

    async def kept(self, ended: Any) -> Transaction:
        found = await self.terminal.journal.transaction(parse_key(ended["key"]))
        assert found is not None
        return found


@asynccontextmanager
async def shop(state: Path, board: str = "host-neo") -> AsyncIterator[Shop]:
    async with rig(state) as around:
        site = parse_site(around.site.read_text(encoding="utf-8"), source=str(around.site))
        async with running(
            board=load_board(board),
            site=site,
            state=state,
            texts=ENGLISH,
            world=World(),
            stop=lambda: None,
        ) as terminal:
            with anyio.fail_after(20):
                while not terminal.uplink.online:
                    await anyio.sleep(0.01)
            found = Shop(terminal, around)
            await found.do("sign_on", {})
            yield found


async def test_a_tap_up_to_the_limit_needs_neither_pin_nor_signature(tmp_path: Path) -> None:
    async with shop(tmp_path) as there:
        ended = await there.sell(LIMIT, ("unionpay-chip", Presented.TAP))
        assert ended["ending"] == "success", ended
        sale = await there.kept(ended)
        assert sale.begun.intent.entry_mode is EntryMode.CONTACTLESS
        assert sale.chip is not None
        assert (sale.chip.signature, sale.chip.free_minor) == (False, 100_000)
        assert there.around.acquirer.issuer.checked == 1  # the cryptogram of this very sale
        assert there.around.pad.asked == []
        assert there.screens[0] == "present_card"
        assert there.screens.index("remove_card") < there.screens.index("asking")
