from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.sale.receipt import fault_slip, receipt
from posfw.values.card import EntryMode, mask
from posfw.values.document import Amount, Block, Cut, Document, Field, Logo, Mark, Qr, Text, Title
from posfw.values.identity import Key
from posfw.values.money import CNY, CURRENCIES, MAX_MINOR, Money
from posfw.values.outcome import Answer
from posfw.values.printjob import Copy, DocumentKind
from posfw.values.slip import COPIES, KINDS, Merchant, printed_amount
from posfw.values.texts import LANGUAGES, Texts
from posfw.values.transaction import Begun, Instalment, Intent, Kind, State, Transaction

NOW = datetime(2026, 3, 2, 9, 30, 5, tzinfo=timezone(timedelta(hours=8)))
PAN = "6212345678901232"
MERCHANT = Merchant("好日子便利店", "898310154110001", "12345678", "银联商务")
HANS = Texts("zh-Hans")
INTENT = Intent(
    kind=Kind.SALE,
    amount=Money(123_450),
    entry_mode=EntryMode.SWIPED,
    card_masked=mask(PAN),
    card_token=b"t" * 16,
    operator="01",
    at=NOW,
    expiry="3012",
)
ANSWER = Answer("00", "A12345", "000012345678", host_time="20260302093007", balance_minor=99_900)
SALE = Transaction(
    Begun(Key("12345678", 7, 42), 9, INTENT), State.APPROVED, answer=ANSWER, concluded_at=NOW
)


def with_intent(transaction: Transaction = SALE, **changes: object) -> Transaction:
    intent = replace(transaction.begun.intent, **changes)  # type: ignore[arg-type]  # test facts
    return replace(transaction, begun=replace(transaction.begun, intent=intent))


def words(document: Document) -> str:
    """Everything a slip says, one block a line."""
    return "\n".join(_words(block) for block in document.blocks)


def _words(block: Block) -> str:
    match block:
        case Title(text) | Mark(text) | Text(text):
            return text
        case Field(label, value) | Amount(label, value):
            return f"{label}: {value}"
        case Qr(data):
            return data
    return type(block).__name__


def of(transaction: Transaction = SALE, copy: Copy = Copy.MERCHANT, **options: object) -> str:
    return words(receipt(transaction, MERCHANT, HANS, copy=copy, **options))  # type: ignore[arg-type]  # test facts


def test_a_sale_has_every_field_of_a_sales_slip() -> None:
    lines = of().splitlines()
    assert lines == [
        "POS签购单",
        "商户存根/MERCHANT COPY",
        "Rule",
        "商户名称/MERCHANT: 好日子便利店",
        "商户编号/MERCHANT NO.: 898310154110001",
        "终端编号/TERMINAL NO.: 12345678",
        "操作员号/OPERATOR: 01",
        "收单行/ACQUIRER: 银联商务",
        "Rule",
        "卡号/CARD NO.: 621234******1232 S",
        "有效期/EXP. DATE: 2030/12",
        "交易类型/TYPE: 消费/SALE",
        "批次号/BATCH NO.: 000007",
        "凭证号/VOUCHER NO.: 000042",
        "授权码/AUTH. NO.: A12345",
        "参考号/REF. NO.: 000012345678",
        "日期/DATE: 2026/03/02 09:30:05",
        "金额/AMOUNT: RMB 1,234.50",
        "持卡人签名/CARDHOLDER SIGNATURE:",
        "Feed",
        "Rule",
        "本人确认以上交易,同意将其计入本卡账户",
        "I ACKNOWLEDGE SATISFACTORY RECEIPT OF RELATIVE GOODS/SERVICES",
        "Cut",
    ]


def test_the_reference_names_the_transaction_and_the_copy() -> None:
    slip = receipt(SALE, MERCHANT, HANS, copy=Copy.CARDHOLDER)
    assert slip.ref.kind is DocumentKind.RECEIPT
    assert slip.ref.subject == "12345678-000007-000042"
    assert slip.copy is Copy.CARDHOLDER
    assert isinstance(slip.blocks[-1], Cut)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("copy", list(Copy))
def test_every_copy_says_which_it_is_in_both_languages(language: str, copy: Copy) -> None:
    said = words(receipt(SALE, MERCHANT, Texts(language), copy=copy))
    assert COPIES[copy].pair(language) in said.splitlines()
    assert COPIES[copy].en in said


def test_traditional_characters_and_english_first() -> None:
    hant = words(receipt(SALE, MERCHANT, Texts("zh-Hant"), copy=Copy.MERCHANT))
    assert "POS簽購單" in hant
    assert "商戶名稱/MERCHANT" in hant
    english = words(receipt(SALE, MERCHANT, Texts("en"), copy=Copy.MERCHANT))
    assert english.startswith("SALES SLIP\n")
    assert "AMOUNT/金额: RMB 1,234.50" in english


def test_only_the_cardholder_reads_the_balance_and_only_the_merchant_gets_a_signature() -> None:
    assert "可用余额" not in of()
    holder = of(copy=Copy.CARDHOLDER)
    assert "可用余额/BALANCE: RMB 999.00" in holder
    assert "签名" not in holder
    assert "签名" in of(copy=Copy.SINGLE)


