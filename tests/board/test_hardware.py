"""Contracts of the board's ports: each fake and each driver over kernel files keeps them.

A third side is this machine's own kernel, where it has such a device.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import pytest

from posfw.board.driver.keypad import KernelKeypad
from posfw.board.driver.lamps import KernelLamps
from posfw.board.driver.lines import GpioLines
from posfw.board.driver.power import KernelBattery, rtc_utc_s
from posfw.board.driver.sensors import KernelHeadSensor
from posfw.board.driver.sysfs import serial_path
from posfw.board.driver.watchdog import KernelWatchdog
from posfw.board.inputs import CODES, EVENT, KeyParser
from posfw.board.patterns import DELAYS_MS, TONES, led_writes
from posfw.board.sources import Source
from posfw.board.thermistor import Thermistor
from posfw.ports import Battery, Charge, HeadSensor, Keypad, Lamps, Watchdog
from posfw.values.errors import ConfigError, DeviceError, MisuseError
from tests.board.fakes import (
    FakeBattery,
    FakeHeadSensor,
    FakeKeypad,
    FakeLamps,
    FakeWatchdog,
    KernelTree,
)

NTC = Thermistor(r25_ohm=30_000, beta=3950, pullup_ohm=10_000, vref_mv=1800, adc_max=4095)


@pytest.fixture
def tree(tmp_path: Path) -> KernelTree:
    return KernelTree(tmp_path)


@dataclass(frozen=True)
class HeatRig:
    sensor: HeadSensor
    heat: Callable[[float | None], None]  # None: the sensor is gone


def heat_rig(kind: str, tree: KernelTree) -> HeatRig:
    if kind == "fake":
        fake = FakeHeadSensor()
        return HeatRig(fake, lambda celsius: setattr(fake, "celsius", celsius))
    names = {
        "hwmon": ("sys/class/hwmon/hwmon7/temp1_input", "sys/class/hwmon/hwmon7/name", "head"),
        "thermal": ("sys/class/thermal/thermal_zone2/temp", "sys/class/thermal/thermal_zone2/type",
                    "head"),
        "iio": ("sys/bus/iio/devices/iio:device1/in_voltage0_raw",
                "sys/bus/iio/devices/iio:device1/name", "adc"),
    }  # fmt: skip
    file, label, name = names[kind]
    tree.put(label, name + "\n")
    if kind == "iio":
        tree.put("sys/bus/iio/devices/iio:device1/in_voltage_scale", str(1800 / 4095))
    channel = {"hwmon": "temp1", "thermal": "", "iio": "voltage0"}[kind]
    thermistor = NTC if kind == "iio" else None
    sensor = KernelHeadSensor(Source(kind, name, channel), thermistor=thermistor, root=tree.root)

    def heat(celsius: float | None) -> None:
        if celsius is None:
            (tree.root / file).unlink(missing_ok=True)
        elif kind == "iio":
            tree.put(file, str(round(NTC.count(celsius))))
        else:
            tree.put(file, str(round(celsius * 1000)))

    return HeatRig(sensor, heat)


@pytest.mark.parametrize("kind", ["fake", "hwmon", "thermal", "iio"])
async def test_a_head_sensor_follows_the_head_and_tells_when_it_is_gone(
    kind: str, tree: KernelTree
) -> None:
    rig = heat_rig(kind, tree)
    for celsius in (-10.0, 25.0, 61.5, 91.5):
        rig.heat(celsius)
        # A 12-bit count is 0.06 C near 60 C and 0.1 C at 90 C.
        assert await rig.sensor.read() == pytest.approx(celsius, abs=0.1)
    rig.heat(None)
    assert await rig.sensor.read() is None
    rig.heat(40.0)
    assert await rig.sensor.read() == pytest.approx(40.0, abs=0.1)


@pytest.mark.parametrize("text", ["", "hot", "nan", "inf", "-80000", "999999", "\0\0"])
async def test_a_reading_that_cannot_be_is_none(text: str, tree: KernelTree) -> None:
    tree.hwmon(0, "head", text)
    assert await KernelHeadSensor(Source("hwmon", "head", "temp1"), root=tree.root).read() is None


async def test_a_fault_that_the_driver_reports_is_none(tree: KernelTree) -> None:
    tree.hwmon(0, "head", 25_000)
    sensor = KernelHeadSensor(Source("hwmon", "head", "temp1"), root=tree.root)
    tree.put("sys/class/hwmon/hwmon0/temp1_fault", "0\n")
    assert await sensor.read() == 25.0
    tree.put("sys/class/hwmon/hwmon0/temp1_fault", "1\n")
    assert await sensor.read() is None


async def test_a_sensor_is_found_by_name_when_its_number_moved(tree: KernelTree) -> None:
    tree.hwmon(0, "cpu", 70_000)
    tree.hwmon(1, "head", 30_000)
    sensor = KernelHeadSensor(Source("hwmon", "head", "temp1"), root=tree.root)
    assert await sensor.read() == 30.0
    tree.hwmon(0, "head", 31_000)
    tree.hwmon(1, "cpu", 71_000)
    assert await sensor.read() == 31.0


@pytest.mark.parametrize("count", ["0", "4095", "5000"])
async def test_an_open_or_shorted_thermistor_is_none(count: str, tree: KernelTree) -> None:
    rig = heat_rig("iio", tree)
    tree.put("sys/bus/iio/devices/iio:device1/in_voltage0_raw", count)
    assert await rig.sensor.read() is None


def test_a_voltage_without_its_thermistor_is_refused() -> None:
    with pytest.raises(ConfigError):
        KernelHeadSensor(Source("iio", "adc", "voltage0"))
    with pytest.raises(ConfigError):
        KernelHeadSensor(Source("gpio", "X"))


def own_hwmon() -> list[Path]:
    return sorted(Path("/sys/class/hwmon").glob("hwmon*/temp1_input"))


@pytest.mark.skipif(not own_hwmon(), reason="this kernel has no hwmon temperature")
async def test_this_machines_own_sensor_reads_like_its_file() -> None:
    name = (own_hwmon()[0].parent / "name").read_text(encoding="utf-8").strip()
    celsius = await KernelHeadSensor(Source("hwmon", name, "temp1")).read()
    assert celsius is not None
    assert 0 < celsius < 120


# Lamps ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LampRig:
    lamps: Lamps
    state: Callable[[str], str]


def lamp_rig(kind: str, tree: KernelTree) -> LampRig:
    if kind == "fake":
        fake = FakeLamps(("power", "error"))
        return LampRig(fake, lambda role: fake.lamps[role])
    tree.led("pos:power")
    tree.led("pos:error")
    leds = {"power": Source("leds", "pos:power"), "error": Source("leds", "pos:error")}

    def state(role: str) -> str:
        led = f"sys/class/leds/{leds[role].name}"
        delays = int(tree.get(f"{led}/delay_on")), int(tree.get(f"{led}/delay_off"))
        if delays == (0, 0):
            return "off"  # never set
        assert tree.get(f"{led}/trigger") == "timer"
        return next(name for name, wanted in DELAYS_MS.items() if wanted == delays)

    return LampRig(KernelLamps(leds, root=tree.root), state)


@pytest.mark.may_block  # the test looks into the tree while the loop runs
@pytest.mark.parametrize("kind", ["fake", "kernel"])
async def test_lamps_take_every_state_in_any_order(kind: str, tree: KernelTree) -> None:
    rig = lamp_rig(kind, tree)
    for state in ("on", "slow", "fast", "off", "fast", "on", "off"):
        await rig.lamps.show({"power": state, "error": "off", "net": "on"})
        assert (rig.state("power"), rig.state("error")) == (state, "off")


@pytest.mark.parametrize("kind", ["fake", "kernel"])
async def test_an_unknown_state_or_tone_sets_nothing(kind: str, tree: KernelTree) -> None:
    rig = lamp_rig(kind, tree)
    with pytest.raises(MisuseError):
        await rig.lamps.show({"power": "on", "error": "disco"})
    assert rig.state("power") == "off"
    with pytest.raises(MisuseError):
        await rig.lamps.tone("fanfare")


@pytest.mark.parametrize("state", sorted(DELAYS_MS))
def test_no_step_asks_for_the_kernels_own_blink(state: str) -> None:
    """Both times zero mean 500 ms each (led-core.c); no step between states may pass there."""
    for before in DELAYS_MS.values():
        times = dict(zip(("delay_on", "delay_off"), before, strict=True))
        for file, text in led_writes(state) or ():
            times[file] = int(text)
            assert any(times.values())


async def test_one_lamp_gone_leaves_the_others_shining(tree: KernelTree) -> None:
    tree.led("pos:error")
    leds = {"power": Source("leds", "gone"), "error": Source("leds", "pos:error")}
    lamps = KernelLamps(leds, root=tree.root)
    with pytest.raises(DeviceError, match=r"power \(gone\)"):
        await lamps.show({"power": "on", "error": "on"})
    assert tree.get("sys/class/leds/pos:error/delay_on") == "1000"
    assert not (tree.root / "sys/class/leds/gone").exists()


@pytest.mark.may_block  # the test looks into the tree while the loop runs
async def test_a_tone_is_played_note_by_note_and_ends_silent(tree: KernelTree) -> None:
    base = tree.pwm("2080000.pwm")
    heard: list[tuple[int, float]] = []

    async def sleep(seconds: float) -> None:
        period = int(tree.get(f"{base}/period"))
        on = tree.get(f"{base}/enable") == "1"
        assert not on or int(tree.get(f"{base}/duty_cycle")) * 2 == period
        heard.append((round(1e9 / period) if on else 0, seconds * 1000))

    lamps = KernelLamps({}, buzzer=Source("pwm", "2080000.pwm", "0"), root=tree.root, sleep=sleep)
    await lamps.tone("error")
    assert heard == [(hertz, float(length)) for hertz, length in TONES["error"]]
    assert tree.get(f"{base}/enable") == "0"


async def test_a_board_without_a_buzzer_is_silent_and_a_lost_one_is_told(tree: KernelTree) -> None:
    await KernelLamps({}, root=tree.root).tone("ok")
    lamps = KernelLamps({}, buzzer=Source("pwm", "x.pwm", "0"), root=tree.root)
    with pytest.raises(DeviceError) as caught:
        await lamps.tone("ok")
    assert caught.value.stable_code == "DEV-012"


# Keypad -----------------------------------------------------------------------------------------


def key_event(name: str, value: int = 1) -> bytes:
    code = next(code for code, known in CODES.items() if known == name)
    return EVENT.pack(1, 2, 1, code, value) + EVENT.pack(1, 2, 0, 0, 0)


async def take(keypad: Keypad, count: int) -> list[str]:
    found: list[str] = []
    keys: AsyncIterator[str] = keypad.keys()
    async with aclosing(keys) as stream:  # type: ignore[type-var]  # both sides are generators
        async for key in stream:
            found.append(key)
            if len(found) == count:
                break
    return found


async def test_keys_come_in_order_from_both_sides(tree: KernelTree) -> None:
    fake = FakeKeypad()
    fake.pressed = ["1", "2", "ok"]
    descriptor = tree.keypad("gpio-keys")
    keypad = KernelKeypad("gpio-keys", root=tree.root)
    for name in ("KEY_KP1", "KEY_2", "KEY_ENTER"):
        os.write(descriptor, key_event(name) + key_event(name, 2) + key_event(name, 0))
    assert await take(fake, 3) == await take(keypad, 3) == ["1", "2", "ok"]
    os.close(descriptor)


async def test_both_sides_tell_when_the_keypad_is_gone(tree: KernelTree) -> None:
    with pytest.raises(DeviceError) as caught:
        await take(FakeKeypad(), 1)
    assert caught.value.stable_code == "DEV-014"
    with pytest.raises(DeviceError) as missing:
        await take(KernelKeypad("gpio-keys", root=tree.root), 1)
    assert missing.value.stable_code == "DEV-013"


@pytest.mark.may_block  # closing the writing end of a pipe while the loop runs is the point
async def test_a_keypad_unplugged_while_read_is_told(tree: KernelTree) -> None:
    descriptor = tree.keypad("gpio-keys")
    os.write(descriptor, key_event("KEY_1"))
    keys = KernelKeypad("gpio-keys", root=tree.root).keys()
    assert await anext(keys) == "1"
    os.close(descriptor)
    with pytest.raises(DeviceError, match="went away"):
        await anext(keys)


def test_half_an_event_waits_for_its_other_half() -> None:
    parser, data = KeyParser(), key_event("KEY_7")
    found = [key for byte in data for key in parser.feed(bytes([byte]))]
    assert found == ["7"]


def test_after_dropped_events_nothing_counts_until_the_next_report() -> None:
    dropped = EVENT.pack(0, 0, 0, 3, 0)
    press = EVENT.pack(0, 0, 1, 2, 1)
    report = EVENT.pack(0, 0, 0, 0, 0)
    assert KeyParser().feed(press + dropped + press + report + press) == ["1", "1"]


def test_a_profile_names_keys_of_its_own() -> None:
    assert KeyParser({"KEY_F1": "menu"}).feed(key_event("KEY_F1")) == ["menu"]
    assert KeyParser().feed(key_event("KEY_F1")) == []


HEADER = Path("/usr/include/linux/input-event-codes.h")


@pytest.mark.skipif(not HEADER.is_file(), reason="the kernel's headers are not installed")
def test_key_codes_are_the_kernels() -> None:
    text = HEADER.read_text(encoding="utf-8")
    found = dict(re.findall(r"#define (KEY_\w+)\s+(0x[0-9a-f]+|\d+)\b", text))
    assert {name: int(found[name], 0) for name in CODES.values()} == {
        name: code for code, name in CODES.items()
    }


# Watchdog, battery, clock, lines ----------------------------------------------------------------


def kernel_watchdog(tree: KernelTree) -> KernelWatchdog:
    tree.put("sys/class/watchdog/watchdog0/identity", "Software Watchdog\n")
    tree.put("sys/class/watchdog/watchdog1/identity", "imx2+ watchdog\n")
    tree.put("dev/watchdog0", "")
    tree.put("dev/watchdog1", "")
    return KernelWatchdog("imx2+ watchdog", 30, root=tree.root, set_timeout=lambda _, s: s)


@pytest.mark.parametrize("kind", ["fake", "kernel"])
async def test_a_watchdog_is_fed_only_while_armed(kind: str, tree: KernelTree) -> None:
    dog: Watchdog = FakeWatchdog() if kind == "fake" else kernel_watchdog(tree)
    with pytest.raises(DeviceError):
        await dog.feed()
    assert await dog.open() == 30
    await dog.feed()
    await dog.close()
    with pytest.raises(DeviceError):
        await dog.feed()


async def test_the_named_watchdog_is_disarmed_by_a_clean_stop_only(tree: KernelTree) -> None:
    dog = kernel_watchdog(tree)
    await dog.open()
    await dog.feed()
    assert tree.get("dev/watchdog1") == "\0"
    await dog.close()
    assert tree.get("dev/watchdog1") == "\0V"
    assert tree.get("dev/watchdog0") == ""


async def test_a_missing_watchdog_makes_no_file_and_is_told(tree: KernelTree) -> None:
    with pytest.raises(DeviceError) as caught:
        await KernelWatchdog("none such", 30, root=tree.root).open()
    assert caught.value.stable_code == "DEV-015"
    assert list(tree.root.iterdir()) == []


async def test_a_watchdog_that_takes_no_time_out_is_not_left_armed(tree: KernelTree) -> None:
    """A plain file has no such ioctl: the real call fails, and the file gets the magic close."""
    tree.put("sys/class/watchdog/watchdog0/identity", "x\n")
    tree.put("dev/watchdog0", "")
    with pytest.raises(DeviceError):
        await KernelWatchdog("x", 30, root=tree.root).open()
    assert tree.get("dev/watchdog0") == "V"


@pytest.mark.parametrize("kind", ["fake", "kernel"])
async def test_a_battery_tells_its_charge_or_nothing(kind: str, tree: KernelTree) -> None:
    battery: Battery
    if kind == "fake":
        battery = fake = FakeBattery()
        gone = FakeBattery()
        gone.charge = None
        assert await gone.read() is None
        assert await fake.read() == Charge(80, 7400, charging=False)
        return
    battery = KernelBattery("bat", root=tree.root)
    assert await battery.read() is None
    folder = "sys/class/power_supply/bat"
    tree.put(f"{folder}/capacity", "80\n")
    tree.put(f"{folder}/voltage_now", "7400000\n")
    tree.put(f"{folder}/status", "Discharging\n")
    assert await battery.read() == Charge(80, 7400, charging=False)
    tree.put(f"{folder}/capacity", "300\n")
    assert await battery.read() is None


def test_a_clock_without_a_believable_time_tells_nothing(tree: KernelTree) -> None:
    tree.put("sys/class/rtc/rtc0/name", "snvs_rtc\n")
    tree.put("sys/class/rtc/rtc0/since_epoch", "120\n")
    tree.put("sys/class/rtc/rtc1/name", "rtc-ds1307 0-0068\n")  # as Linux 6.1 writes it
    tree.put("sys/class/rtc/rtc1/since_epoch", "1795467480\n")
    assert rtc_utc_s(root=tree.root) is None
    assert rtc_utc_s("rtc-ds1307", root=tree.root) == 1795467480
    assert rtc_utc_s("none", root=tree.root) is None


def test_a_chips_uart_is_found_by_its_device_tree_node(tree: KernelTree) -> None:
    node = "sys/firmware/devicetree/base/soc/bus@2100000/serial@21ec000"
    device = "sys/devices/platform/soc/2100000.bus/21ec000.serial"
    tree.link(f"{device}/of_node", node)
    tree.link("sys/class/tty/ttymxc2/device", f"{device}/21ec000.serial:0/21ec000.serial:0.0")
    tree.link("sys/class/tty/ttyS0/device", "sys/devices/platform/serial8250")
    wanted = "of_node:/soc/bus@2100000/serial@21ec000"
    assert serial_path(wanted, tree.root) == str(tree.root / "dev/ttymxc2")
    assert serial_path("/dev/posfw/card", tree.root) == "/dev/posfw/card"
    with pytest.raises(DeviceError) as caught:
        serial_path("of_node:/soc/serial@0", tree.root)
    assert caught.value.stable_code == "DEV-010"


async def test_lines_that_a_board_lacks_read_as_nothing(tree: KernelTree) -> None:
    lines = GpioLines({}, root=tree.root)
    assert await lines.read("cover") is None
    await lines.close()


async def test_lines_without_their_library_or_chip_are_told_or_nothing(tree: KernelTree) -> None:
    lines = GpioLines({"cover": Source("gpio", "COVER")}, root=tree.root)
    try:
        import gpiod  # noqa: F401, PLC0415 - whether the extra is installed decides
    except ImportError:
        with pytest.raises(DeviceError) as caught:
            await lines.read("cover")
        assert caught.value.stable_code == "DEV-016"
    else:
        assert await lines.read("cover") is None
