"""What a printer says about itself: three dialects, one answer. Pure.

`epson` is DLE EOT 1–4 in one request and automatic status (ASB) whenever it comes; `esc-v` is the
single byte of cheap mechanisms; `star` is the automatic status block. No answer is unknown, bytes
that are not exactly an answer are unknown, and unknown is never ready.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

__all__ = [
    "CODES",
    "DIALECTS",
    "UNKNOWN",
    "Condition",
    "PrinterStatus",
    "complete",
    "decode",
]


class Condition(StrEnum):
    """One thing that is the case; in the order in which an operator must hear of it."""

    UNKNOWN = "unknown"
    COVER_OPEN = "cover_open"
    PAPER_OUT = "paper_out"
    HEAD_HOT = "head_hot"
    CUTTER = "cutter"  # jammed or stuck cutter
    FAULT = "fault"  # needs power off or service
    OFFLINE = "offline"  # stopped, and no named cause
    NEAR_END = "near_end"  # prints on


# Stable codes of docs/printing.md: they never change their meaning.
CODES = MappingProxyType(
    {
        Condition.HEAD_HOT: "PRN-201",
        Condition.PAPER_OUT: "PRN-202",
        Condition.COVER_OPEN: "PRN-203",
        Condition.NEAR_END: "PRN-204",
        Condition.CUTTER: "PRN-205",
        Condition.FAULT: "PRN-206",
        Condition.OFFLINE: "PRN-207",
        Condition.UNKNOWN: "PRN-208",
    }
)

_ORDER = tuple(Condition)


@dataclass(frozen=True, slots=True)
class PrinterStatus:
    """Everything one answer said; empty conditions mean ready, and nothing else does."""

    conditions: frozenset[Condition]

    @property
    def ready(self) -> bool:
        """Whether a strip may be sent: known, and nothing but perhaps little paper left."""
        return self.conditions <= {Condition.NEAR_END}

    @property
    def worst(self) -> Condition | None:
        """The first condition an operator must hear of, or None when all is well."""
        return next((c for c in _ORDER if c in self.conditions), None)

    @property
    def code(self) -> str:
        """The stable code of the worst condition, "" when all is well."""
        return CODES[self.worst] if self.worst else ""


UNKNOWN = PrinterStatus(frozenset({Condition.UNKNOWN}))


def decode(dialect: str, answer: bytes) -> PrinterStatus:
    """Return what an answer says; anything but exactly an answer of the dialect is UNKNOWN.

    Args:
        dialect: `PrinterProfile.status`: epson, esc-v, star or none.
        answer: all bytes that came after `escpos.status_request`, in order.
    """
    reader = DIALECTS.get(dialect)
    found = reader(answer) if reader and answer else None
    return UNKNOWN if found is None else PrinterStatus(found)


def complete(dialect: str, answer: bytes) -> bool:
    """Say whether enough bytes have come for `decode`, so that the driver need not wait on."""
    if dialect == "esc-v":
        return len(answer) >= 1
    if dialect == "star":
        return len(answer) >= 1 and len(answer) >= max(_star_length(answer[0]), 2)
    return dialect == "epson" and _epson_bytes(answer) >= len(_DLE_EOT)


# --- Epson: DLE EOT 1–4 and ASB --------------------------------------------------------------
# Bits per answer (Epson TM-T88III p84, Samsung SRP-350, SPRT SP-T8 p28). Recoverable errors are
# head heat unless the cover is open: the same bit reports a cover opened while printing.
_RECOVERABLE = "recoverable"
_ERROR = "error"
_Bits = tuple[tuple[int, str], ...]
_DLE_EOT: tuple[_Bits, ...] = (
    ((0x08, Condition.OFFLINE),),
    ((0x04, Condition.COVER_OPEN), (0x20, Condition.PAPER_OUT), (0x40, _ERROR)),
    ((0x08, Condition.CUTTER), (0x20, Condition.FAULT), (0x40, _RECOVERABLE)),
    ((0x0C, Condition.NEAR_END), (0x60, Condition.PAPER_OUT)),
)
_ASB: tuple[_Bits, ...] = (
    ((0x08, Condition.OFFLINE), (0x20, Condition.COVER_OPEN)),
    ((0x08, Condition.CUTTER), (0x20, Condition.FAULT), (0x40, _RECOVERABLE)),
    ((0x03, Condition.NEAR_END), (0x0C, Condition.PAPER_OUT)),
    (),
)
_FLOW = (0x11, 0x13)  # XON, XOFF


def _is_dle_eot(byte: int) -> bool:
    return byte & 0x93 == 0x12  # 0xx1xx10


def _asb_at(answer: bytes, at: int) -> bytes:
    """Return the four bytes of an ASB block that begins here, or nothing."""
    block = answer[at : at + 4]
    if len(block) == 4 and block[0] & 0x93 == 0x10 and not any(b & 0x90 for b in block[1:]):
        return block  # 0xx1xx00, then three of 0xx0xxxx
    return b""


def _epson_bytes(answer: bytes) -> int:
    """Count DLE EOT answers outside ASB blocks."""
    count = at = 0
    while at < len(answer):
        block = _asb_at(answer, at)
        count += not block and _is_dle_eot(answer[at])
        at += len(block) or 1
    return count


def _epson(answer: bytes) -> frozenset[Condition] | None:
    polled: list[int] = []
    found: set[str] = set()
    seen_block = False
    at = 0
    while at < len(answer):
        block = _asb_at(answer, at)
        if block:
            seen_block = True
            found |= _named(block, _ASB)
        elif _is_dle_eot(answer[at]):
            polled.append(answer[at])
        elif answer[at] not in _FLOW:
            return None
        at += len(block) or 1
    if len(polled) not in (0, len(_DLE_EOT)) or not (polled or seen_block):
        return None  # which question a lone byte answers cannot be known
    if polled:
        found |= _named(bytes(polled), _DLE_EOT)
    return _told_apart(found)


def _named(answer: bytes, table: tuple[_Bits, ...]) -> set[str]:
    return {
        name
        for byte, bits in zip(answer, table, strict=True)
        for mask, name in bits
        if byte & mask
    }


def _told_apart(found: set[str]) -> frozenset[Condition]:
    """Name the recoverable error: heat, unless an open cover explains it; keep causes only."""
    conditions = {c for c in found if isinstance(c, Condition)}
    if _RECOVERABLE in found and Condition.COVER_OPEN not in conditions:
        conditions.add(Condition.HEAD_HOT)
    if Condition.PAPER_OUT in conditions:
        conditions.discard(Condition.NEAR_END)
    causes = conditions - {Condition.OFFLINE, Condition.NEAR_END}
    if causes:
        conditions.discard(Condition.OFFLINE)
    elif _ERROR in found:
        conditions.add(Condition.OFFLINE)  # an error that the third answer did not name
    return frozenset(conditions)


# --- ESC v of cheap mechanisms ---------------------------------------------------------------
# POS58-III p17, Cashino CSN-A1X p56: bit 2 paper out, bit 3 cover or failure, bit 6 head hot;
# bits 0 and 1 near end as in Epson's ESC v. The others are not documented: set, they are unknown.
_ESC_V: _Bits = (
    (0x03, Condition.NEAR_END),
    (0x04, Condition.PAPER_OUT),
    (0x08, Condition.COVER_OPEN),
    (0x40, Condition.HEAD_HOT),
)
_ESC_V_KNOWN = 0x4F


def _esc_v(answer: bytes) -> frozenset[Condition] | None:
    if len(answer) != 1 or answer[0] & ~_ESC_V_KNOWN:
        return None
    return _told_apart(_named(answer, (_ESC_V,)))


# --- Star automatic status -------------------------------------------------------------------
# Star Line Mode Command Specifications 5-6 to 5-11 and TSP700 manual p43: header 1 is 0xx0xxx1 and
# holds the length in bits 5,3,2,1; every other byte is 0xx0xxx0 (header 2 may have bit 7, version
# expansion). Fifth byte: bit 1 head up, 2 presenter jam, 3 black mark, 6 data lost by overflow.
_STAR: tuple[_Bits, ...] = (
    ((0x48, Condition.OFFLINE), (0x20, Condition.COVER_OPEN)),
    ((0x26, Condition.FAULT), (0x08, Condition.CUTTER), (0x40, Condition.HEAD_HOT)),
    ((0x02, Condition.COVER_OPEN), (0x4C, Condition.FAULT)),
    ((0x06, Condition.NEAR_END), (0x08, Condition.PAPER_OUT)),
)
_STAR_LEAST = 2 + len(_STAR)


def _star_length(header: int) -> int:
    return (header >> 2 & 0x08) | (header >> 1 & 0x07)


def _star(answer: bytes) -> frozenset[Condition] | None:
    length = _star_length(answer[0])
    well_formed = (
        answer[0] & 0x91 == 0x01
        and length == len(answer) >= _STAR_LEAST
        and answer[1] & 0x11 == 0
        and not any(byte & 0x91 for byte in answer[2:])
    )
    if not well_formed:
        return None
    return _told_apart(_named(answer[2:_STAR_LEAST], _STAR))


DIALECTS: MappingProxyType[str, Callable[[bytes], frozenset[Condition] | None]] = MappingProxyType(
    {"epson": _epson, "esc-v": _esc_v, "star": _star}
)
