"""What a target is and why it may not be written: facts from sysfs and proc, and the guards.

All guards are looked at and all refusals told; none can be switched off.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from station.outcome import BenchError, Exit

__all__ = ["Disk", "Rules", "inspect", "refusals", "resolve"]

SYSTEM_MOUNTS: Final = ("/", "/boot", "/boot/efi", "/boot/firmware", "/usr", "/var", "/home")
_STABLE: Final = ("/dev/disk/by-id/", "/dev/disk/by-path/")


@dataclass(frozen=True, slots=True)
class Rules:
    """What a target must be, from the board's profile and the bench's own limits."""

    size_min: int
    size_max: int
    buses: tuple[str, ...] = ()
    usb: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Disk:
    """A target as the kernel sees it.

    Attributes:
        ident: the stable name the operator gave.
        path: node that is opened.
        kind: disk, loop or file.
        serial: cleaned for display; what the operator types the end of.
        uses: in words, everything that uses it now.
    """

    ident: str
    path: Path
    kind: str
    size: int
    model: str = ""
    serial: str = ""
    bus: str = ""
    usb: tuple[int, int] | None = None
    whole: bool = True
    read_only: bool = False
    system: bool = False
    uses: tuple[str, ...] = field(default=())

    @property
    def word(self) -> str:
        """What the operator types to confirm: the last four characters of the serial."""
        return self.serial[-4:]


def clean(text: str) -> str:
    """Return text without control and direction characters: a stick's name must not lie."""
    return "".join(c for c in text if unicodedata.category(c)[0] != "C").strip()


def resolve(ident: str, root: Path = Path("/")) -> tuple[str, Path]:
    """Return (kind, node) of a target's stable name.

    `/dev/disk/by-id/…`, `/dev/disk/by-path/…`, `loop:BACKING_FILE` or `file:PATH`.

    Raises:
        BenchError: REFUSED for a name that may move, NOT_FOUND where nothing is there.
    """
    if ident.startswith("file:"):
        path = Path(ident.removeprefix("file:"))
        if not path.is_file() or path.is_symlink():
            raise BenchError(Exit.NOT_FOUND, f"There is no regular file {path}.")
        return "file", path
    if ident.startswith("loop:"):
        return "loop", _loop_of(Path(ident.removeprefix("loop:")), root)
    if not ident.startswith(_STABLE):
        raise BenchError(
            Exit.REFUSED,
            f"{ident} is no stable name: sda today is sdb tomorrow. Use /dev/disk/by-id/… or"
            " /dev/disk/by-path/… .",
        )
    link = root / ident.lstrip("/")
    if not link.exists():
        raise BenchError(Exit.NOT_FOUND, f"There is no disk {ident}.")
    return "disk", root / "dev" / link.resolve().name


def _loop_of(backing: Path, root: Path) -> Path:
    for entry in sorted((root / "sys/class/block").glob("loop*")):
        if _read(entry / "loop/backing_file") == str(backing.resolve()):
            return root / "dev" / entry.name
    raise BenchError(Exit.NOT_FOUND, f"No loop device stands on {backing}.")


def inspect(ident: str, root: Path = Path("/")) -> Disk:
    """Look at a target; nothing is opened for writing.

    Raises:
        BenchError: see `resolve`.
    """
    kind, path = resolve(ident, root)
    if kind == "file":
        found = path.stat()
        return Disk(ident, path, kind, found.st_size, serial=clean(path.name), bus="file")
    entry = root / "sys/class/block" / path.name
    device = entry / "device"
    sectors = _read(entry / "size")
    serial = _read(device / "serial") or _read(entry / "serial") or _usb_attribute(entry, "serial")
    return Disk(
        ident=ident,
        path=path,
        kind=kind,
        size=int(sectors) * 512 if sectors.isdigit() else 0,
        model=clean(_read(device / "model")),
        serial=clean(serial) or (clean(Path(ident).name) if kind == "loop" else ""),
        bus="file" if kind == "loop" else _bus(entry),
        usb=_usb(entry),
        whole=not (entry / "partition").exists(),
        read_only=_read(entry / "ro") != "0",
        system=path.name in _system_disks(root),
        uses=tuple(_uses(path.name, root)),
    )


