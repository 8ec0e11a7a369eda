"""Head, lamp, key, clock and watchdog of an emulated i.MX6UL, through a real kernel."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from emulated.day import GuestDay, book, opened

pytestmark = [pytest.mark.slow, pytest.mark.may_block, pytest.mark.timeout(600)]

SLOW_C = 68.0  # above the profile's slow_c, so the receipt takes its time
HOT_C = 78.0  # above its stop_c
RATE_C_PER_S = 5.0
STEP_S = 0.1
# Prints yes once the program in /run/listener holds the keys' device open.
LISTENS = "ls -l /proc/$(cat /run/listener)/fd 2>/dev/null | grep -q /dev/input && echo yes; true"
COPIES = ["MERCHANT", "CARDHOLDER"]
GPIO = "/machine/soc/gpio0"  # as of QEMU's fsl-imx6ul; lamp on line 22, key on line 23
PROGRAM = """\
import os
import sys
from pathlib import Path
import anyio
from posfw.app.hardware import hardware_of
from posfw.board.driver.watchdog import KernelWatchdog
from posfw.cli.places import load_board
board = load_board("qemu-imx6ul")
parts = hardware_of(board)
async def lamp():
    await parts.lamps.show({"power": "on"})
async def key():
    Path("/run/listener").write_text(str(os.getpid()))
    async for pressed in parts.keypad.keys():
        print(pressed)
        return
async def bite():
    dog = KernelWatchdog("imx2+ watchdog", 4)
    print(await dog.open(), flush=True)
    await dog.feed()
    await anyio.sleep(600)
anyio.run(globals()[sys.argv[1]])
"""


class Pins:
    """QEMU's qtest socket: outputs of the GPIO block are told, inputs can be driven."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self.stream = stream
        self.lines = BufferedByteReceiveStream(stream)

    async def do(self, order: str) -> list[str]:
        """Give an order; returns what pins did until it was answered."""
        await self.stream.send(order.encode() + b"\n")
        seen = []
        while not (line := await self.told()).startswith("OK"):
            seen.append(line)
        return seen

    async def told(self) -> str:
        return (await self.lines.receive_until(b"\n", 4096)).decode().strip()


@pytest.fixture
def imx(board: str) -> str:
    if board != "qemu-imx6ul":
        pytest.skip(f"{board} has no such parts: make qemu-test BOARD=qemu-imx6ul")
    return board


async def test_head_lamp_key_clock_and_watchdog(imx: str, tmp_path: Path) -> None:
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    qtest = tmp_path / "qtest.sock"
    more = ("-qtest", f"unix:{qtest},server=on,wait=off", "-qtest-log", "/dev/null")
    async with opened(imx, tmp_path / "state", more=more, rtc=f"{today}T23:58:30") as day:
        (day.machine.extra / "parts.py").write_text(PROGRAM)
        await anyio.to_thread.run_sync(day.machine.prepare)
        await day.start()
        assert f">> clock {today}T23:5" in day.machine.said()
        async with await anyio.connect_unix(qtest) as stream:
            pins = Pins(stream)
            await _head(day)
            await _heat_while_printing(day)
            await _lamp_and_key(day, pins)
        await _midnight(day, today)
        await _watchdog(day)


async def _head(day: GuestDay) -> None:
    """The kernel's reading is the one that QEMU was given; the self-test sees it too."""
    day.rig.head.set_body(41.5)
    day.rig.head.ambient_c = 41.5
    await _until(day, "cat /sys/class/hwmon/hwmon*/temp1_input", "41500")
    told = await day.run("posfw selftest --board qemu-imx6ul --json --state /run; true")
    steps = {step["id"]: step for step in json.loads(told.splitlines()[-1])["steps"]}
    assert steps["head"]["observed"] == {"celsius": 41.5}
    assert steps["watchdog"]["observed"] == {"identity": "imx2+ watchdog"}
    assert {steps[name]["state"] for name in ("storage", "rtc", "leds")} == {"pass"}


