"""The merchant's parts in the running terminal: files read, parts joined, their tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio.abc import TaskGroup

from posfw import __version__
from posfw.activate.profile import Profile
from posfw.app.acquirers import load_profiles
from posfw.app.activation import Check, Device, TryRound
from posfw.app.later import lazily, loaded
from posfw.app.merchant import Merchant, merchant
from posfw.app.printing import Printing
from posfw.app.terms import terms, with_sets
from posfw.app.verbs import Handler
from posfw.app.world import World
from posfw.board.profile import BoardProfile
from posfw.board.site import Site
from posfw.crypto.sign1 import PemSigner, PublicKey, public_key
from posfw.journal.store import Journal
from posfw.ports import Clock, SecureElement
from posfw.sale.task import Sales
from posfw.uplink.task import LineState, Uplink
from posfw.values.errors import ConfigError
from posfw.values.events import Plain, Record, Topic

if TYPE_CHECKING:
    from posfw.activate import acceptance as rounds
    from posfw.app import acceptance, audit, lamps, selftest, supply
    from posfw.printer import counters
    from posfw.upkeep import plan
else:
    acceptance = lazily("posfw.app.acceptance")
    audit = lazily("posfw.app.audit")
    lamps = lazily("posfw.app.lamps")
    selftest = lazily("posfw.app.selftest")
    supply = lazily("posfw.app.supply")
    counters = lazily("posfw.printer.counters")
    plan = lazily("posfw.upkeep.plan")

__all__ = ["Files", "Trade", "read_files", "trade"]

LINE_UP_S = 60.0
# What a printer at work says: heat, paper, cover, paper low. Everything else is a fault of it.
_EVERYDAY = frozenset({"", "PRN-201", "PRN-202", "PRN-203", "PRN-204", "PRN-217", "PRN-218"})


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Files:
    """What the merchant's parts need of files, read before the loop has work.

    Attributes:
        profiles: acquirers by id.
        device: identity and device key.
        bank_key: gives the key of the bank's answers, None where none is installed.
    """

    profiles: Mapping[str, Profile]
    device: Device
    bank_key: Callable[[], PublicKey] | None


def read_files(board: BoardProfile, site: Site, root: Path) -> Files:
    """Read acquirer profiles and keys.

    Args:
        board: for its id.
        site: names the files.
        root: where the kernel's /sys lies.

    Raises:
        ConfigError: a missing file, an unknown acquirer, or a sale without an activation on a
            board that is not simulated.
        KeyStoreError: a file is not the key that it should be.
    """
    if site.pre_activated and not board.simulated:
        raise ConfigError(
            f"Board {board.id} is not a simulated one; pre_activated is refused.",
            code="CFG-011",
            next_step="Activate the terminal: posfw activate status",
        )
    profiles = load_profiles()
    if site.profile not in profiles:
        raise ConfigError(
            f"The site file's acquirer.profile is {site.profile[:20]!r}; known are:"
            f" {', '.join(profiles)}.",
        )
    versions = {"posfw": __version__}
    device = Device(
        serial=site.serial or _serial(root) or site.terminal_id,
        board=board.id,
        versions=versions,
        signer=PemSigner(_bytes(Path(site.key))),
    )
    key = partial(public_key, _bytes(Path(site.bank_key))) if site.bank_key else None
    return Files(profiles, device, key)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"The file {path} cannot be read: {error.strerror}.") from error


def _serial(root: Path) -> str:
    """Return the board's number as its firmware tells it (Devicetree 0.4, 3.2), or ""."""
    try:
        raw = (root / "sys/firmware/devicetree/base/serial-number").read_bytes()
    except OSError:
        return ""
    return raw.rstrip(b"\0").decode("ascii", "replace").strip()[:40]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Trade:
    """The parts and what keeps them going; `root` is where the board's kernel files lie."""

    parts: Merchant
    journal: Journal
    uplink: Uplink
    printing: Printing
    clock: Clock
    board: BoardProfile
    site: Site
    root: Path

    def start(self, group: TaskGroup) -> None:
        """Start the tasks: the line while it may be used, the evening's clock, faults noted."""
        group.start_soon(self._line)
        group.start_soon(self._line_faults)
        group.start_soon(self._printer_faults)
        group.start_soon(self._board)

    async def _board(self) -> None:
        """Note a changed site file, drive the lamps, watch the supply: not for the first card."""
        await loaded()
        await audit.note_site(self.journal, self.site, self.clock)
        async with anyio.create_task_group() as group:
            seen = (self.board, self.root, self.uplink, self.printing, self.journal, self.clock)
            group.start_soon(lamps.run, *seen)
            group.start_soon(supply.run, self.board, self.root, self.journal, self.clock)

    async def count_paper(self) -> None:
        """Note how far the paper has run by now: maintenance goes by it."""
        await loaded()
        run = counters.folded(await self.journal.read(Topic.UPKEEP))
        await self.parts.office.upkeep.count_mm(run.paper_mm)

    async def _line(self) -> None:
        """Keep line and evening's clock going while something may leave (S10)."""
        activation = self.parts.activation
        while True:
            await activation.until_talk(allowed=True)
            async with anyio.create_task_group() as line:
                line.start_soon(self.uplink.run)
                line.start_soon(self.parts.settlement.keep_time)
                await activation.until_talk(allowed=False)
                line.cancel_scope.cancel()

    async def _line_faults(self) -> None:
        """Note each line that was up and ended; failed attempts to dial again are not counted."""
        was = self.uplink.state.line
        while True:
            now = await self.uplink.changed()
            if was is LineState.ONLINE and now.line is LineState.OFFLINE:
                await self._fault("retry", "line", now.code, now.error)
            was = now.line

    async def _printer_faults(self) -> None:
        last = ""
        while True:
            reason = (await self.printing.changed()).reason
            if reason != last and reason not in _EVERYDAY:
                await self._fault("device", "printer", reason, "")
            last = reason

    async def _fault(self, name: str, part: str, code: str, text: str) -> None:
        body: dict[str, Plain] = {"part": part, "code": code, "text": text}
        await self.journal.append(Record(Topic.FAULT, name, self.clock.now(), body=body))