def test_small_amounts_say_that_neither_pin_nor_signature_was_asked() -> None:
    said = of(free_limit=Money(100_000))
    assert "交易金额未超过RMB 1,000.00,免密免签" in said
    assert "NOT ABOVE RMB 1,000.00: NO PIN, NO SIGNATURE" in said
    assert "签名/" not in said
    assert "签名/" not in of(signature=False)


def test_marks_are_loud_and_stand_above_everything_else() -> None:
    assert "重打印/DUPLICATE" not in of()
    document = receipt(with_intent(test=True), MERCHANT, HANS, copy=Copy.MERCHANT, duplicate=True)
    marks = [block.text for block in document.blocks if isinstance(block, Mark)]
    assert marks == ["重打印/DUPLICATE", "测试/TESTING"]
    assert isinstance(document.blocks[1], Mark)
    assert "凭证无效/NOT VALID" in words(document)


@pytest.mark.parametrize("state", [s for s in State if s is not State.APPROVED])
def test_a_slip_of_anything_not_approved_cannot_be_taken_for_a_receipt(state: State) -> None:
    document = receipt(replace(SALE, state=state), MERCHANT, HANS, copy=Copy.MERCHANT)
    assert [b for b in document.blocks if isinstance(b, Mark)]
    said = words(document)
    assert "凭证无效/NOT VALID" in said
    assert "同意" not in said


@pytest.mark.parametrize(
    ("kind", "title"), [(Kind.VOID, "消费撤销/VOID"), (Kind.REFUND, "退货/REFUND")]
)
def test_what_gives_money_back_names_the_original_and_has_a_minus(kind: Kind, title: str) -> None:
    back = with_intent(kind=kind, amount=Money(5_000), original=SALE.key)
    said = of(back, original=SALE)
    assert f"交易类型/TYPE: {title}" in said
    assert "金额/AMOUNT: RMB -50.00" in said
    assert "原批次号/ORIG. BATCH: 000007" in said
    assert "原凭证号/ORIG. VOUCHER: 000042" in said
    assert "原授权码/ORIG. AUTH.: A12345" in said
    assert "原参考号/ORIG. REF.: 000012345678" in said
    assert "原交易日期/ORIG. DATE: 2026/03/02" in said
    assert "原金额/ORIG. AMOUNT: RMB 1,234.50" in said


def test_an_original_the_journal_does_not_have_is_named_by_its_number_alone() -> None:
    said = of(with_intent(kind=Kind.REFUND, original=Key("12345678", 3, 8)))
    assert "原凭证号/ORIG. VOUCHER: 000008" in said
    assert "原授权码" not in said


def test_remarks_tip_note_offline_voided_refunded_and_chip() -> None:
    transaction = replace(
        with_intent(tip=Money(1_000), note="订单 A-17"),
        offline=True,
        voided=True,
        refunded=Money(200),
        answer=None,
    )
    said = of(transaction, chip=(("AID", "A000000333010101"), ("TVR", "0000008000")))
    for line in (
        "含小费/TIP INCLUDED: RMB 10.00",
        "离线交易/OFFLINE",
        "备注/NOTE: 订单 A-17",
        "备注/NOTE: 已撤销/VOIDED",
        "备注/NOTE: 已退货/REFUNDED RMB 2.00",
        "AID: A000000333010101",
        "TVR: 0000008000",
    ):
        assert line in said.splitlines()
    assert "授权码" not in said


def test_a_balance_inquiry_moves_nothing_and_prints_no_amount() -> None:
    balance = with_intent(kind=Kind.BALANCE, amount=Money(0))
    said = of(balance, copy=Copy.CARDHOLDER)
    assert "金额/AMOUNT" not in said
    assert "可用余额/BALANCE: RMB 999.00" in said


def test_logo_header_footer_and_the_code_to_find_it_by() -> None:
    logo = Logo(8, (b"\xff",))
    merchant = replace(MERCHANT, logo=logo, header="银联POS签购单", footer="谢谢", find_code=True)
    blocks = receipt(SALE, merchant, HANS, copy=Copy.MERCHANT).blocks
    assert blocks[0] == logo
    assert blocks[1] == Title("银联POS签购单")
    assert blocks[-3:] == (Qr("12345678-000007-000042"), Text("谢谢", align="centre"), Cut())


def test_a_coupon_is_for_the_cardholder_of_what_took_money_alone() -> None:
    merchant = replace(MERCHANT, coupon="下次减5元 8.1前有效")
    said = words(receipt(SALE, merchant, HANS, copy=Copy.CARDHOLDER))
    assert "优惠券/COUPON\n下次减5元 8.1前有效" in said
    declined = replace(SALE, state=State.DECLINED)
    back = replace(
        SALE, begun=replace(SALE.begun, intent=replace(SALE.begun.intent, kind=Kind.REFUND))
    )
    for transaction, copy in (
        (SALE, Copy.MERCHANT),
        (declined, Copy.CARDHOLDER),
        (back, Copy.CARDHOLDER),
        (replace(SALE, voided=True), Copy.CARDHOLDER),
    ):
        assert "COUPON" not in words(receipt(transaction, merchant, HANS, copy=copy))