def refusals(disk: Disk, rules: Rules) -> list[str]:
    """Return every reason why a target may not be written, none where it may."""
    named = ", ".join(f"{vid:04x}:{pid:04x}" for vid, pid in rules.usb)
    checks: Sequence[tuple[bool, str]] = (
        (not disk.whole, "it is a partition, not a whole disk"),
        (disk.system, "this machine runs from it"),
        (disk.read_only, "it is write-protected"),
        (disk.size < rules.size_min, f"it has {disk.size} bytes, {rules.size_min} are needed"),
        (disk.size > rules.size_max, f"it has {disk.size} bytes, more than {rules.size_max}"),
        (not disk.serial, "it has no serial number to confirm"),
        (
            bool(rules.buses) and disk.kind == "disk" and disk.bus not in rules.buses,
            f"its bus is {disk.bus or 'unknown'}, the board wants {', '.join(rules.buses)}",
        ),
        (
            bool(rules.usb) and disk.bus == "usb" and disk.usb not in rules.usb,
            f"its USB id is not one of {named}",
        ),
    )
    return [f"{disk.ident}: {text}." for bad, text in checks if bad] + [
        f"{disk.ident}: {use}." for use in disk.uses
    ]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return ""


def _bus(entry: Path) -> str:
    parts = str(entry.resolve())
    for mark, bus in (("/usb", "usb"), ("/nvme", "nvme"), ("/virtio", "virtio")):
        if mark in parts:
            return bus
    kind = _read(entry / "device/type")
    return {"MMC": "mmc", "SD": "sd"}.get(kind, "ata" if "/ata" in parts else "")


def _usb_attribute(entry: Path, name: str) -> str:
    for folder in entry.resolve().parents:
        if (folder / "idVendor").exists():
            return _read(folder / name)
    return ""


def _usb(entry: Path) -> tuple[int, int] | None:
    ids = [_usb_attribute(entry, name) for name in ("idVendor", "idProduct")]
    try:
        return int(ids[0], 16), int(ids[1], 16)
    except ValueError:
        return None


def _family(name: str, root: Path) -> list[str]:
    """Return a disk and its partitions."""
    parts = (root / "sys/class/block" / name).resolve().glob(f"{name}*/partition")
    return [name, *sorted(path.parent.name for path in parts)]


def _mounts(root: Path) -> Iterator[tuple[str, str]]:
    """Yield (major:minor, mount point)."""
    for line in _read(root / "proc/self/mountinfo").splitlines():
        fields = line.split()
        if len(fields) > 4:
            yield fields[2], fields[4]


def _node(numbers: str, root: Path) -> str:
    link = root / "sys/dev/block" / numbers
    return link.resolve().name if link.exists() else ""


def _system_disks(root: Path) -> set[str]:
    """Return the disks below the system's own mounts, through partitions, dm and md."""
    found: set[str] = set()
    waiting = [_node(n, root) for n, point in _mounts(root) if point in SYSTEM_MOUNTS]
    while waiting:
        name = waiting.pop()
        if not name or name in found:
            continue
        found.add(name)
        entry = (root / "sys/class/block" / name).resolve()
        if (entry / "partition").exists():
            waiting.append(entry.parent.name)
        waiting += [slave.name for slave in (entry / "slaves").glob("*")]
    return found


def _uses(name: str, root: Path) -> Iterator[str]:
    family = _family(name, root)
    for numbers, point in _mounts(root):
        if (node := _node(numbers, root)) in family:
            yield f"{node} is mounted at {point}"
    for line in _read(root / "proc/swaps").splitlines()[1:]:
        node = Path(line.partition(" ")[0]).name
        if node in family:
            yield f"{node} is swap space"
    for node in family:
        for holder in sorted((root / "sys/class/block" / node / "holders").glob("*")):
            yield f"{node} is held by {holder.name}"


def open_exclusive(disk: Disk) -> int:
    """Open a target for writing; nobody else can have it, nobody else can get it.

    O_EXCL on a block device fails while it is mounted or held; plain O_WRONLY would not.

    Raises:
        BenchError: BUSY or DEVICE.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(disk.path, flags | (os.O_EXCL if disk.kind != "file" else 0))
    except OSError as error:
        code = Exit.BUSY if error.errno == 16 else Exit.DEVICE  # EBUSY
        raise BenchError(code, f"{disk.ident} cannot be opened: {error.strerror}.") from error
    mode = os.fstat(descriptor).st_mode
    right = stat.S_ISREG(mode) if disk.kind == "file" else stat.S_ISBLK(mode)
    if not right:
        os.close(descriptor)
        raise BenchError(Exit.REFUSED, f"{disk.path} is neither the disk nor the file it was.")
    return descriptor
