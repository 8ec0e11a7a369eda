"""One shop: a terminal that loses power and comes back, and everything that stands around it."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable
from contextvars import Context
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, Final, cast

import anyio
from anyio.abc import ByteStream, Listener

from posfw.app.graph import Terminal, running
from posfw.app.later import load
from posfw.app.world import World
from posfw.board.profile import BoardProfile
from posfw.board.site import Site, parse_site
from posfw.cli.places import load_board
from posfw.crypto.dukpt import initial_key
from posfw.keys import software
from posfw.sim import certificates
from posfw.sim.acquirer import Acquirer
from posfw.sim.printer import MemoryWire, PrinterSim
from posfw.uplink.messages import Message
from posfw.values.errors import DeviceError, JournalError
from posfw.values.texts import ENGLISH
from tests.simulation.books import Books
from tests.simulation.line import Network
from tests.simulation.loop import LIFE, SimLoop, on_loop, outside
from tests.simulation.options import Options
from tests.simulation.oracle import Oracle
from tests.simulation.storage import SickDisk
from tests.simulation.wires import Door, End, pair

__all__ = ["TERMINAL", "Shop", "Trace"]

load()  # modules come from a worker thread later; the simulated loop has none

TERMINAL: Final = "12345678"
KEY_ID: Final = bytes.fromhex("1234567890123456")
BASE_KEY: Final = bytes(range(32))
MIDNIGHT: Final = datetime(2026, 3, 2, tzinfo=UTC)
RESTART_S: Final = 2.0  # systemd's RestartSec
LASTED_S: Final = 60.0  # a process that lived longer was well
SITE: Final = """
language = "en"
pre_activated = true
operators = false
serial = "PF000001"
[merchant]
name = "Test merchant"
id = "898110154110001"
[terminal]
id = "12345678"
[acquirer]
name = "Simulated acquirer"
addresses = ["127.0.0.1:1"]
server_name = "acquirer"
ca = "{folder}/ca.pem"
certificate = "{folder}/device.pem"
key = "{folder}/device.key"
[keys]
file = "{folder}/keys.json"
[policy]
enabled = true
[journal]
keep_batches = {keep_batches}
[timing]
authorise_s = 15
inquiry_s = 20
heartbeat_s = {heartbeat_s}
retry_s = 20
"""


class Trace:
    """Everything that happened, as one hash, and how often each fault did."""

    def __init__(self, loop: SimLoop, say: Callable[[str], object] | None = None) -> None:
        self._loop = loop
        self._hash = sha256()
        self._say = say
        self.faults: Counter[str] = Counter()

    def __call__(self, *what: object) -> None:
        """Note an event."""
        line = f"{self._loop.time():.6f} {what!r}"
        self._hash.update(line.encode())
        if self._say:
            self._say(line)

    def fault(self, name: str) -> None:
        """Note that a fault really happened."""
        self.faults[name] += 1
        self("fault", name)

    @property
    def digest(self) -> str:
        """Return the hash so far."""
        return self._hash.hexdigest()[:16]


class _Clock:
    """ports.Clock: a monotonic clock that never jumps, and the shop's wall clock."""

    def __init__(self, loop: SimLoop, opens_h: int) -> None:
        self._loop = loop
        self._begun = MIDNIGHT + timedelta(hours=opens_h)
        self.wrong_s = 0.0

    def monotonic(self) -> float:
        return self._loop.time()

    def now(self) -> datetime:
        return self._begun + timedelta(seconds=self._loop.time() + self.wrong_s)


class _Chance:
    """ports.Random, seeded."""

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)

    def token(self, size: int) -> bytes:
        return self._random.randbytes(size)

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)


