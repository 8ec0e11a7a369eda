"""The object graph of a terminal, its one root task group, and the order in which it stops.

Nothing else in the product knows which parts exist. Start: journal first (it may refuse), then
what a power cut left in doubt, then devices, line and control socket. Stop: the control socket
closes, tasks are cancelled, the journal closes last.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio.abc import TaskGroup

from posfw.app.cards import CardDesk
from posfw.app.cashier import Cashier
from posfw.app.control import serve
from posfw.app.devices import kernel_root, port_of
from posfw.app.documents import SlipComposer, merchant_of
from posfw.app.gate import Gate
from posfw.app.journalling import Journalling
from posfw.app.keys import KeyCare, open_keys
from posfw.app.later import behind, later, lazily, loaded
from posfw.app.line import certificate_care, limits_of, uplink_of
from posfw.app.liveness import Liveness
from posfw.app.once import Once
from posfw.app.printing import Printing
from posfw.app.service import Service
from posfw.app.session import Session
from posfw.app.since import since
from posfw.app.trading import Files, Trade, read_files, trade
from posfw.app.verbs import Handler, Verb, dispatcher
from posfw.app.world import World
from posfw.board.profile import BoardProfile
from posfw.board.site import Site
from posfw.card.task.stripe import SerialCardReader
from posfw.journal.store import Journal
from posfw.journal.task import BackupPolicy
from posfw.ports import SecureElement
from posfw.sale.task import Sales
from posfw.uplink.task import Uplink
from posfw.values.events import Plain, Record, Topic
from posfw.values.money import Money
from posfw.values.texts import Texts

if TYPE_CHECKING:
    from posfw.app import (
        advices,
        basket_scan,
        goods,
        logo,
        morning,
        network,
        owed,
        paper,
        qr,
        scans,
        update,
    )
    from posfw.values.document import Logo
else:
    advices = lazily("posfw.app.advices")
    basket_scan = lazily("posfw.app.basket_scan")
    goods = lazily("posfw.app.goods")
    logo = lazily("posfw.app.logo")
    morning = lazily("posfw.app.morning")
    network = lazily("posfw.app.network")
    owed = lazily("posfw.app.owed")
    paper = lazily("posfw.app.paper")
    qr = lazily("posfw.app.qr")
    scans = lazily("posfw.app.scans")
    update = lazily("posfw.app.update")

__all__ = ["Terminal", "running"]

OWED = ("owed", "owed_clear")
ADVICES = ("tip", "adjust", "completion_advice", "offline_sale")
UPDATES = ("update_status", "update_check", "update_install", "update_mark")
PAYERS = ("qr_pay", "qr_show", "qr_cancel")
SCANNED = ("goods_scan", "goods_scan_done")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Terminal:
    """A running terminal, as tests and the command line hold it."""

    journal: Journal
    uplink: Uplink
    cashier: Cashier
    recovered: int
    service: Service


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Core:
    """What every part of a terminal stands on, and what it was told about itself."""

    board: BoardProfile
    site: Site
    state: Path
    texts: Texts
    world: World
    keys: SecureElement
    journal: Journal
    uplink: Uplink
    sales: Sales
    composer: SlipComposer
    printing: Printing


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
    picture = logo.load_logo(Path(site.logo), board.printer.dots) if site.logo else None
    files = read_files(board, site, kernel_root(board, state))
    slots = await _slots(board, state)
    async with Journal.open(
        state / "journal.db",
        terminal=site.terminal_id,
        chain_key=keys.chain_key(),
        clock=world.clock,
        create=True,
        reserve_mib=board.reserve_mib,
        connect=world.connect,
    ) as journal:
        core = _core(board, site, state, texts, world, keys, journal, picture)
        recovered = await core.sales.recover()
        started: dict[str, Plain] = {"recovered": recovered, "board": board.id}
        await journal.append(Record(Topic.SYSTEM, "started", world.clock.now(), body=started))
        desk = CardDesk()
        trial, trading = _merchant(core, files, desk, stop)
        await trading.parts.parameters.refresh()
        updates = None if slots is None else _updates(core, trading, slots)
        gate = Gate(trading.parts, site.operators)
        if updates is not None:
            gate = replace(gate, held=updates.refusal)
        async with anyio.create_task_group() as group:
            care = certificate_care(site, journal, core.uplink, world)
            house = Journalling(journal, keys, world.clock, site)
            till = replace(trial, gate=gate)
            cashier, people = await _cards(group, core, desk, till, partial(_free, files, trading))
            scanned = cache(_scan_desk)
            handler = dispatcher(
                cashier.verbs(),
                people,
                later(ADVICES, lambda: advices.Advices(cashier)),
                later(PAYERS, lambda: _payers(cashier, core, scanned())),
                later(SCANNED, lambda: _basket_scan(core, scanned())),
                behind(core.printing.verbs()),
                behind(trading.parts.verbs()),
                later(("ready",), lambda: _morning(core, gate, care.days)),
                KeyCare(keys, journal, trading.parts.operators.approve, world.clock).verbs(),
                later(OWED, lambda: _owed_desk(core, trading)),
                behind(care.verbs()),
                behind(house.verbs()),
                later(UPDATES, lambda: updates or _updates(core, trading, update.Slots())),
            )
            await _serve(group, state, Once(handler, journal, texts), texts, world)
            # A card can come from here on; these load what they need beside it.
            trading.start(group)
            group.start_soon(care.run)
            group.start_soon(_print, core)
            group.start_soon(_scan, core, scanned)
            _keep_house(group, core, house)
            if updates is not None:
                group.start_soon(updates.run)
            service = Service(
                Liveness(world.clock),
                lambda: f"{board.id}: {core.uplink.state.line.value}",
                probe=journal.position,  # reads every time: `standing` answers from memory
            )
            yield Terminal(journal, core.uplink, cashier, recovered, service)
            group.cancel_scope.cancel()


def _core(
    board: BoardProfile,
    site: Site,
    state: Path,
    texts: Texts,
    world: World,
    keys: SecureElement,
    journal: Journal,
    picture: Logo | None,
) -> Core:
    """Join line, sales and slips over an open journal; nothing of it moves yet."""
    uplink = uplink_of(site, journal, keys, world)
    sales = Sales(
        journal=journal,
        acquirer=uplink,
        clock=world.clock,
        limits=limits_of(site),
        inquiry_timeout_s=site.timing.inquiry_s,
        lock=anyio.Lock(),
        since=partial(since, journal),
        batch=journal.transactions,
    )
    merchant = merchant_of(site, picture)
    composer = SlipComposer(journal, merchant, texts, world.clock, board.printer.dots, site)
    printing = Printing(journal, composer, cache(lambda: paper.canvas(board)), world.clock)
    return Core(board, site, state, texts, world, keys, journal, uplink, sales, composer, printing)


def _merchant(
    core: Core, files: Files, desk: CardDesk, stop: Callable[[], None]
) -> tuple[Cashier, Trade]:
    """Return the cashier without a gate, and the merchant's parts that the gate asks."""
    sales = core.sales

    async def settle() -> Mapping[str, Any]:
        return await trading.parts.settlement.run()

    # Rounds of acceptance do what a cashier does, before the gate that refuses live sales.
    trial = Cashier(
        sales=core.sales,
        journal=core.journal,
        session=Session(
            core.journal,
            core.uplink,
            core.world.clock,
            core.printing,
            lambda: sales.limits.offline,
            core.texts,
        ),
        desk=desk,
        element=core.keys,
        clock=core.world.clock,
        site=core.site,
        texts=core.texts,
        stop=stop,
        settle=settle,
    )
    trading = trade(
        board=core.board,
        site=core.site,
        state=core.state,
        root=kernel_root(core.board, core.state),
        files=files,
        journal=core.journal,
        uplink=core.uplink,
        element=core.keys,
        world=core.world,
        printing=core.printing,
        handler=dispatcher(trial.verbs(), core.printing.verbs()),
        sales=core.sales,
    )
    return trial, trading


