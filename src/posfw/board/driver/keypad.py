"""Keys through the input class."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import anyio

from posfw.board.driver.sysfs import find
from posfw.board.inputs import EVENT, KeyParser
from posfw.values.errors import DeviceError

__all__ = ["KernelKeypad"]


class KernelKeypad:
    """Implements ports.Keypad: the input device of a name, watched without polling.

    Args:
        name: what the kernel calls the device (`gpio-keys`).
        names: kernel key -> the terminal's key, over the usual ones.
        root: where /sys and /dev lie.
    """

    def __init__(
        self, name: str, *, names: Mapping[str, str] | None = None, root: Path = Path("/")
    ) -> None:
        self._name = name
        self._names = names
        self._root = root

    async def keys(self) -> AsyncIterator[str]:
        """Yield keys as they are pressed, until cancelled.

        Raises:
            DeviceError: there is no such keypad (DEV-013), or it went away (DEV-014).
        """
        descriptor = await anyio.to_thread.run_sync(self._open)
        parser = KeyParser(self._names)
        try:
            while True:
                await anyio.wait_readable(descriptor)
                try:
                    data = os.read(descriptor, 64 * EVENT.size)
                except BlockingIOError:
                    continue  # another reader was faster
                except OSError:
                    data = b""
                if not data:
                    raise DeviceError(f"The keypad {self._name!r} went away.", code="DEV-014")
                for key in parser.feed(data):
                    yield key
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        entry = find(self._root / "sys/class/input", "device/name", self._name)
        if entry is None or not entry.name.startswith("event"):
            raise DeviceError(f"There is no keypad {self._name!r}.", code="DEV-013")
        path = self._root / "dev/input" / entry.name
        try:
            return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise DeviceError(f"{path} cannot be opened.", code="DEV-013") from error
