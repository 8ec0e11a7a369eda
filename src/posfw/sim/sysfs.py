"""The files that the kernel shows of a head: an hwmon chip below a folder, simulated."""

from __future__ import annotations

import os
from pathlib import Path

import anyio

from posfw.sim.head import HeadSim

__all__ = ["CHIP", "head_sensor"]

CHIP = "posfw-head"
EVERY_S = 0.05


async def head_sensor(head: HeadSim, root: Path) -> None:
    """Write hwmon's millidegrees (Documentation/hwmon/sysfs-interface.rst) until cancelled.

    A sensor that says nothing has no file, as a driver that returns EIO has no reading.
    """
    chip = root / "sys" / "class" / "hwmon" / "hwmon0"
    chip.mkdir(parents=True, exist_ok=True)
    (chip / "name").write_text(f"{CHIP}\n", encoding="ascii")
    value = chip / "temp1_input"
    while True:
        reading = head.reading()
        if reading is None:
            value.unlink(missing_ok=True)
        else:
            written = chip / ".temp1_input"
            written.write_text(f"{round(reading * 1000)}\n", encoding="ascii")
            os.replace(written, value)  # noqa: PTH105 - a reader never sees half a number
        await anyio.sleep(EVERY_S)
