from __future__ import annotations

import pytest

from posfw.printer.raster import Raster
from posfw.printer.sheet import page
from posfw.printer.store import open_glyphs
from posfw.sim.paper import Row, Slip
from posfw.sim.reading import SlipReader
from posfw.sim.slips import Receipt, SlipBook, receipts
from posfw.values.document import Amount, Block, Document, Field, Mark, Text, Title
from posfw.values.printjob import Copy, DocumentKind, DocumentRef

pytestmark = pytest.mark.may_block
REF = DocumentRef(DocumentKind.RECEIPT, "12345678-000001-000001")


def lines(
    copy: str = "商户存根/MERCHANT COPY", *, stan: int = 7, amount: str = "12.50"
) -> list[str]:
    return [
        "       POS签购单",
        copy,
        f"凭证号/VOUCHER NO.        {stan:06d}",
        f"金额/AMOUNT   RMB  {amount}",
        "原凭证号/ORIG. VOUCHER    000002",
        "原金额/ORIG. AMOUNT    RMB 50.00",
    ]


def book(*found: Receipt) -> SlipBook:
    return SlipBook(list(found))


def test_a_receipt_is_its_voucher_copy_and_amount() -> None:
    assert receipts(lines()) == [Receipt("MERCHANT", 7, 1250)]
    assert receipts(lines(amount="-1,234.05"))[0].amount_minor == -123405
    marked = receipts([*lines()[:1], "重打印/DUPLICATE", *lines()[1:]])
    assert marked[0].duplicate


def test_a_half_receipt_above_a_whole_one_is_told_apart() -> None:
    half, whole = receipts(lines()[:3] + lines("持卡人存根/CARDHOLDER COPY", stan=8))
    assert (half.whole, whole.whole, whole.stan) == (False, True, 8)


def test_what_paper_must_not_say() -> None:
    twice = book(Receipt("MERCHANT", 1, 100), Receipt("MERCHANT", 1, 100))
    assert twice.problems() == ["voucher 1 was printed twice without a mark"]
    marked = book(Receipt("MERCHANT", 1, 100), Receipt("MERCHANT", 1, 100, duplicate=True))
    assert marked.problems() == []
    assert marked.reprinted == 1
    other = book(Receipt("MERCHANT", 1, 100), Receipt("CARDHOLDER", 1, 200))
    assert other.problems() == ["voucher 1 was printed with two amounts"]


def test_totals_count_each_voucher_once() -> None:
    paper = book(
        Receipt("MERCHANT", 1, 100),
        Receipt("CARDHOLDER", 1, 100),
        Receipt("MERCHANT", 1, 100, duplicate=True),
        Receipt("MERCHANT", 2, -30),
    )
    assert paper.totals() == {
        "debit_count": 1,
        "debit_minor": 100,
        "credit_count": 1,
        "credit_minor": 30,
    }


def test_real_dots_are_read() -> None:
    glyphs = open_glyphs()

    def slip(*blocks: Block) -> Slip:
        drawn = page(Document(REF, Copy.SINGLE, blocks), Raster(glyphs, 384))
        rows, width = drawn.rows(), drawn.width_bytes
        cut = range(0, len(rows), width)
        return Slip([Row(rows[at : at + width], 1) for at in cut], cut=True)

    receipt = slip(
        Title("POS签购单"),
        Mark("重打印/DUPLICATE"),
        Text("商户存根/MERCHANT COPY", align="centre", bold=True),
        Field("凭证号/VOUCHER NO.", "000012"),
        Amount("金额/AMOUNT", "RMB 1,234.56"),
    )
    settlement = slip(Title("结算单"), Mark("对账平/BALANCED"))
    read = SlipBook.read([receipt, settlement], SlipReader(glyphs))
    assert read.receipts == [Receipt("MERCHANT", 12, 123456, duplicate=True)]
    assert read.settlements == [True]


@pytest.mark.parametrize(
    ("told", "held"),
    [
        (["交易类型/TYPE    预授权/PRE-AUTH"], True),
        (["交易类型/TYPE", "         追加预授权/ADD PRE-AUTH"], True),
        (["交易类型/TYPE", "        预授权撤销/PRE-AUTH VOID"], True),
        (["交易类型/TYPE", "预授权完成(通知)/COMPL. ADVICE"], False),
        (["交易类型/TYPE    消费/SALE"], False),
    ],
)
def test_what_is_only_held_moves_no_money(told: list[str], *, held: bool) -> None:
    (receipt,) = receipts([*lines()[:2], *told, *lines()[2:]])
    assert receipt.held is held
    assert book(receipt).totals()["debit_minor"] == (0 if held else 1250)
