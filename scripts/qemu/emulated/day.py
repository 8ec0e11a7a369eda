"""A business day whose terminal is a guest: the rig's ports are the machine's ports."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

from emulated.machine import MACHINES, REPOSITORY, Guest
from emulated.qmp import Monitor
from posfw.app.boards import Shelf
from posfw.sim.cards import deck
from posfw.sim.day import Day, Report
from posfw.sim.paper import Slip
from posfw.sim.reading import SlipReader
from posfw.sim.rig import Rig, rig
from posfw.sim.script import Step
from posfw.sim.slips import SlipBook
from posfw.sim.steps import STEPS

__all__ = ["GuestDay", "opened", "play", "short_script"]

BOOT_S = 180.0  # a guest on a loaded machine; measured 10 to 25 s on an idle one
STEP_S = 180.0
FEEL_S = 0.1
SLOWER = {"authorise_s": 8.0, "inquiry_s": 8.0, "heartbeat_s": 20.0, "retry_s": 1.0}
SITE = "/var/lib/posfw/site"


@dataclass(slots=True)
class GuestDay(Day):
    """A day that plays in a guest; `laps` are seconds from power-on to ready, one a start."""

    other_counter: bool = False  # the machine has the ports that it has
    guest: Guest | None = None
    port: int = 0
    shell: int = 0
    qemu: Monitor | None = None
    laps: list[float] = field(default_factory=list)

    @property
    def machine(self) -> Guest:
        """The guest; a day without one cannot be played."""
        assert self.guest is not None  # noqa: S101 - given by `opened`
        return self.guest

    @property
    def monitor(self) -> Monitor:
        """QEMU's monitor, while the machine is on."""
        assert self.qemu is not None  # noqa: S101 - opened by `start`
        return self.qemu

    async def _feel(self, qemu: Monitor) -> None:
        """Let the guest's sensor follow the simulated head until the machine is switched off."""
        with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError, anyio.EndOfStream):
            while self.qemu is qemu:
                if (seen_c := self.rig.head.reading()) is not None:
                    await qemu.head_c(seen_c)
                await anyio.sleep(FEEL_S)

    async def ask(self, request: Mapping[str, Any], swiped: str = "") -> dict[str, Any]:
        """As the day's own, over the forwarded port."""
        async with await anyio.connect_tcp("127.0.0.1", self.port) as stream:
            await stream.send(json.dumps(request).encode() + b"\n")
            lines = BufferedByteReceiveStream(stream)
            while True:
                body: dict[str, Any] = json.loads(await lines.receive_until(b"\n", 1 << 20))
                if "progress" not in body:
                    return body
                if swiped and body["progress"]["screen"] == "present_card":
                    await self.rig.reader.swipe(self.cards[swiped])

    async def start(self, *, online: bool = True) -> None:
        """Power on and wait until the terminal is ready, and online where it may be."""
        began = time.monotonic()
        await self.machine.power_on()
        self.qemu = await Monitor.opened(self.machine.monitor)
        if self.group is not None and self.machine.machine.head:
            self.group.start_soon(self._feel, self.qemu)
        await self.machine.until_said('"ready": true', within_s=BOOT_S)
        self.laps.append(round(time.monotonic() - began, 1))
        await self.machine.until_said(">> relay up", within_s=BOOT_S)
        self.port = await self.monitor.forwarded(7000)
        self.shell = await self.monitor.forwarded(7001)
        if online:
            await self.until("online", value=True)

    async def cut(self) -> None:
        """Cut the power of the whole machine."""
        if self.qemu is not None:
            await self.qemu.aclose()
            self.qemu = None
        await self.machine.power_off()

    async def until(self, name: str, *, value: object) -> None:
        """Wait until the terminal's status says so; a guest is slower than a process."""
        with anyio.fail_after(STEP_S):
            while (await self.result({"do": "status"}))[name] != value:  # noqa: ASYNC110 - a guest
                await anyio.sleep(0.2)

    async def run(self, line: str) -> str:
        """Run a line of shell in the guest, as root, and return what it says.

        Raises:
            RuntimeError: it failed.
        """
        async with await anyio.connect_tcp("127.0.0.1", self.shell) as stream:
            await stream.send(line.encode() + b"\n")
            said = b"".join([part async for part in stream]).decode(errors="replace")
        *words, code = said.rstrip("\n").split("\n")
        if code != "0":
            raise RuntimeError(f"{line!r} ended with {code}: {words}")
        return "\n".join(words).strip()


