"""Small files of the kernel: found by what they hold, read and written whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from posfw.values.errors import DeviceError

__all__ = ["children", "find", "read", "serial_path", "write"]

OF_NODE: Final = "of_node:"


def read(path: Path) -> str | None:
    """Return a file's text without its line end, None where it cannot be read now."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return None


def write(path: Path, text: str) -> None:
    """Write a file that must be there.

    Raises:
        OSError: it is not, or the driver refuses the text.
    """
    # Without O_CREAT: a wrong name must fail, never make a plain file under /sys or /dev.
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode("ascii"))
    finally:
        os.close(descriptor)


def children(folder: Path) -> Iterator[Path]:
    """Yield a folder's entries by name, nothing where there is no such folder."""
    try:
        yield from sorted(folder.iterdir())
    except OSError:
        return


def find(folder: Path, attribute: str, wanted: str) -> Path | None:
    """Return the entry whose attribute file holds `wanted`: numbers move between boots."""
    for entry in children(folder):
        if read(entry / attribute) == wanted:
            return entry
    return None


def serial_path(path: str, root: Path = Path("/")) -> str:
    """Return the device of a profile's port; `of_node:/soc/…` is looked up, others stay.

    Debian's udev makes by-path links for USB only, so a chip's UART is found by walking up from
    /sys/class/tty/*/device to the first `of_node` link.

    Raises:
        DeviceError: no tty hangs at that node (DEV-010).
    """
    if not path.startswith(OF_NODE):
        return path
    node = path.removeprefix(OF_NODE)
    for entry in children(root / "sys/class/tty"):
        if _of_node(entry, root) == node:
            return str(root / "dev" / entry.name)
    raise DeviceError(
        f"No serial port hangs at the device-tree node {node}.",
        code="DEV-010",
        next_step="Check that the node is enabled in the device tree, and `posfw board detect`.",
    )


def _of_node(entry: Path, root: Path) -> str | None:
    device = (entry / "device").resolve()
    base = (root / "sys").resolve()
    for folder in (device, *device.parents):
        if not folder.is_relative_to(base):
            return None
        link = folder / "of_node"
        if link.is_symlink():
            # …/firmware/devicetree/base/soc/serial@… -> /soc/serial@…
            return "/" + str(link.resolve()).partition("devicetree/base/")[2]
    return None
