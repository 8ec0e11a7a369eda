"""Frames of ABECS 2.12 PIN pads: SYN, escaped data, ETB, CRC-16 high byte first.

The CRC (CCITT, start 0) covers the unescaped data and ETB; 13, 16 and 17 are escaped in the data.
Between packets single bytes answer: ACK taken, NAK send again, CAN stop what you do, EOT stopped.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from posfw.values.errors import CodecError

__all__ = ["CAN", "MAX_DATA_BYTES", "Deframer", "Item", "Packet", "Signal", "packet", "unpack"]

MAX_DATA_BYTES: Final = 2049
CAN: Final = b"\x18"
_SYN: Final = b"\x16"
_ETB: Final = b"\x17"
_DLE: Final = 0x13
_ESCAPED: Final = {0x13: b"\x13\x33", 0x16: b"\x13\x36", 0x17: b"\x13\x37"}
_PLAIN: Final = {0x33: 0x13, 0x36: 0x16, 0x37: 0x17}


class Signal(Enum):
    """What comes between packets."""

    ACK = 0x06
    NAK = 0x15
    CAN = 0x18
    EOT = 0x04
    BROKEN = -1  # a packet that was none: the receiver answers NAK

    @property
    def byte(self) -> bytes:
        """The byte on the wire; BROKEN has none."""
        return bytes((self.value,))


@dataclass(frozen=True, slots=True)
class Packet:
    """The data of one packet whose CRC fits (may hold card data)."""

    data: bytes = field(repr=False)


Item: TypeAlias = Packet | Signal


def packet(data: bytes) -> bytes:
    """Return a whole packet.

    Raises:
        CodecError: empty or more than 2049 bytes.
    """
    if not 0 < len(data) <= MAX_DATA_BYTES:
        raise CodecError(f"{len(data)} bytes do not fit into one packet.")
    escaped = b"".join(_ESCAPED.get(byte, bytes((byte,))) for byte in data)
    return _SYN + escaped + _ETB + crc_hqx(data + _ETB, 0).to_bytes(2, "big")


def unpack(frame: bytes) -> bytes:
    """Return the data of one whole packet.

    Raises:
        CodecError: framing, escape, length or CRC do not fit.
    """
    if len(frame) < 5 or frame[:1] != _SYN or frame[-3:-2] != _ETB:
        raise CodecError("The PIN pad's packet has no frame.")
    data = _unescape(frame[1:-3])
    if not 0 < len(data) <= MAX_DATA_BYTES:
        raise CodecError("The PIN pad's packet is longer than allowed.")
    if crc_hqx(data + _ETB, 0).to_bytes(2, "big") != frame[-2:]:
        raise CodecError("The PIN pad's packet has a wrong CRC.")
    return data


def _unescape(escaped: bytes) -> bytes:
    data = bytearray()
    rest = iter(escaped)
    for byte in rest:
        plain = _PLAIN.get(next(rest, -1)) if byte == _DLE else byte
        if byte != _DLE and byte in _ESCAPED:
            raise CodecError("The PIN pad's packet has an unescaped control byte.")
        if plain is None:
            raise CodecError("The PIN pad's packet has a wrong escape.")
        data.append(plain)
    return bytes(data)


_SIGNALS: Final = {signal.value: signal for signal in Signal if signal.value >= 0}
_MAX_FRAME_BYTES: Final = 1 + 2 * MAX_DATA_BYTES + 3
_CRC_BYTES: Final = 2
_NOTABLE: Final = re.compile(rb"[\x04\x06\x15\x16\x18]")
_DELIMITER: Final = re.compile(rb"[\x16\x17]")


class Deframer:
    """Bytes in any pieces in, packets and signals out. Holds at most one packet.

    A SYN always begins a packet: inside one it is escaped, so a cut packet never swallows the
    next. Bytes outside a packet that are no signal are skipped.
    """

    __slots__ = ("_data", "_missing")

    def __init__(self) -> None:
        self._data = bytearray()
        self._missing = 0  # bytes of the CRC still to come, 0 before ETB

    def __repr__(self) -> str:
        return f"<Deframer {len(self._data)} bytes pending>"

    @property
    def pending(self) -> bool:
        """Whether a packet has begun."""
        return bool(self._data)

    def feed(self, data: bytes) -> list[Item]:
        """Return what ended within `data`; a run of broken packets counts once."""
        items: list[Item] = []
        at = 0
        while at < len(data):
            at, item = self._inside(data, at) if self._data else self._outside(data, at)
            if item is not None and not (item is Signal.BROKEN and items[-1:] == [item]):
                items.append(item)
        return items

    def expire(self) -> list[Item]:
        """Give up a packet that did not end in time."""
        broken: list[Item] = [Signal.BROKEN] if self._data else []
        self._clear()
        return broken

    def _outside(self, data: bytes, at: int) -> tuple[int, Item | None]:
        found = _NOTABLE.search(data, at)
        if found is None:
            return len(data), None
        if found[0] == _SYN:
            self._data += _SYN
        return found.end(), _SIGNALS.get(found[0][0])

    def _inside(self, data: bytes, at: int) -> tuple[int, Item | None]:
        if self._missing:
            piece = data[at : at + self._missing]
            self._data += piece
            self._missing -= len(piece)
            return at + len(piece), None if self._missing else self._finish()
        found = _DELIMITER.search(data, at)
        end = found.end() if found is not None else len(data)
        self._data += data[at:end]
        if len(self._data) > _MAX_FRAME_BYTES:
            self._clear()
            return end, Signal.BROKEN
        if found is None:
            return end, None
        if found[0] == _ETB:
            self._missing = _CRC_BYTES
            return end, None
        broken = len(self._data) > 2
        self._data[:] = _SYN
        return end, Signal.BROKEN if broken else None

    def _finish(self) -> Item:
        frame = bytes(self._data)
        self._clear()
        try:
            return Packet(unpack(frame))
        except CodecError:
            return Signal.BROKEN

    def _clear(self) -> None:
        self._data.clear()
        self._missing = 0
