"""Where everything stands: blocks in, lines of columns and pictures out. Pure.

A column is 12 dots: 32 on 58 mm paper (384 dots), 48 on 80 mm (576). A character of one GB18030
byte takes one column, every other two, so raster and text mode break lines alike. Nothing ever
exceeds the paper, and a number is never broken.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from posfw.printer.codes import CodePicture, ean13, qr
from posfw.printer.glyphs import CELL, columns
from posfw.values.document import (
    Amount,
    Barcode,
    Block,
    Columns,
    Cut,
    Feed,
    Field,
    Logo,
    Mark,
    Qr,
    Rule,
    Text,
    Title,
)
from posfw.values.errors import ConfigError, InputError

__all__ = [
    "LEADING_ROWS",
    "LINE_ROWS",
    "MAX_LOGO_ROWS",
    "Blank",
    "Item",
    "Line",
    "Picture",
    "Span",
    "Tear",
    "check_logo",
    "lay_out",
    "legible",
    "wrap",
]

LEADING_ROWS: Final = 6
LINE_ROWS: Final = 30  # 24 rows of glyphs and the leading: 3.75 mm
MAX_LOGO_ROWS: Final = 240  # 30 mm; black all over it is a third of a minute's dot budget at 50 C
_MAX_FEED = 40  # lines, 15 cm: a mistake must not empty the roll
_TITLE_LINES = 2  # in double size; a longer name is set in single size, bold
_NAME_LINES = 4  # and cut after these with an ellipsis
_ALIKE = {0x00A5: "\uffe5", 0x30FB: "\u00b7"}  # yen or yuan sign, katakana middle dot
# Control and format characters and lone surrogates; private and unassigned ones stay: a box.
_UNSEEN = frozenset({"Cc", "Cf", "Cs"})
# Chinese typesetting (GB/T 15834-2011): these never begin a line, those never end one.
_CLOSING = frozenset("。，、；：？！）》」』】〉”’…%,.;:?!)]}")
_OPENING = frozenset("（《「『【〈“‘([{")


@dataclass(frozen=True, slots=True)
class Span:
    """Text at a column; `size` 2 is double width and height. Small text stands at the foot."""

    column: int
    text: str
    size: int = 1

    @property
    def end(self) -> int:
        """The column after it."""
        return self.column + columns(self.text) * self.size


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text; the leading follows it."""

    spans: tuple[Span, ...]
    bold: bool = False

    @property
    def size(self) -> int:
        """2 if anything on it is double height."""
        return max((span.size for span in self.spans), default=1)


@dataclass(frozen=True, slots=True)
class Picture:
    """Rows of packed bits at a byte's boundary, and the block they stand for."""

    left_bytes: int
    width_bytes: int
    rows: tuple[bytes, ...]
    block: Qr | Barcode | Logo
    scale: int = 1


@dataclass(frozen=True, slots=True)
class Blank:
    """White rows."""

    rows: int


@dataclass(frozen=True, slots=True)
class Tear:
    """End of a copy: feed to the tear bar and cut."""


Item = Line | Picture | Blank | Tear


def check_logo(logo: Logo, dots: int, key: str = "merchant.logo") -> None:
    """Check a logo before any receipt needs it.

    Raises:
        ConfigError: PRN-311, wider or higher than allowed, or rows of another length.
    """
    width_bytes = (logo.width_dots + 7) // 8
    problem = ""
    if not 0 < logo.width_dots <= dots:
        problem = f"is {logo.width_dots} dots wide; the paper has {dots}"
    elif not 0 < len(logo.rows) <= MAX_LOGO_ROWS:
        problem = f"is {len(logo.rows)} rows high; at most {MAX_LOGO_ROWS} are printed"
    elif any(len(row) != width_bytes for row in logo.rows):
        problem = f"has rows of another length than {width_bytes} bytes"
    if problem:
        raise ConfigError(
            f"{key} {problem}.",
            code="PRN-311",
            effect="Receipts are printed without the logo.",
            next_step="Give a one-bit picture within the limits.",
        )


