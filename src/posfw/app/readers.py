"""The board's way in for cards, its scanner and its PIN pad, by the profile's word.

Whatever the device, a sale asks a `CardSource` for one card for an amount and tells it how the
sale ended. Cancelling `card` returns when the device has confirmed that it takes no card any more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import anyio
from anyio.abc import ByteStream, TaskStatus

from posfw.app.devices import kernel_root, port_of
from posfw.app.world import World
from posfw.board.driver.sysfs import serial_path
from posfw.board.profile import BoardProfile
from posfw.board.site import Site
from posfw.card import neo
from posfw.card.codes import NO_CARD
from posfw.card.supervisor import Activity
from posfw.card.task.neo import NeoReader
from posfw.card.task.pinpad import AbecsPinPad
from posfw.card.task.port import OpenPort
from posfw.card.task.scanner import Scanner
from posfw.card.task.stripe import SerialCardReader
from posfw.values.card import CardRead
from posfw.values.errors import ConfigError, DeviceError
from posfw.values.money import Money

__all__ = ["CardSource", "NeoSource", "StripeSource", "card_reader", "pin_pad", "scanner"]

SHOW_S = 2.0  # for display and sound after a sale: they hold up nobody

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
            return await self.reader.next_read()
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
        with anyio.move_on_after(SHOW_S), suppress(DeviceError):
            await self.reader.show(display, beep)


def card_reader(
    board: BoardProfile,
    site: Site,
    state: Path,
    world: World,
    *,
    watch: Watch = lambda _: None,
) -> CardSource | None:
    """Return the board's way in for cards (`card.driver`), None where it has none.

    None also for `pcsc`: the chip desk opens its slot itself (app/chip_slot.py).

    Args:
        board: the profile.
        site: may name other paths for ports.
        state: where relative paths lie.
        world: opens ports.
        watch: told what the reader is at; must not block.

    Raises:
        ConfigError: a driver that reads no cards.
    """
    driver = board.table("card").get("driver", "magstripe")
    opened = _opener("card", board, site, state, world)
    if opened is None or driver == "pcsc":
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
