"""From a board profile to the drivers of its parts: the one place that knows both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from posfw.board.driver.keypad import KernelKeypad
from posfw.board.driver.lamps import KernelLamps
from posfw.board.driver.lines import GpioLines
from posfw.board.driver.power import KernelBattery
from posfw.board.driver.sensors import KernelHeadSensor
from posfw.board.driver.sysfs import serial_path
from posfw.board.profile import BoardProfile
from posfw.ports import Battery, HeadSensor, InputLines, Keypad, Lamps

__all__ = ["Hardware", "hardware_of", "port_url"]


@dataclass(frozen=True, slots=True)
class Hardware:
    """The parts of a board beside its serial ports; None where the board has no such part."""

    lamps: Lamps
    lines: InputLines
    sensor: HeadSensor | None = None
    keypad: Keypad | None = None
    battery: Battery | None = None


def hardware_of(board: BoardProfile, root: Path = Path("/")) -> Hardware:
    """Return the drivers of a board's parts; nothing is opened yet.

    Raises:
        ConfigError: the head's source is a voltage without a thermistor.
    """
    sources = board.sources
    heat = sources.get("printer.thermal.source")
    keys = sources.get("keypad.input")
    cells = sources.get("power.battery")
    leds = {key.removeprefix("leds."): s for key, s in sources.items() if key.startswith("leds.")}
    lines = {key: source for key, source in sources.items() if source.kind == "gpio"}
    real = heat is not None and heat.kind in ("hwmon", "iio", "thermal")
    return Hardware(
        lamps=KernelLamps(leds, buzzer=sources.get("buzzer.pwm"), root=root),
        lines=GpioLines(lines, root=root),
        sensor=KernelHeadSensor(heat, thermistor=board.thermistor, root=root)
        if heat is not None and real
        else None,
        keypad=KernelKeypad(keys.name, names=board.keypad, root=root) if keys else None,
        battery=KernelBattery(cells.name, root=root) if cells else None,
    )


def port_url(
    board: BoardProfile, role: str, *, state: Path, override: str = "", root: Path = Path("/")
) -> str | None:
    """Return what to open for a role: the site's word, or the profile's, looked up; None: no port.

    Relative paths lie in the state folder (the simulators' ptys).

    Raises:
        DeviceError: no tty hangs at the profile's device-tree node.
    """
    port = board.ports.get(role)
    given = override or (port.path if port else "")
    if not given:
        return None
    found = serial_path(given, root)
    return found if "://" in found else str(state / found)
