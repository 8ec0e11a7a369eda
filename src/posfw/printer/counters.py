"""What a head and a cutter have been through: for cleaning, lubrication and replacement. Pure.

Pulses are counted for every dot column while the process runs and kept as the highest one: after a
restart the new highest is added to the old, which may tell too much and never too little. A
record is written at most every two minutes, so a power cut loses two minutes of wear.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from posfw.printer.strip import Strip
from posfw.values.events import Plain, Record, Topic
from posfw.values.hardware import PrinterProfile

__all__ = ["EVERY_S", "NAME", "Columns", "Counters", "Wear", "folded", "record"]

NAME = "printer_counters"
# Epson's printers save theirs about every two minutes too (boards page, section 3).
EVERY_S = 120.0
_PICTURES = (b"\x1dv0\x00", b"\x1b\x1dS\x01")  # GS v 0, Star's ESC GS S
# A text line's busiest column is black in at most half of its rows (strokes of 24-dot glyphs).
_TEXT_PART = 0.5


@dataclass(frozen=True, slots=True)
class Counters:
    """Totals of the mechanism's life.

    Attributes:
        paper_mm: paper moved.
        pulses: of the most used dot, or more.
        cuts: paper cut.
        over_temperature: stops by heat.
        jobs: slips finished.
    """

    paper_mm: int = 0
    pulses: int = 0
    cuts: int = 0
    over_temperature: int = 0
    jobs: int = 0


@dataclass(slots=True)
class Columns:
    """Pulses of every dot column, as bit planes: plane n holds bit n of every column's count.

    Adding a row is a ripple-carry addition of one bit to all columns at once: two operations on
    wide integers on average, whatever the width.
    """

    planes: list[int] = field(default_factory=list)
    text: int = 0

    def add(self, row: int) -> None:
        """Count one row; a set bit is a black dot."""
        for number, plane in enumerate(self.planes):
            if not row:
                return
            self.planes[number], row = plane ^ row, plane & row
        if row:
            self.planes.append(row)

    def add_strip(self, strip: Strip, width_dots: int) -> None:
        """Count what a strip fires; text is estimated."""
        found = False
        for rows, stride in _pictures(strip.data):
            found = True
            # Narrow pictures stand at the left edge, so the highest bit is the first column.
            shift = max(width_dots - stride * 8, 0)
            for at in range(0, len(rows), stride):
                self.add(int.from_bytes(rows[at : at + stride]) << shift)
        if not found and strip.dots:
            self.text += round(strip.rows * _TEXT_PART)

    @property
    def highest(self) -> int:
        """Pulses of the most used column, text estimate included."""
        candidates, value = -1, 0
        for number in reversed(range(len(self.planes))):
            having = candidates & self.planes[number]
            if having:
                candidates, value = having, value | 1 << number
        return value + self.text


@dataclass(slots=True)
class Wear:
    """Counters while the process runs; `due` says when to write them.

    Attributes:
        base: totals as they were read at the start.
    """

    profile: PrinterProfile
    base: Counters = field(default_factory=Counters)
    columns: Columns = field(default_factory=Columns)
    rows: int = 0
    cuts: int = 0
    over_temperature: int = 0
    jobs: int = 0
    written: Counters = field(default_factory=Counters)
    written_at: float | None = None

    def strip(self, strip: Strip, *, is_last: bool) -> None:
        """Count a strip that was printed."""
        self.rows += strip.rows
        self.columns.add_strip(strip, self.profile.dots)
        if is_last:
            self.jobs += 1
            self.cuts += self.profile.cutter != "none"

    @property
    def totals(self) -> Counters:
        """Life totals as of now."""
        return Counters(
            paper_mm=self.base.paper_mm + int(self.rows * self.profile.line_mm),
            pulses=self.base.pulses + self.columns.highest,
            cuts=self.base.cuts + self.cuts,
            over_temperature=self.base.over_temperature + self.over_temperature,
            jobs=self.base.jobs + self.jobs,
        )

    def due(self, now: float) -> bool:
        """Whether the totals have changed and two minutes have passed since the last write."""
        waited = self.written_at is None or now - self.written_at >= EVERY_S
        return waited and self.totals != self.written

    def wrote(self, totals: Counters, now: float) -> None:
        """Take note of a write that is durable."""
        self.written, self.written_at = totals, now


def folded(records: Iterable[Record]) -> Counters:
    """Return the totals that the records of topic UPKEEP hold; the last one tells."""
    counters = Counters()
    for found in records:
        if found.topic is Topic.UPKEEP and found.name == NAME:
            known = {k: v for k, v in found.body.items() if k in Counters.__dataclass_fields__}
            counters = replace(counters, **{k: v for k, v in known.items() if _count(v)})  # type: ignore[arg-type]
    return counters


def record(counters: Counters, at: datetime) -> Record:
    """Return the record that keeps the totals."""
    body: Mapping[str, Plain] = {
        name: getattr(counters, name) for name in Counters.__dataclass_fields__
    }
    return Record(Topic.UPKEEP, NAME, at, body=body)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _pictures(data: bytes) -> Iterable[tuple[bytes, int]]:
    """Yield (rows, bytes a row) of the pictures that a strip begins with."""
    at = 0
    while True:
        head = next((h for h in _PICTURES if data.startswith(h, at)), None)
        if head is None:
            return
        at += len(head)
        stride = int.from_bytes(data[at : at + 2], "little")
        size = stride * int.from_bytes(data[at + 2 : at + 4], "little")
        at += 4 + (head == _PICTURES[1])
        if not stride or len(data) < at + size:
            return
        yield data[at : at + size], stride
        at += size
