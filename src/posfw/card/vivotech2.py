"""Frames of ID TECH NEO 2 readers (ViVOtech2): commands out, replies in.

CRC is CRC-16/CCITT-FALSE over everything before it: little-endian in commands, big-endian in
replies (NEO 2 interface guide; vectors in tests). Receiving accepts either order.
"""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass, field
from typing import Final

from posfw.values.errors import CodecError

__all__ = ["MAX_DATA_BYTES", "Reply", "command", "reply"]

HEADER: Final = b"ViVOtech2\0"
MAX_DATA_BYTES: Final = 4096
_FIXED_BYTES: Final = len(HEADER) + 4


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: the command it answers, status (0 is success) and data (may hold card data)."""

    command: int
    status: int
    data: bytes = field(repr=False)


def command(number: int, sub: int, data: bytes = b"") -> bytes:
    """Return a whole command frame.

    Raises:
        CodecError: more data than a frame may hold.
    """
    if len(data) > MAX_DATA_BYTES:
        raise CodecError(f"{len(data)} bytes do not fit into one frame.")
    body = HEADER + bytes((number, sub)) + len(data).to_bytes(2, "big") + data
    return body + crc_hqx(body, 0xFFFF).to_bytes(2, "little")


def reply(frame: bytes) -> Reply:
    """Read one whole reply frame.

    Raises:
        CodecError: header, length or CRC do not fit.
    """
    if len(frame) < _FIXED_BYTES + 2 or not frame.startswith(HEADER):
        raise CodecError("The reader's reply has no frame header.")
    number, status = frame[10], frame[11]
    size = int.from_bytes(frame[12:14], "big")
    if size > MAX_DATA_BYTES or len(frame) != _FIXED_BYTES + size + 2:
        raise CodecError("The reader's reply is not as long as it says.")
    body, check = frame[:-2], frame[-2:]
    crc = crc_hqx(body, 0xFFFF)
    if check not in {crc.to_bytes(2, "big"), crc.to_bytes(2, "little")}:
        raise CodecError("The reader's reply has a wrong CRC.")
    return Reply(number, status, body[_FIXED_BYTES:])
