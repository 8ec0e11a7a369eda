"""GPIO lines by name through libgpiod 2 (extra `device`)."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import anyio

from posfw.board.sources import Source
from posfw.values.errors import DeviceError

__all__ = ["GpioLines"]


class GpioLines:
    """Implements ports.InputLines: inputs named in the device tree.

    Args:
        lines: what a line is for (paper.end, cover) -> its source.
        root: where /dev lies.
    """

    def __init__(self, lines: dict[str, Source], *, root: Path = Path("/")) -> None:
        self._lines = lines
        self._root = root
        self._requests: dict[str, tuple[Any, int]] = {}

    async def read(self, purpose: str) -> bool | None:
        """Return whether a line is active by its sense, None where it cannot be read."""
        if purpose not in self._lines:
            return None
        return await anyio.to_thread.run_sync(self._read, purpose)

    async def close(self) -> None:
        """Give the lines back."""
        requests = [request for request, _ in self._requests.values()]
        self._requests.clear()
        for request in requests:
            await anyio.to_thread.run_sync(request.release)

    def _read(self, purpose: str) -> bool | None:
        gpiod = _gpiod()
        try:
            if purpose not in self._requests:
                self._requests[purpose] = self._request(gpiod, self._lines[purpose])
            request, offset = self._requests[purpose]
            return bool(request.get_value(offset) == gpiod.line.Value.ACTIVE)
        except OSError:
            self._requests.pop(purpose, None)
            return None

    def _request(self, gpiod: Any, source: Source) -> tuple[Any, int]:
        settings = gpiod.LineSettings(
            direction=gpiod.line.Direction.INPUT, active_low=source.active_low
        )
        for path in sorted((self._root / "dev").glob("gpiochip*")):
            with gpiod.Chip(str(path)) as chip:
                try:
                    offset = chip.line_offset_from_id(source.name)
                except OSError:
                    continue  # the name is on another chip
                request = chip.request_lines(config={offset: settings}, consumer="posfw")
                return request, offset
        raise FileNotFoundError(source.name)


def _gpiod() -> Any:
    try:
        return importlib.import_module("gpiod")
    except ImportError as error:
        raise DeviceError(
            "GPIO lines need the gpiod package.",
            code="DEV-016",
            next_step="Install posfw with the extra `device`.",
        ) from error
