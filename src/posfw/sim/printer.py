"""A simulated printer: the real bytes over a pty or in memory, faults at any moment, pictures.

`PrinterSim` has a finite buffer and speed, a head that gets hot from the dots it fires, paper that
may end after any row, and answers in its dialect. It knows exactly which rows are on which paper.
"""

from __future__ import annotations

import os
import pty
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from PIL import Image

from posfw.sim.head import HeadSim
from posfw.sim.paper import REALTIME, Ask, Cut, Decoder, Op, Row, Slip
from posfw.values.hardware import PrinterProfile

__all__ = ["MemoryWire", "PrinterSim", "printer_on_pty"]

BUFFER_BYTES = 4096
# A head that its printer's own firmware finds too hot (EC-PM-80320 service manual p20).
FIRMWARE_STOP_C = 80.0
FIRMWARE_RESUME_C = 60.0
LOOK_S = 0.01
# So much white paper ends a slip where there is no knife.
LONG_FEED_ROWS = 90


@dataclass(slots=True)
class PrinterSim:
    """One printer on a table.

    Attributes:
        profile: dialect, width, speed and cutter.
        clock: seconds.
        head: gets hot; None prints cold for ever.
        folder: where finished slips go as pictures, None for nowhere.
        keeps_buffer: whether what it has received survives paper out and an open cover.
        answers: whether it says anything at all.
        factor: how much faster than its profile it prints.
        paper_rows: rows left on the roll, None for endless.
        cover_open, forced_hot, powered: its state.
        slips: finished slips; `hanging` is the paper that is not cut off yet.
        tape: every row ever printed, in order.
        row_seen_at: when the first row was printed since it was set to 0.
    """

    profile: PrinterProfile
    clock: Callable[[], float]
    head: HeadSim | None = None
    folder: Path | None = None
    keeps_buffer: bool = True
    answers: bool = True
    factor: float = 1.0
    paper_rows: int | None = None
    near_end: bool = False
    cover_open: bool = False
    forced_hot: bool = False
    powered: bool = True
    slips: list[Slip] = field(default_factory=list)
    hanging: Slip = field(default_factory=Slip)
    tape: list[Row] = field(default_factory=list)
    bytes_in: int = 0
    row_seen_at: float = 0.0
    _decoder: Decoder = field(init=False)
    _pending: list[Op] = field(default_factory=list)
    _tail: bytes = b""
    _out: bytearray = field(default_factory=bytearray)
    _due: float = 0.0
    _hot: bool = False
    _white: int = 0
    _poked: anyio.Event = field(default_factory=anyio.Event)
    _spoke: anyio.Event = field(default_factory=anyio.Event)
    _made_room: anyio.Event = field(default_factory=anyio.Event)

    def __post_init__(self) -> None:
        self._decoder = Decoder((self.profile.dots + 7) // 8)
        self._due = self.clock()

    # --- what a person does to it ---------------------------------------------------------------

    def end_paper(self, after_rows: int = 0) -> None:
        """Let the roll end after so many more rows."""
        self.paper_rows = after_rows
        self._changed()

    def load_paper(self, rows: int | None = None) -> None:
        """Put in a new roll."""
        self.paper_rows = rows
        self._changed()

    def open_cover(self) -> None:
        """Open the cover; what is not kept is lost now."""
        self.cover_open = True
        self._lose_unless_kept()
        self._changed()

    def close_cover(self) -> None:
        """Close the cover."""
        self.cover_open = False
        self._changed()

    def make_hot(self, *, hot: bool = True) -> None:
        """Let its firmware find the head too hot, or cool again."""
        self.forced_hot = hot
        if self.head is not None and not hot:
            self._hot = False
        self._changed()

    def switch(self, *, on: bool) -> None:
        """Switch it off, losing everything it holds, or on."""
        self.powered = on
        if not on:
            self._decoder.forget()
            self._pending.clear()
            self._out.clear()
            self._tail = b""
        self._changed()

    def tear(self) -> Slip:
        """Tear off what hangs out and return it."""
        return self._end_slip(cut=False)

    # --- its two ends ---------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """Bytes it takes now."""
        return max(BUFFER_BYTES - self._decoder.held, 0)

    @property
    def stopped(self) -> bool:
        """Whether no row can be printed."""
        return self.paper_rows == 0 or self.cover_open or self.hot or not self.powered

    @property
    def hot(self) -> bool:
        """Whether its firmware waits for the head to cool."""
        if self.head is not None:
            head_c = self.head.settle()
            self._hot = head_c > (FIRMWARE_RESUME_C if self._hot else FIRMWARE_STOP_C)
        return self.forced_hot or self._hot

    def receive(self, data: bytes) -> None:
        """Take bytes from the wire; real-time requests are answered at once, wherever they lie."""
        if not self.powered or not data:
            return
        self.bytes_in += len(data)
        if self.profile.status == "epson":
            seen = self._tail + data
            for found in REALTIME.finditer(seen):
                if found.end() > len(self._tail):
                    self._answer(self._dle_eot(found[1][0]))
            self._tail = seen[-2:]
        if self._decoder.held == 0 and not self._pending:
            self._due = max(self._due, self.clock())
        self._decoder.feed(data)
        self._changed()

    def spoken(self) -> bytes:
        """Return and take what it has said."""
        said = bytes(self._out)
        self._out.clear()
        return said

    def step(self) -> float | None:
        """Print what is due by now; return seconds until it must be called again."""
        now = self.clock()
        row_s = self.profile.line_mm / self.profile.max_speed_mm_s / self.factor
        while True:
            if not self._pending:
                self._pending = list(self._decoder.next())
            if not self._pending:
                self._due = max(self._due, now)
                self._made_room.set()
                return None
            op = self._pending[0]
            # An Epson that is offline works nothing off; cheap ones go on answering.
            if self.stopped and (isinstance(op, Row | Cut) or self.profile.status == "epson"):
                self._due = now
                waits_for_head = self.powered and self.head is not None and self._hot
                return 1.0 / self.factor if waits_for_head else None
            if isinstance(op, Row):
                if self._due > now:
                    self._made_room.set()
                    return max(self._due - now, LOOK_S)
                self._due += row_s
            self._pending.pop(0)
            self._do(op)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            wait_s = self.step()
            with anyio.move_on_after(wait_s):
                await self._poked.wait()
            self._poked = anyio.Event()

    async def said(self) -> bytes:
        """Return what it says next, waiting for it."""
        while not self._out:
            self._spoke = anyio.Event()
            await self._spoke.wait()
        return self.spoken()

    async def roomy(self) -> None:
        """Return when it takes bytes."""
        while self.powered and not self.room:
            self._made_room = anyio.Event()
            await self._made_room.wait()

    # --- inside ---------------------------------------------------------------------------------

    def _do(self, op: Op) -> None:
        if isinstance(op, Row):
            self._print(op)
        elif isinstance(op, Cut):
            if self.profile.cutter != "none":
                self._end_slip(cut=True)
        elif op is Ask.PAPER:
            self._answer(bytes([0x0C if self.paper_rows == 0 else 0x03 * self.near_end]))
        elif op is Ask.STATUS and self.profile.status == "esc-v":
            self._answer(bytes([self._esc_v()]))
        elif op is Ask.STAR and self.profile.status == "star":
            self._answer(self._star())

    def _print(self, row: Row) -> None:
        if not self.row_seen_at:
            self.row_seen_at = self.clock()
        if self.head is not None and row.dots:
            self.head.fire(row.dots)
        self.tape.append(row)
        self.hanging.rows.append(row)
        self._white = 0 if row.dots or row.text else self._white + 1
        if self.profile.cutter == "none" and self._white == LONG_FEED_ROWS:
            self._end_slip(cut=False)
        if self.paper_rows is not None:
            self.paper_rows -= 1
            if self.paper_rows == 0:
                self._lose_unless_kept()

    def _lose_unless_kept(self) -> None:
        if not self.keeps_buffer:
            self._decoder.forget()
            self._pending.clear()

    def _end_slip(self, *, cut: bool) -> Slip:
        slip, self.hanging = self.hanging, Slip()
        slip.cut = cut
        self._white = 0
        if slip.rows and not slip.blank:
            self.slips.append(slip)
            if self.folder is not None:
                self._draw(slip, len(self.slips))
        return slip

    def _draw(self, slip: Slip, number: int) -> None:
        assert self.folder is not None  # noqa: S101 - asked by the caller
        self.folder.mkdir(parents=True, exist_ok=True)
        width = self._decoder.width * 8
        # Pillow's mode 1 has white set; paper is the other way round.
        packed = bytes(255 - byte for row in slip.rows for byte in row.bits)
        picture = Image.frombytes("1", (width, len(slip.rows)), packed)
        picture.crop((0, 0, self.profile.dots, len(slip.rows))).save(
            self.folder / f"receipt-{number:03d}.png"
        )
        if slip.text:
            path = self.folder / f"receipt-{number:03d}.txt"
            path.write_text(slip.text + "\n", encoding="utf-8")

    def _answer(self, data: bytes) -> None:
        if self.answers and self.powered:
            self._out += data
            self._spoke.set()

    def _dle_eot(self, question: int) -> bytes:
        """Answer DLE EOT n (hardware page, section 6: the table of six states)."""
        out, cover, hot = self.paper_rows == 0, self.cover_open, self.hot
        answer = 0x12
        if question == 1 and (out or cover or hot):
            answer |= 0x08
        if question == 2:
            answer |= (0x04 if cover else 0) | (0x20 if out else 0) | (0x40 if hot else 0)
        if question == 3 and hot:
            answer |= 0x40
        if question == 4:
            answer |= (0x6C if out else 0) | (0x0C if self.near_end else 0)
        return bytes([answer])

    def _esc_v(self) -> int:
        out, cover, hot = self.paper_rows == 0, self.cover_open, self.hot
        return (0x04 * out) | (0x08 * cover) | (0x40 * hot) | (0x03 * self.near_end)

    def _star(self) -> bytes:
        """Seven bytes of automatic status, as Star Line Mode specifications 5-6 ff."""
        out, cover, hot = self.paper_rows == 0, self.cover_open, self.hot
        first = (0x08 if out or cover or hot else 0) | (0x20 if cover else 0)
        return bytes([0x0F, 0x06, first, 0x40 * hot, 0, (0x08 * out) | (0x04 * self.near_end), 0])

    def _changed(self) -> None:
        self._poked.set()
        if not self.powered:
            self._made_room.set()


@dataclass(slots=True)
class MemoryWire:
    """A wire without a kernel: for tests on virtual time. Implements ports.Wire.

    Attributes:
        cut_after: bytes that still get through before the cable is pulled, None for no end.
    """

    sim: PrinterSim
    cut_after: int | None = None
    _gone: anyio.Event = field(default_factory=anyio.Event)

    def pull(self) -> None:
        """Pull the cable."""
        self._gone.set()

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Return what the printer says."""
        del max_bytes
        said: list[bytes] = []
        async with anyio.create_task_group() as group:

            async def listen() -> None:
                said.append(await self.sim.said())
                group.cancel_scope.cancel()

            async def watch() -> None:
                await self._gone.wait()
                group.cancel_scope.cancel()

            group.start_soon(listen)
            group.start_soon(watch)
        if self._gone.is_set():
            raise anyio.BrokenResourceError
        return said[0]

    async def send(self, item: bytes) -> None:
        """Hand bytes over as the printer takes them."""
        while item:
            if self._gone.is_set():
                raise anyio.BrokenResourceError
            await self.sim.roomy()
            size = min(max(self.sim.room, 1), len(item))
            if self.cut_after is not None:
                size = min(size, self.cut_after)
                self.cut_after -= size
            self.sim.receive(item[:size])
            item = item[size:]
            if self.cut_after == 0:
                self.pull()
            await anyio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Close."""
        self._gone.set()


@asynccontextmanager
async def printer_on_pty(sim: PrinterSim, link: Path | None = None) -> AsyncIterator[str]:
    """Run a printer on a pty for the length of the context; yields the path to open."""
    master, device = pty.openpty()
    tty.setraw(device)
    os.set_blocking(master, False)
    path = os.ttyname(device)
    _link(link, path)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(sim.run)
            group.start_soon(_hear, sim, master)
            group.start_soon(_say, sim, master)
            yield str(link or path)
            group.cancel_scope.cancel()
    finally:
        os.close(master)
        os.close(device)
        _link(link, None)


def _link(link: Path | None, path: str | None) -> None:
    """Let a link point to a path, or remove it."""
    if link is None:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    if path is not None:
        link.symlink_to(path)


async def _hear(sim: PrinterSim, master: int) -> None:
    """Take bytes while there is room; a full printer lets the terminal wait."""
    while True:
        await sim.roomy()
        await anyio.wait_readable(master)
        try:
            data = os.read(master, max(min(sim.room, 1024), 1))
        except (BlockingIOError, OSError):
            await anyio.sleep(LOOK_S)
            continue
        sim.receive(data)


async def _say(sim: PrinterSim, master: int) -> None:
    while True:
        said = await sim.said()
        while said:
            await anyio.wait_writable(master)
            try:
                said = said[os.write(master, said) :]
            except BlockingIOError:
                continue
