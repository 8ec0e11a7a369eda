"""The board's way in for cards, its scanner and its PIN pad, by the profile's word.

Whatever the device, a sale asks a `CardSource` for one card for an amount and tells it how the
sale ended. Cancelling `card` returns when the device has confirmed that it takes no card any more.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

import anyio
from anyio.abc import ByteStream, TaskStatus

from posfw.app.devices import kernel_root, port_of
from posfw.app.world import World
from posfw.board.driver import serial_path
from posfw.board.profile import BoardProfile
from posfw.board.site import Site
from posfw.card import neo
from posfw.card.codes import CHIP_MUTE, NO_CARD, READER_GONE
from posfw.card.pcsc.status import Absence
from posfw.card.supervisor import Activity
from posfw.card.task import AbecsPinPad, NeoReader, OpenPort, Scanner, SerialCardReader
from posfw.values.card import CardRead
from posfw.values.errors import ConfigError, DeviceError
from posfw.values.money import Money

__all__ = ["CardSource", "ChipSlot", "NeoSource", "ReadChip", "StripeSource", "card_reader",
           "pin_pad", "scanner"]  # fmt: skip

Outcome: TypeAlias = CardRead | str
Watch: TypeAlias = Callable[[Activity], None]


class CardSource(Protocol):
    """A device that gives a card for an amount."""

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the device ready, until cancelled; must be running for `card`."""
        ...

    async def card(self, amount: Money, *, wait_s: float, counter: int) -> Outcome:
        """Return the next card, or the stable code of why there is none (CRD-001: too late)."""
        ...

    async def finished(self, *, approved: bool) -> None:
        """Say how the sale ended; returns when a card that is in was taken out."""
        ...


@dataclass(frozen=True, slots=True)
class StripeSource:
    """A stripe reader: the next swipe, never an earlier one."""

    reader: SerialCardReader

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the port open."""
        await self.reader.run(task_status=task_status)

    async def card(self, amount: Money, *, wait_s: float, counter: int) -> Outcome:
        """Return the next swipe."""
        del amount, counter
        self.reader.forget()
        with anyio.move_on_after(wait_s):
            return await anext(self.reader.reads())
        return NO_CARD

    async def finished(self, *, approved: bool) -> None:
        """Nothing is left to do."""


@dataclass(frozen=True, slots=True)
class NeoSource:
    """A reader with a kernel of its own."""

    reader: NeoReader

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the port open."""
        await self.reader.run(task_status=task_status)

    async def card(self, amount: Money, *, wait_s: float, counter: int) -> Outcome:
        """Activate the reader for the amount."""
        whole_s = min(max(1, math.ceil(wait_s)), neo.MAX_WAIT_S)
        return await self.reader.activate(amount, wait_s=whole_s, counter=counter)

    async def finished(self, *, approved: bool) -> None:
        """Show and sound how it ended; a reader that does not answer holds up no sale."""
        display = neo.Display.THANK_YOU if approved else neo.Display.FAIL
        beep = neo.Beep.SINGLE if approved else neo.Beep.LONG
        try:
            await self.reader.show(display, beep)
        except DeviceError:
            return


class PoweredCard(Protocol):
    """A powered card, as `card.pcsc.driver.PcscCard` is one."""

    protocol: int

    async def transmit(self, command: bytes) -> bytes | Absence:
        """Return the answer with its status, or why there is none."""
        ...

    async def close(self) -> None:
        """Take the power from the card."""
        ...


class Slot(Protocol):
    """One slot, as `card.pcsc.driver.PcscSlot` is one."""

    async def inserted(self) -> None:
        """Return when a card is in."""
        ...

    async def removed(self) -> None:
        """Return when the slot is empty."""
        ...

    async def connect(self) -> PoweredCard | Absence:
        """Power the card."""
        ...


ReadChip: TypeAlias = Callable[[PoweredCard, Money, int], Awaitable[Outcome]]


