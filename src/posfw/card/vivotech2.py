"""Frames of ID TECH NEO 2 readers (ViVOtech2): commands out; replies, events and bursts in.

A stream holds three kinds of frames (NEO 2 interface guide, 80139403-002, sections 2 and 3.3):

    reply   ViVOtech2 00 | command | status | length, 2 bytes | data | CRC
    event   45 00 55 00  | length, 1 byte | (component, state, 00, 00)* | CRC
    burst   01 | status | kind | %track 1? ;track 2? | CRC        no length: ends by its sentinels

CRC is CRC-16/CCITT-FALSE over everything before it: little-endian in commands, big-endian in
replies, events and bursts (section 3.4). Replies are accepted with either order: makers' own tools
confuse them.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from posfw.values.errors import CodecError

__all__ = ["MAX_DATA_BYTES", "Burst", "Deframer", "Event", "Frame", "Reply", "command", "reply"]

HEADER: Final = b"ViVOtech2\0"
EVENT_HEADER: Final = b"E\0U\0"
MAX_DATA_BYTES: Final = 4096
_FIXED_BYTES: Final = len(HEADER) + 4
_CRC_BYTES: Final = 2
MAX_FRAME_BYTES: Final = _FIXED_BYTES + MAX_DATA_BYTES + _CRC_BYTES
_MAX_BURST_BYTES: Final = 3 + 79 + 40 + _CRC_BYTES
# "Status never has a value that matches the start or end sentinels" (guide, p58): so a burst can
# be told from noise by what follows its three bytes.
_START: Final = re.compile(rb"ViVOtech2\0|E\0U\0|\x01[^%;?][^%;?][%;]", re.DOTALL)
_LONGEST_START: Final = len(HEADER)


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: the command it answers, status (0 is success) and data (may hold card data)."""

    command: int
    status: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Event:
    """What the reader did with its lamps, buzzer and display: (component, state) pairs.

    Components: 1 LED, 2 buzzer, 3 display; states as in the guide, p58.
    """

    changes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Burst:
    """A card that was read without being asked for; `tracks` with sentinels."""

    status: int
    kind: int
    tracks: bytes = field(repr=False)


Frame: TypeAlias = Reply | Event | Burst


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
    if len(frame) < _FIXED_BYTES + _CRC_BYTES or not frame.startswith(HEADER):
        raise CodecError("The reader's reply has no frame header.")
    number, status = frame[10], frame[11]
    size = int.from_bytes(frame[12:14], "big")
    if size > MAX_DATA_BYTES or len(frame) != _FIXED_BYTES + size + _CRC_BYTES:
        raise CodecError("The reader's reply is not as long as it says.")
    body, check = frame[:-2], frame[-2:]
    crc = crc_hqx(body, 0xFFFF)
    if check not in {crc.to_bytes(2, "big"), crc.to_bytes(2, "little")}:
        raise CodecError("The reader's reply has a wrong CRC.")
    return Reply(number, status, body[_FIXED_BYTES:])


class Deframer:
    """Bytes in any pieces in, frames out; garbage before, between and inside frames is skipped.

    A start that turns out to be none costs one byte, never what follows it: a whole frame inside a
    broken one is still found. Holds at most one frame.

    Attributes:
        skipped_bytes: what belonged to no frame.
    """

    __slots__ = ("_data", "skipped_bytes")

    def __init__(self) -> None:
        self._data = bytearray()
        self.skipped_bytes = 0

    def __repr__(self) -> str:
        return f"<Deframer {len(self._data)} bytes pending>"

    @property
    def pending(self) -> bool:
        """Whether a frame may have begun: the caller waits for its rest only for a short time."""
        return bool(self._data)

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that ended within `data`."""
        frames: list[Frame] = []
        for at in range(0, len(data), MAX_FRAME_BYTES):
            self._data += data[at : at + MAX_FRAME_BYTES]
            frames += self._frames()
        return frames

    def expire(self) -> list[Frame]:
        """Give up a frame that did not end in time, and return whole ones that hid behind it."""
        frames: list[Frame] = []
        while self._data and not frames:
            self._drop(1)
            frames = self._frames()
        return frames

    def _frames(self) -> list[Frame]:
        frames: list[Frame] = []
        while (found := _START.search(self._data)) is not None:
            self._drop(found.start())
            size = _size(self._data)
            if size is None:
                return frames
            frame = _frame(bytes(self._data[:size])) if size else None
            if frame is None:
                self._drop(1)
            else:
                frames.append(frame)
                del self._data[:size]
        self._drop(max(0, len(self._data) - _LONGEST_START + 1))  # a start may be cut in two
        return frames

    def _drop(self, count: int) -> None:
        del self._data[:count]
        self.skipped_bytes += count


def _size(data: bytearray) -> int | None:
    """Return how long the frame at the beginning is, 0 if it is none, None if it goes on."""
    if data[0] == HEADER[0]:
        if len(data) < _FIXED_BYTES:
            return None
        size = int.from_bytes(data[12:14], "big")
        whole = _FIXED_BYTES + size + _CRC_BYTES if size <= MAX_DATA_BYTES else 0
    elif data[0] == EVENT_HEADER[0]:
        if len(data) <= len(EVENT_HEADER):
            return None
        size = data[len(EVENT_HEADER)]
        whole = len(EVENT_HEADER) + 1 + size + _CRC_BYTES if size and size % 4 == 0 else 0
    else:
        return _burst_size(data)
    return whole if len(data) >= whole else None


def _burst_size(data: bytearray) -> int | None:
    """A burst ends two bytes after the last end sentinel of one or two tracks."""
    end = data.find(b"?", 3, _MAX_BURST_BYTES)
    if end < 0:
        return None if len(data) < _MAX_BURST_BYTES else 0
    whole = end + 1 + _CRC_BYTES
    if len(data) < whole:
        return None
    if _crc_fits(data[:whole]) or data[3] == ord(";") or data[end + 1] != ord(";"):
        return whole
    end = data.find(b"?", end + 1, _MAX_BURST_BYTES)
    if end < 0:
        return None if len(data) < _MAX_BURST_BYTES else 0
    whole = end + 1 + _CRC_BYTES
    return whole if len(data) >= whole else None


def _frame(frame: bytes) -> Frame | None:
    if frame.startswith(HEADER):
        try:
            return reply(frame)
        except CodecError:
            return None
    if not _crc_fits(frame):
        return None
    if frame.startswith(EVENT_HEADER):
        body = frame[len(EVENT_HEADER) + 1 : -_CRC_BYTES]
        return Event(tuple((body[at], body[at + 1]) for at in range(0, len(body), 4)))
    return Burst(frame[1], frame[2], frame[3:-_CRC_BYTES])


def _crc_fits(frame: bytes | bytearray) -> bool:
    return crc_hqx(frame[:-_CRC_BYTES], 0xFFFF).to_bytes(2, "big") == bytes(frame[-_CRC_BYTES:])
