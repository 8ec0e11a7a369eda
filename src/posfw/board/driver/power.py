"""Battery and clock chip."""

from __future__ import annotations

from pathlib import Path

import anyio

from posfw.board.driver.sysfs import children, read
from posfw.board.readings import number
from posfw.ports import Charge

__all__ = ["KernelBattery", "rtc_utc_s"]


class KernelBattery:
    """Implements ports.Battery over the power_supply class."""

    def __init__(self, name: str, *, root: Path = Path("/")) -> None:
        self._folder = root / "sys/class/power_supply" / name

    async def read(self) -> Charge | None:
        """Return how it stands, None where there is no reading."""
        return await anyio.to_thread.run_sync(self._read)

    def _read(self) -> Charge | None:
        percent = number(read(self._folder / "capacity"))
        if percent is None or not 0 <= percent <= 100:
            return None
        microvolt = number(read(self._folder / "voltage_now"))
        charging = read(self._folder / "status") in ("Charging", "Full", "Not charging")
        return Charge(int(percent), int(microvolt / 1000) if microvolt else None, charging)


def rtc_utc_s(name: str = "", *, root: Path = Path("/")) -> float | None:
    """Return the clock chip's seconds since 1970 (UTC), None where it has no believable time.

    Args:
        name: first word of /sys/class/rtc/*/name, the driver; "" for the first clock.
        root: where /sys lies.
    """
    entry = None
    for clock in children(root / "sys/class/rtc"):
        # `rtc-ds1307 0-0068`: driver and device; the bus number may move between boots.
        if not name or (read(clock / "name") or "").partition(" ")[0] == name:
            entry = clock
            break
    seconds = number(read(entry / "since_epoch")) if entry else None
    # A chip without a battery starts in 1970 or 2000; certificates would not be valid yet.
    return seconds if seconds is not None and seconds > 1_577_836_800 else None