def _owed_desk(core: Core, trading: Trade) -> owed.OwedDesk:
    return owed.OwedDesk(core.journal, trading.parts.operators.approve, core.world.clock)


def _morning(
    core: Core, gate: Gate, certificate_days: Callable[[], Awaitable[int]]
) -> morning.Morning:
    clock = core.world.clock
    net = network.Network(core.site.addresses, kernel_root(core.board, core.state))
    return morning.Morning(
        core.journal, core.uplink, gate, core.printing, clock, certificate_days, net
    )


async def _slots(board: BoardProfile, state: Path) -> update.Slots | None:
    """Ask the installer, on a board with two slots, before the journal is opened."""
    socket = kernel_root(board, state) / "run/posfw-update/control.sock"
    if not await anyio.Path(socket).exists():
        return None
    return await update.before_journal(state, socket)


def _updates(core: Core, trading: Trade, slots: update.Slots) -> update.Updates:
    root = kernel_root(core.board, core.state)
    return update.Updates(
        journal=core.journal,
        acquirer=core.uplink,
        clock=core.world.clock,
        state=core.state,
        slots=slots,
        lock=core.sales.lock,
        installer=update.installer_at(root / update.SOCKET),
        selftest=lambda: update.failed_steps(core.board, core.state, root),
        may_talk=trading.parts.activation.may_talk,
    )


