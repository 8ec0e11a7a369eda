"""Joins the parts of a contact slot for the running terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import TaskGroup

from posfw.app.cards import CardDesk
from posfw.app.chip_data import ChipHistory, ChipParameters
from posfw.app.chip_desk import ChipDesk
from posfw.app.chip_people import ChipPeople
from posfw.app.chip_slot import ChipSlot, OpenSlot, SlotState
from posfw.app.holders import FreeLimit, Holders, never_free
from posfw.board.site import Site
from posfw.emv.loading import from_toml
from posfw.emv.parameters import EmvParameters
from posfw.journal.store import Journal
from posfw.ports import CardPinPad, Clock, PinPad, Random, SecureElement
from posfw.sale.task import Sales
from posfw.values.texts import Texts

__all__ = ["PARAMETERS", "Chips", "installed_parameters", "pcsc_slot"]

PARAMETERS: Final = "emv.toml"  # in the state folder; a set of the journal replaces it


@dataclass(frozen=True, slots=True)
class Chips:
    """What a terminal with a contact slot is made of beside its cashier."""

    journal: Journal
    element: SecureElement
    sales: Sales
    stripe: CardDesk
    clock: Clock
    random: Random
    site: Site
    texts: Texts
    installed: EmvParameters | None = None
    pad: PinPad | None = None
    card_pad: CardPinPad | None = None
    free_limit: FreeLimit = never_free

    def start(
        self,
        group: TaskGroup,
        open_slot: OpenSlot,
        watch: Callable[[SlotState], object] = lambda _: None,
    ) -> ChipDesk:
        """Start the slot in the terminal's group and return the desk for the cashier.

        `people.verbs()` of the desk belongs into the dispatcher.
        """
        slot = ChipSlot(watch)
        parameters = ChipParameters(self.journal, self.site, self.installed)
        group.start_soon(slot.run, open_slot)
        return ChipDesk(
            slot=slot,
            stripe=self.stripe,
            sales=self.sales,
            people=ChipPeople(self.texts, self.site.timing.card_s, self.pad, self.card_pad),
            holders=Holders(self.texts, self.pad, self.free_limit),
            parameters=parameters,
            history=ChipHistory(self.journal, self.element, parameters.lists),
            clock=self.clock,
            random=self.random,
            texts=self.texts,
            card_s=self.site.timing.card_s,
        )


async def installed_parameters(state: Path) -> EmvParameters | None:
    """Return the set of the state folder's `emv.toml`, None where there is no such file.

    Raises:
        ConfigError: every mistake of the file.
    """
    path = anyio.Path(state / PARAMETERS)
    if not await path.exists():
        return None
    return from_toml(await path.read_text("utf-8"), source=str(path))


def pcsc_slot(reader: str, number: int = 0) -> OpenSlot:
    """Return how the PC/SC slot is opened; pyscard is loaded here and nowhere before.

    Args:
        reader: what the reader's name begins with; "" is any.
        number: which of the slots with this name, from 0.
    """
    from posfw.card.pcsc.driver import PcscSlot  # noqa: PLC0415 - an optional dependency

    return partial(PcscSlot, reader, number)
