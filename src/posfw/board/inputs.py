"""Key presses out of the kernel's input events (linux/input.h): bytes in, key names out."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

__all__ = ["CODES", "DEFAULT_KEYS", "EVENT", "KeyParser"]

# struct input_event: two longs of time in the kernel's own size, type, code, value.
EVENT: Final = struct.Struct("@LLHHi")
_SYN, _KEY = 0x00, 0x01
_REPORT, _DROPPED = 0, 3
_PRESSED: Final = 1  # 0 is released, 2 is auto-repeat: a held key must not type an amount

# linux/input-event-codes.h, the keys a terminal can have
CODES: Final[Mapping[int, str]] = {
    1: "KEY_ESC",
    **{1 + digit: f"KEY_{digit}" for digit in range(1, 10)},
    11: "KEY_0",
    14: "KEY_BACKSPACE",
    28: "KEY_ENTER",
    **{58 + number: f"KEY_F{number}" for number in range(1, 11)},
    71: "KEY_KP7",
    72: "KEY_KP8",
    73: "KEY_KP9",
    75: "KEY_KP4",
    76: "KEY_KP5",
    77: "KEY_KP6",
    79: "KEY_KP1",
    80: "KEY_KP2",
    81: "KEY_KP3",
    82: "KEY_KP0",
    83: "KEY_KPDOT",
    96: "KEY_KPENTER",
    103: "KEY_UP",
    105: "KEY_LEFT",
    106: "KEY_RIGHT",
    108: "KEY_DOWN",
    111: "KEY_DELETE",
    139: "KEY_MENU",
    223: "KEY_CANCEL",
    352: "KEY_OK",
    355: "KEY_CLEAR",
    **{512 + digit: f"KEY_NUMERIC_{digit}" for digit in range(10)},
}
# What a key means where the profile says nothing.
DEFAULT_KEYS: Final[Mapping[str, str]] = {
    **{f"{pad}{digit}": str(digit) for pad in ("KEY_", "KEY_KP", "KEY_NUMERIC_")
       for digit in range(10)},
    "KEY_ENTER": "ok", "KEY_KPENTER": "ok", "KEY_OK": "ok",
    "KEY_ESC": "cancel", "KEY_CANCEL": "cancel",
    "KEY_BACKSPACE": "clear", "KEY_CLEAR": "clear", "KEY_DELETE": "clear",
    "KEY_UP": "up", "KEY_DOWN": "down", "KEY_LEFT": "left", "KEY_RIGHT": "right",
    "KEY_MENU": "menu",
}  # fmt: skip


class KeyParser:
    """Turns event bytes into the terminal's keys; keeps a cut event for the next call.

    After the kernel dropped events (SYN_DROPPED) nothing counts until the next report: half a
    burst of digits would be another amount.
    """

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self._names = {**DEFAULT_KEYS, **(names or {})}
        self._rest = b""
        self._deaf = False

    def feed(self, data: bytes) -> list[str]:
        """Return the keys pressed in `data`."""
        data = self._rest + data
        whole = len(data) - len(data) % EVENT.size
        self._rest = data[whole:]
        pressed = []
        for _, _, kind, code, value in EVENT.iter_unpack(data[:whole]):
            if kind == _SYN:
                self._deaf = code == _DROPPED or (self._deaf and code != _REPORT)
            elif kind == _KEY and value == _PRESSED and not self._deaf:
                name = self._names.get(CODES.get(code, ""))
                pressed += [name] if name else []
        return pressed
