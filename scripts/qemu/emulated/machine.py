"""One emulated machine per board: its command line, its tree, its process."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import anyio
from anyio.abc import Process

from emulated.bundle import initrd_with

__all__ = ["MACHINES", "Guest", "Machine", "missing"]

HERE: Final = Path(__file__).resolve().parents[1]
REPOSITORY: Final = HERE.parents[1]
OPEN_S: Final = 30.0
ROLES: Final = ("card", "printer", "pinpad")


@dataclass(frozen=True, slots=True)
class Machine:
    """What a board is emulated with.

    Attributes:
        program: the emulator.
        words: of its command line: machine, processor, memory, network, clock, watchdog.
        disk: how the disk hangs on it; {disk} is the file.
        ports: how the serial ports hang on it, after their character devices.
        console: kernel's name of the console.
        modules: that udev would have loaded.
        own_tree: whether QEMU makes the device tree itself; else the image brings it.
        site: more lines for the site file.
        head: whether a sensor of the print head is emulated.
    """

    program: str
    words: tuple[str, ...]
    disk: tuple[str, ...]
    ports: tuple[str, ...]
    console: str
    modules: str
    own_tree: bool
    site: str = ""
    head: bool = False


MACHINES: Final[Mapping[str, Machine]] = MappingProxyType(
    {
        "qemu-virt-arm64": Machine(
            program="qemu-system-aarch64",
            words=("-M", "virt", "-cpu", "cortex-a72", "-smp", "1", "-m", "128",
                "-device", "i6300esb", "-action", "watchdog=reset",
                "-device", "virtio-net-pci,netdev=line,id=nic0,romfile="),
            disk=("-drive", "if=none,id=disk,file={disk},format=raw",
                "-device", "virtio-blk-pci,drive=disk"),
            ports=("-device",
                "pci-serial-4x,chardev1=card,chardev2=printer,chardev3=pinpad,chardev4=spare"),
            console="ttyAMA0",
            modules="virtio_net leds-gpio ledtrig-timer gpio-keys evdev i6300esb",
            own_tree=True,
        ),
        "qemu-imx6ul": Machine(
            program="qemu-system-arm",
            words=("-M", "mcimx6ul-evk", "-m", "128",
                "-device", "tmp105,id=temp0,bus=i2c-bus.0,address=0x48",
                "-device", "ds1338,bus=i2c-bus.0,address=0x68",
                "-action", "watchdog=reset",
                # Linux finds the second controller first, and only its PHY answers in QEMU 7.2.
                "-netdev", "hubport,id=first,hubid=1", "-net", "nic,model=imx.enet,netdev=first",
                "-net", "nic,model=imx.enet,netdev=line"),
            disk=("-drive", "if=sd,file={disk},format=raw"),
            ports=("-serial", "chardev:card", "-serial", "chardev:printer",
                "-serial", "chardev:pinpad"),
            console="ttymxc0",
            modules="i2c-imx rtc-ds1307 lm75 leds-gpio ledtrig-timer gpio-keys evdev imx2_wdt fec",
            own_tree=False,
            # The reader's port by its tree node is not found by `posfw run` yet.
            head=True,
            site='[ports]\ncard = "/dev/ttymxc1"\n',
        ),
    }
)  # fmt: skip


def missing(board: str) -> str:
    """Return why this board cannot be emulated here, "" if it can."""
    tools = (MACHINES[board].program, "dtc")
    gone = [tool for tool in tools if shutil.which(tool) is None]
    if gone:
        return f"{', '.join(gone)} not installed (Debian: qemu-system-arm, device-tree-compiler)"
    image = REPOSITORY / "out/image" / board
    if not (image / "image.json").is_file():
        return f"no image in {image}: make image BOARD={board}"
    return ""


@dataclass(slots=True)
class Guest:
    """A machine with its disk and process.

    Attributes:
        board: id of the profile.
        folder: its disk, sockets, console, tree.
        ports: what hangs on the serial ports: role -> pty.
        extra: becomes /run/extra in the guest.
        init: the first program; default: the start script for tests.
        restarts: whether a reset starts it again, as on a counter, or ends the process.
        more: words for the command line.
        rtc: what the clock says at the start.
    """

    board: str
    folder: Path
    ports: Mapping[str, str]
    extra: Path
    init: str = "/run/extra/start"
    restarts: bool = False
    more: tuple[str, ...] = ()
    rtc: str = "utc"
    process: Process | None = None
    append: str = ""
    _image: Path = field(init=False)

    def __post_init__(self) -> None:
        """Find the image."""
        self._image = REPOSITORY / "out/image" / self.board

    @property
    def machine(self) -> Machine:
        """How the board is emulated."""
        return MACHINES[self.board]

    @property
    def console(self) -> Path:
        """Everything the guest says on its console, since the last start."""
        return self.folder / "console.log"

    @property
    def monitor(self) -> Path:
        """QEMU's own socket."""
        return self.folder / "qmp.sock"

    def said(self) -> str:
        """Return the console so far."""
        return self.console.read_text(errors="replace") if self.console.is_file() else ""

    def prepare(self) -> None:
        """Lay out disk, tree and memory disk; an existing disk stays."""
        self.folder.mkdir(parents=True, exist_ok=True)
        disk = self.folder / "disk.img"
        if not disk.is_file():
            subprocess.run(["cp", "--sparse=always", self._image / "disk.img", disk], check=True)
        for name in ("start", "relay.py"):
            text = (HERE / "guest" / name).read_text()
            filled = text.replace("@BOARD@", self.board).replace("@MODULES@", self.machine.modules)
            target = self.extra / name
            target.write_text(filled)
            target.chmod(0o755)
        initrd_with(
            self._image / "initrd.gz", self.extra, self.folder / "initrd.gz", init=self.init
        )
        self._tree()

    def _tree(self) -> None:
        base = self._image / "board.dtb"
        if self.machine.own_tree:
            base = self.folder / "base.dtb"
            words = [w.replace("virt", f"virt,dumpdtb={base}", 1) if w == "virt" else w
                for w in self.machine.words]  # fmt: skip
            command = [self.machine.program, *words, "-netdev", "user,id=line"]
            command += ["-display", "none", "-serial", "null"]
            subprocess.run(command, check=True, capture_output=True)
        source = ["dtc", "-q", "-I", "dtb", "-O", "dts", str(base)]
        text = subprocess.run(source, check=True, capture_output=True, text=True).stdout
        text += (HERE / "trees" / f"{self.board}.dts").read_text()
        compile_ = ["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", str(self.folder / "board.dtb")]
        subprocess.run(compile_, input=text, check=True, capture_output=True, text=True)

    def command(self) -> list[str]:
        """Return QEMU's command line."""
        at, machine = self.folder, self.machine
        forward = "".join(f",hostfwd=tcp:127.0.0.1:0-:{port}" for port in (7000, 7001))
        words = [machine.program, *machine.words, "-display", "none", "-parallel", "none"]
        words += ["-netdev", f"user,id=line{forward}", "-rtc", f"base={self.rtc},clock=vm"]
        words += ["-qmp", f"unix:{self.monitor},server=on,wait=off"]
        words += ["-serial", f"file:{self.console}"]
        for role in ROLES:
            path = self.ports.get(role)
            kind = f"serial,id={role},path={path}" if path else f"null,id={role}"
            words += ["-chardev", kind]
        words += ["-chardev", "null,id=spare", *machine.ports]
        words += [word.format(disk=at / "disk.img") for word in machine.disk]
        words += ["-kernel", str(self._image / "vmlinuz"), "-initrd", str(at / "initrd.gz")]
        words += ["-dtb", str(at / "board.dtb")]
        kernel = f"console={machine.console} loglevel=4 panic=1 posfw.slot=A {self.append}"
        words += ["-append", kernel.strip(), *self.more]
        return words if self.restarts else [*words, "-no-reboot"]

    async def power_on(self) -> None:
        """Start the machine."""
        for path in (self.console, self.monitor):
            path.unlink(missing_ok=True)
        log = (self.folder / "qemu.log").open("ab")
        with log:
            self.process = await anyio.open_process(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ
            )
        with anyio.fail_after(OPEN_S):
            while not self.monitor.is_socket():
                if self.process.returncode is not None:
                    raise OSError(f"QEMU did not start: see {log.name}")
                await anyio.sleep(0.02)

    async def power_off(self) -> None:
        """Pull the plug: SIGKILL; what was not on the disk is gone."""
        if self.process is not None:
            if self.process.returncode is None:
                self.process.kill()
            await self.process.wait()
            await self.process.aclose()
            self.process = None

    async def until_said(self, word: str, *, within_s: float) -> None:
        """Wait until the console has a word.

        Raises:
            TimeoutError: with the console's last lines; also when the machine ended.
        """
        try:
            with anyio.fail_after(within_s):
                while word not in self.said():
                    if self.process is None or self.process.returncode is not None:
                        break
                    await anyio.sleep(0.1)
        except TimeoutError:
            pass
        if word not in self.said():
            told = f"{self.board} did not say {word!r} within {within_s} s:\n{self.said()[-3000:]}"
            raise TimeoutError(told)
