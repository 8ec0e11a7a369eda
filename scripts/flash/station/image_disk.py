"""The files of an image: initial memory disk, squashfs root, ext4 partitions, GPT disk.

All of it is repeatable: times come from SOURCE_DATE_EPOCH, identities from the image's name.
"""

from __future__ import annotations

import gzip
import os
import stat
import struct
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from station.image_packages import run

__all__ = ["Partition", "cpio", "ext4", "squashfs", "write_disk"]

SECTOR: Final = 512
MIB: Final = 1 << 20
LINUX: Final = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")
SPACE: Final = uuid.UUID("6f2c1f9e-7d0a-5a39-9a55-b0c1d0f0e7a1")
ENTRIES: Final = 128


def identity(*words: str) -> uuid.UUID:
    """Return the identity of a thing by its name, the same in every build."""
    return uuid.uuid5(SPACE, "/".join(words))


def cpio(folder: Path, epoch: int = 0) -> bytes:
    """Return a folder as a newc archive (kernel, early-userspace/buffer-format), owned by root."""
    out = bytearray()
    for number, (name, path) in enumerate(_walk(folder), start=1):
        mode = path.lstat().st_mode
        data = b""
        if stat.S_ISLNK(mode):
            data = str(path.readlink()).encode()
        elif stat.S_ISREG(mode):
            data = path.read_bytes()
        out += _member(name, mode, data, number, epoch)
    return bytes(out + _member("TRAILER!!!", 0, b"", 0, 0))


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        yield str(path.relative_to(folder)), path


def _member(name: str, mode: int, data: bytes, number: int, epoch: int) -> bytes:
    label = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, epoch, len(data), 0, 0, 0, 0, len(label), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + label
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def initrd(folder: Path, target: Path, epoch: int) -> None:
    """Write a folder as a compressed initial memory disk."""
    target.write_bytes(gzip.compress(cpio(folder, epoch), 9, mtime=0))


def squashfs(root: Path, target: Path, epoch: int) -> None:
    """Write a tree as squashfs; ownership as in the tree."""
    target.unlink(missing_ok=True)
    command: list[str | Path] = [
        "mksquashfs",
        root,
        target,
        "-quiet",
        "-no-progress",
        "-comp",
        "zstd",
    ]
    command += ["-Xcompression-level", "15", "-b", "128K", "-no-xattrs", "-no-exports"]
    run([*command, "-all-time", str(epoch), "-mkfs-time", str(epoch), "-reproducible"])


def ext4(target: Path, label: str, mib: int, epoch: int, files: dict[str, Path]) -> None:
    """Write an ext4 with some files; a name may hold one folder."""
    target.unlink(missing_ok=True)
    number = str(identity(label))
    times = {"E2FSPROGS_FAKE_TIME": str(epoch)}
    extended = f"hash_seed={number},lazy_itable_init=0,lazy_journal_init=0,nodiscard"
    command: list[str | Path] = [
        "mke2fs",
        "-q",
        "-F",
        "-t",
        "ext4",
        "-m",
        "0",
        "-L",
        label,
        "-U",
        number,
    ]
    run([*command, "-E", extended, target, f"{mib}M"], extra=times)
    if not files:
        return
    orders = [f"mkdir {folder}" for folder in sorted({str(Path(name).parent) for name in files})]
    orders += [f"write {source} {name}" for name, source in sorted(files.items())]
    script = target.with_suffix(".debugfs")
    script.write_text("".join(f"{order}\n" for order in orders if order != "mkdir ."))
    run(["debugfs", "-w", "-f", script, target], extra=times)
    script.unlink()


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition, in order; `content` None leaves a hole."""

    label: str
    mib: int
    content: Path | None = None


def write_disk(target: Path, name: str, mib: int, partitions: list[Partition]) -> None:
    """Write a GPT disk (UEFI 2.10, chapter 5), sparse; partitions start at 1 MiB.

    Raises:
        ValueError: the partitions do not fit, or a content its partition.
    """
    sectors = mib * MIB // SECTOR
    at = MIB // SECTOR
    entries = bytearray(ENTRIES * 128)
    target.unlink(missing_ok=True)
    with target.open("wb") as disk:
        disk.truncate(mib * MIB)
        for number, part in enumerate(partitions):
            size = part.mib * MIB // SECTOR
            if at + size > sectors - 34:
                raise ValueError(f"{part.label} does not fit on {mib} MiB")
            own = identity(name, part.label)
            label = part.label.encode("utf-16-le").ljust(72, b"\0")
            fields = (LINUX.bytes_le, own.bytes_le, at, at + size - 1, 0, label)
            struct.pack_into("<16s16sQQQ72s", entries, number * 128, *fields)
            if part.content is not None:
                if part.content.stat().st_size > part.mib * MIB:
                    raise ValueError(f"{part.label}: {part.content.name} has no room")
                _copy(part.content, disk.fileno(), at * SECTOR)
            at += size
        protective = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff" * 3, 1, sectors - 1)
        _put(disk.fileno(), 0, bytes(446) + protective.ljust(64, b"\0") + b"\x55\xaa")
        disk_id = identity(name, "disk")
        table = bytes(entries)
        for here, other, where in ((1, sectors - 1, 2), (sectors - 1, 1, sectors - 33)):
            _put(disk.fileno(), where * SECTOR, table)
            _put(
                disk.fileno(), here * SECTOR, _header(here, other, where, sectors, disk_id, table)
            )


def _header(
    here: int, other: int, where: int, sectors: int, disk: uuid.UUID, table: bytes
) -> bytes:
    def packed(check: int) -> bytes:
        fixed = (b"EFI PART", 0x10000, 92, check, 0, here, other, 34, sectors - 34)
        rest = (disk.bytes_le, where, ENTRIES, 128, zlib.crc32(table))
        return struct.pack("<8sIIIIQQQQ16sQIII", *fixed, *rest)

    return packed(zlib.crc32(packed(0)))


def _put(descriptor: int, at: int, data: bytes) -> None:
    os.pwrite(descriptor, data, at)


def _copy(source: Path, descriptor: int, at: int) -> None:
    """Copy a file into a place, its empty blocks as holes."""
    with source.open("rb") as file:
        while data := file.read(1 << 16):
            if data.strip(b"\0"):
                os.pwrite(descriptor, data, at)
            at += len(data)
