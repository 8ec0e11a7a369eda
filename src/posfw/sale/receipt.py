"""签购单: what receipts and fault slips say; words of the UnionPay POS application. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from types import MappingProxyType

from posfw.values.card import EntryMode
from posfw.values.document import (
    Amount,
    Block,
    Cut,
    Document,
    Feed,
    Field,
    Mark,
    Qr,
    Rule,
    Text,
    Title,
)
from posfw.values.money import Money
from posfw.values.printjob import Copy, DocumentKind, DocumentRef
from posfw.values.slip import COPIES, KINDS, Merchant, Word, printed_amount
from posfw.values.texts import Texts
from posfw.values.transaction import Instalment, Kind, State, Transaction

__all__ = ["fault_slip", "receipt"]

_HEAD = Word("POS签购单", "POS簽購單", "SALES SLIP")
_DUPLICATE = Word("重打印", "重打印", "DUPLICATE")
_TESTING = Word("测试", "測試", "TESTING")
_INVALID = Word("凭证无效", "憑證無效", "NOT VALID")
_OFFLINE = Word("离线交易", "離線交易", "OFFLINE")
_VOIDED = Word("已撤销", "已撤銷", "VOIDED")
_REFUNDED = Word("已退货", "已退貨", "REFUNDED")
_FAULT = Word("故障报告单", "故障報告單", "FAULT SLIP")
_NO_RECEIPT = Word("非凭证联", "非憑證聯", "NOT A RECEIPT")
# A slip of anything that is not approved now must not be taken for a receipt.
_STATES = MappingProxyType(
    {
        State.BEGUN: Word("结果未知", "結果未知", "IN DOUBT"),
        State.DECLINED: Word("交易未成功", "交易未成功", "DECLINED"),
        State.CANCELLED: Word("交易已取消", "交易已取消", "CANCELLED"),
        State.REVERSING: Word("冲正中", "沖正中", "REVERSING"),
        State.REVERSED: Word("已冲正", "已沖正", "REVERSED"),
        State.CLEARED: Word("已人工处理", "已人工處理", "CLEARED BY HAND"),
    }
)
_COUPON = Word("优惠券", "優惠券", "COUPON")
_L = MappingProxyType(
    {
        "merchant": Word("商户名称", "商戶名稱", "MERCHANT"),
        "merchant_no": Word("商户编号", "商戶編號", "MERCHANT NO."),
        "terminal": Word("终端编号", "終端編號", "TERMINAL NO."),
        "operator": Word("操作员号", "操作員號", "OPERATOR"),
        "acquirer": Word("收单行", "收單行", "ACQUIRER"),
        "card": Word("卡号", "卡號", "CARD NO."),
        "payer": Word("付款码", "付款碼", "PAYMENT CODE"),
        "expiry": Word("有效期", "有效期", "EXP. DATE"),
        "type": Word("交易类型", "交易類型", "TYPE"),
        "batch": Word("批次号", "批次號", "BATCH NO."),
        "voucher": Word("凭证号", "憑證號", "VOUCHER NO."),
        "auth": Word("授权码", "授權碼", "AUTH. NO."),
        "reference": Word("参考号", "參考號", "REF. NO."),
        "at": Word("日期", "日期", "DATE"),
        "amount": Word("金额", "金額", "AMOUNT"),
        "tip": Word("含小费", "含小費", "TIP INCLUDED"),
        "plan": Word("分期计划", "分期計劃", "PLAN"),
        "periods": Word("分期期数", "分期期數", "INSTALMENTS"),
        "plan_fee": Word("持卡人手续费", "持卡人手續費", "CARDHOLDER FEE"),
        "first": Word("首期还款", "首期還款", "FIRST PAYMENT"),
        "each": Word("每期还款", "每期還款", "EACH PAYMENT"),
        "balance": Word("可用余额", "可用餘額", "BALANCE"),
        "note": Word("备注", "備註", "NOTE"),
        "original_voucher": Word("原凭证号", "原憑證號", "ORIG. VOUCHER"),
        "original_batch": Word("原批次号", "原批次號", "ORIG. BATCH"),
        "original_auth": Word("原授权码", "原授權碼", "ORIG. AUTH."),
        "original_reference": Word("原参考号", "原參考號", "ORIG. REF."),
        "original_date": Word("原交易日期", "原交易日期", "ORIG. DATE"),
        "original_amount": Word("原金额", "原金額", "ORIG. AMOUNT"),
        "signature": Word("持卡人签名", "持卡人簽名", "CARDHOLDER SIGNATURE"),
        "reason": Word("原因", "原因", "REASON"),
    }
)
_CONSENT = Word(
    "本人确认以上交易,同意将其计入本卡账户",
    "本人確認以上交易,同意將其計入本卡賬戶",
    "I ACKNOWLEDGE SATISFACTORY RECEIPT OF RELATIVE GOODS/SERVICES",
)
_NO_SIGNATURE = Word(
    "交易金额未超过{limit},免密免签",
    "交易金額未超過{limit},免密免簽",
    "NOT ABOVE {limit}: NO PIN, NO SIGNATURE",
)
_REVERSAL_FAILED = Word(
    "冲正不成功,请人工处理", "沖正不成功,請人工處理", "REVERSAL NOT ACCEPTED: CALL THE ACQUIRER"
)


def receipt(
    transaction: Transaction,
    merchant: Merchant,
    texts: Texts,
    *,
    copy: Copy,
    duplicate: bool = False,
    original: Transaction | None = None,
    chip: tuple[tuple[str, str], ...] = (),
    signature: bool = True,
    free_limit: Money | None = None,
) -> Document:
    """Compose one copy of a receipt.

    Args:
        transaction: as the journal has it now; if it is not approved, the slip says so loudly.
        merchant: who sells.
        texts: its language chooses the characters.
        copy: 商户存根, 持卡人存根 or a single one.
        duplicate: bears 重打印/DUPLICATE.
        original: what a void, refund or completion names, if the journal has it.
        chip: names and values of the EMV block in printing order (TC, TVR, AID…).
        signature: whether the cardholder signs the merchant's copy.
        free_limit: the amount below which neither PIN nor signature was asked (小额免密免签).
    """
    language = texts.language
    parts = (
        _head(transaction, merchant, language, copy=copy, duplicate=duplicate),
        _who(merchant, transaction, language),
        (Rule(),),
        _what(transaction, language),
        _amounts(transaction, language, copy),
        _original(transaction, original, language),
        (Field(name, value) for name, value in chip),
        _remarks(transaction, language),
        _signing(transaction, language, copy=copy, signature=signature, free_limit=free_limit),
        _foot(transaction, merchant, language, copy),
    )
    blocks = tuple(block for part in parts for block in part)
    return Document(DocumentRef(DocumentKind.RECEIPT, str(transaction.key)), copy, blocks)


def fault_slip(
    transaction: Transaction,
    merchant: Merchant,
    texts: Texts,
    *,
    code: str,
    at: datetime,
    duplicate: bool = False,
) -> Document:
    """Compose 故障报告单: a reversal that the acquirer does not take; it stays owed.

    Args:
        transaction: the one in doubt.
        merchant: who sells.
        texts: its language chooses the characters.
        code: the acquirer's word, DE39, or a stable code of this terminal.
        at: when it was given up for a person.
        duplicate: bears 重打印/DUPLICATE.
    """
    language = texts.language
    blocks: list[Block] = [Title(_FAULT.lines(language)[0]), Mark(_NO_RECEIPT.pair(language))]
    if duplicate:
        blocks.append(Mark(_DUPLICATE.pair(language)))
    blocks += _who(merchant, transaction, language)
    blocks += (
        Rule(),
        *_what(transaction, language),
        *_amounts(transaction, language, Copy.SINGLE),
    )
    blocks += (Field(_L["reason"].pair(language), code), Field(*_moment("at", at, language)))
    blocks += [Text(line, bold=True) for line in _REVERSAL_FAILED.lines(language)]
    blocks.append(Cut())
    reference = DocumentRef(DocumentKind.FAULT, str(transaction.key))
    return Document(reference, Copy.SINGLE, tuple(blocks))


def _head(
    transaction: Transaction, merchant: Merchant, language: str, *, copy: Copy, duplicate: bool
) -> Iterator[Block]:
    if merchant.logo is not None:
        yield merchant.logo
    yield Title(merchant.header or _HEAD.lines(language)[0])
    if duplicate:
        yield Mark(_DUPLICATE.pair(language))
    if transaction.begun.intent.test:
        yield Mark(_TESTING.pair(language))
        yield Text(_INVALID.pair(language), align="centre", bold=True)
    if transaction.state is not State.APPROVED:
        yield Mark(_STATES[transaction.state].pair(language))
        yield Text(_INVALID.pair(language), align="centre", bold=True)
    yield Text(COPIES[copy].pair(language), align="centre", bold=True)
    yield Rule()


def _who(merchant: Merchant, transaction: Transaction, language: str) -> Iterator[Block]:
    yield Field(_L["merchant"].pair(language), merchant.name)
    yield Field(_L["merchant_no"].pair(language), merchant.number)
    yield Field(_L["terminal"].pair(language), transaction.key.terminal)
    yield Field(_L["operator"].pair(language), transaction.begun.intent.operator)
    if merchant.acquirer:
        yield Field(_L["acquirer"].pair(language), merchant.acquirer)


def _what(transaction: Transaction, language: str) -> Iterator[Block]:
    intent, key, answer = transaction.begun.intent, transaction.key, transaction.answer
    if intent.card_masked:  # nobody knows the card of who scans a code
        label = _L["payer" if intent.entry_mode is EntryMode.QR else "card"]
        yield Field(label.pair(language), f"{intent.card_masked} {intent.entry_mode.letter}")
    if intent.expiry:
        yield Field(_L["expiry"].pair(language), f"20{intent.expiry[:2]}/{intent.expiry[2:]}")
    yield Field(_L["type"].pair(language), KINDS[intent.kind].pair(language))
    yield Field(_L["batch"].pair(language), f"{key.batch:06d}")
    yield Field(_L["voucher"].pair(language), f"{key.stan:06d}")
    auth_code = intent.auth_code or (answer.auth_code if answer else "")
    if auth_code:
        yield Field(_L["auth"].pair(language), auth_code)
    if answer and answer.reference:
        yield Field(_L["reference"].pair(language), answer.reference)
    yield Field(*_moment("at", intent.at, language))


def _amounts(transaction: Transaction, language: str, copy: Copy) -> Iterator[Block]:
    intent, answer = transaction.begun.intent, transaction.answer
    if intent.kind is not Kind.BALANCE:
        amount = printed_amount(intent.amount, intent.kind.direction)
        yield Amount(_L["amount"].pair(language), amount)
    if intent.tip:
        yield Field(_L["tip"].pair(language), printed_amount(intent.tip))
    if intent.instalment:
        yield from _instalment(intent.instalment, intent.amount, language)
    # What the account holds is told to its holder only.
    if copy is Copy.CARDHOLDER and answer and answer.balance_minor is not None:
        balance = Money(answer.balance_minor, intent.amount.currency)
        yield Field(_L["balance"].pair(language), printed_amount(balance))


def _instalment(plan: Instalment, amount: Money, language: str) -> Iterator[Block]:
    first, each = plan.each(amount)
    fee = Money(plan.fee_minor, amount.currency)
    yield Field(_L["plan"].pair(language), plan.plan)
    yield Field(_L["periods"].pair(language), str(plan.periods))
    yield Field(_L["plan_fee"].pair(language), printed_amount(fee))
    yield Field(_L["first"].pair(language), printed_amount(first))
    yield Field(_L["each"].pair(language), printed_amount(each))


def _original(
    transaction: Transaction, original: Transaction | None, language: str
) -> Iterator[Block]:
    named = transaction.begun.intent.original
    if named is None:
        return
    yield Field(_L["original_batch"].pair(language), f"{named.batch:06d}")
    yield Field(_L["original_voucher"].pair(language), f"{named.stan:06d}")
    if original is None:
        return
    intent, answer = original.begun.intent, original.answer
    auth_code = intent.auth_code or (answer.auth_code if answer else "")
    if auth_code:
        yield Field(_L["original_auth"].pair(language), auth_code)
    if answer and answer.reference:
        yield Field(_L["original_reference"].pair(language), answer.reference)
    yield Field(_L["original_date"].pair(language), f"{intent.at:%Y/%m/%d}")
    yield Field(_L["original_amount"].pair(language), printed_amount(intent.amount))


def _remarks(transaction: Transaction, language: str) -> Iterator[Block]:
    if transaction.offline:
        yield Text(_OFFLINE.pair(language), bold=True)
    note = _L["note"].pair(language)
    if transaction.voided:
        yield Field(note, _VOIDED.pair(language))
    if transaction.refunded:
        refunded = f"{_REFUNDED.pair(language)} {printed_amount(transaction.refunded)}"
        yield Field(note, refunded)
    if transaction.begun.intent.note:
        yield Field(note, transaction.begun.intent.note)


def _signing(
    transaction: Transaction,
    language: str,
    *,
    copy: Copy,
    signature: bool,
    free_limit: Money | None,
) -> Iterator[Block]:
    intent = transaction.begun.intent
    if intent.kind is Kind.BALANCE or transaction.state is not State.APPROVED:
        return
    if intent.entry_mode is EntryMode.QR:
        return  # a telephone has asked its holder already
    if free_limit is not None:
        limit = printed_amount(free_limit)
        for line in _NO_SIGNATURE.lines(language):
            yield Text(line.format(limit=limit))
    elif signature and copy is not Copy.CARDHOLDER:
        yield Text(_L["signature"].pair(language) + ":")
        yield Feed(2)
        yield Rule()
        for line in _CONSENT.lines(language):
            yield Text(line)


def _foot(
    transaction: Transaction, merchant: Merchant, language: str, copy: Copy
) -> Iterator[Block]:
    if merchant.find_code:
        yield Qr(str(transaction.key))
    if merchant.footer:
        yield Text(merchant.footer, align="centre")
    taken = transaction.counts and transaction.begun.intent.kind.direction > 0
    if merchant.coupon and copy is Copy.CARDHOLDER and taken and not transaction.voided:
        yield Rule()
        yield Text(_COUPON.pair(language), align="centre", bold=True)
        yield Text(merchant.coupon, align="centre")
    yield Cut()


def _moment(label: str, at: datetime, language: str) -> tuple[str, str]:
    return _L[label].pair(language), f"{at:%Y/%m/%d %H:%M:%S}"
