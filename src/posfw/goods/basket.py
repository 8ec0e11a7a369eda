"""A basket of goods that makes the amount of a sale. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posfw.goods.catalogue import Catalogue, Item, canonical
from posfw.values.errors import InputError, RefusedError
from posfw.values.money import CNY, MAX_MINOR, Money

__all__ = ["Basket", "Line", "fill"]

MOST_LINES = 100
MOST_OF_ONE = 9_999


@dataclass(frozen=True, slots=True)
class Line:
    """So many of one article, at the price of this moment."""

    item: Item
    count: int

    @property
    def total(self) -> Money:
        """Count times price."""
        return Money(self.item.price.minor * self.count, self.item.price.currency)


@dataclass(frozen=True, slots=True)
class Basket:
    """What is bought together; `short` names what the free stock does not cover."""

    lines: tuple[Line, ...]
    short: tuple[str, ...] = ()

    @property
    def total(self) -> Money:
        """The amount of the sale."""
        currency = self.lines[0].item.price.currency if self.lines else CNY
        return Money(sum(line.total.minor for line in self.lines), currency)


def fill(
    catalogue: Catalogue, wanted: Sequence[tuple[str, int]], *, must_be_in_stock: bool = False
) -> Basket:
    """Return the basket of scanned codes with counts; a code scanned twice is one line.

    Raises:
        InputError: empty, unknown article, a count or a total out of range.
        RefusedError: the stock does not cover it and must.
    """
    counts: dict[str, int] = {}
    for code, count in wanted:
        if type(count) is not int or not 1 <= count <= MOST_OF_ONE:
            raise InputError(f"{count!r} is not a count of 1 to {MOST_OF_ONE}.", code="GDS-203")
        counts[canonical(code)] = counts.get(canonical(code), 0) + count
    if not 1 <= len(counts) <= MOST_LINES:
        raise InputError(f"A basket has 1 to {MOST_LINES} articles.", code="GDS-204")
    unknown = [code for code in counts if code not in catalogue.items]
    if unknown:
        raise InputError(
            f"There is no article {', '.join(code.lstrip('0') or '0' for code in unknown)}.",
            code="GDS-202",
            next_step="Scan again, or add it: posfw goods import",
        )
    lines = tuple(Line(catalogue.items[code], count) for code, count in counts.items())
    if sum(line.item.price.minor * line.count for line in lines) > MAX_MINOR:
        raise InputError("The basket's total has more than 12 digits.", code="GDS-205")
    short = tuple(line.item.gtin for line in lines if catalogue.free(line.item.gtin) < line.count)
    if short and must_be_in_stock:
        raise RefusedError(f"Not in stock: {', '.join(short)}.", code="GDS-110")
    return Basket(lines, short)