async def _heat_while_printing(day: GuestDay) -> None:
    """Hotter while a receipt prints: it stops, nothing is fired, it goes on and ends whole."""
    printer, head = day.rig.printer, day.rig.head
    await day.result({"do": "sign_on"})
    await _ramp(day, SLOW_C)
    sale = {
        "do": "sale",
        "amount": "12.00",
        "keyed": {"pan": "4111111111111111", "expiry": "3012"},
    }
    assert (await day.result(sale))["ending"] == "success"
    await _ramp(day, HOT_C)
    await day.until("printer_reason", value="PRN-201")
    fired = len(printer.tape)
    for _ in range(5):  # five answers of the terminal later it is as hot, and nothing moved
        assert (await day.result({"do": "status"}))["printer_reason"] == "PRN-201"
    assert len(printer.tape) == fired
    head.ambient_c = 25.0
    await day.until("waiting_prints", value=0)
    assert (await day.result({"do": "status"}))["unknown_prints"] == 0
    with anyio.fail_after(60):  # what the terminal has handed over may still be on the wire
        while len(printer.slips) < len(COPIES):
            await anyio.sleep(0.1)
    assert len(printer.tape) > fired
    paper = await anyio.to_thread.run_sync(book, printer.slips)
    assert [receipt.copy for receipt in paper.receipts] == COPIES
    assert (paper.broken, paper.problems()) == (0, [])


async def _ramp(day: GuestDay, goal_c: float) -> None:
    """Warm head and surroundings as fast as a head may warm: a jump would be a broken sensor."""
    head = day.rig.head
    now_c = head.settle()
    while now_c < goal_c:
        now_c = min(goal_c, now_c + RATE_C_PER_S * STEP_S)
        head.ambient_c = now_c
        head.set_body(now_c)
        await anyio.sleep(STEP_S)


async def _lamp_and_key(day: GuestDay, pins: Pins) -> None:
    await pins.do(f"irq_intercept_out {GPIO}")
    await day.run("python3 -I /run/extra/parts.py lamp")
    with anyio.fail_after(30):
        while await pins.told() != "IRQ raise 22":
            pass
    async with anyio.create_task_group() as group:
        pressed: list[str] = []

        async def listen() -> None:
            pressed.append(await day.run("python3 -I /run/extra/parts.py key"))

        group.start_soon(listen)
        await _until(day, LISTENS, "yes")
        await pins.do(f"set_irq_in {GPIO} unnamed-gpio-in 23 1")
    assert pressed == ["ok"]
    await pins.do(f"set_irq_in {GPIO} unnamed-gpio-in 23 0")


async def _until(day: GuestDay, line: str, word: str) -> None:
    """Wait until a line of shell in the guest answers with a word."""
    with anyio.fail_after(120):
        while await day.run(line) != word:
            await anyio.sleep(0.2)


async def _midnight(day: GuestDay, today: str) -> None:
    """The clock of the board, not only the kernel's, goes into the next day."""
    tomorrow = (date.fromisoformat(today) + timedelta(days=1)).isoformat()
    await _until(day, "cat /sys/class/rtc/rtc0/date", tomorrow)
    await _until(day, "date -u +%F", tomorrow)  # set from the other at the start, a second off
    assert (await day.result({"do": "status"}))["online"]


async def _watchdog(day: GuestDay) -> None:
    """Fed once and then left alone, it resets the machine; QEMU ends at a reset."""
    process = day.machine.process
    assert process is not None
    assert "WATCHDOG" not in day.monitor.events
    line = "setsid python3 -I /run/extra/parts.py bite >/dev/console 2>&1 & true"
    await day.run(line)
    with anyio.fail_after(180):
        await process.wait()
    await day.monitor.rest()
    assert "WATCHDOG" in day.monitor.events
    assert process.returncode == 0