def trade(
    *,
    board: BoardProfile,
    site: Site,
    state: Path,
    root: Path,
    files: Files,
    journal: Journal,
    uplink: Uplink,
    element: SecureElement,
    world: World,
    printing: Printing,
    handler: Handler,
    sales: Sales,
) -> Trade:
    """Build the parts; `handler` has the verbs for the rounds of acceptance, without gate.

    The acquirer's limits take the place of the site file's in `sales` where they are stricter.
    """
    parts = merchant(
        journal=journal,
        acquirer=uplink,
        element=element,
        world=world,
        profiles=files.profiles,
        acquirer_id=site.profile,
        merchant_id=site.merchant_id,
        device=files.device,
        bank_key=files.bank_key,
        check=_check(board, state, root, journal, world.clock),
        try_round=_rounds(handler, printing, uplink),
        pre_activated=site.pre_activated,
        automatic=site.settle_automatic,
        settle_at=site.settle_at,
        limits=sales.limits,
        apply=lambda limits: setattr(sales, "limits", limits),
        models=site.parts,
        tell=_tell_sales(files.profiles[site.profile], site, sales),
    )
    found = Trade(parts, journal, uplink, printing, world.clock, board, site, root)
    parts.settlement.after = found.count_paper
    return found


def _tell_sales(
    chosen: Profile, site: Site, sales: Sales
) -> Callable[[Mapping[str, Mapping[str, Any]]], None]:
    """Let the acquirer's terms and the site file's rules count, now and with every new set.

    Raises:
        ConfigError: profile or site file have mistakes.
    """
    base = terms(chosen.terms, chosen.plans, chosen.rules, site=site.rules, source=chosen.id)

    def tell(sets: Mapping[str, Mapping[str, Any]]) -> None:
        found = with_sets(base, sets)
        sales.rules, sales.limited = found.rules, found.limited

    tell({})
    return tell


def _rounds(handler: Handler, printing: Printing, uplink: Uplink) -> TryRound:
    """Return what does the rounds of acceptance; from round to round it knows the last sale."""

    @cache
    def built() -> acceptance.Rounds:
        return acceptance.Rounds(
            handler, printing.printed, uplink.hang_up, lambda: _line_up(uplink)
        )

    async def do(task: rounds.Task, profile: Profile) -> tuple[bool, str]:
        return await built()(task, profile)

    return do


def _check(board: BoardProfile, state: Path, root: Path, journal: Journal, clock: Clock) -> Check:
    """Return the check before an activation: the board's parts, and how stable it has been."""

    async def check() -> Mapping[str, bool]:
        steps = await selftest.Selftest(board, state, root).run()
        # A step that needs a person is neither passed nor failed here.
        found = {step.id: step.state == "pass" for step in steps if step.state != "skip"}
        faults = await journal.read(Topic.FAULT)
        system = await journal.read(Topic.SYSTEM)
        stable = plan.score(faults, system, clock.now()).verdict != "replace"
        return found | {"stability": stable}

    return check


async def _line_up(uplink: Uplink, limit_s: float = LINE_UP_S) -> bool:
    with anyio.move_on_after(limit_s):
        while not uplink.online:
            await uplink.changed()
    return uplink.online
