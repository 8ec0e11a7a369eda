"""The profile chooses the reader; every source gives one card for an amount and hears the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteStream

from posfw.app.boards import Shelf
from posfw.app.readers import (
    CardSource,
    NeoSource,
    Outcome,
    StripeSource,
    card_reader,
    pin_pad,
    scanner,
)
from posfw.app.world import World
from posfw.board.profile import BoardProfile
from posfw.board.site import Site, parse_site
from posfw.card import codes
from posfw.card.scanner import Kind, Scan
from posfw.card.supervisor import Activity
from posfw.sim.cards import deck
from posfw.sim.pinpad import PadSim
from posfw.sim.reader import Way, pieces
from posfw.sim.rig import SITE
from posfw.sim.scanner import ScannerSim
from posfw.sim.vivotech import NeoSim, Presented
from posfw.sim.wires import MemoryPort
from posfw.values.card import CardRead, EntryMode
from posfw.values.errors import ConfigError, DeviceError
from posfw.values.hardware import SerialProfile
from posfw.values.money import Money

CARDS = deck(7)
AMOUNT = Money(1234)
HOST = Shelf([Path(__file__).parents[2] / "boards"]).load("host")


def board(driver: str, **ports: str) -> BoardProfile:
    document = {**HOST.document, "card": {"driver": driver}}
    serial = {role: SerialProfile(path) for role, path in ports.items()}
    return replace(HOST, document=document, ports=serial)


def site(folder: Path) -> Site:
    text = SITE.format(merchant="1" * 15, terminal="12345678", port=1, server_name="x",
                       folder=folder)  # fmt: skip
    return parse_site(text, source="site.toml")


def world(*wires: MemoryPort) -> tuple[World, list[str]]:
    """Return a world whose ports are these wires, in order of opening, and what was opened."""
    asked: list[str] = []
    left = list(wires)

    async def open_port(url: str, *, baudrate: int) -> ByteStream:
        asked.append(f"{url} {baudrate}")
        if not left:
            raise DeviceError("Nothing is plugged in.")
        return await left.pop(0).open()

    return World(open_port=open_port), asked


@asynccontextmanager
async def running(source: CardSource, *wires: MemoryPort) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        for wire in wires:
            group.start_soon(wire.run)
        await group.start(source.run)
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(10):
            yield
        group.cancel_scope.cancel()


async def test_a_stripe_board_gives_the_next_swipe_and_no_earlier_one(tmp_path: Path) -> None:
    swipes: list[ByteStream] = []

    async def head(stream: ByteStream) -> None:
        swipes.append(stream)
        await anyio.sleep_forever()

    wire = MemoryPort(head)
    outside, asked = world(wire)
    source = card_reader(board("magstripe", card="tty"), site(tmp_path), tmp_path, outside)
    assert isinstance(source, StripeSource)
    async with running(source, wire):
        [stream] = swipes
        await stream.send(CARDS["mastercard"].line)
        await anyio.wait_all_tasks_blocked()  # swiped before anybody asked
        found: list[Outcome] = []

        async def ask() -> None:
            found.append(await source.card(AMOUNT, wait_s=5, counter=1))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            [line] = pieces(CARDS["visa"], Way.WHOLE)
            await stream.send(line)
        [card] = found
        assert isinstance(card, CardRead)
        assert card.number == CARDS["visa"].number
        assert await source.card(AMOUNT, wait_s=0, counter=2) == codes.NO_CARD
        await source.finished(approved=True)
    assert asked == [f"{tmp_path}/tty 115200"]


async def test_a_neo_board_activates_and_shows_how_it_ended(tmp_path: Path) -> None:
    sim, seen = NeoSim(), list[Activity]()
    wire = MemoryPort(sim.serve)
    outside, _ = world(wire)
    source = card_reader(
        board("vivotech2", card="tty"), site(tmp_path), tmp_path, outside, watch=seen.append
    )
    assert isinstance(source, NeoSource)
    async with running(source, wire):
        found: list[Outcome] = []

        async def ask() -> None:
            found.append(await source.card(AMOUNT, wait_s=0.2, counter=1))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await sim.activated()
            await sim.present(CARDS["unionpay-chip"], Presented.TAP)
        [card] = found
        assert isinstance(card, CardRead)
        assert card.entry_mode is EntryMode.CONTACTLESS
        await source.finished(approved=True)
        await source.finished(approved=False)
        assert [shown[:2] for shown in sim.shown] == [(4, 1), (5, 6)]
    assert Activity.WAITING in seen


async def test_a_gone_neo_reader_holds_up_no_ending(tmp_path: Path) -> None:
    outside, _ = world()
    source = card_reader(board("vivotech2", card="tty"), site(tmp_path), tmp_path, outside)
    assert source is not None
    async with running(source):
        assert await source.card(AMOUNT, wait_s=1, counter=1) == codes.READER_GONE
        await source.finished(approved=False)


@pytest.mark.parametrize("driver", ["scanner", "pinpad"])
def test_what_reads_no_cards_is_refused(driver: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=driver):
        card_reader(board(driver, card="tty"), site(tmp_path), tmp_path, World())


def test_a_chip_slot_is_the_chip_desks_own(tmp_path: Path) -> None:
    found = card_reader(board("pcsc", card="tty"), site(tmp_path), tmp_path, World())
    assert found is None


def test_a_board_without_ports_has_no_devices(tmp_path: Path) -> None:
    bare, here = board("magstripe"), site(tmp_path)
    assert card_reader(bare, here, tmp_path, World()) is None
    assert scanner(bare, here, tmp_path, World()) is None
    assert pin_pad(bare, here, tmp_path, World()) is None


async def test_scanner_and_pin_pad_hang_on_ports_of_their_own(tmp_path: Path) -> None:
    scans, pad_sim = ScannerSim(), PadSim()
    wires = MemoryPort(scans.serve), MemoryPort(pad_sim.serve)
    outside, asked = world(*wires)
    profile = board("magstripe", scanner="scan", pinpad="pad")
    reader = scanner(profile, site(tmp_path), tmp_path, outside)
    pad = pin_pad(profile, site(tmp_path), tmp_path, outside)
    assert reader is not None
    assert pad is not None
    async with anyio.create_task_group() as group:
        for wire in wires:
            group.start_soon(wire.run)
        await group.start(reader.run)
        await group.start(pad.run)
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(5):
            await scans.scan("6901234567892")
            assert await anext(reader.scans()) == Scan(Kind.GTIN, "6901234567892")
            group.start_soon(pad.pin_block, CARDS["visa"].number, AMOUNT, 0)
            await pad_sim.waiting()
        group.cancel_scope.cancel()
    assert asked == [f"{tmp_path}/scan 115200", f"{tmp_path}/pad 115200"]
