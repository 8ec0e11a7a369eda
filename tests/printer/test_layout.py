from __future__ import annotations

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.printer.glyphs import columns
from posfw.printer.layout import (
    MAX_LOGO_ROWS,
    Item,
    Line,
    Picture,
    check_logo,
    lay_out,
    legible,
    wrap,
)
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
from posfw.values.money import CURRENCIES, MAX_MINOR, Money
from posfw.values.slip import printed_amount

DOTS = st.sampled_from([384, 432, 512, 576, 640, 832])
# Everything people and devices can put into a text, surrogates left out: str from UTF-8 has none.
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=120)
TEXT = st.text(
    st.sampled_from("中文商户。，（）あéA1 -./¥😀\u0301\n\t\x10\x04")
    | st.characters(exclude_categories=["Cs"]),
    max_size=80,
)
AMOUNTS = st.builds(
    printed_amount,
    st.builds(
        Money, st.integers(0, MAX_MINOR), st.sampled_from(sorted(CURRENCIES.values(), key=str))
    ),
    st.sampled_from([1, -1]),
)
GTIN = st.text(string.digits, min_size=11, max_size=14)
BLOCK: st.SearchStrategy[Block] = st.one_of(
    st.builds(Title, TEXT),
    st.builds(Text, TEXT, st.sampled_from(["left", "centre", "right", "?"]), st.booleans()),
    st.builds(Field, TEXT, TEXT),
    st.builds(Amount, TEXT, AMOUNTS),
    st.builds(
        Columns,
        st.lists(st.one_of(TEXT, AMOUNTS), max_size=5).map(tuple)
        | st.lists(st.just("12"), max_size=40).map(tuple),
        st.lists(st.integers(-1, 9), max_size=5).map(tuple),
    ),
    st.builds(Rule),
    st.builds(Feed, st.integers(-1, 5)),
    st.builds(Mark, TEXT),
    st.builds(Qr, TEXT),
    st.builds(Barcode, GTIN | TEXT),
    st.builds(Logo, st.integers(-1, 900), st.lists(st.binary(max_size=3), max_size=3).map(tuple)),
    st.builds(Cut),
)


def shown(items: tuple[Item, ...]) -> list[str]:
    """Lines as text, spans put at their columns."""
    lines = []
    for item in items:
        if isinstance(item, Line):
            text = ""
            for span in item.spans:
                text += " " * (span.column - columns(text)) + span.text
            lines.append(text)
    return lines


@given(st.lists(BLOCK, max_size=8).map(tuple), DOTS)
def test_any_document_stays_within_the_paper(blocks: tuple[Block, ...], dots: int) -> None:
    for item in lay_out(blocks, dots):
        if isinstance(item, Line):
            at = 0
            for span in item.spans:
                assert span.column >= at
                assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs"} for c in span.text)
                at = span.end
            assert at <= dots // 12
        elif isinstance(item, Picture):
            assert item.left_bytes >= 0
            assert item.left_bytes + item.width_bytes <= (dots + 7) // 8


@given(TEXT, AMOUNTS, DOTS)
def test_an_amount_stands_whole_on_one_line(label: str, amount: str, dots: int) -> None:
    spans = [
        s for i in lay_out((Amount(label, amount),), dots) if isinstance(i, Line) for s in i.spans
    ]
    assert amount in [span.text for span in spans]
    number = next(span for span in spans[::-1] if span.text == amount)
    assert number.column >= 0
    assert number.end == dots // 12  # flush right


@given(st.lists(AMOUNTS, min_size=1, max_size=4), st.lists(TEXT, max_size=3), DOTS)
def test_numbers_in_a_table_are_never_broken(
    numbers: list[str], texts: list[str], dots: int
) -> None:
    numbers = [number.partition(" ")[2] for number in numbers]
    cells = (*texts, *numbers)
    lines = shown(lay_out((Columns(cells, (1,) * len(cells)),), dots))
    for number in numbers:
        assert any(number in line for line in lines)


