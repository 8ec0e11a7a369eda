from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import ean

from posfw.codec import cbor
from posfw.goods.catalogue import (
    DESCRIPTION_LIMIT,
    ITEMS_A_RECORD,
    NAME_LIMIT,
    Item,
    bodies,
    canonical,
    fold,
    gtin_fault,
    read_csv,
    read_toml,
)
from posfw.values.errors import InputError
from posfw.values.events import Plain, Record, Topic
from posfw.values.money import Money

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HEADER = "gtin,name,price,description,quantity\n"


@pytest.mark.parametrize(
    "code", ["4006381333931", "96385074", "6901234567892", "036000291452", "10012345678902"]
)
def test_published_codes_pass(code: str) -> None:
    assert gtin_fault(code) == ""


@given(st.sampled_from([8, 12, 13, 14]), st.data())
def test_the_check_digit_is_that_of_an_independent_library(size: int, data: st.DataObject) -> None:
    code = data.draw(st.text("0123456789", min_size=size, max_size=size))
    # python-stdnum judges GTIN-8, -12, -13 and -14 alike.
    assert (gtin_fault(code) == "") == ean.is_valid(code)


@pytest.mark.parametrize("code", ["", "123", "400638133393X", "４006381333931", "1" * 15])
def test_other_things_are_no_gtin(code: str) -> None:
    assert "is not a GTIN" in gtin_fault(code)


def test_a_wrong_check_digit_is_told_with_the_right_one() -> None:
    assert "should be 1" in gtin_fault("4006381333932")


def test_csv_with_bom_quotes_and_empty_lines_is_read() -> None:
    text = (
        "\ufeff"
        + HEADER
        + '4006381333931,"茶, 绿",12.50,"明前 ""特级""",10\r\n\r\n96385074,糖,3,,\n'
    )
    assert read_csv(text, source="c.csv") == (
        Item("4006381333931", "茶, 绿", Money(1250), '明前 "特级"', 10),
        Item("96385074", "糖", Money(300)),
    )


def test_toml_is_read_alike() -> None:
    text = '[[goods]]\ngtin = "96385074"\nname = "糖"\nprice = "3.00"\nquantity = 5\n'
    assert read_toml(text, source="c.toml") == (Item("96385074", "糖", Money(300), "", 5),)


def test_all_mistakes_of_a_file_are_told_at_once_with_their_lines() -> None:
    text = HEADER + (
        "4006381333932,tea,12.50,,1\n"  # line 2: check digit
        "96385074,,3,,\n"  # line 3: no name
        "6901234567892,oil,1.234,,\n"  # line 4: decimals
        "6901234567892,oil,1,,x\n"  # line 5: quantity, and twice
        "036000291452,rice\n"  # line 6: cells
        "10012345678902,salt,-1,,\n"  # line 7: price
    )
    with pytest.raises(InputError) as error:
        read_csv(text, source="c.csv")
    faults = error.value.cause.splitlines()
    assert [fault.split(":")[1] for fault in sorted(faults)] == ["2", "3", "4", "5", "5", "6", "7"]
    assert "line 4 already" in error.value.cause
    assert error.value.effect_text == "Nothing was imported."


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "missing"),
        (HEADER, "no article"),
        ("gtin,name\n96385074,x\n", "'price' is missing"),
        ("gtin,name,price,colour\n96385074,x,1,red\n", "'colour' is not known"),
        ("gtin,gtin,name,price\n", "'gtin' is missing or doubled"),
        (HEADER + '96385074,"open,3,,\n', "end of data"),
        (HEADER + f"96385074,{'n' * (NAME_LIMIT + 1)},3,,\n", "name"),
        (HEADER + f"96385074,n,3,{'d' * (DESCRIPTION_LIMIT + 1)},\n", "description"),
        (HEADER + "96385074,a\x07b,3,,\n", "name"),
    ],
)
def test_each_kind_of_broken_file_is_named(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read_csv(text, source="c.csv")


@pytest.mark.parametrize(
    "text",
    [
        "goods = 1\n",
        "[[goods]\n",
        '[[goods]]\ngtin = "96385074"\nname = "x"\nprice = 3.0\n',
        '[[goods]]\ngtin = "96385074"\nname = "x"\nprice = "3"\ncolour = "red"\n',
        '[other]\n[[goods]]\ngtin = "96385074"\nname = "x"\nprice = "3"\n',
        'goods = [{gtin = "96385074", name = "x", price = "3"}]\n',
    ],
)
def test_broken_toml_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"c\.toml"):
        read_toml(text, source="c.toml")


def record(name: str, body: dict[str, Plain]) -> Record:
    return Record(Topic.GOODS, name, NOW, "00", body)


def test_stock_follows_sales_returns_and_counts() -> None:
    item = Item("96385074", "糖", Money(300), "", 10)
    records = [record("imported", body) for body in bodies([item])]
    records += [
        record("sold", {"lines": [["96385074", 3, 300]]}),
        record("returned", {"lines": [["0000096385074", 1, 300]]}),
    ]
    assert fold(records).in_stock("96385074") == 8
    records.append(record("counted", {"gtin": "96385074", "quantity": 5}))
    assert fold(records).in_stock("96385074") == 5
    again = [record("imported", body) for body in bodies([Item("96385074", "糖果", Money(350))])]
    after = fold([*records, *again, record("later", {})])
    assert after.in_stock("96385074") == 5
    found = after.find("96385074")
    assert found is not None
    assert (found.name, found.price) == ("糖果", Money(350))


def test_a_upc_is_the_same_article_with_and_without_its_leading_zero() -> None:
    assert canonical("036000291452") == canonical("0036000291452")


def test_the_largest_record_fits_into_the_journal() -> None:
    widest = Item("1" * 14, "\U0001f600" * NAME_LIMIT, Money(10**11), "\U0001f600" * 120, 10**7)
    for body in bodies([widest] * ITEMS_A_RECORD):
        cbor.encode(body)
