"""A whole terminal in an emulated machine whose writes are logged, and some business in it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import anyio
from emulated.day import GuestDay, book, opened
from emulated.machine import Guest

from posfw.journal.chain import short_code
from posfw.keys import software
from posfw.sim.paper import Slip
from posfw.uplink.messages import Field, MessageType
from posfw.uplink.session import open_request
from posfw.values.anchor import Head
from posfw.values.errors import PosfwError
from tests.blocks.log import Entry, count, parse
from tests.blocks.replay import partition
from tests.blocks.world import Asked, Event, Paper, Reached, Ready, Settled, Shown

__all__ = ["BOARD", "CONTROLS", "Logged", "Recorded", "orders", "record"]

BOARD: Final = "qemu-virt-arm64"
PAN: Final = "4111111111111111"
PLAIN: Final = 8  # sales of a control: enough for a lost one
ENDINGS: Final = {
    "declined": "declined",
    "late_answer": "unknown",
    "offline": "approved_offline",
}
# Journal settings of a terminal that a campaign must catch: what `opening.SETTINGS` says, and what
# it says instead, as `sed` writes it in the guest before the terminal starts.
CONTROLS: Final = {
    "synchronous_normal": (('"synchronous", "FULL", 2', '"synchronous", "NORMAL", 1'),),
    "rollback_journal_full": (
        ('"locking_mode", "EXCLUSIVE", "exclusive"', '"locking_mode", "NORMAL", "normal"'),
        ('"journal_mode", "WAL", "wal"', '"journal_mode", "DELETE", "delete"'),
    ),
}
# The image's compiled file is used without a look at its source; an empty one is not used.
OTHER: Final = """\
f=$(python3 -IBc 'import posfw.journal as j; print(j.__path__[0])')/opening.py
sed {orders} $f >/run/extra/opening.py
: >/run/extra/nothing
mount --bind /run/extra/opening.py $f
c=${{f%/*}}/__pycache__/opening.cpython-311.pyc
[ ! -e $c ] || mount --bind /run/extra/nothing $c
python3 -IBc 'import posfw.journal.opening as o; print(">> journal", o.SETTINGS[:3])'
"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one guest did.

    Attributes:
        before: the data partition at power-on.
        start: its first byte on the device.
        entries: every request that reached the device.
        events: what the world saw, each with the entries that the log had by then.
        chain_key: start key of the journal's chain.
        ready_s: power-on to ready.
    """

    before: bytes
    start: int
    entries: list[Entry]
    events: list[tuple[int, Event]]
    chain_key: bytes
    ready_s: float


@dataclass(slots=True)
class Logged(Guest):
    """A guest whose disk hangs on `blklogwrites`; the device has a write cache and flushes."""

    @property
    def log(self) -> Path:
        """Where the requests are logged."""
        return self.folder / "writes.log"

    def command(self) -> list[str]:
        """Return QEMU's command line with the log between device and file."""
        words = Guest.command(self)
        at = words.index("-drive")
        if words[at + 1] != f"if=none,id=disk,file={self.folder / 'disk.img'},format=raw":
            raise ValueError(f"the disk hangs on the machine in another way: {words[at + 1]}")
        node = "driver=blklogwrites,node-name=disk,log-sector-size=512"
        node += ",log-super-update-interval=1"  # so that the log's length is what was written
        node += f",file.driver=file,file.filename={self.folder / 'disk.img'}"
        node += f",log.driver=file,log.filename={self.log}"
        words[at : at + 2] = ["-blockdev", node]
        device = words.index("virtio-blk-pci,drive=disk")
        words[device] += ",write-cache=on"
        return words


class _Noted(list[Slip]):
    """Slips that note when they were cut off."""

    def __init__(self, world: _World) -> None:
        super().__init__()
        self.world = world

    def append(self, slip: Slip, /) -> None:
        self.world.slips.append((self.world.now(), slip))
        super().append(slip)


@dataclass(slots=True)
class _World:
    """Notes what is seen outside, each with the length of the log once it was seen."""

    day: GuestDay
    log: Path
    events: list[tuple[int, Event]] = field(default_factory=list)
    slips: list[tuple[int, Slip]] = field(default_factory=list)

    def now(self) -> int:
        return count(self.log)

    def see(self, event: Event) -> None:
        self.events.append((self.now(), event))

    def tap(self, frame: bytes) -> None:
        """See a frame on the acquirer's side; what does not open was an answer."""
        acquirer = self.day.rig.acquirer
        try:
            request = open_request(frame, acquirer.element_of)
        except PosfwError:
            return
        message = request.message
        anchor = message.fields.get(Field.ANCHOR)
        head = Head.decode(anchor) if isinstance(anchor, bytes) else None
        code = short_code(head.code) if head else ""
        self.see(Reached(request.counter, head.entry if head else 0, code))
        place = (message.batch, message.stan)
        if message.type in (MessageType.AUTHORISE, MessageType.REVERSAL, MessageType.ADVICE):
            self.see(Asked(place, message.type.name.lower()))

    def read_slips(self) -> None:
        """Turn paper into events."""
        for at, slip in self.slips:
            found = book([slip])
            self.events += [
                (at, Paper(each.stan, each.amount_minor or 0, each.copy))
                for each in found.receipts
            ]

    async def sell(self, minor: int, swiped: str = "") -> dict[str, Any]:
        """Sell, and note the ending that the terminal printed."""
        request: dict[str, Any] = {"do": "sale", "amount": f"{minor // 100}.{minor % 100:02d}"}
        if not swiped:
            request["keyed"] = {"pan": PAN, "expiry": "3012"}
        result = await self.day.result(request, swiped)
        if result.get("key"):
            _, batch, stan = str(result["key"]).split("-")
            self.see(Shown((int(batch), int(stan)), str(result["kind"]), minor))
        return result

    async def settle(self) -> None:
        """Settle when nothing is owed, and note the batch that was shown closed."""
        for name in ("reversals", "offline_count", "waiting_prints"):
            await self.day.until(name, value=0)
        batch = int((await self.day.result({"do": "status"}))["batch"])
        told = await self.day.result({"do": "settle"})
        self.see(Settled(batch, bool(told["balanced"])))


async def _business(world: _World, chance: Random, *, plain: bool) -> None:
    """Trade through one stretch in drawn order; a settlement and a second batch end it."""
    day = world.day
    await day.result({"do": "sign_on"})
    if plain:
        for _ in range(PLAIN):
            await world.sell(chance.randrange(1, 200) * 100)
        return
    steps = ["keyed"] * 5 + ["swiped"] * 3 + ["declined", "lost_answer", "late_answer", "offline"]
    chance.shuffle(steps)
    for step in [*steps, "settle", "keyed", "swiped", "keyed"]:
        if step == "settle":
            await world.settle()
        else:
            await _sale(world, chance, step)
    await day.until("waiting_prints", value=0)


async def _sale(world: _World, chance: Random, step: str) -> None:
    day, faults = world.day, world.day.rig.acquirer.faults
    minor = chance.randrange(1, 200) * 100
    match step:
        case "declined":
            minor += 51
        case "lost_answer":
            faults.lose_answers = 1
        case "late_answer":
            faults.hold_answers = faults.lose_inquiries = 1
        case "offline":
            await day.rig.acquirer.set_down(down=True)
            await day.until("online", value=False)
    swiped = chance.choice(("unionpay", "visa")) if step in ("swiped", "offline") else ""
    told = await world.sell(minor, swiped)
    if told["kind"] == "refused":  # nothing was begun, as when a swipe was not read: swiped again
        sys.stderr.write(f"{step} again, it was refused: {told}\n")
        told = await world.sell(minor, swiped)
    if told["kind"] != ENDINGS.get(step, "approved"):
        raise RuntimeError(f"{step} of {minor} ended otherwise: {told}")
    if step == "offline":
        await day.rig.acquirer.set_down(down=False)
        await day.until("online", value=True)


def orders(changes: Iterable[tuple[str, str]]) -> str:
    """Return what `sed` is told to make a control's changes."""
    return " ".join(f"-e 's/{old}/{new}/'" for old, new in changes)


def _write_control(extra: Path, changes: Iterable[tuple[str, str]]) -> None:
    extra.mkdir(parents=True, exist_ok=True)
    (extra / "before").write_text(OTHER.format(orders=orders(changes)))


async def record(
    folder: Path, seed: int, control: str = "", image: Path | None = None
) -> Recorded:
    """Power on a guest in an empty folder, trade, pull the plug, and return what happened.

    Args:
        folder: for disk, log and the rig's files.
        seed: of the business.
        control: a name of CONTROLS, "" for the right terminal.
        image: folder of the board's image; default: out/image.
    """

    def make(*words: Any, **named: Any) -> Logged:
        guest = Logged(*words, **named)
        if image is not None:
            guest._image = image
        if control:
            _write_control(guest.extra, CONTROLS[control])
        return guest

    async with opened(BOARD, folder, seed=seed, make=make) as day:
        guest = day.machine
        if not isinstance(guest, Logged):
            raise TypeError("another guest was made")
        shutil.copyfile(guest.folder / "disk.img", folder / "before.img")
        guest.log.write_bytes(b"")
        world = _World(day, guest.log)
        day.rig.printer.slips = _Noted(world)
        day.rig.acquirer.tap = world.tap
        try:
            await day.start()
            world.see(Ready())
            await _business(world, Random(seed), plain=bool(control))
        except BaseException:
            sys.stderr.write(guest.said()[-3000:])
            raise
        told = [line for line in guest.said().splitlines() if line.startswith(">> journal")]
        wanted = [new.replace('"', "'") for _, new in CONTROLS[control]] if control else []
        if len(told) != bool(control) or any(new not in told[0] for new in wanted):
            raise RuntimeError(f"the journal is not set as wanted: {told}")
        await day.cut()
        chain_key = software.load(day.rig.folder / "keys.json").chain_key()
        await anyio.to_thread.run_sync(world.read_slips)
        return await anyio.to_thread.run_sync(_recorded, folder, guest, world, chain_key)


def _recorded(folder: Path, guest: Logged, world: _World, chain_key: bytes) -> Recorded:
    with (folder / "before.img").open("rb") as disk:
        start, size = partition(disk.read(1 << 20), "data")
        disk.seek(start)
        before = disk.read(size)
    entries = parse(guest.log.read_bytes())
    events = sorted(world.events, key=lambda event: event[0])
    return Recorded(before, start, entries, events, chain_key, world.day.laps[0])