def test_a_fault_slip_says_that_it_is_no_receipt_and_what_to_do() -> None:
    doubtful = replace(SALE, state=State.REVERSING, answer=None)
    slip = fault_slip(doubtful, MERCHANT, HANS, code="96", at=NOW, duplicate=True)
    said = words(slip)
    assert slip.ref.kind is DocumentKind.FAULT
    for line in (
        "故障报告单",
        "非凭证联/NOT A RECEIPT",
        "重打印/DUPLICATE",
        "冲正不成功,请人工处理",
        "REVERSAL NOT ACCEPTED: CALL THE ACQUIRER",
        "原因/REASON: 96",
        "凭证号/VOUCHER NO.: 000042",
        "金额/AMOUNT: RMB 1,234.50",
    ):
        assert line in said.splitlines()


@given(
    st.sampled_from(list(Kind)),
    st.sampled_from(list(State)),
    st.sampled_from(list(Copy)),
    st.sampled_from(LANGUAGES),
    st.integers(0, MAX_MINOR),
    st.booleans(),
)
def test_no_slip_shows_more_than_first_six_and_last_four(  # every kind, state, copy, language
    kind: Kind, state: State, copy: Copy, language: str, minor: int, offline: bool
) -> None:
    original = SALE.key if kind.needs_original else None
    transaction = with_intent(kind=kind, amount=Money(minor), original=original)
    transaction = replace(transaction, state=state, offline=offline)
    slips = (
        receipt(transaction, MERCHANT, Texts(language), copy=copy, original=SALE),
        fault_slip(transaction, MERCHANT, Texts(language), code="A0", at=NOW),
    )
    for slip in slips:
        said = words(slip)
        assert PAN not in said
        assert PAN[6:12] not in said
        assert mask(PAN) in said
        assert KINDS[kind].en in said


def test_every_kind_has_its_words() -> None:
    assert set(KINDS) == set(Kind)
    assert all(word.en.isascii() and not word.hans.isascii() for word in KINDS.values())


@pytest.mark.parametrize(
    ("minor", "number", "direction", "printed"),
    [
        (0, 156, 1, "RMB 0.00"),
        (5, 156, -1, "RMB -0.05"),
        (MAX_MINOR, 156, 1, "RMB 9,999,999,999.99"),
        (1_234, 392, 1, "JPY 1,234"),
        (1_234_567, 840, 1, "USD 12,345.67"),
    ],
)
def test_amounts_are_grouped_and_named(
    minor: int, number: int, direction: int, printed: str
) -> None:
    assert printed_amount(Money(minor, CURRENCIES.get(number, CNY)), direction) == printed


def test_instalments_say_what_the_cardholder_pays_back() -> None:
    sale = with_intent(
        kind=Kind.INSTALMENT, amount=Money(60_001), instalment=Instalment("YH03", 3, 1_080)
    )
    lines = of(sale, Copy.CARDHOLDER).splitlines()
    assert "分期计划/PLAN: YH03" in lines
    assert "分期期数/INSTALMENTS: 3" in lines
    assert "持卡人手续费/CARDHOLDER FEE: RMB 10.80" in lines
    assert "首期还款/FIRST PAYMENT: RMB 203.61" in lines
    assert "每期还款/EACH PAYMENT: RMB 203.60" in lines
    assert "PLAN" not in of()


def test_a_sale_by_telephone_bears_the_code_that_was_given() -> None:
    called = replace(
        with_intent(kind=Kind.OFFLINE_SALE, auth_code="Z9Y8X7"), answer=None, offline=True
    )
    assert "授权码/AUTH. NO.: Z9Y8X7" in of(called).splitlines()
    tip = replace(with_intent(kind=Kind.TIP, original=called.key), answer=None)
    assert "原授权码/ORIG. AUTH.: Z9Y8X7" in of(tip, original=called).splitlines()


def test_a_payment_by_telephone_needs_no_signature_and_names_no_card() -> None:
    scanned = with_intent(kind=Kind.QR_SALE, entry_mode=EntryMode.QR, expiry="")
    assert "付款码/PAYMENT CODE: 621234******1232 Q" in of(scanned).splitlines()
    shown = with_intent(scanned, card_masked="")
    for sale in (scanned, shown):
        assert "CARD NO." not in of(sale)
        assert "SIGNATURE" not in of(sale)
    assert "PAYMENT CODE" not in of(shown)


@pytest.mark.parametrize(
    ("kind", "sign"), [(Kind.TIP, ""), (Kind.ADJUST, ""), (Kind.ADJUST_DOWN, "-")]
)
def test_tips_and_adjustments_show_the_difference_and_their_sale(kind: Kind, sign: str) -> None:
    change = with_intent(kind=kind, amount=Money(500), original=SALE.key)
    said = of(change, original=SALE).splitlines()
    assert f"金额/AMOUNT: RMB {sign}5.00" in said
    assert "原凭证号/ORIG. VOUCHER: 000042" in said
    assert "原金额/ORIG. AMOUNT: RMB 1,234.50" in said
