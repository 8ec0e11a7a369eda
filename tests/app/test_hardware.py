from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from station.endofline import judge

from posfw.app.boards import Shelf
from posfw.app.hardware import hardware_of, port_url
from posfw.app.selftest import Selftest
from posfw.board.selftest import verdict
from posfw.cli.main import main
from posfw.values.errors import DeviceError
from tests.board.fakes import KernelTree

ROOT = Path(__file__).resolve().parents[2]
SHELF = Shelf([ROOT / "boards"])
EMULATED = SHELF.load("qemu-imx6ul")
UART2 = "soc/bus@2100000/serial@21e8000"

pytestmark = pytest.mark.may_block  # a self-test runs while the terminal is stopped


@pytest.fixture
def machine(tmp_path: Path) -> KernelTree:
    """The files of an emulated i.MX6UL, as far as its profile names them."""
    tree = KernelTree(tmp_path / "root")
    tree.hwmon(0, "tmp105", 41_500)
    tree.led("pos:power")
    tree.put("sys/class/rtc/rtc0/name", "rtc-ds1307 0-0068\n")
    tree.put("sys/class/rtc/rtc0/since_epoch", "1795467480\n")
    tree.put("sys/class/watchdog/watchdog0/identity", "imx2+ watchdog\n")
    device = "sys/devices/platform/soc/21e8000.serial"
    tree.link(f"{device}/of_node", f"sys/firmware/devicetree/base/{UART2}")
    tree.link("sys/class/tty/ttymxc1/device", device)
    tree.put("dev/ttymxc1", "")
    (tmp_path / "state").mkdir()
    return tree


def selftest(tree: KernelTree) -> Selftest:
    return Selftest(EMULATED, tree.root.parent / "state", tree.root)


async def test_the_parts_of_a_profile_become_drivers(machine: KernelTree) -> None:
    parts = hardware_of(EMULATED, machine.root)
    assert parts.sensor is not None
    assert await parts.sensor.read() == 41.5
    await parts.lamps.show({"power": "slow"})
    assert machine.get("sys/class/leds/pos:power/delay_off") == "1800"
    assert parts.keypad is not None
    assert parts.battery is None


def test_a_board_without_parts_has_none() -> None:
    parts = hardware_of(SHELF.load("imx6ull-evk"))
    assert (parts.sensor, parts.keypad, parts.battery) == (None, None, None)


def test_a_port_is_the_sites_word_or_the_profiles_looked_up(machine: KernelTree) -> None:
    state = Path("/state")
    found = port_url(EMULATED, "card", state=state, root=machine.root)
    assert found == str(machine.root / "dev/ttymxc1")
    assert port_url(EMULATED, "card", state=state, override="socket://h:1") == "socket://h:1"
    host = SHELF.load("host")
    assert port_url(host, "card", state=state) == "/state/rig/card"
    assert port_url(host, "scale", state=state) is None
    with pytest.raises(DeviceError):
        port_url(EMULATED, "printer", state=state, root=machine.root)


async def test_a_whole_machine_passes_what_can_be_tested_alone(machine: KernelTree) -> None:
    steps = {step.id: step for step in await selftest(machine).run()}
    states = {name: step.state for name, step in steps.items()}
    assert states == {
        "storage": "pass", "rtc": "pass", "watchdog": "pass", "head": "pass", "card": "pass",
        "leds": "pass", "keypad": "skip", "network": "skip", "secure": "skip",
    }  # fmt: skip
    assert steps["head"].observed == {"celsius": 41.5}
    assert list((machine.root.parent / "state").iterdir()) == []


@pytest.mark.parametrize(
    ("path", "text", "step"),
    [
        ("sys/class/hwmon/hwmon0/temp1_input", "", "head"),
        ("sys/class/hwmon/hwmon0/temp1_input", "120000", "head"),
        ("sys/class/rtc/rtc0/since_epoch", "0", "rtc"),
        ("sys/class/watchdog/watchdog0/identity", "Software Watchdog", "watchdog"),
        ("sys/class/leds/pos:power", "", "leds"),
        ("dev/ttymxc1", "", "card"),
    ],
)
async def test_each_broken_part_fails_its_own_step_only(
    path: str, text: str, step: str, machine: KernelTree
) -> None:
    if text:
        machine.put(path, text)
    elif (machine.root / path).is_dir():
        (machine.root / path).rename(machine.root / "elsewhere")
    else:
        (machine.root / path).unlink()
    steps = await selftest(machine).run()
    assert [found.id for found in steps if found.state == "fail"] == [step]
    assert [reason.split(":")[0] for reason in judge(verdict("b", steps), ["storage"])] == [step]


def test_the_bench_reads_the_verdict_of_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSFW_BOARDS", str(ROOT / "boards"))
    code = main(["selftest", "--board", "host", "--state", str(tmp_path / "s"), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert code == 1  # a laptop has no rig running: the card port is not there
    assert any(reason.startswith("card:") for reason in judge(told, []))
    (tmp_path / "s" / "control.sock").write_text("", encoding="utf-8")
    assert main(["selftest", "--board", "host", "--state", str(tmp_path / "s")]) == 4


@pytest.mark.parametrize(("answer", "state"), [(True, "pass"), (False, "fail")])
async def test_a_person_says_whether_the_lamps_are_lit(
    machine: KernelTree, answer: bool, state: str
) -> None:
    asked: list[str] = []

    async def ask(names: str) -> bool:
        asked.append(f"{names} {machine.get('sys/class/leds/pos:power/delay_on')}")
        return answer

    steps = await replace(selftest(machine), ask=ask).run()
    (lamps,) = [step for step in steps if step.id == "leds"]
    assert asked == ["power 1000"]  # lit while it is asked
    assert (lamps.state, lamps.observed.get("seen", False)) == (state, answer)
    assert machine.get("sys/class/leds/pos:power/delay_on") == "0"  # and dark afterwards


async def test_unasked_lamps_are_never_said_to_be_seen(machine: KernelTree) -> None:
    (lamps,) = [step for step in await selftest(machine).run() if step.id == "leds"]
    assert (lamps.state, lamps.observed["seen"]) == ("pass", False)
