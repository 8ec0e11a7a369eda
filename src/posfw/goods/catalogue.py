"""商品: catalogue with GTIN, price, description and stock, folded from the GOODS topic.

A file is imported wholly or not at all; every mistake in it is told at once with its line.
"""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from posfw.values.errors import InputError
from posfw.values.events import Plain, Record
from posfw.values.money import CNY, Currency, Money, parse_amount

__all__ = [
    "Catalogue",
    "Item",
    "bodies",
    "canonical",
    "fold",
    "gtin_fault",
    "read_csv",
    "read_toml",
]

COLUMNS = ("gtin", "name", "price", "description", "quantity")
LENGTHS = frozenset({8, 12, 13, 14})
NAME_LIMIT, DESCRIPTION_LIMIT = 60, 120
MOST_ITEMS = 10_000
MOST_STOCK = 10_000_000
# A record's body holds 16 KiB; an item takes 60 + 120 characters of at most 4 bytes and 40 more.
ITEMS_A_RECORD = 20


@dataclass(frozen=True, slots=True)
class Item:
    """One article; `quantity` is what the file sets the stock to, None to leave it."""

    gtin: str
    name: str
    price: Money
    description: str = ""
    quantity: int | None = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Articles and stock by canonical GTIN (14 digits).

    Attributes:
        items: articles.
        stock: how many there are, reserved ones among them.
        held: what is set aside, by the name of its reservation.
    """

    items: Mapping[str, Item] = field(default_factory=dict)
    stock: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def find(self, gtin: str) -> Item | None:
        """Return the article of a scanned or typed code."""
        return self.items.get(canonical(gtin))

    def in_stock(self, gtin: str) -> int:
        """Return how many there are; less than zero when more were sold than counted."""
        return self.stock.get(canonical(gtin), 0)

    def reserved(self, gtin: str) -> int:
        """Return how many are set aside, for whomever."""
        return sum(lines.get(canonical(gtin), 0) for lines in self.held.values())

    def free(self, gtin: str) -> int:
        """Return how many may be sold to anybody."""
        return self.in_stock(gtin) - self.reserved(gtin)


def gtin_fault(code: str) -> str:
    """Return what is wrong with a GTIN-8, -12, -13 or -14, or "".

    The check digit's weights are 3 and 1 in turn from the right (GS1 General Specifications, 7.9).
    """
    if not (code.isascii() and code.isdigit()) or len(code) not in LENGTHS:
        return f"{code[:20]!r} is not a GTIN: 8, 12, 13 or 14 digits"
    body = [int(digit) for digit in reversed(code[:-1])]
    expected = -sum(3 * d if at % 2 == 0 else d for at, d in enumerate(body)) % 10
    if expected != int(code[-1]):
        return f"{code}: the check digit is {code[-1]}, it should be {expected}"
    return ""


def canonical(code: str) -> str:
    """Return the 14-digit form under which every spelling of one GTIN is the same."""
    return code.strip().zfill(14)


def read_csv(text: str, *, source: str, currency: Currency = CNY) -> tuple[Item, ...]:
    """Read a catalogue with the columns gtin, name, price, description, quantity.

    Raises:
        InputError: every mistake at once, each as `file:line: what is wrong`.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    rows: list[tuple[int, Mapping[str, str]]] = []
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        faults = _header_faults(header, source)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                faults.append(
                    f"{source}:{reader.line_num}: {len(cells)} cells where the header has"
                    f" {len(header)}"
                )
                continue
            rows.append((reader.line_num, dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        faults = [f"{source}:{reader.line_num}: {error}"]
    return _items(rows, faults, source, currency)


def read_toml(text: str, *, source: str, currency: Currency = CNY) -> tuple[Item, ...]:
    """Read a catalogue of `[[goods]]` tables with the same names as the CSV's columns.

    Raises:
        InputError: every mistake at once, each with the line of its table.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{source}: {error}.", code="GDS-201") from error
    lines = [n for n, line in enumerate(text.splitlines(), 1) if line.strip() == "[[goods]]"]
    tables = document.get("goods", [])
    faults = [f"{source}:1: {name!r} is not known here" for name in document.keys() - {"goods"}]
    if not isinstance(tables, list) or len(lines) != len(tables):
        faults.append(f"{source}:1: articles are `[[goods]]` tables, each on a line of its own")
        tables = []
    rows = []
    for line, table in zip(lines, tables, strict=False):
        unknown = sorted(table.keys() - set(COLUMNS))
        faults += [f"{source}:{line}: {name!r} is not known here" for name in unknown]
        wrong = [n for n, v in table.items() if not isinstance(v, str) and type(v) is not int]
        faults += [f"{source}:{line}: {name!r} must be a text or a whole number" for name in wrong]
        rows.append((line, {name: str(value) for name, value in table.items()}))
    return _items(rows, faults, source, currency)


def bodies(items: Sequence[Item]) -> Iterator[dict[str, Plain]]:
    """Yield the bodies of `imported` records: append them in one transaction."""
    for first in range(0, len(items), ITEMS_A_RECORD):
        rows: list[Plain] = [
            [each.gtin, each.name, each.price.minor, each.description, each.quantity]
            for each in items[first : first + ITEMS_A_RECORD]
        ]
        yield {"items": rows}


def fold(records: Iterable[Record]) -> Catalogue:
    """Return the catalogue after these records of the GOODS topic."""
    items: dict[str, Item] = {}
    stock: dict[str, int] = {}
    held: dict[str, Mapping[str, int]] = {}
    for record in records:
        if record.name == "reserved":
            rows: Any = record.body["lines"]
            held[str(record.body["name"])] = {canonical(gtin): count for gtin, count in rows}
        elif record.name == "released":
            held.pop(str(record.body["name"]), None)
        change = _CHANGES.get(record.name)
        if change is not None:
            change(items, stock, record.body)
    return Catalogue(items, stock, held)


def _imported(items: dict[str, Item], stock: dict[str, int], body: Mapping[str, Any]) -> None:
    for gtin, name, minor, description, quantity in body["items"]:
        code = canonical(gtin)
        items[code] = Item(gtin, name, Money(minor), description)
        if quantity is not None:
            stock[code] = quantity


def _moved(sign: int) -> Callable[[dict[str, Item], dict[str, int], Mapping[str, Any]], None]:
    def change(_: dict[str, Item], stock: dict[str, int], body: Mapping[str, Any]) -> None:
        for gtin, count, *_rest in body["lines"]:
            code = canonical(gtin)
            stock[code] = stock.get(code, 0) + sign * count

    return change


def _counted(_: dict[str, Item], stock: dict[str, int], body: Mapping[str, Any]) -> None:
    stock[canonical(body["gtin"])] = body["quantity"]


_CHANGES: Mapping[str, Callable[[dict[str, Item], dict[str, int], Mapping[str, Any]], None]] = {
    "imported": _imported,
    "sold": _moved(-1),
    "returned": _moved(1),
    "counted": _counted,
}


def _header_faults(header: Sequence[str], source: str) -> list[str]:
    unknown = [name for name in header if name not in COLUMNS]
    faults = [f"{source}:1: the column {name[:20]!r} is not known here" for name in unknown]
    faults += [
        f"{source}:1: the column {name!r} is missing or doubled"
        for name in COLUMNS[:3]
        if header.count(name) != 1
    ]
    return faults


def _items(
    rows: Sequence[tuple[int, Mapping[str, str]]],
    faults: list[str],
    source: str,
    currency: Currency,
) -> tuple[Item, ...]:
    found: list[Item] = []
    seen: dict[str, int] = {}
    if len(rows) > MOST_ITEMS:
        faults.append(f"{source}: more than {MOST_ITEMS} articles")
    for line, row in rows:
        item, wrong = _item(row, currency)
        code = canonical(item.gtin)
        if code in seen:
            wrong.append(f"{item.gtin} stands on line {seen[code]} already")
        seen.setdefault(code, line)
        faults += [f"{source}:{line}: {each}" for each in wrong]
        found.append(item)
    if not found and not faults:
        faults.append(f"{source}: no article")
    if faults:
        raise InputError(
            "\n".join(faults),
            code="GDS-201",
            effect="Nothing was imported.",
            next_step="Correct the named lines and import the file again.",
            faults=faults,
        )
    return tuple(found)


def _item(row: Mapping[str, str], currency: Currency) -> tuple[Item, list[str]]:
    gtin, name = row.get("gtin", "").strip(), row.get("name", "").strip()
    description, quantity = row.get("description", "").strip(), row.get("quantity", "").strip()
    wrong = [fault for fault in [gtin_fault(gtin)] if fault]
    item = Item(gtin, name, Money(0, currency), description)
    try:
        item = replace(item, price=parse_amount(row.get("price", ""), currency))
    except InputError as error:
        wrong.append(f"price: {error.cause}")
    if not 0 < len(name) <= NAME_LIMIT or not name.isprintable():
        wrong.append(f"name: must have 1 to {NAME_LIMIT} printable characters")
    if len(description) > DESCRIPTION_LIMIT or not description.isprintable():
        wrong.append(f"description: must have at most {DESCRIPTION_LIMIT} printable characters")
    if quantity:
        if quantity.isascii() and quantity.isdigit() and int(quantity) <= MOST_STOCK:
            item = replace(item, quantity=int(quantity))
        else:
            wrong.append(f"quantity: {quantity[:20]!r} is not a whole number")
    return item, wrong
