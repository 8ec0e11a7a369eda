"""Frames of ABECS 2.12 PIN pads: SYN, escaped data, ETB, CRC-16 high byte first.

The CRC (CCITT, start 0) covers the unescaped data and ETB; 13, 16 and 17 are escaped in the data.
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import Final

from posfw.values.errors import CodecError

__all__ = ["MAX_DATA_BYTES", "packet", "unpack"]

MAX_DATA_BYTES: Final = 2049
_SYN: Final = b"\x16"
_ETB: Final = b"\x17"
_DLE: Final = 0x13
_ESCAPED: Final = {0x13: b"\x13\x33", 0x16: b"\x13\x36", 0x17: b"\x13\x37"}
_PLAIN: Final = {0x33: 0x13, 0x36: 0x16, 0x37: 0x17}


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
