"""A guest that starts as a terminal does: U-Boot, boot script, slot, systemd, its real units."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from station.slots import Plan, disk, kernel_file

from emulated.bundle import initrd_with
from emulated.machine import HERE, REPOSITORY, Guest

__all__ = ["LOADER", "SlotGuest", "missing_slots", "served", "variant"]

LOADER: Final = Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin")
EPOCH: Final = 1
# What the direct start of a kernel needs; here the boot loader brings its own.
DIRECT: Final = ("-kernel", "-initrd", "-append")


def missing_slots(board: str) -> str:
    """Return why a board's slots cannot be started here, "" if they can."""
    tools = ("rauc", "unsquashfs", "mksquashfs", "mkimage", "openssl")
    gone = [tool for tool in tools if shutil.which(tool) is None]
    gone += [] if LOADER.is_file() else [str(LOADER)]
    if gone:
        packages = "rauc squashfs-tools u-boot-tools u-boot-qemu"
        return f"not installed: {', '.join(gone)} (Debian: {packages})"
    folder = REPOSITORY / "out/slots" / board
    if not (folder / "boot.scr").is_file():
        return f"no slots in {folder}: scripts/flash/slots --board {board} --version 0.1.0"
    return ""


@dataclass(slots=True)
class SlotGuest(Guest):
    """A guest on a disk with two slots.

    Attributes:
        source: folder that `scripts/flash/slots` wrote.
    """

    source: Path = Path()

    def __post_init__(self) -> None:
        """Take the files from the slots' folder."""
        self._image = self.source
        self.init = "/run/extra/slots-init"
        self.restarts = True

    def prepare(self) -> None:
        """Lay out disk and tree; the memory disk of slot A gets what tests need. A disk stays."""
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(HERE / "guest/units", self.extra / "units", dirs_exist_ok=True)
        for name in ("slots-init", "relay.py"):
            shutil.copyfile(HERE / "guest" / name, self.extra / name)
            (self.extra / name).chmod(0o755)
        if not (self.folder / "disk.img").is_file():
            table = _table(self.board)
            initrd = self.folder / "initrd.gz"
            initrd_with(self.source / "initrd.gz", self.extra, initrd, init=self.init)
            kernel_file(self.source / "vmlinuz", initrd, self.folder, table["kernel_mib"], EPOCH)
            for name in ("root.squashfs", "boot.scr"):
                shutil.copyfile(self.source / name, self.folder / name)
            disk(self.board, table, self.folder, EPOCH)
        self._tree()

    def command(self) -> list[str]:
        """Return QEMU's command line: firmware and disk, nothing else to start from."""
        words = Guest.command(self)
        for word in DIRECT:
            at = words.index(word)
            del words[at : at + 2]
        # With firmware and ACPI, QEMU 7.2 leaves out the PL061 that the board's tree names.
        words = ["virt,acpi=off" if word == "virt" else word for word in words]
        return [*words, "-bios", str(LOADER)]


def _table(board: str) -> dict[str, Any]:
    return Plan(board, Path(), Path(), Path(), Path(), {}).table


def variant(
    slot: Path, out: Path, release: dict[str, Any], patch: Callable[[Path], None] = lambda _: None
) -> Path:
    """Write another program's slot: the same files, other words, and what `patch` does.

    Args:
        slot: folder with root.squashfs and kernel.ext4.
        out: folder of the new ones.
        release: words of release.json that differ.
        patch: takes the unpacked root.

    Returns:
        `out`, for `station.bundle`.
    """
    out.mkdir(parents=True)
    root = out / "root"
    subprocess.run(
        ["unsquashfs", "-quiet", "-no-progress", "-d", root, slot / "root.squashfs"],
        check=True, capture_output=True,
    )  # fmt: skip
    words = root / "usr/lib/posfw/release.json"
    words.write_text(json.dumps({**json.loads(words.read_text()), **release}, sort_keys=True))
    patch(root)
    subprocess.run(
        ["mksquashfs", root, out / "root.squashfs", "-quiet", "-no-progress", "-comp", "zstd",
         "-Xcompression-level", "1", "-no-xattrs"],
        check=True, capture_output=True,
    )  # fmt: skip
    shutil.rmtree(root)
    shutil.copyfile(slot / "kernel.ext4", out / "kernel.ext4")
    return out


@contextmanager
def served(folder: Path) -> Iterator[int]:
    """Serve a folder to guests over HTTP for the length of the context; yields the port."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - theirs
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