def lay_out(blocks: tuple[Block, ...], dots: int) -> tuple[Item, ...]:
    """Set blocks on paper of `dots` dots.

    A logo or a code that cannot be printed is replaced by a line that says so: a receipt is
    never lost for its decoration.

    Raises:
        InputError: PRN-312, an amount longer than a line; money of 12 digits always fits.
    """
    width = dots // CELL
    items: list[Item] = []
    for block in blocks:
        items.extend(_RULES[type(block)](block, width, dots))
    return tuple(items)


def legible(text: str) -> str:
    """Return text as it can be set: composed, on one line, without control characters.

    Two signs become those that GB18030 writes with two bytes, as every Chinese font has them.
    """
    if text.isascii() and text.isprintable():
        return text
    text = unicodedata.normalize("NFC", text).translate(_ALIKE)
    if text.isprintable():
        return text
    return "".join(c for c in map(_spaced, text) if unicodedata.category(c) not in _UNSEEN)


def _spaced(char: str) -> str:
    return " " if char.isspace() and char != "\u3000" else char


def wrap(text: str, width: int) -> list[str]:
    """Break a text into lines of at most `width` columns; width is at least 2."""
    lines = []
    rest = text.strip(" ")
    while (at := _break(rest, width)) < len(rest):
        lines.append(rest[:at].rstrip(" "))
        rest = rest[at:].lstrip(" ")
    return [*lines, rest]


def _break(text: str, width: int) -> int:
    """Return how many characters go on this line: all that are left, else at least one."""
    fit, used = 0, 0
    for char in text:
        used += columns(char)
        if used > width:
            break
        fit += 1
    else:
        return len(text)
    for at in range(fit, 0, -1):
        if _may_break(text[at - 1], text[at]):
            return at
    return max(fit, 1)


def _may_break(before: str, after: str) -> bool:
    if " " in (before, after):
        return True
    joined = before.isascii() and after.isascii()
    return not joined and after not in _CLOSING and before not in _OPENING


def _cut_short(text: str, width: int) -> str:
    """Return the text within `width` columns, an ellipsis telling that it was longer."""
    if columns(text) <= width:
        return text
    kept, used = "", 2
    for char in text:
        used += columns(char)
        if used > width:
            break
        kept += char
    return kept + "…"


