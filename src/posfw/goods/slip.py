"""商品清单: what was sold with one sale: names, descriptions, counts and prices (S59). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from posfw.goods.catalogue import Catalogue, canonical
from posfw.values.document import Amount, Block, Columns, Cut, Document, Field, Rule, Text, Title
from posfw.values.events import Record
from posfw.values.money import Money
from posfw.values.printjob import Copy, DocumentKind, DocumentRef
from posfw.values.slip import Merchant, Word, printed_amount
from posfw.values.texts import Texts

__all__ = ["goods_slip", "sold_lines"]

_TITLE = Word("商品清单", "商品清單", "GOODS")
_RETURNED = Word("退回", "退回", "RETURNED")
_MERCHANT = Word("商户名称", "商戶名稱", "MERCHANT")
_TOTAL = Word("合计", "合計", "TOTAL")
_PARTS = (3, 4, 5)

Line = tuple[str, int, int]


def sold_lines(records: Iterable[Record], key: str) -> tuple[Line, ...]:
    """Return [GTIN, count, price] of a sale; what came back has a count below zero."""
    found: list[Line] = []
    for record in records:
        if record.name in ("sold", "returned") and record.body.get("key") == key:
            sign = 1 if record.name == "sold" else -1
            rows: Any = record.body["lines"]
            found += [(gtin, sign * count, minor) for gtin, count, minor in rows]
    return tuple(found)


def goods_slip(
    key: str, lines: Sequence[Line], catalogue: Catalogue, merchant: Merchant, texts: Texts
) -> Document:
    """Compose the list; a description stands below its name, wrapped by the paper's width.

    Args:
        key: the sale's key as text.
        lines: as `sold_lines` returns them, at the price of the sale.
        catalogue: for names and descriptions as they are now.
        merchant: who sells.
        texts: its language chooses the characters.
    """
    language = texts.language
    blocks: list[Block] = [
        Title(_TITLE.lines(language)[0]),
        Text(_TITLE.lines(language)[1], align="centre"),
        Rule(),
        Field(_MERCHANT.pair(language), merchant.name),
        Text(key),
        Rule(),
    ]
    for gtin, count, minor in lines:
        item = catalogue.items.get(canonical(gtin))
        blocks.append(Text(item.name if item else gtin, bold=True))
        if item and item.description:
            blocks.append(Text(item.description))
        if count < 0:
            blocks.append(Text(_RETURNED.pair(language)))
        blocks.append(Columns((str(count), _plain(minor), _plain(minor * count)), _PARTS))
    total = sum(count * minor for _, count, minor in lines)
    blocks += (Rule(), Amount(_TOTAL.pair(language), printed_amount(Money(total))), Cut())
    return Document(DocumentRef(DocumentKind.REPORT, f"goods {key}"), Copy.SINGLE, tuple(blocks))


def _plain(minor: int) -> str:
    return printed_amount(Money(abs(minor)), -1 if minor < 0 else 1).partition(" ")[2]
