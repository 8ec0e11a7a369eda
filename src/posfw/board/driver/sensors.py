"""The head's temperature from hwmon, iio or a thermal zone."""

from __future__ import annotations

from pathlib import Path

import anyio

from posfw.board.driver.sysfs import find, read
from posfw.board.readings import celsius_of_milli, celsius_of_voltage
from posfw.board.sources import Source
from posfw.board.thermistor import Thermistor
from posfw.values.errors import ConfigError

__all__ = ["KernelHeadSensor"]


class KernelHeadSensor:
    """Implements ports.HeadSensor; every doubt is None, which the throttle takes for hot.

    The kernel object is looked up at each reading that has none: a sensor that comes late or
    back is used, and a number that moved is never trusted.

    Raises:
        ConfigError: the source is no temperature, or a voltage without its thermistor.
    """

    def __init__(
        self, source: Source, *, thermistor: Thermistor | None = None, root: Path = Path("/")
    ) -> None:
        volts = source.kind == "iio" and source.channel.startswith("voltage")
        if source.kind not in ("hwmon", "iio", "thermal") or (volts and thermistor is None):
            raise ConfigError(f"{source} cannot be read as a temperature.")
        self._source = source
        self._thermistor = thermistor if volts else None
        self._root = root
        self._limiter = anyio.CapacityLimiter(1)

    async def read(self) -> float | None:
        """Return degrees Celsius, or None where there is no reading."""
        return await anyio.to_thread.run_sync(self.read_now, limiter=self._limiter)

    def read_now(self) -> float | None:
        """As `read`, in the caller's thread."""
        kind, channel = self._source.kind, self._source.channel
        if kind == "hwmon":
            return self._hwmon(channel)
        if kind == "thermal":
            zone = find(self._root / "sys/class/thermal", "type", self._source.name)
            return celsius_of_milli(read(zone / "temp")) if zone else None
        return self._iio(channel)

    def _hwmon(self, channel: str) -> float | None:
        chip = find(self._root / "sys/class/hwmon", "name", self._source.name)
        if chip is None:
            return None
        return celsius_of_milli(read(chip / f"{channel}_input"), read(chip / f"{channel}_fault"))

    def _iio(self, channel: str) -> float | None:
        device = find(self._root / "sys/bus/iio/devices", "name", self._source.name)
        if device is None:
            return None
        if self._thermistor is None:
            return celsius_of_milli(read(device / f"in_{channel}_input"))
        kind = channel.rstrip("0123456789")
        # A scale may stand for one channel or for all of its kind (sysfs-bus-iio).
        scale = read(device / f"in_{channel}_scale") or read(device / f"in_{kind}_scale")
        offset = read(device / f"in_{channel}_offset") or read(device / f"in_{kind}_offset")
        raw = read(device / f"in_{channel}_raw")
        return celsius_of_voltage(raw, scale=scale, offset=offset, thermistor=self._thermistor)
