"""The hardware watchdog: fed, it waits; left alone, it resets the machine."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio

from posfw.board.driver.sysfs import find
from posfw.values.errors import DeviceError

__all__ = ["KernelWatchdog"]

# linux/watchdog.h: _IOWR('W', 6, int)
WDIOC_SETTIMEOUT: Final = 0xC0045706
_DISARM: Final = b"V"  # the "magic close" character


def _set_timeout(descriptor: int, timeout_s: int) -> int:
    answer = fcntl.ioctl(descriptor, WDIOC_SETTIMEOUT, struct.pack("i", timeout_s))
    return int(struct.unpack("i", answer)[0])


class KernelWatchdog:
    """Implements ports.Watchdog. Under systemd the manager holds the device instead of this.

    Chosen by identity: softdog may take the first number.

    Args:
        identity: text of /sys/class/watchdog/*/identity; "" for the only one.
        timeout_s: silence after which it bites; the chip may round it.
        root: where /sys and /dev lie.
        set_timeout: (descriptor, seconds) -> seconds taken; a plain file has no such call.
    """

    def __init__(
        self,
        identity: str,
        timeout_s: int,
        *,
        root: Path = Path("/"),
        set_timeout: Callable[[int, int], int] = _set_timeout,
    ) -> None:
        self._identity = identity
        self._asked_s = timeout_s
        self._root = root
        self._set_timeout = set_timeout
        self._descriptor: int | None = None

    async def open(self) -> int:
        """Arm it and return the seconds the chip took; from here on it must be fed.

        Raises:
            DeviceError: there is no such watchdog, or another program holds it (DEV-015).
        """
        return await anyio.to_thread.run_sync(self._open)

    async def feed(self) -> None:
        """Put the bite off by the time-out.

        Raises:
            DeviceError: not open, or the device refuses (DEV-015).
        """
        await anyio.to_thread.run_sync(self._write, b"\0")

    async def close(self) -> None:
        """Disarm it for a clean stop; a crash never comes here, and is bitten."""
        if self._descriptor is None:
            return
        await anyio.to_thread.run_sync(self._write, _DISARM)
        os.close(self._descriptor)
        self._descriptor = None

    def _open(self) -> int:
        folder = self._root / "sys/class/watchdog"
        entry = find(folder, "identity", self._identity) if self._identity else None
        name = entry.name if entry else ("" if self._identity else "watchdog0")
        path = self._root / "dev" / name
        try:
            if not name:
                raise FileNotFoundError(self._identity)
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            return self._set_timeout(self._descriptor, self._asked_s)
        except OSError as error:
            self._drop()
            told = f"The watchdog {self._identity or 'watchdog0'!r} cannot be armed."
            raise DeviceError(told, code="DEV-015") from error

    def _drop(self) -> None:
        if self._descriptor is not None:
            os.write(self._descriptor, _DISARM)
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, data: bytes) -> None:
        if self._descriptor is None:
            raise DeviceError("The watchdog is not open.", code="DEV-015")
        try:
            os.write(self._descriptor, data)
        except OSError as error:
            raise DeviceError("The watchdog refuses to be fed.", code="DEV-015") from error