def _keep_house(group: TaskGroup, core: Core, house: Journalling) -> None:
    """Start what keeps the journal small and copied."""
    group.start_soon(house.keep_house, lambda: not core.sales.lock.locked())
    if core.site.backup:
        group.start_soon(house.keep_copies, BackupPolicy(core.state / core.site.backup))


async def _print(core: Core) -> None:
    """Run the print queue; slips wait in the journal until its modules are there."""
    await loaded()
    await paper.run(
        board=core.board,
        site=core.site,
        state=core.state,
        world=core.world,
        journal=core.journal,
        documents=core.composer,
        canvas=core.printing.canvas(),
        watch=core.printing.watch,
    )


def _scan_desk() -> scans.ScanDesk:
    return scans.ScanDesk()


def _payers(cashier: Cashier, core: Core, desk: scans.ScanDesk) -> qr.QrDesk:
    return qr.QrDesk(cashier, core.uplink.close, desk.next_code)


def _basket_scan(core: Core, desk: scans.ScanDesk) -> basket_scan.BasketScan:
    shop = goods.Goods(core.journal, core.world.clock)
    return basket_scan.BasketScan(shop, desk, core.texts)


async def _scan(core: Core, desk: Callable[[], scans.ScanDesk]) -> None:
    """Run the board's scanner, where it has one."""
    if "scanner" not in core.board.ports:
        return
    await loaded()
    from posfw.app import readers  # noqa: PLC0415 - boards with a scanner only

    scanner = readers.scanner(core.board, core.site, core.state, core.world)
    if scanner is None:
        return
    async with anyio.create_task_group() as group:
        await group.start(scanner.run)
        group.start_soon(desk().run, scanner)


async def _free(files: Files, trading: Trade, acquirer: str) -> Money | None:
    """Return the limit without PIN and signature (小额免密免签): acquirer's data."""
    most = files.profiles[acquirer].qps_minor
    minor = await trading.parts.parameters.limit("qps_minor", most)
    return Money(minor) if minor else None


async def _cards(
    group: TaskGroup,
    core: Core,
    desk: CardDesk,
    cashier: Cashier,
    free_limit: Callable[[str], Awaitable[Money | None]],
) -> tuple[Cashier, Mapping[str, Verb]]:
    """Start the board's readers; returns the cashier who takes their cards, and more verbs."""
    driver = core.board.table("card").get("driver", "magstripe")
    has_pad = bool(core.board.table("pinpad"))
    if driver == "magstripe" and not has_pad:
        await _read_stripes(group, core, desk)
        return cashier, desk.verbs()
    from posfw.app import reader_wiring  # noqa: PLC0415 - boards with more than a stripe

    limit = partial(free_limit, core.site.profile)
    wiring = reader_wiring.Readers(
        core.board, core.site, core.state, core.world, core.sales, core.texts, limit
    )
    if driver != "pcsc":
        taker, verbs = await wiring.start(group)
        return replace(cashier, chips=taker), verbs
    await _read_stripes(group, core, desk)
    chips = await wiring.chips(group, core.journal, core.keys, desk)
    return replace(cashier, chips=chips), chips.verbs()


async def _read_stripes(group: TaskGroup, core: Core, desk: CardDesk) -> None:
    """Start the board's stripe reader; the site file may name another port."""
    port = port_of("card", core.board, core.site, core.state)
    if port is None:
        return
    open_port = partial(core.world.open_port, port.path, baudrate=port.baud)
    reader = SerialCardReader(port.path, open_port=open_port)
    await group.start(reader.run)
    group.start_soon(desk.run, reader)


async def _serve(
    group: TaskGroup, state: Path, handler: Handler, texts: Texts, world: World
) -> None:
    await group.start(serve, state / "control.sock", handler, group, texts, world.listen)
