"""A slot for simulated chip cards in this process, in the shape of the PC/SC driver's.

Cards answer at once or late; a card can be pulled at any moment, be dead, or fall silent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

import anyio

from posfw.card.pcsc.status import Absence
from posfw.sim.chip.faults import PATIENCE_S, CardPulled, CardSlow
from posfw.sim.chip.vpcd import AnyCard
from posfw.values.errors import DeviceError

__all__ = ["MemoryCard", "MemorySlot"]

T1: Final = 1


@dataclass(slots=True)
class MemoryCard:
    """A powered card of a slot."""

    slot: MemorySlot
    card: AnyCard
    protocol: int = T1
    closed: bool = False

    async def transmit(self, command: bytes) -> bytes | Absence:
        """Return the answer with its status, or why there is none.

        Raises:
            DeviceError: the reader is gone.
        """
        await anyio.lowlevel.checkpoint()
        if self.slot.gone:
            raise DeviceError("The reader is gone.")
        if self.slot.card is not self.card:
            return Absence.REMOVED
        try:
            return self.card.transmit(command) or Absence.MUTE
        except CardSlow as slow:
            with anyio.move_on_after(self.slot.answer_s):
                await anyio.sleep(slow.late_s)
                return slow.answer if self.slot.card is self.card else Absence.REMOVED
            return Absence.MUTE
        except CardPulled:
            self.slot.remove()
            return Absence.REMOVED

    async def close(self) -> None:
        """Take its power."""
        self.closed = True
        self.card.reset()


@dataclass(slots=True)
class MemorySlot:
    """One slot: `async with slot`, as a driver's; `insert` and `remove` are the customer's hand.

    Attributes:
        card: what is in.
        dead: the card that is in does not answer to reset.
        gone: the reader is unplugged.
        opened: how often it was opened.
        answer_s: silence after which a card counts as mute.
    """

    card: AnyCard | None = None
    dead: bool = False
    gone: bool = False
    opened: int = 0
    answer_s: float = PATIENCE_S
    _moved: anyio.Event = field(default_factory=anyio.Event)

    async def __aenter__(self) -> MemorySlot:
        self.opened += 1
        self._check()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def insert(self, card: AnyCard, *, dead: bool = False) -> None:
        """Put a card in, in the place of what is there."""
        self.card, self.dead = card, dead
        self._move()

    def remove(self) -> None:
        """Pull the card out."""
        self.card = None
        self._move()

    def unplug(self, *, gone: bool = True) -> None:
        """Take the reader away, or bring it back."""
        self.gone = gone
        self._move()

    async def inserted(self) -> None:
        """Return when a card is in."""
        await self._until(present=True)

    async def removed(self) -> None:
        """Return when the slot is empty."""
        await self._until(present=False)

    async def connect(self) -> MemoryCard | Absence:
        """Power the card."""
        await anyio.lowlevel.checkpoint()
        self._check()
        if self.card is None:
            return Absence.REMOVED
        if self.dead:
            return Absence.MUTE
        self.card.reset()
        return MemoryCard(self, self.card)

    async def _until(self, *, present: bool) -> None:
        while True:
            self._check()
            if (self.card is not None) is present:
                await anyio.lowlevel.checkpoint()
                return
            await self._moved.wait()

    def _move(self) -> None:
        moved, self._moved = self._moved, anyio.Event()
        moved.set()

    def _check(self) -> None:
        if self.gone:
            raise DeviceError("The reader is gone.")
