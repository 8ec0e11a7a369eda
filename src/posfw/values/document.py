"""What is printed, before anybody decides where the dots go.

A document is a tuple of blocks; slices compose it (sale receipts, settlement slips, reports), the
printer lays it out for its paper, and the preview draws the same dots.
"""

from __future__ import annotations

from dataclasses import dataclass

from posfw.values.printjob import Copy, DocumentRef

__all__ = [
    "Amount",
    "Barcode",
    "Block",
    "Columns",
    "Cut",
    "Document",
    "Feed",
    "Field",
    "Logo",
    "Mark",
    "Qr",
    "Rule",
    "Text",
    "Title",
]


@dataclass(frozen=True, slots=True)
class Title:
    """Centred, double size: the head of a slip."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """Running text, wrapped at the paper's width; `align` is left, centre or right."""

    text: str
    align: str = "left"
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A label and a value on one line if they fit, else the value on the next line."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Amount:
    """A label and an amount in double width; never wrapped inside the number."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Cells of one table row with widths in parts of the paper's width; digits right-aligned."""

    cells: tuple[str, ...]
    parts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A dashed line across the paper."""


@dataclass(frozen=True, slots=True)
class Feed:
    """Blank lines."""

    lines: int = 1


@dataclass(frozen=True, slots=True)
class Mark:
    """A loud line: 重打印/DUPLICATE, 测试/TESTING, 故障报告单."""

    text: str


@dataclass(frozen=True, slots=True)
class Qr:
    """A QR code (ISO/IEC 18004) of UTF-8 text."""

    data: str


@dataclass(frozen=True, slots=True)
class Barcode:
    """An EAN-13 barcode of 13 digits, check digit included."""

    gtin: str


@dataclass(frozen=True, slots=True)
class Logo:
    """A one-bit picture: rows of packed bits, most significant bit left, 1 is black."""

    width_dots: int
    rows: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """End of a copy: feed past the tear bar, cut where the mechanism can."""


Block = Title | Text | Field | Amount | Columns | Rule | Feed | Mark | Qr | Barcode | Logo | Cut


@dataclass(frozen=True, slots=True)
class Document:
    """A finished slip, ready for layout."""

    ref: DocumentRef
    copy: Copy
    blocks: tuple[Block, ...]
