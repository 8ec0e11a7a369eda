"""The slot for chip cards: kept open, one card for one sale, and out again before the next.

A card that is in before anybody asks is the next sale's. A card that a sale has used serves no
other one: it must leave first (请移卡).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

import anyio

from posfw.app.chip import Card
from posfw.card.pcsc.status import Absence
from posfw.card.supervisor import Backoff
from posfw.values.errors import DeviceError, MisuseError

__all__ = ["ChipSlot", "OpenSlot", "Powered", "Slot", "SlotState", "Visit"]


class Powered(Card, Protocol):
    """A powered card that can be let go."""

    async def close(self) -> None:
        """Take its power; also from a cancelled scope."""
        ...


class Slot(Protocol):
    """An open slot, as `card.pcsc.driver.PcscSlot` is one; every call raises DeviceError."""

    async def inserted(self) -> None:
        """Return when a card is in."""
        ...

    async def removed(self) -> None:
        """Return when the slot is empty."""
        ...

    async def connect(self) -> Powered | Absence:
        """Power the card."""
        ...


OpenSlot: TypeAlias = Callable[[], AbstractAsyncContextManager[Slot]]


class SlotState(StrEnum):
    """What the idle screen says of the slot."""

    GONE = "gone"  # no reader; opened again by itself
    EMPTY = "empty"
    CARD_IN = "card_in"  # waits for a sale
    IN_USE = "in_use"
    LEFT_IN = "left_in"  # its sale is over


@dataclass(frozen=True, slots=True)
class Visit:
    """One card between its insertion and the end of its sale.

    Attributes:
        card: powered, or why there is no answer to the reset.
        over: set by `release`.
    """

    card: Powered | Absence
    over: anyio.Event = field(default_factory=anyio.Event)

    def release(self) -> None:
        """The sale has done with the card; may be called again."""
        self.over.set()


@dataclass(slots=True)
class ChipSlot:
    """One slot and whoever waits for its card.

    Attributes:
        watch: told every change of state: lamps, tones.
        state: as it is now.
    """

    watch: Callable[[SlotState], object] = lambda _: None
    state: SlotState = SlotState.GONE
    _wanted: anyio.Event = field(default_factory=anyio.Event)
    _offered: anyio.Event | None = None
    _visit: Visit | None = None

    async def run(self, open_slot: OpenSlot, backoff: Backoff = Backoff()) -> None:  # noqa: B008 - a value
        """Serve cards until cancelled; a reader that is gone is opened again."""
        while True:
            try:
                async with open_slot() as slot:
                    while True:
                        await self._serve(slot)
                        backoff = backoff.worked()
            except DeviceError:
                backoff = backoff.failed()
            self._be(SlotState.GONE)
            await anyio.sleep(backoff.wait_s)

    async def next_visit(self) -> Visit:
        """Return the next card once it is powered; whoever gets it releases it. Cancel-safe.

        Raises:
            MisuseError: somebody waits already.
        """
        if self._offered is not None:
            raise MisuseError("Two sales wait for one chip.")
        self._offered = offered = anyio.Event()
        self._wanted.set()
        try:
            await offered.wait()
            visit, self._visit = self._visit, None
        finally:
            self._offered, self._wanted = None, anyio.Event()
            left, self._visit = self._visit, None
            if left is not None:
                left.release()  # offered in the very moment in which the wait was given up
        if visit is None:
            raise MisuseError("A card was offered that is not there.")
        return visit

    async def _serve(self, slot: Slot) -> None:
        """Take one card from its insertion to its removal."""
        self._be(SlotState.EMPTY)
        await slot.inserted()
        self._be(SlotState.CARD_IN)
        if not await self._asked_for(slot):
            return
        visit = Visit(await slot.connect())
        if self._offered is None or self._offered.is_set():
            visit.release()
        else:
            self._visit = visit
            self._offered.set()
            self._be(SlotState.IN_USE)
        try:
            await visit.over.wait()
        finally:
            if not isinstance(visit.card, Absence):
                await visit.card.close()
        self._be(SlotState.LEFT_IN)
        await slot.removed()

    async def _asked_for(self, slot: Slot) -> bool:
        """Wait for a sale; return False if the card leaves before one comes."""
        if self._offered is not None:
            return True
        asked = False

        async def leave() -> None:
            # A reader that is gone shows at the next wait for a card.
            with suppress(DeviceError):
                await slot.removed()
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(leave)
            # The event is replaced when a wait is given up: look until one is really there.
            while not asked:
                await self._wanted.wait()
                asked = self._offered is not None
            group.cancel_scope.cancel()
        return asked

    def _be(self, state: SlotState) -> None:
        if state is not self.state:
            self.state = state
            self.watch(state)