@given(TEXT, st.integers(2, 60))
def test_wrapping_loses_nothing_but_spaces(text: str, width: int) -> None:
    clean = legible(text)
    lines = wrap(clean, width)
    assert all(columns(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == clean.replace(" ", "")


@given(ANY)
def test_legible_text_has_no_control_characters_and_stays_itself(text: str) -> None:
    clean = legible(text)
    assert clean == legible(clean)
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs"} for char in clean)
    # What has no glyph is not left out: private and unassigned characters become boxes.
    assert [c for c in text if unicodedata.category(c) in {"Co", "Cn"} and c not in clean] == []


def test_the_widest_money_fits_the_narrowest_paper() -> None:
    amount = printed_amount(Money(MAX_MINOR), -1)
    lines = shown(lay_out((Amount("金额/AMOUNT", amount),), 384))
    assert lines[-1].endswith(amount)


def test_what_is_no_money_is_refused_and_not_broken() -> None:
    with pytest.raises(InputError, match="PRN-312"):
        lay_out((Amount("", "9" * 33),), 384)


def test_a_field_keeps_to_one_line_while_it_fits() -> None:
    assert shown(lay_out((Field("批次号/BATCH NO.", "000001"),), 384)) == [
        "批次号/BATCH NO." + " " * 10 + "000001"
    ]
    name = "好日子便利店(人民路店)"
    assert shown(lay_out((Field("商户名称/MERCHANT", name),), 384)) == [
        "商户名称/MERCHANT",
        name.rjust(32 - columns(name) + len(name)),
    ]


def test_a_long_name_is_set_smaller_then_cut_with_an_ellipsis() -> None:
    short = lay_out((Title("好日子便利店"),), 384)
    assert [i.size for i in short if isinstance(i, Line)] == [2]
    long = lay_out((Title("有限责任公司" * 5),), 384)
    assert [i.size for i in long if isinstance(i, Line)] == [1, 1]
    endless = lay_out((Title("有限责任公司" * 30),), 384)
    lines = shown(endless)
    assert len(lines) == 4
    assert lines[-1].endswith("…")


def test_punctuation_never_begins_a_line() -> None:
    lines = wrap("一二三四五六七八，九十", 16)
    assert lines == ["一二三四五六七", "八，九十"]
    assert wrap("一二三四五六七（八）", 16) == ["一二三四五六七", "（八）"]


def test_words_are_not_broken_unless_they_are_longer_than_a_line() -> None:
    assert wrap("RECEIPT OF RELATIVE GOODS", 16) == ["RECEIPT OF", "RELATIVE GOODS"]
    assert wrap("A" * 20, 16) == ["A" * 16, "A" * 4]


def test_a_mark_is_loud() -> None:
    items = lay_out((Mark("测试/TESTING"),), 384)
    lines = [i for i in items if isinstance(i, Line)]
    assert [(i.size, i.bold) for i in lines] == [(1, False), (2, True), (1, False)]
    assert shown(items)[0] == "*" * 32


@pytest.mark.parametrize(
    ("logo", "limit"),
    [
        (Logo(800, (bytes(100),)), "384"),
        (Logo(8, (b"\xff",) * (MAX_LOGO_ROWS + 1)), str(MAX_LOGO_ROWS)),
        (Logo(16, (b"\xff",)), "2 bytes"),
        (Logo(0, ()), "384"),
    ],
)
def test_an_unfit_logo_is_named_with_key_and_limit_and_the_receipt_goes_on(
    logo: Logo, limit: str
) -> None:
    with pytest.raises(ConfigError, match=r"merchant\.logo .*PRN-311") as error:
        check_logo(logo, 384)
    assert limit in error.value.cause
    lines = shown(lay_out((logo, Text("12.50")), 384))
    assert "PRN-311" in lines[0]
    assert lines[-1] == "12.50"


def test_a_fit_logo_passes_and_is_centred() -> None:
    logo = Logo(100, (bytes(13),) * 20)
    check_logo(logo, 384)
    picture = lay_out((logo,), 384)[0]
    assert isinstance(picture, Picture)
    assert picture.left_bytes == (48 - 13) // 2


def test_codes_that_cannot_be_drawn_say_so_and_keep_the_digits() -> None:
    assert shown(lay_out((Barcode("6901234567890"),), 384)) == ["[EAN-13? 6901234567890]"]
    assert shown(lay_out((Qr("x" * 3000),), 384)) == ["[QR: 3000 > max]"]
    assert shown(lay_out((Qr(""),), 384)) == ["[QR: 0 > max]"]


def test_the_same_text_breaks_alike_whatever_the_mode() -> None:
    """Text mode relies on it: a column is a byte of GB18030 at normal size."""
    for line in wrap(legible("商户é€名称ABC①好日子" * 9), 32):
        assert columns(line) == sum(min(2, len(c.encode("gb18030"))) for c in line)