@dataclass(slots=True)
class ChipSlot:
    """A PC/SC slot; the kernel reads the card, which stays powered until the sale is finished.

    Attributes:
        open_slot: opens the slot; entering raises DeviceError while the reader is missing.
        read_chip: runs the kernel up to the question to the issuer.
        retry_s: between attempts to open.
        watch: told what the slot is at.
    """

    open_slot: Callable[[], AbstractAsyncContextManager[Slot]]
    read_chip: ReadChip
    retry_s: float = 2.0
    watch: Watch = lambda _: None
    _slot: Slot | None = None
    _card: PoweredCard | None = field(default=None, repr=False)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the slot open; a missing reader is tried again."""
        started = False
        while True:
            try:
                async with self.open_slot() as self._slot:
                    if not started:
                        started = True
                        task_status.started()
                    await anyio.sleep_forever()
            except DeviceError:
                self._slot = None
            if not started:
                started = True
                task_status.started()
            await anyio.sleep(self.retry_s)

    async def card(self, amount: Money, *, wait_s: float, counter: int) -> Outcome:
        """Wait for a card and let the kernel read it."""
        if self._slot is None:
            return READER_GONE
        try:
            card = await self._powered(self._slot, wait_s)
            if isinstance(card, str):
                return card
            self._card = card
            return await self.read_chip(card, amount, counter)
        except DeviceError:
            return READER_GONE
        finally:
            self.watch(Activity.IDLE)

    async def _powered(self, slot: Slot, wait_s: float) -> PoweredCard | str:
        """Return the card; one that is out again before it is powered was not in."""
        with anyio.move_on_after(wait_s):
            while True:
                self.watch(Activity.WAITING)
                await slot.inserted()
                self.watch(Activity.READING)
                card = await slot.connect()
                if not isinstance(card, Absence):
                    return card
                if card is Absence.MUTE:
                    return CHIP_MUTE
        return NO_CARD

    async def finished(self, *, approved: bool) -> None:
        """Take the power away and wait until the card is out."""
        del approved
        card, self._card = self._card, None
        if card is None or self._slot is None:
            return
        await card.close()
        try:
            await self._slot.removed()
        except DeviceError:
            return


def card_reader(
    board: BoardProfile,
    site: Site,
    state: Path,
    world: World,
    *,
    read_chip: ReadChip | None = None,
    watch: Watch = lambda _: None,
) -> CardSource | None:
    """Return the board's way in for cards (`card.driver`), None where it has none.

    Args:
        board: the profile.
        site: may name other paths for ports.
        state: where relative paths lie.
        world: opens ports.
        read_chip: the kernel, for `pcsc`.
        watch: told what the reader is at; must not block.

    Raises:
        ConfigError: a driver that reads no cards, or one that lacks its kernel or its library.
    """
    driver = board.table("card").get("driver", "magstripe")
    if driver == "pcsc":
        return _chip_slot(read_chip, watch)
    opened = _opener("card", board, site, state, world)
    if opened is None:
        return None
    if driver == "magstripe":
        return StripeSource(SerialCardReader("card", open_port=opened))
    if driver == "vivotech2":
        return NeoSource(NeoReader("card", open_port=opened, watch=watch))
    raise ConfigError(
        f"Board {board.id}: card.driver {driver!r} reads no cards.",
        code="CFG-020",
        next_step="Use magstripe, vivotech2 or pcsc; a scanner or PIN pad has a port of its own.",
    )


def scanner(board: BoardProfile, site: Site, state: Path, world: World) -> Scanner | None:
    """Return the scanner on the port `serial.scanner`, None where there is none."""
    opened = _opener("scanner", board, site, state, world)
    return Scanner("scanner", open_port=opened) if opened is not None else None


def pin_pad(
    board: BoardProfile, site: Site, state: Path, world: World, *, watch: Watch = lambda _: None
) -> AbecsPinPad | None:
    """Return the PIN pad on the port `serial.pinpad`, None where there is none."""
    opened = _opener("pinpad", board, site, state, world)
    return AbecsPinPad("pinpad", open_port=opened, watch=watch) if opened is not None else None


def _opener(
    role: str, board: BoardProfile, site: Site, state: Path, world: World
) -> OpenPort | None:
    port = port_of(role, board, site, state)
    if port is None:
        return None
    root = kernel_root(board, state)

    async def open_port() -> ByteStream:
        return await world.open_port(serial_path(port.path, root), baudrate=port.baud)

    return open_port


def _chip_slot(read_chip: ReadChip | None, watch: Watch) -> ChipSlot:
    if read_chip is None:
        raise ConfigError("A chip reader needs the EMV kernel.", code="CFG-020")
    try:
        from posfw.card.pcsc.driver import PcscSlot  # noqa: PLC0415 - pyscard is an extra
    except ImportError as error:
        raise ConfigError(
            "card.driver is pcsc, and pyscard is not installed.",
            code="CFG-020",
            next_step="Install posfw with its extra `pcsc`.",
        ) from error
    return ChipSlot(lambda: PcscSlot(""), read_chip, watch=watch)
