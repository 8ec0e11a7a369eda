"""Joins reader and PIN pad for the running terminal, on boards with more than a stripe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anyio.abc import TaskGroup

from posfw.app.holders import FreeLimit, Holders
from posfw.app.reader_desk import ReaderDesk
from posfw.app.readers import NeoSource, card_reader, pin_pad
from posfw.app.verbs import Verb
from posfw.app.world import World
from posfw.board.profile import BoardProfile
from posfw.board.site import Site
from posfw.sale.task import Sales
from posfw.values.errors import ConfigError
from posfw.values.texts import Texts

if TYPE_CHECKING:
    from posfw.app.cards import CardDesk
    from posfw.app.chip_desk import ChipDesk
    from posfw.card.supervisor import Activity
    from posfw.card.task.pinpad import AbecsPinPad
    from posfw.journal.store import Journal
    from posfw.ports import SecureElement

__all__ = ["Readers"]


@dataclass(frozen=True, slots=True)
class Readers:
    """What a terminal with a reader of its own kernel, or a PIN pad, is made of."""

    board: BoardProfile
    site: Site
    state: Path
    world: World
    sales: Sales
    texts: Texts
    free_limit: FreeLimit

    async def pad(self, group: TaskGroup) -> AbecsPinPad | None:
        """Start the PIN pad; None where the board names none.

        Raises:
            ConfigError: the board names a driver and no port.
        """
        if not self.board.table("pinpad").get("driver"):
            return None
        pad = pin_pad(self.board, self.site, self.state, self.world)
        if pad is None:
            raise ConfigError(
                f"Board {self.board.id}: pinpad.driver without serial.pinpad.",
                code="CFG-020",
                next_step="Name the pad's port in the profile.",
            )
        await group.start(pad.run)
        return pad

    async def start(self, group: TaskGroup) -> tuple[ReaderDesk | None, Mapping[str, Verb]]:
        """Start pad and reader; return who takes cards, None without a reader, and its verbs.

        Raises:
            ConfigError: the profile does not fit together.
        """
        desks: list[ReaderDesk] = []

        def watch(activity: Activity) -> None:
            for desk in desks:
                desk.watch(activity)

        source = card_reader(self.board, self.site, self.state, self.world, watch=watch)
        pad = await self.pad(group)
        if source is None:
            return None, {}
        desk = ReaderDesk(
            source=source,
            slot=isinstance(source, NeoSource),
            sales=self.sales,
            holders=Holders(self.texts, pad, self.free_limit),
            clock=self.world.clock,
            texts=self.texts,
            card_s=self.site.timing.card_s,
        )
        desks.append(desk)
        await group.start(source.run)
        return desk, desk.verbs()

    async def chips(
        self, group: TaskGroup, journal: Journal, element: SecureElement, stripe: CardDesk
    ) -> ChipDesk:
        """Start pad and slot of a board whose chips this terminal's own kernel reads.

        Raises:
            ConfigError: the profile does not fit together, or `emv.toml` has mistakes.
        """
        from posfw.app import chip_wiring  # noqa: PLC0415 - boards with a slot only

        parts = chip_wiring.Chips(
            journal=journal,
            element=element,
            sales=self.sales,
            stripe=stripe,
            clock=self.world.clock,
            random=self.world.random,
            site=self.site,
            texts=self.texts,
            installed=await chip_wiring.installed_parameters(self.state),
            pad=await self.pad(group),
            free_limit=self.free_limit,
        )
        return parts.start(group, chip_wiring.pcsc_slot(self.site.ports.get("chip", "")))
