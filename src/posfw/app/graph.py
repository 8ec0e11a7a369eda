"""The object graph of a terminal, its one root task group, and the order in which it stops.

Nothing else in the product knows which parts exist. Start: journal first (it may refuse), then
what a power cut left in doubt, then devices, line and control socket. Stop: the control socket
closes, tasks are cancelled, the journal closes last.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskGroup

from posfw.app.cards import CardDesk
from posfw.app.cashier import Cashier
from posfw.app.certificate import known_time
from posfw.app.control import serve
from posfw.app.devices import head_sensor, kernel_root, port_of, printer_wire
from posfw.app.documents import SlipComposer, merchant_of
from posfw.app.gate import Gate
from posfw.app.journalling import Journalling
from posfw.app.keys import open_keys
from posfw.app.line import certificate_care, limits_of, uplink_of
from posfw.app.liveness import Liveness
from posfw.app.logo import load_logo
from posfw.app.morning import Morning
from posfw.app.printing import Printing
from posfw.app.service import Service
from posfw.app.session import Session
from posfw.app.since import since
from posfw.app.trading import read_files, trade
from posfw.app.verbs import Handler, Verb, dispatcher
from posfw.app.world import World
from posfw.board.profile import BoardProfile
from posfw.board.site import Site
from posfw.card.task import SerialCardReader
from posfw.journal.store import Journal
from posfw.journal.task import BackupPolicy
from posfw.printer.driver import WirePrinter
from posfw.printer.raster import Raster
from posfw.printer.store import open_glyphs
from posfw.printer.task import Printing as PrintQueue
from posfw.sale.task import Sales
from posfw.uplink.task import Uplink
from posfw.values.errors import ConfigError
from posfw.values.events import Plain, Record, Topic
from posfw.values.texts import Texts

__all__ = ["Terminal", "running"]


@dataclass(frozen=True, slots=True)
class Terminal:
    """A running terminal, as tests and the command line hold it."""

    journal: Journal
    uplink: Uplink
    cashier: Cashier
    recovered: int
    service: Service


@asynccontextmanager
async def running(
    *,
    board: BoardProfile,
    site: Site,
    state: Path,
    texts: Texts,
    world: World,
    stop: Callable[[], None],
) -> AsyncIterator[Terminal]:
    """Run a terminal for the length of the context.

    Raises:
        ConfigError: site and board do not fit together.
        JournalError: the journal cannot be used.
        KeyStoreError: the secure element cannot be used.
    """
    keys = open_keys(board, site)
    logo = load_logo(Path(site.logo), board.printer.dots) if site.logo else None
    files = read_files(board, site, kernel_root(board, state))
    journal_path = state / "journal.db"
    async with Journal.open(
        journal_path,
        terminal=site.terminal_id,
        chain_key=keys.chain_key(),
        clock=world.clock,
        create=True,
        reserve_mib=board.reserve_mib,
        connect=world.connect,
    ) as journal:
        known = await known_time(journal, Path(site.certificate))
        uplink = uplink_of(site, journal, keys, world, known)
        sales = Sales(
            journal=journal,
            acquirer=uplink,
            clock=world.clock,
            limits=limits_of(site),
            inquiry_timeout_s=site.timing.inquiry_s,
            lock=anyio.Lock(),
            since=partial(since, journal),
        )
        recovered = await sales.recover()
        started: dict[str, Plain] = {"recovered": recovered, "board": board.id}
        await journal.append(Record(Topic.SYSTEM, "started", world.clock.now(), body=started))
        composer = SlipComposer(
            journal, merchant_of(site, logo), texts, world.clock, board.printer.dots
        )
        canvas = _canvas(board)
        wire = printer_wire(board, site, state, world.open_port)
        port = board.ports.get("printer")
        baud = port.baud if port is not None else 0
        printer = WirePrinter(board.printer, wire, baud=baud) if wire is not None else None
        printing = Printing(journal, composer, canvas, world.clock)
        desk = CardDesk()

        async def settle() -> Mapping[str, Any]:
            return await trading.parts.settlement.run()

        # Rounds of acceptance do what a cashier does, before the gate that refuses live sales.
        trial = Cashier(
            sales=sales,
            journal=journal,
            session=Session(journal, uplink, world.clock, printing, sales.limits.offline, texts),
            desk=desk,
            element=keys,
            clock=world.clock,
            site=site,
            texts=texts,
            stop=stop,
            settle=settle,
        )
        trading = trade(
            board=board,
            site=site,
            state=state,
            root=kernel_root(board, state),
            files=files,
            journal=journal,
            uplink=uplink,
            element=keys,
            world=world,
            printing=printing,
            handler=dispatcher(trial.verbs(), printing.verbs()),
            sales=sales,
        )
        care = certificate_care(site, journal, uplink, world)
        await trading.parts.parameters.refresh()
        gate = Gate(trading.parts, site.operators)
        cashier = replace(trial, gate=gate)
        morning = Morning(journal, uplink, gate, printing, world.clock)
        async with anyio.create_task_group() as group:
            trading.start(group)
            group.start_soon(care.run)
            house = Journalling(journal, keys, world.clock, site)
            if site.archive:
                group.start_soon(house.keep_house, lambda: not sales.lock.locked())
            if site.backup:
                group.start_soon(house.keep_copies, BackupPolicy(state / site.backup))
            if printer is not None:
                queue = PrintQueue(
                    journal=journal,
                    records=journal,
                    documents=composer,
                    printer=printer,
                    clock=world.clock,
                    profile=board.printer,
                    canvas=canvas,
                    sensor=head_sensor(board, state),
                    watch=printing.watch,
                )
                group.start_soon(printer.run)
                group.start_soon(queue.run)
            await _read_cards(group, board, site, state, world, desk)
            people: Mapping[str, Verb] = {}
            if board.table("card").get("driver") == "pcsc":
                from posfw.app import chip_wiring  # noqa: PLC0415 - boards with a slot only

                chips = chip_wiring.Chips(
                    journal=journal,
                    element=keys,
                    sales=sales,
                    stripe=desk,
                    clock=world.clock,
                    random=world.random,
                    site=site,
                    texts=texts,
                    installed=await chip_wiring.installed_parameters(state),
                ).start(group, chip_wiring.pcsc_slot(site.ports.get("chip", "")))
                cashier, people = replace(cashier, chips=chips), chips.people.verbs()
            handler = dispatcher(
                cashier.verbs(),
                people,
                printing.verbs(),
                trading.parts.verbs(),
                morning.verbs(),
                keys.verbs(),
                care.verbs(),
                house.verbs(),
            )
            await _serve(group, state, handler, texts, world)
            service = Service(
                Liveness(world.clock),
                lambda: f"{board.id}: {uplink.state.line.value}",
                probe=journal.standing,
            )
            yield Terminal(journal, uplink, cashier, recovered, service)
            group.cancel_scope.cancel()


async def _read_cards(
    group: TaskGroup, board: BoardProfile, site: Site, state: Path, world: World, desk: CardDesk
) -> None:
    """Start the board's stripe reader; the site file may name another port."""
    port = port_of("card", board, site, state)
    if port is None:
        return
    open_port = partial(world.open_port, port.path, baudrate=port.baud)
    reader = SerialCardReader(port.path, open_port=open_port)
    await group.start(reader.run)
    group.start_soon(desk.run, reader)


async def _serve(
    group: TaskGroup, state: Path, handler: Handler, texts: Texts, world: World
) -> None:
    await group.start(serve, state / "control.sock", handler, group, texts, world.listen)


def _canvas(board: BoardProfile) -> Raster | None:
    """Return what draws slips; without glyphs the printer's own characters must do (PRN-310)."""
    try:
        return Raster(open_glyphs(), board.printer.dots)
    except ConfigError:
        return None