class Shop:
    """A terminal and its surroundings; the people are `tests.simulation.people`.

    Attributes:
        alive: power is on and the process runs.
        ready: it serves its control socket.
    """

    def __init__(self, options: Options, loop: SimLoop, folder: Path, trace: Trace) -> None:
        self.options, self.loop, self.trace = options, loop, trace
        self.chance = Random(f"shop {options.seed}")
        self.clock = _Clock(loop, options.opens_h)
        self.acquirer = Acquirer(BASE_KEY)
        self.network = Network(self.acquirer, options, trace.fault, self._sent)
        self.board = _board(options)
        self.printer = PrinterSim(
            self.board.printer, loop.time, keeps_buffer=options.paper_out != "loses"
        )
        self.disk = SickDisk(on_cut=self._cut_in_write, hit=self._disk_hit)
        self.oracle = Oracle(self.acquirer, self.clock.now)
        self.alive = self.ready = False
        self.powered = True
        self.healed = False
        self.terminal: Terminal | None = None
        self.door = Door()
        self.reader: End | None = None
        self.reader_plugged = True
        self.cable_plugged = True
        self.cut_in_print = 0
        self._wires: list[MemoryWire] = []
        self._folder = folder
        self._state = folder / "life0"
        self._life = 0
        self._began = 0.0
        self._restart_s = RESTART_S
        self._sick = False  # the disk has failed this process
        certificates.make(folder, TERMINAL)
        software.create(
            folder / "keys.json",
            initial_key=initial_key(BASE_KEY, KEY_ID),
            initial_key_id=KEY_ID,
            secret=bytes(32),
        )
        self.site: Site = parse_site(
            SITE.format(
                folder=".", heartbeat_s=options.heartbeat_s, keep_batches=options.keep_batches
            ),
            source="simulation",
        )
        self._state.mkdir()

    # --- power ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Switch the terminal on."""
        if self.alive or not self.powered:
            return
        self.alive, self.ready, self._sick = True, False, False
        self._life += 1
        life, self.door, self._began = self._life, Door(), self.loop.time()
        self.trace("starts", life)
        context = Context()
        context.run(LIFE.set, life)
        task = self.loop.create_task(self._process(life), context=context)
        task.add_done_callback(lambda done: self._ended(life, done), context=Context())

    async def _process(self, life: int) -> None:
        ended = anyio.Event()
        world = World(
            clock=self.clock,
            random=_Chance(f"{self.options.seed} {life}"),
            dialler=self.network.dialler,
            open_port=self._open_port,
            listen=self._listen,
            connect=on_loop(Random(f"disk {self.options.seed} {life}"), self.options.disk_s),
        )
        async with running(
            board=self.board,
            site=self.site,
            state=self._state,
            texts=ENGLISH,
            world=world,
            stop=ended.set,
        ) as terminal:
            self.terminal, self.ready = terminal, True
            self.trace("ready", life, terminal.recovered)
            self.oracle.restarted(Books(self._journal(), terminal.journal.raw, self._folder))
            await ended.wait()
            self.ready = False

    def _ended(self, life: int, task: asyncio.Task[None]) -> None:
        """The process has ended by itself: systemd starts it again."""
        if life != self._life or not self.alive:
            return
        self.alive = self.ready = False
        error = task.exception()
        self.trace("ended", life, _names(error))
        if error is not None:
            if not all(isinstance(each, JournalError) for each in _leaves(error)):
                self.oracle.violates("crashed", "; ".join(map(repr, _leaves(error))))
            elif not self._sick:
                self.oracle.violates("crashed", f"{_leaves(error)} on a good disk")
            self.trace.faults["left_by_itself"] += 1
        self._files_live_on()
        self._unplug_all()
        # A disk that stays sick ends every try; each is further away than the one before.
        lasted_s = self.loop.time() - self._began
        self._restart_s = RESTART_S if lasted_s > LASTED_S else min(self._restart_s * 2, LASTED_S)
        outside(self._restart_s, self.start)

    def books(self) -> Books | None:
        """Return what the running terminal's files hold."""
        if self.terminal is None:
            return None
        return Books(self._journal(), self.terminal.journal.raw, self._folder)

    def archived(self) -> int:
        """Return how many transactions the archive holds."""
        books = self.books()
        return books.archived() if books is not None else 0

    def _journal(self) -> Path:
        return self._state / "journal.db"

    def cut(self, off_s: float) -> None:
        """Take the power away, at any await; the files stay as they are."""
        if not self.alive:
            return
        self.trace("cut", self._life)
        self.alive = self.ready = False
        self.disk.cut_in = self.cut_in_print = 0
        self.disk.heal()
        self._files_live_on()
        self.loop.cut(self._life)
        self.loop.bury(self.terminal, self.door)
        self.terminal = None
        self._unplug_all()
        outside(off_s, self.start)

    def _files_live_on(self) -> None:
        """Give the next life a copy: a dead process still holds its files open in this one."""
        following = self._folder / f"life{self._life}"
        following.mkdir()
        for path in self._state.iterdir():
            if path.is_file() and not path.name.endswith(".lock"):
                shutil.copyfile(path, following / path.name)
        self._state = following

    def _cut_in_write(self) -> None:
        self.trace.fault("cut_in_write")
        self.cut(self.chance.choice((3.0, 60.0, 1800.0)))

    def _sent_to_print(self) -> None:
        """Take the power away in the middle of a slip, some bytes after it was decided."""
        if self.cut_in_print:
            self.cut_in_print -= 1
            if not self.cut_in_print:
                self.trace.fault("cut_in_print")
                off_s = self.chance.choice((3.0, 60.0))
                outside(0.0, lambda: self.cut(off_s))

    def _disk_hit(self) -> None:
        self.trace("disk fails")
        self._sick = True

    def _unplug_all(self) -> None:
        self.door.shut()
        self.network.break_all()
        if self.reader is not None:
            self.reader.cut()
        for wire in self._wires:
            wire.pull()
        self._wires.clear()
        self.reader = None

    # --- what the terminal opens ----------------------------------------------------------------

    async def _listen(self, _: Path) -> Listener[Any]:
        return self.door

    async def _open_port(self, url: str, *, baudrate: int) -> ByteStream:
        del baudrate
        await anyio.sleep(0.01)
        if "card" in url:
            if not self.reader_plugged:
                raise DeviceError("no reader")
            self.reader, theirs = pair()
            return theirs
        if "printer" not in url or not self.cable_plugged:
            raise DeviceError("not plugged in")
        # A Wire is all that the printer's driver needs.
        wire: Any = _Cable(self.printer, self._sent_to_print)
        self._wires = [wire]
        return cast("ByteStream", wire)

    def pull_printer(self) -> None:
        """Unplug the printer's cable."""
        self.cable_plugged = False
        for wire in self._wires:
            wire.pull()

    def pull_reader(self) -> None:
        """Unplug the reader's cable."""
        self.reader_plugged = False
        if self.reader is not None:
            self.reader.cut()

    def _sent(self, message: Message, counter: int, data: bytes) -> None:
        self.trace("sent", message.type.name, message.batch, message.stan, data)
        self.oracle.sent(message, counter, data, self.books() if self.alive else None)


class _Cable(MemoryWire):
    """The printer's wire, which tells what it carries."""

    def __init__(self, printer: PrinterSim, sent: Callable[[], None]) -> None:
        super().__init__(printer)
        self._sent = sent

    async def send(self, item: bytes) -> None:
        await super().send(item)
        self._sent()


def _board(options: Options) -> BoardProfile:
    """The host board with a printer of ordinary speed, its own characters and no sensor."""
    host = load_board("host")
    thermal = replace(host.printer.thermal, source="none")
    printer = replace(
        host.printer,
        font="gb18030",
        max_speed_mm_s=600.0,
        paper_out=options.paper_out,
        thermal=thermal,
    )
    return replace(host, printer=printer)


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in _leaves(each)]
    return [error]


def _names(error: BaseException | None) -> list[str]:
    return [] if error is None else [type(each).__name__ for each in _leaves(error)]
