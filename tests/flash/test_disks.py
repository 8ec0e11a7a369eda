"""The guards, over a tree of kernel files, and over real loop devices where that is permitted."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from station.disks import Rules, clean, inspect, open_exclusive, refusals
from station.flash import run_all
from station.outcome import BenchError, Exit
from station.progress import Progress

from tests.flash.benchtools import SIZE, holds, job, make_image

RULES = Rules(size_min=1 << 30, size_max=64 << 30, buses=("usb",), usb=((0x15A2, 0x0080),))
IDENT = "/dev/disk/by-id/usb-Stick_0001"


class Machine:
    """A machine with one system disk (sda) and a stick (sdb) at USB."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.usb = root / "sys/devices/pci0/usb1/1-2"
        self.put("sys/devices/pci0/usb1/1-2/idVendor", "15a2")
        self.put("sys/devices/pci0/usb1/1-2/idProduct", "0080")
        self.put("sys/devices/pci0/usb1/1-2/serial", "ABC123456")
        self.disk("sdb", "pci0/usb1/1-2/1-2:1.0/host1/block/sdb", "8:16", 8 << 30)
        self.disk("sda", "pci0/ata1/host0/block/sda", "8:0", 100 << 30)
        self.put("sys/devices/pci0/ata1/host0/block/sda/sda1/partition", "1")
        self.link("sys/class/block/sda1", "sys/devices/pci0/ata1/host0/block/sda/sda1")
        self.link("sys/dev/block/8:1", "sys/devices/pci0/ata1/host0/block/sda/sda1")
        self.put("proc/self/mountinfo", "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
        self.put("proc/swaps", "Filename Type Size\n")
        self.put("dev/sdb", "")
        self.link("dev/disk/by-id/usb-Stick_0001", "dev/sdb")

    def put(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n", encoding="utf-8")

    def link(self, path: str, target: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.symlink_to(self.root / target)

    def disk(self, name: str, place: str, numbers: str, size: int) -> None:
        folder = f"sys/devices/{place}"
        self.put(f"{folder}/size", str(size // 512))
        self.put(f"{folder}/ro", "0")
        self.put(f"{folder}/device/model", "Flash Disk")
        self.link(f"sys/class/block/{name}", folder)
        self.link(f"sys/dev/block/{numbers}", folder)

    def stick(self, path: str, text: str) -> None:
        self.put(f"sys/devices/pci0/usb1/1-2/1-2:1.0/host1/block/sdb/{path}", text)

    def refused(self, ident: str = IDENT, rules: Rules = RULES) -> str:
        return "\n".join(refusals(inspect(ident, self.root), rules))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_free_stick_of_the_right_kind_is_taken(machine: Machine) -> None:
    disk = inspect(IDENT, machine.root)
    assert machine.refused() == ""
    assert (disk.bus, disk.usb, disk.word) == ("usb", (0x15A2, 0x0080), "3456")


@pytest.mark.parametrize("ident", ["/dev/sdb", "sdb", "/dev/mmcblk0", "/dev/disk/by-uuid/1"])
def test_a_name_that_may_move_is_refused(ident: str, machine: Machine) -> None:
    with pytest.raises(BenchError, match="no stable name") as caught:
        inspect(ident, machine.root)
    assert caught.value.code is Exit.REFUSED


def test_a_missing_disk_is_not_found(machine: Machine) -> None:
    for ident in ("/dev/disk/by-id/usb-None", "file:/nowhere/x", "loop:/nowhere/x"):
        with pytest.raises(BenchError) as caught:
            inspect(ident, machine.root)
        assert caught.value.code is Exit.NOT_FOUND


@pytest.mark.parametrize(
    ("path", "text", "told"),
    [
        ("partition", "1", "a partition"),
        ("ro", "1", "write-protected"),
        ("size", "2048", "are needed"),
        ("size", str(1 << 30), "more than"),
        ("holders/dm-0/x", "", "held by dm-0"),
    ],
)
def test_each_guard_refuses(path: str, text: str, told: str, machine: Machine) -> None:
    machine.stick(path, text)
    assert told in machine.refused()


def test_a_mounted_partition_swap_and_a_partitions_holder_are_told_together(
    machine: Machine,
) -> None:
    stick = "sys/devices/pci0/usb1/1-2/1-2:1.0/host1/block/sdb"
    machine.stick("sdb1/partition", "1")
    machine.stick("sdb1/holders/md0/x", "")
    machine.link("sys/class/block/sdb1", f"{stick}/sdb1")
    machine.link("sys/dev/block/8:17", f"{stick}/sdb1")
    with (machine.root / "proc/self/mountinfo").open("a", encoding="utf-8") as file:
        file.write("30 21 8:17 / /media/stick rw - vfat /dev/sdb1 rw\n")
    with (machine.root / "proc/swaps").open("a", encoding="utf-8") as file:
        file.write("/dev/sdb1 partition 1024 0 -2\n")
    told = machine.refused()
    for part in ("sdb1 is mounted at /media/stick", "sdb1 is swap space", "sdb1 is held by md0"):
        assert part in told


@pytest.mark.parametrize("through", ["partition", "dm"])
def test_the_disk_the_machine_runs_from_is_refused(through: str, machine: Machine) -> None:
    machine.put("dev/sda", "")
    machine.link("dev/disk/by-id/ata-Own", "dev/sda")
    if through == "dm":
        machine.put("sys/devices/virtual/block/dm-0/slaves/sda1/x", "")
        machine.link("sys/class/block/dm-0", "sys/devices/virtual/block/dm-0")
        machine.link("sys/dev/block/253:0", "sys/devices/virtual/block/dm-0")
        machine.put("proc/self/mountinfo", "21 1 253:0 / /usr rw - ext4 /dev/dm-0 rw")
    rules = Rules(0, 1 << 50)
    assert "this machine runs from it" in machine.refused("/dev/disk/by-id/ata-Own", rules)


def test_a_wrong_bus_or_usb_id_is_refused(machine: Machine) -> None:
    assert "bus is usb" in machine.refused(rules=Rules(0, 1 << 50, buses=("mmc",)))
    assert "USB id" in machine.refused(rules=Rules(0, 1 << 50, usb=((1, 2),)))


def test_a_disk_without_a_serial_cannot_be_confirmed(machine: Machine) -> None:
    (machine.usb / "serial").unlink()
    assert "no serial number" in machine.refused()


def test_a_name_cannot_turn_the_line_around() -> None:
    assert clean("Good\u202edaB\x1b[2J\u200f") == "GooddaB[2J"


# Real loop devices ------------------------------------------------------------------------------


def attach(backing: Path) -> str:
    done = subprocess.run(
        ["losetup", "--find", "--show", str(backing)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"loop devices are not permitted here: {done.stderr.strip()[:80]}")
    return done.stdout.strip()


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    if shutil.which("losetup") is None or os.geteuid() != 0:
        pytest.skip("loop devices need losetup and root")
    backing = tmp_path / "backing"
    backing.write_bytes(b"\xa5" * (SIZE + (1 << 20)))
    node = attach(backing)
    yield node, backing
    subprocess.run(["losetup", "--detach", node], check=False)


def test_a_real_loop_device_is_written_and_read_back(
    loop: tuple[str, Path], tmp_path: Path
) -> None:
    _, backing = loop
    image = make_image(tmp_path / "image")
    disk = inspect(f"loop:{backing}")
    assert refusals(disk, Rules(SIZE, 1 << 40)) == []
    (result,) = run_all(job(image, tmp_path, disk), Progress("none"))
    assert result.code is Exit.OK
    assert holds(backing, image)


def test_a_mounted_loop_device_is_refused_twice(loop: tuple[str, Path], tmp_path: Path) -> None:
    node, backing = loop
    subprocess.run(["mke2fs", "-q", "-F", str(backing)], check=True)
    place = tmp_path / "place"
    place.mkdir()
    done = subprocess.run(["mount", node, str(place)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()[:80]}")
    try:
        disk = inspect(f"loop:{backing}")
        assert f"is mounted at {place}" in "\n".join(refusals(disk, Rules(0, 1 << 40)))
        with pytest.raises(BenchError) as caught:
            open_exclusive(disk)
        assert caught.value.code is Exit.BUSY
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_read_only_loop_device_is_refused(tmp_path: Path) -> None:
    if shutil.which("losetup") is None or os.geteuid() != 0:
        pytest.skip("loop devices need losetup and root")
    backing = tmp_path / "backing"
    backing.write_bytes(bytes(SIZE))
    node = attach(backing)
    subprocess.run(["losetup", "--detach", node], check=True)
    done = subprocess.run(
        ["losetup", "--read-only", "--find", "--show", str(backing)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    try:
        told = refusals(inspect(f"loop:{backing}"), Rules(0, 1 << 40))
        assert any("write-protected" in text for text in told)
    finally:
        subprocess.run(["losetup", "--detach", done.stdout.strip()], check=True)
