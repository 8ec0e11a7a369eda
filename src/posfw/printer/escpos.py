"""Bytes for the mechanism: ESC/POS, and Star's own commands where the profile says so. Pure.

Real printers execute real-time commands (DLE EOT, DLE ENQ, DLE DC4) wherever the bytes occur, in
the middle of a picture too (Epson TM-T88III p424, TM-U220 p74). Nothing here ever contains such a
pair: `contained` takes it out of pictures, `encoded` keeps control characters out of text, and
no header can form one. Epson printers are also told to ignore the dangerous DLE DC4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType

from posfw.values.hardware import PrinterProfile

__all__ = [
    "BAND_ROWS",
    "CUT_FEED_ROWS",
    "Commands",
    "commands",
    "contained",
    "cut",
    "init",
    "is_contained",
    "raster",
    "recover",
    "status_request",
]

# A band is what a pause repeats at most and what one status poll covers: 24 rows are 3 mm.
BAND_ROWS = 24
# From the head past the tear bar or the knife: 12 mm fits the mechanisms of the boards page.
CUT_FEED_ROWS = 96

_REALTIME = re.compile(rb"\x10[\x04\x05\x14]")  # DLE EOT, DLE ENQ, DLE DC4


@dataclass(frozen=True, slots=True)
class Commands:
    """The bytes in which the command sets differ.

    Attributes:
        setup: after ESC @: what must be off before the first picture.
        raster: head of a picture before xL xH yL yH.
        raster_tail: between the four size bytes and the rows.
        partial_cut, full_cut: cut where the paper stands.
    """

    setup: bytes
    raster: bytes
    raster_tail: bytes
    partial_cut: bytes
    full_cut: bytes


_ESC_POS = Commands(b"", b"\x1dv0\x00", b"", b"\x1dV\x01", b"\x1dV\x00")
COMMANDS = MappingProxyType(
    {
        # GS a 0: no automatic status between answers. GS ( D 20: DLE DC4 1 (drawer) and 2
        # (power off) are ignored; only Epson and its close kin know the command.
        "epson": Commands(
            b"\x1da\x00\x1d(D\x03\x00\x14\x01\x00\x1d(D\x03\x00\x14\x02\x00",
            _ESC_POS.raster,
            _ESC_POS.raster_tail,
            _ESC_POS.partial_cut,
            _ESC_POS.full_cut,
        ),
        "esc-v": _ESC_POS,
        "none": _ESC_POS,
        # StarPRNT: ESC GS S 1 x y 0, ESC d. ESC RS a 0: automatic status off, else ESC ACK SOH
        # must not be used (Star Line Mode Command Specifications 5-11).
        "star": Commands(b"\x1b\x1ea\x00", b"\x1b\x1dS\x01", b"\x00", b"\x1bd\x01", b"\x1bd\x00"),
    }
)
# Text mode: ESC 3 30 sets the pitch of a line, FS S 0 0 takes away space beside Chinese characters
# that some printers add by default and that would break the columns.
_TEXT = b"\x1b3\x1e\x1cS\x00\x00"
_STATUS_REQUEST = MappingProxyType(
    {
        "epson": b"".join(bytes((0x10, 0x04, n)) for n in (1, 2, 3, 4)),
        "esc-v": b"\x1bv",
        "star": b"\x1b\x06\x01",
        "none": b"",
    }
)


def commands(profile: PrinterProfile) -> Commands:
    """Return the command set of a profile."""
    return COMMANDS.get(profile.status, _ESC_POS)


def init(profile: PrinterProfile) -> bytes:
    """Bytes to send after opening the wire and before each document."""
    return b"\x1b@" + commands(profile).setup + (_TEXT if profile.font == "gb18030" else b"")


def status_request(profile: PrinterProfile) -> bytes:
    """Bytes that ask for status, empty where the printer has none; only between strips."""
    return _STATUS_REQUEST.get(profile.status, b"")


def recover(profile: PrinterProfile) -> bytes:
    """Bytes to send after paper out, an open cover or a pulled cable, before a strip is repeated.

    The mechanism may stand inside a picture whose rest never came: it would eat ESC @ as dots.
    NULs for a whole band end any picture as white rows, and are ignored outside of one.
    """
    head = commands(profile)
    longest = len(head.raster) + 4 + len(head.raster_tail) + BAND_ROWS * ((profile.dots + 7) // 8)
    return bytes(longest) + init(profile)


def cut(profile: PrinterProfile) -> bytes:
    """Bytes that cut, empty without a cutter; the paper has been fed before by white rows."""
    kinds = {"partial": commands(profile).partial_cut, "full": commands(profile).full_cut}
    return kinds.get(profile.cutter, b"")


def raster(profile: PrinterProfile, rows: bytes, width_bytes: int, height: int) -> bytes:
    """One picture command: `height` rows of `width_bytes` each, most significant bit left."""
    head = commands(profile)
    size = width_bytes.to_bytes(2, "little") + height.to_bytes(2, "little")
    return head.raster + size + head.raster_tail + rows


def is_contained(data: bytes) -> bool:
    """Whether bytes hold no real-time command."""
    return _REALTIME.search(data) is None


def contained(rows: bytes) -> bytes:
    """Return picture bytes without a real-time command: the dot left of bit 2 is set.

    04, 05 and 14 after 10 become 0C, 0D and 1C: one dot more beside a black one, drawn alike in
    the preview. It happens only where two strokes of one dot stand ten dots apart, so never in
    codes, whose modules are at least two dots wide. No new pair can arise from it.
    """
    if is_contained(rows):
        return rows
    return _REALTIME.sub(lambda pair: bytes((pair[0][0], pair[0][1] | 0x08)), rows)
