"""The line of a MagTek-format stripe reader: [STX|ESC] %trk1? ;trk2? +trk3? [ETX] CR.

A track that did not decode is `E`. Bytes may arrive cut anywhere. Source: MagTek MT-211232 manual,
tables 3-2 and 3-4; generic Chinese heads send the same line, some with ; before track 3.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from posfw.card.codes import BAD_TRACK, HALF_LINE, NOISE, UNUSABLE
from posfw.card.tracks import parse_track1, parse_track2
from posfw.values.card import CardRead, EntryMode, Secret
from posfw.values.errors import CardDataError

__all__ = ["MAX_LINE_BYTES", "LineParser", "Outcome", "encode_line"]

Outcome: TypeAlias = CardRead | str

MAX_LINE_BYTES: Final = 300  # 79 + 40 + 107 and framing fit well
_ENDS: Final = re.compile(rb"[\r\n]+")
_LINE: Final = re.compile(
    r"(?:%(?P<one>[^?]*)\?)?(?:;(?P<two>[^?]*)\?)?(?:[+;](?P<three>[^?]*)\?)?", re.ASCII
)
_FRAMING: Final = b"\x02\x03\x1b"
_CARD_SENSOR: Final = (b"0", b"1")  # card present switch: says nothing about a swipe


def encode_line(*, track1: str = "", track2: str = "", track3: str = "") -> bytes:
    """Return the line a reader sends for these tracks, which come without sentinels."""
    parts = (("%", track1), (";", track2), ("+", track3))
    return "".join(f"{start}{text}?" for start, text in parts if text).encode("ascii") + b"\r"


class LineParser:
    """Bytes in any pieces in; cards and stable codes out. Holds at most one line."""

    __slots__ = ("_line", "_skipping")

    def __init__(self) -> None:
        self._line = bytearray()
        self._skipping = False

    def __repr__(self) -> str:
        return f"<LineParser {len(self._line)} bytes pending>"

    @property
    def pending(self) -> bool:
        """Whether a line has begun: the caller waits for its rest only for a short time."""
        return bool(self._line) or self._skipping

    def feed(self, data: bytes) -> list[Outcome]:
        """Return what ended within `data`; a run of one and the same code counts once."""
        outcomes: list[Outcome] = []
        start = 0
        for end in _ENDS.finditer(data):
            self._add(outcomes, self._grow(data[start : end.start()]))
            self._add(outcomes, self._finish())
            start = end.end()
        self._add(outcomes, self._grow(data[start:]))
        return outcomes

    def expire(self) -> list[Outcome]:
        """Drop a line that did not end in time; an overlong one was reported already."""
        half = bool(self._line)
        self._clear()
        return [HALF_LINE] if half else []

    def _grow(self, piece: bytes) -> Outcome | None:
        if self._skipping:
            return None
        if len(self._line) + len(piece) <= MAX_LINE_BYTES:
            self._line += piece
            return None
        self._clear()
        self._skipping = True
        return NOISE

    def _finish(self) -> Outcome | None:
        line, skipped = bytes(self._line).strip(_FRAMING), self._skipping
        self._clear()
        if skipped or not line or line in _CARD_SENSOR:
            return None
        return _read(line)

    def _clear(self) -> None:
        self._line.clear()
        self._skipping = False

    @staticmethod
    def _add(outcomes: list[Outcome], outcome: Outcome | None) -> None:
        if outcome is not None and outcomes[-1:] != [outcome]:
            outcomes.append(outcome)


def _read(line: bytes) -> Outcome:
    found = _LINE.fullmatch(line.decode("ascii")) if line.isascii() else None
    if found is None:
        return NOISE
    one, two = found["one"] or "", found["two"] or ""
    if two in {"", "E"}:
        return BAD_TRACK
    try:
        track = parse_track2(two)
        holder = ""
        if one not in {"", "E"}:
            other = parse_track1(one)
            if other.number != track.number:
                return UNUSABLE
            holder = other.holder
    except CardDataError:
        return UNUSABLE
    return CardRead(
        number=track.number,
        entry_mode=EntryMode.SWIPED,
        expiry=track.expiry,
        service_code=track.service_code,
        track2=Secret(two.encode("ascii")),
        holder=holder,
    )