def _at(align: str, length: int, width: int) -> int:
    return {"centre": (width - length) // 2, "right": width - length}.get(align, 0)


def _set(text: str, width: int, align: str = "left", *, size: int = 1, bold: bool = False) -> Line:
    column = _at(align, columns(text) * size, width)
    return Line((Span(column, text, size),), bold=bold)


def _title(block: Title, width: int, _dots: int) -> list[Item]:
    text = legible(block.text)
    if not text.strip():
        return []
    lines = wrap(text, width // 2)
    if len(lines) <= _TITLE_LINES:
        return [_set(line, width, "centre", size=2) for line in lines]
    lines = wrap(text, width)
    if len(lines) > _NAME_LINES:
        lines[_NAME_LINES - 1 :] = [_cut_short("".join(lines[_NAME_LINES - 1 :]), width)]
    return [_set(line, width, "centre", bold=True) for line in lines]


def _text(block: Text, width: int, _dots: int) -> list[Item]:
    parts = block.text.splitlines() or [""]
    lines = [line for part in parts for line in wrap(legible(part), width)]
    return [_set(line, width, block.align, bold=block.bold) for line in lines]


def _field(block: Field, width: int, _dots: int) -> list[Item]:
    label, value = legible(block.label), legible(block.value)
    if columns(label) + 1 + columns(value) <= width:
        start = width - columns(value)
        return [Line((Span(0, label), Span(start, value)))]
    below = wrap(value, width)
    align = "right" if len(below) == 1 else "left"
    labels = [_set(line, width) for line in wrap(label, width)]
    return [*labels, *(_set(line, width, align) for line in below)]


def _amount(block: Amount, width: int, _dots: int) -> list[Item]:
    label, value = legible(block.label), legible(block.value)
    length = columns(value)
    if length > width:
        raise InputError(
            f"An amount of {length} columns does not fit a line of {width}.",
            code="PRN-312",
            effect="The slip is not printed.",
            next_step="This is a defect: report it with the log.",
        )
    size = 2 if 2 * length <= width else 1
    number = Span(width - length * size, value, size)
    if columns(label) + 1 + length * size <= width:
        return [Line((Span(0, label), number), bold=True)]
    return [*(_set(line, width) for line in wrap(label, width)), Line((number,), bold=True)]


def _columns(block: Columns, width: int, _dots: int) -> list[Item]:
    cells = [legible(cell) for cell in block.cells]
    widths = _shares(block.parts, len(cells), width)
    crowded = min(widths, default=2) < 2
    if crowded or any(_numeric(c) and columns(c) > w for c, w in zip(cells, widths, strict=True)):
        # A number is never broken: such a row is stacked, one cell a line.
        sides = [(c, "right" if _numeric(c) else "left") for c in cells if c]
        return [_set(line, width, side) for c, side in sides for line in wrap(c, width)]
    columned = [wrap(c, w) for c, w in zip(cells, widths, strict=True)]
    rows: list[Item] = []
    for number in range(max(map(len, columned), default=0)):
        spans, left = [], 0
        for cell, lines, share in zip(cells, columned, widths, strict=True):
            text = lines[number] if number < len(lines) else ""
            side = "right" if _numeric(cell) else "left"
            spans.append(Span(left + _at(side, columns(text), share), text))
            left += share + 1
        rows.append(Line(tuple(span for span in spans if span.text)))
    return rows


def _numeric(text: str) -> bool:
    digits = text == "-" or any(c.isdigit() for c in text)
    return digits and text.isascii() and not any(map(str.isalpha, text))


def _shares(parts: tuple[int, ...], count: int, width: int) -> list[int]:
    """Divide the width by parts, one column between two cells, at least two columns each."""
    parts = tuple(max(part, 0) for part in parts[:count])
    parts += (1,) * (count - len(parts))
    room = width - (count - 1)
    total = sum(parts) or 1
    shares = [max(2, room * part // total) for part in parts]
    if shares:
        widest = max(range(count), key=lambda place: shares[place])
        shares[widest] += room - sum(shares)
    return shares


def _rule(_block: Rule, width: int, _dots: int) -> list[Item]:
    return [Line((Span(0, "-" * width),))]


def _feed(block: Feed, _width: int, _dots: int) -> list[Item]:
    return [Blank(LINE_ROWS * min(block.lines, _MAX_FEED))] if block.lines > 0 else []


def _mark(block: Mark, width: int, _dots: int) -> list[Item]:
    lines = wrap(legible(block.text), width // 2)
    stars = Line((Span(0, "*" * width),))
    return [stars, *(_set(line, width, "centre", size=2, bold=True) for line in lines), stars]


def _qr(block: Qr, width: int, dots: int) -> list[Item]:
    return _code(qr(block.data, dots), block, f"[QR: {len(block.data)} > max]", width, dots)


def _barcode(block: Barcode, width: int, dots: int) -> list[Item]:
    items = _code(ean13(block.gtin, dots), block, f"[EAN-13? {block.gtin}]", width, dots)
    digits = _set(legible(block.gtin), width, "centre")
    return [*items, digits] if isinstance(items[0], Picture) else items


def _code(
    code: CodePicture | None, block: Qr | Barcode, instead: str, width: int, dots: int
) -> list[Item]:
    if code is None:
        return [_set(line, width) for line in wrap(legible(instead), width)]
    return [
        Picture(
            (dots // 8 - code.width_bytes) // 2, code.width_bytes, code.rows, block, code.scale
        ),
        Blank(LEADING_ROWS),
    ]


def _logo(block: Logo, width: int, dots: int) -> list[Item]:
    try:
        check_logo(block, dots)
    except ConfigError as error:
        return [_set(line, width) for line in wrap(f"[{error.stable_code} logo]", width)]
    width_bytes = (block.width_dots + 7) // 8
    left = ((dots + 7) // 8 - width_bytes) // 2
    return [Picture(left, width_bytes, block.rows, block), Blank(LEADING_ROWS)]


def _tear(_block: Cut, _width: int, _dots: int) -> list[Item]:
    return [Tear()]


_RULES: Mapping[type, Callable[[Any, int, int], list[Item]]] = MappingProxyType(
    {
        Title: _title,
        Text: _text,
        Field: _field,
        Amount: _amount,
        Columns: _columns,
        Rule: _rule,
        Feed: _feed,
        Mark: _mark,
        Qr: _qr,
        Barcode: _barcode,
        Logo: _logo,
        Cut: _tear,
    }
)
