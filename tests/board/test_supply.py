from __future__ import annotations

from pathlib import Path

import pytest

from posfw.board.driver.supply import reset_causes, undervoltage
from tests.board.fakes import KernelTree


def test_alarms_below_the_limit_are_named_and_others_are_not(tmp_path: Path) -> None:
    tree = KernelTree(tmp_path)
    assert undervoltage(tree.root) == ()
    tree.put("sys/class/hwmon/hwmon1/name", "rpi_volt\n")
    tree.put("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n")
    tree.put("sys/class/hwmon/hwmon2/name", "ina219\n")
    tree.put("sys/class/hwmon/hwmon2/in1_max_alarm", "1\n")
    assert undervoltage(tree.root) == ()
    tree.put("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n")
    tree.put("sys/class/hwmon/hwmon2/in1_min_alarm", "1\n")
    assert undervoltage(tree.root) == ("ina219 in1", "rpi_volt in0")


@pytest.mark.parametrize(
    ("told", "causes"),
    [
        ("0", ()),
        ("16", ("undervoltage",)),
        ("32", ("watchdog",)),
        ("33", ("overheated", "watchdog")),
        ("nonsense", ()),
    ],
)
def test_the_watchdog_chip_tells_why_the_machine_started(
    tmp_path: Path, told: str, causes: tuple[str, ...]
) -> None:
    tree = KernelTree(tmp_path)
    assert reset_causes(tree.root) == ()
    tree.put("sys/class/watchdog/watchdog0/bootstatus", f"{told}\n")
    assert reset_causes(tree.root) == causes
