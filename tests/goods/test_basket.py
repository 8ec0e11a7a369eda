from __future__ import annotations

import pytest

from posfw.goods.basket import MOST_LINES, fill
from posfw.goods.catalogue import Catalogue, Item, canonical
from posfw.values.errors import InputError, RefusedError
from posfw.values.money import MAX_MINOR, Money

TEA, SUGAR = "4006381333931", "96385074"
CATALOGUE = Catalogue(
    {
        canonical(TEA): Item(TEA, "茶", Money(1250)),
        canonical(SUGAR): Item(SUGAR, "糖", Money(300)),
    },
    {canonical(TEA): 2},
)


def test_scanned_articles_make_the_amount() -> None:
    basket = fill(CATALOGUE, [(TEA, 1), (SUGAR, 2), (TEA, 1)])
    assert [(line.item.gtin, line.count) for line in basket.lines] == [(TEA, 2), (SUGAR, 2)]
    assert basket.total == Money(3100)
    assert basket.short == (SUGAR,)


def test_stock_can_be_binding() -> None:
    with pytest.raises(RefusedError, match=SUGAR):
        fill(CATALOGUE, [(SUGAR, 1)], must_be_in_stock=True)
    assert fill(CATALOGUE, [(TEA, 2)], must_be_in_stock=True).short == ()


@pytest.mark.parametrize("count", [0, -1, 10_000, True])
def test_counts_out_of_range_are_refused(count: int) -> None:
    with pytest.raises(InputError, match="count"):
        fill(CATALOGUE, [(TEA, count)])


def test_unknown_articles_are_named_all_at_once() -> None:
    with pytest.raises(InputError, match="6901234567892, 12345670"):
        fill(CATALOGUE, [("6901234567892", 1), ("12345670", 1), (TEA, 1)])


def test_baskets_have_an_end_and_a_beginning() -> None:
    many = {canonical(str(n)): Item(str(n), "x", Money(1)) for n in range(MOST_LINES + 1)}
    for wanted in ([], [(str(n), 1) for n in range(MOST_LINES + 1)]):
        with pytest.raises(InputError, match="articles"):
            fill(Catalogue(many), wanted)


def test_a_total_that_no_message_can_carry_is_refused() -> None:
    gold = Catalogue({canonical(TEA): Item(TEA, "金", Money(MAX_MINOR))})
    assert fill(gold, [(TEA, 1)]).total == Money(MAX_MINOR)
    with pytest.raises(InputError, match="12 digits"):
        fill(gold, [(TEA, 2)])
