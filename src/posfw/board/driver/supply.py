"""What the kernel says of the supply: under-voltage now, and why the machine was reset."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from posfw.board.driver.sysfs import children, read

__all__ = ["reset_causes", "undervoltage"]

# Bits of WDIOC_GETBOOTSTATUS (include/uapi/linux/watchdog.h).
_BOOT: Final = {
    0x0001: "overheated",
    0x0010: "undervoltage",
    0x0020: "watchdog",
    0x0040: "overvoltage",
}


def undervoltage(root: Path = Path("/")) -> tuple[str, ...]:
    """Return the sensors that tell a voltage below its limit now.

    hwmon: in*_lcrit_alarm and in*_min_alarm (Documentation/hwmon/sysfs-interface); the Raspberry
    Pi's firmware tells a brown-out as in0_lcrit_alarm of rpi_volt, latched until it is read.
    """
    found = [
        f"{read(chip / 'name') or chip.name} {alarm.name.partition('_')[0]}"
        for chip in children(root / "sys/class/hwmon")
        for alarm in (*chip.glob("in*_lcrit_alarm"), *chip.glob("in*_min_alarm"))
        if read(alarm) == "1"
    ]
    return tuple(sorted(found))


def reset_causes(root: Path = Path("/")) -> tuple[str, ...]:
    """Return why the machine started, as its watchdog chip remembers it; often not at all."""
    found: set[str] = set()
    for dog in children(root / "sys/class/watchdog"):
        told = read(dog / "bootstatus") or ""
        bits = int(told) if told.isascii() and told.isdigit() else 0
        found.update(cause for bit, cause in _BOOT.items() if bits & bit)
    return tuple(sorted(found))
