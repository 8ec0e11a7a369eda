"""What stands around a simulated terminal: acquirer, certificates, keys and a site file."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from posfw.crypto.dukpt import initial_key
from posfw.crypto.sign1 import PemSigner
from posfw.keys import software
from posfw.sim.acquirer import Acquirer
from posfw.sim.certificates import SERVER_NAME, VALID_DAYS, Authority, make
from posfw.sim.certifier import Certifier
from posfw.sim.head import HeadSim
from posfw.sim.pinpad import PadSim
from posfw.sim.printer import PrinterSim, printer_on_pty
from posfw.sim.reader import PtyReader, pty_reader
from posfw.sim.scanner import ScannerSim
from posfw.sim.sysfs import CHIP, head_sensor
from posfw.sim.vivotech import NeoSim
from posfw.sim.wires import on_pty
from posfw.values.hardware import PrinterProfile, ThermalProfile

__all__ = ["FACTOR", "MERCHANT", "PRINTER", "TERMINAL", "Rig", "rig"]

TERMINAL = "12345678"
MERCHANT = "898110154110001"
KEY_ID = bytes.fromhex("1234567890123456")
PAD_KEY_ID = bytes.fromhex("5041443132333435")
PIN_BASE_KEY = bytes(range(32, 64))
BASE_KEY = bytes(range(32))  # a test key: whoever reads this can forge for this rig, and only it

DEVICES = ("neo", "scanner", "pinpad")  # on ptys of these names, for boards that have them
FACTOR = 20.0  # the paper keeps up with the wire: the terminal sets the pace
# The mechanism of boards/host: faster than any real one, and its head lives fifteen times faster.
PRINTER = PrinterProfile(
    max_speed_mm_s=1200.0,
    cutter="partial",
    paper_out="keeps",
    thermal=ThermalProfile(
        source=f"hwmon:name={CHIP},temp1", tau_s=3.0, rise_c_per_kdot=0.02, slew_c_per_s=1000.0
    ),
)

SITE = """\
# Written by the simulator rig.
language = "zh-Hans"
# A demonstration where pre_activated: it sells without an activation; without operators nobody
# signs in and no supervisor approves.
pre_activated = true
operators = false
serial = "PF000001"
[merchant]
name = "测试商户 Test merchant"
id = "{merchant}"
[terminal]
id = "{terminal}"
[acquirer]
name = "Simulated acquirer"
addresses = ["127.0.0.1:{port}"]
server_name = "{server_name}"
ca = "{folder}/ca.pem"
certificate = "{folder}/device.pem"
key = "{folder}/device.key"
profile = "unionpay"
bank_key = "{folder}/bank.pem"
[settlement]
automatic = false
[keys]
file = "{folder}/keys.json"
[policy]
enabled = true
per_transaction_minor = 25000
entry_modes = ["swiped", "contactless"]
[timing]
authorise_s = 1.0
inquiry_s = 2.0
heartbeat_s = 5.0
retry_s = 0.3
qr_poll_s = 0.1
"""


@dataclass(frozen=True, slots=True)
class Rig:
    """A running rig.

    Attributes:
        acquirer: drive its faults, look into its bank.
        site: the site file for `posfw run`.
        reader: the stripe reader's end of the wire.
        neo: the reader with a kernel of its own.
        scanner: for goods and payment codes.
        pad: the PIN pad, with keys of its own.
        printer: paper, cover, slips.
        head: its temperature.
        folder: where links, keys and certificates are.
    """

    acquirer: Acquirer
    site: Path
    reader: PtyReader
    neo: NeoSim
    scanner: ScannerSim
    pad: PadSim
    printer: PrinterSim
    head: HeadSim
    folder: Path

    @property
    def ports(self) -> dict[str, str]:
        """The ptys by role."""
        found = {"card": self.reader.path}
        return found | {name: str(self.folder / name) for name in ("printer", *DEVICES)}


@asynccontextmanager
async def rig(
    state: Path,
    *,
    printer: PrinterProfile = PRINTER,
    slips: Path | None = None,
    blank: bool = False,
) -> AsyncIterator[Rig]:
    """Run acquirer, reader and printer for the length of the context; files go to `state`/rig.

    Args:
        state: the terminal's state folder.
        printer: the mechanism to simulate.
        slips: where the pictures of finished slips go, None for nowhere.
        blank: the terminal is as it left the factory: to be activated, with operators.
    """
    folder = state / "rig"
    certificates = await anyio.to_thread.run_sync(make, folder, TERMINAL)
    await anyio.to_thread.run_sync(_bank_key, folder)
    signer = PemSigner(await anyio.Path(folder / "bank.key").read_bytes())
    certifier = Certifier(signer, {TERMINAL: MERCHANT})
    acquirer = Acquirer(BASE_KEY, certifier=certifier, pin_base_key=PIN_BASE_KEY)
    async with anyio.create_task_group() as group:
        port = await group.start(acquirer.serve, certificates, 0)
        site = await anyio.to_thread.run_sync(_files, folder, port, blank)
        head = HeadSim.like(printer.thermal, time.monotonic, lag_s=0.1)
        paper = PrinterSim(printer, time.monotonic, head=head, folder=slips, factor=FACTOR)
        group.start_soon(head_sensor, head, folder)
        async with printer_on_pty(paper, folder / "printer"), AsyncExitStack() as stack:
            reader = stack.enter_context(pty_reader(folder / "card"))
            neo, scanner, pad = NeoSim(), ScannerSim(), PadSim(keys=_pad_keys())
            for name, serve in zip(DEVICES, (neo.serve, scanner.serve, pad.serve), strict=True):
                await stack.enter_async_context(on_pty(serve, folder / name))
            yield Rig(acquirer, site, reader, neo, scanner, pad, paper, head, folder)
        group.cancel_scope.cancel()


def _pad_keys() -> software.SoftwareElement:
    first = initial_key(PIN_BASE_KEY, PAD_KEY_ID)
    return software.SoftwareElement(first, PAD_KEY_ID, bytes(32))


def _bank_key(folder: Path) -> None:
    Authority.load(folder).write(folder, "bank", "Test bank", days=(-1, VALID_DAYS))


def _files(folder: Path, port: int, blank: bool) -> Path:  # noqa: FBT001 - a thread's argument
    keys = folder / "keys.json"
    if not keys.exists():
        software.create(
            keys,
            initial_key=initial_key(BASE_KEY, KEY_ID),
            initial_key_id=KEY_ID,
            secret=bytes(32),
        )
    site = folder / "site.toml"
    text = SITE.format(
        merchant=MERCHANT, terminal=TERMINAL, port=port, server_name=SERVER_NAME, folder=folder
    )
    if blank:
        text = text.replace("pre_activated = true", "pre_activated = false")
        text = text.replace("operators = false", "operators = true")
    site.write_text(text, encoding="utf-8")
    return site