def short_script() -> tuple[Step, ...]:
    """Return a short day: swiped and keyed sales, declines, a chip card swiped, settlement."""
    visa = "4111111111111111"
    return (
        Step("sign_on"),
        Step("sale", 1200, swiped="unionpay"),
        Step("sale", 4500, swiped="visa"),
        Step("sale", 3051, visa, "failed", "51"),
        Step("sale", 9900, visa),
        Step("sale", 20055, expect="failed", code="55", swiped="mastercard"),
        Step("chip_swipe", 8000, expect="failed", swiped="visa-chip"),
        Step("lost_answer", 7700, visa),
        Step("x_report"),
        Step("settle"),
        Step("z_report"),
    )


@asynccontextmanager
async def opened(
    board: str, folder: Path, *, seed: int = 1, more: Sequence[str] = (), rtc: str = "utc",
    slips: Path | None = None, blank: bool = False, make: Callable[..., Guest] = Guest,
) -> AsyncIterator[GuestDay]:  # fmt: skip
    """Set up rig and machine in an empty folder; the machine is off."""
    profile = Shelf([REPOSITORY / "boards"]).load(board)
    async with (
        rig(folder, printer=profile.printer, slips=slips, blank=blank) as around,
        anyio.create_task_group() as group,
    ):
        extra = folder / "extra"
        await anyio.to_thread.run_sync(_site, around, extra, MACHINES[board].site)
        guest = make(board, folder / "machine", around.ports, extra, more=tuple(more), rtc=rtc)
        await anyio.to_thread.run_sync(guest.prepare)
        day = GuestDay(around, folder, Report(seed), group, cards=deck(seed), guest=guest)
        with (folder / "wire.bin").open("ab") as capture:
            around.acquirer.tap = capture.write
            try:
                yield day
            finally:
                with anyio.CancelScope(shield=True):
                    await day.cut()
        group.cancel_scope.cancel()


def _site(around: Rig, extra: Path, more: str) -> None:
    """Copy the rig's site file, certificates and keys for the guest, with its view of the host."""
    site = extra / "site"
    shutil.rmtree(extra, ignore_errors=True)
    site.mkdir(parents=True)
    for name in ("ca.pem", "device.pem", "device.key", "bank.pem", "keys.json"):
        shutil.copyfile(around.folder / name, site / name)
    text = around.site.read_text(encoding="utf-8").replace("127.0.0.1", "10.0.2.2")
    lines = text.replace(str(around.folder), SITE).splitlines()
    for at, line in enumerate(lines):
        key = line.split(" = ")[0]
        if key in SLOWER:
            lines[at] = f"{key} = {SLOWER[key]}"
    (site / "site.toml").write_text("\n".join(lines) + "\n" + more, encoding="utf-8")


async def play(day: GuestDay, steps: Sequence[Step], tell: Callable[[str], None]) -> Report:
    """Play steps in a running guest and judge the paper."""
    for number, step in enumerate(steps, start=1):
        began = time.monotonic()
        await STEPS[step.what](day, step)
        took_s = time.monotonic() - began
        tell(f"[{number:2}/{len(steps)}] {took_s:5.1f} s  {step.what} {step.code}")
    day.report.judge_paper(await anyio.to_thread.run_sync(book, day.rig.printer.slips))
    return day.report


def book(slips: Sequence[Slip]) -> SlipBook:
    """Read slips; a printer that draws its own characters leaves text instead of dots."""
    whole, reader = SlipBook(), SlipReader.of_package()
    for slip in slips:
        one = SlipBook.read([slip], _Written(slip.text) if slip.text else reader)
        whole.receipts += one.receipts
        whole.broken += one.broken
        whole.settlements += one.settlements
        whole.reports += one.reports
    return whole


class _Written(SlipReader):
    """Reads what a printer wrote with its own characters."""

    def __init__(self, text: str) -> None:
        self._lines = [line.strip() for line in text.splitlines() if line.strip()]

    def lines(self, rows: Sequence[bytes]) -> list[str]:
        """Return the lines; the rows are the printer's own matter."""
        del rows
        return self._lines
