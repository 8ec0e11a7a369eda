"""结算单 and reports: what a settlement, an X or Z report and a parameter print say. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from posfw.settle.totals import Difference, totals
from posfw.values.document import (
    Amount,
    Block,
    Columns,
    Cut,
    Document,
    Field,
    Mark,
    Rule,
    Text,
    Title,
)
from posfw.values.money import CNY, Currency, Money
from posfw.values.printjob import Copy, DocumentKind, DocumentRef
from posfw.values.slip import KINDS, Merchant, Word, printed_amount
from posfw.values.texts import Texts
from posfw.values.transaction import Transaction

__all__ = ["Settled", "parameter_slip", "report_slip", "settlement_slip"]

_SETTLEMENT = Word("结算单", "結算單", "SETTLEMENT")
_REPORTS = MappingProxyType(
    {
        "X": Word("X报表(未结)", "X報表(未結)", "X REPORT"),
        "Z": Word("Z报表(已结)", "Z報表(已結)", "Z REPORT"),
    }
)
_PARAMETERS = Word("参数单", "參數單", "PARAMETERS")
_DUPLICATE = Word("重打印", "重打印", "DUPLICATE")
_BALANCED = Word("对账平", "對賬平", "BALANCED")
_UNBALANCED = Word("对账不平", "對賬不平", "NOT BALANCED")
_NOT_SENT = Word("未成功上送交易明细", "未成功上送交易明細", "NOT YET SENT")
_REJECTED = Word("上送后被平台拒绝交易明细", "上送後被平台拒絕交易明細", "REFUSED BY THE ACQUIRER")
_DIFFERENT = Word("差异明细", "差異明細", "DIFFERENCES")
_IN_DOUBT = Word("结果未知", "結果未知", "IN DOUBT")
_L = MappingProxyType(
    {
        "merchant": Word("商户名称", "商戶名稱", "MERCHANT"),
        "merchant_no": Word("商户编号", "商戶編號", "MERCHANT NO."),
        "terminal": Word("终端编号", "終端編號", "TERMINAL NO."),
        "acquirer": Word("收单行", "收單行", "ACQUIRER"),
        "batch": Word("批次号", "批次號", "BATCH NO."),
        "operator": Word("操作员号", "操作員號", "OPERATOR"),
        "from": Word("开始", "開始", "FROM"),
        "to": Word("结束", "結束", "TO"),
        "debit": Word("借记", "借記", "DEBIT"),
        "credit": Word("贷记", "貸記", "CREDIT"),
        "net": Word("净额", "淨額", "NET"),
        "currency": Word("币种", "幣種", "CURRENCY"),
        "head": Word("账本校验码", "賬本校驗碼", "JOURNAL CODE"),
    }
)
_TABLE_HEAD = Word("类型|笔数|金额", "類型|筆數|金額", "TYPE|NO.|AMOUNT")
_PARTS = (5, 2, 6)


@dataclass(frozen=True, slots=True)
class Settled:
    """A settlement as its slip tells it.

    Attributes:
        batch: the batch that was settled.
        opened_at: when its first transaction could begin.
        closed_at: when it was settled.
        balanced: the acquirer's totals and records were the same.
        differences: records that were not.
        rejected: voucher numbers and codes of messages that the acquirer refused.
        head: short code of the journal's chain, the witness on paper (`journal.chain.short_code`).
    """

    batch: int
    opened_at: datetime
    closed_at: datetime
    balanced: bool
    differences: Sequence[Difference] = ()
    rejected: Sequence[tuple[int, str]] = ()
    head: str = ""


def settlement_slip(
    settled: Settled,
    transactions: Iterable[Transaction],
    merchant: Merchant,
    texts: Texts,
    *,
    duplicate: bool = False,
) -> Document:
    """Compose 结算单 of a closed batch.

    Raises:
        RefusedError: two currencies in one batch (`totals`).
    """
    language, batch = texts.language, list(transactions)
    verdict = _BALANCED if settled.balanced else _UNBALANCED
    open_ = [t for t in batch if t.counts and t.offline and not t.acknowledged]
    parts: tuple[Iterable[Block], ...] = (
        _head(_SETTLEMENT, merchant, language, duplicate=duplicate),
        (
            Field(_L["batch"].pair(language), f"{settled.batch:06d}"),
            _moment("from", settled.opened_at, language),
            _moment("to", settled.closed_at, language),
            Rule(),
            Mark(verdict.pair(language)),
        ),
        _sums(batch, language),
        _list(_DIFFERENT, (_difference(d, batch) for d in settled.differences), language),
        _list(_NOT_SENT, (_detail(t) for t in open_), language),
        _list(_REJECTED, ((f"{stan:06d}", code) for stan, code in settled.rejected), language),
        (Rule(), Field(_L["head"].pair(language), settled.head)) if settled.head else (),
        (Cut(),),
    )
    blocks = tuple(block for part in parts for block in part)
    return Document(DocumentRef(DocumentKind.SETTLEMENT, str(settled.batch)), Copy.SINGLE, blocks)


def report_slip(
    letter: str,
    batch: int,
    transactions: Iterable[Transaction],
    merchant: Merchant,
    texts: Texts,
    *,
    opened_at: datetime | None,
    at: datetime,
    head: str = "",
    duplicate: bool = False,
) -> Document:
    """Compose an X report (looks at the open batch) or a Z report (of a closed one).

    Args:
        letter: X or Z.
        batch: its number.
        transactions: all of it.
        merchant: who sells.
        texts: its language chooses the characters.
        opened_at: when the batch began, None if nothing is known.
        at: now for X, the closing for Z.
        head: short code of the journal's chain.
        duplicate: bears 重打印/DUPLICATE.

    Raises:
        RefusedError: two currencies in one batch (`totals`).
    """
    language, every = texts.language, list(transactions)
    blocks: list[Block] = list(_head(_REPORTS[letter], merchant, language, duplicate=duplicate))
    blocks.append(Field(_L["batch"].pair(language), f"{batch:06d}"))
    if opened_at:
        blocks.append(_moment("from", opened_at, language))
    blocks += (_moment("to", at, language), Rule(), *_sums(every, language))
    blocks += _operators(every, language)
    doubtful = [t for t in every if not t.state.final]
    blocks += _list(_IN_DOUBT, (_detail(t) for t in doubtful), language)
    if head:
        blocks += (Rule(), Field(_L["head"].pair(language), head))
    blocks.append(Cut())
    reference = DocumentRef(DocumentKind.REPORT, f"{letter}{batch}")
    return Document(reference, Copy.SINGLE, tuple(blocks))


def parameter_slip(
    values: Mapping[str, str], merchant: Merchant, texts: Texts, *, at: datetime
) -> Document:
    """Compose a print of the terminal's parameters; names and values come ready for people."""
    language = texts.language
    blocks = (
        *_head(_PARAMETERS, merchant, language, duplicate=False),
        _moment("to", at, language),
        Rule(),
        *(Field(name, value) for name, value in values.items()),
        Cut(),
    )
    return Document(DocumentRef(DocumentKind.REPORT, "parameters"), Copy.SINGLE, blocks)


def _head(title: Word, merchant: Merchant, language: str, *, duplicate: bool) -> Iterator[Block]:
    yield Title(title.lines(language)[0])
    yield Text(title.lines(language)[1], align="centre")
    if duplicate:
        yield Mark(_DUPLICATE.pair(language))
    yield Rule()
    yield Field(_L["merchant"].pair(language), merchant.name)
    yield Field(_L["merchant_no"].pair(language), merchant.number)
    yield Field(_L["terminal"].pair(language), merchant.terminal)
    if merchant.acquirer:
        yield Field(_L["acquirer"].pair(language), merchant.acquirer)


def _sums(transactions: Sequence[Transaction], language: str) -> Iterator[Block]:
    """Yield by currency a row for each kind that occurred, debits, credits and the difference."""
    counted = [t for t in transactions if t.counts]
    codes = sorted({t.begun.intent.amount.currency.code for t in counted})
    for code in codes[:-1]:
        own = [t for t in counted if t.begun.intent.amount.currency.code == code]
        yield from _sums_of(own, language)
        yield Rule()
    last = [t for t in counted if t.begun.intent.amount.currency.code in codes[-1:]]
    yield from _sums_of(last, language)


def _sums_of(counted: Sequence[Transaction], language: str) -> Iterator[Block]:
    """Yield the rows of one currency."""
    ours = totals(counted)
    currency = _currency(counted)
    yield Field(_L["currency"].pair(language), currency.code)
    chinese, english = _TABLE_HEAD.lines(language)
    yield Columns(tuple(chinese.split("|")), _PARTS)
    yield Columns(tuple(english.split("|")), _PARTS)
    for kind, word in KINDS.items():
        sums = [t.begun.intent.amount.minor for t in counted if t.begun.intent.kind is kind]
        if sums:
            yield _row(word.pair(language), len(sums), sum(sums), currency, kind.direction)
    yield Rule()
    debit, credit = _L["debit"].pair(language), _L["credit"].pair(language)
    yield _row(debit, ours.debit_count, ours.debit_minor, currency, 1)
    yield _row(credit, ours.credit_count, ours.credit_minor, currency, -1)
    net = ours.debit_minor - ours.credit_minor
    amount = printed_amount(Money(abs(net), currency), -1 if net < 0 else 1)
    yield Amount(_L["net"].pair(language), amount)


def _operators(transactions: Sequence[Transaction], language: str) -> Iterator[Block]:
    """Yield a row for each operator when there were several."""
    counted = [t for t in transactions if t.counts]
    operators = sorted({t.begun.intent.operator for t in counted})
    if len(operators) < 2:
        return
    yield Rule()
    yield Text(_L["operator"].pair(language))
    for operator in operators:
        own = [t.begun.intent for t in counted if t.begun.intent.operator == operator]
        net = sum(intent.amount.minor * intent.kind.direction for intent in own)
        yield _row(operator, len(own), abs(net), _currency(counted), -1 if net < 0 else 1)


def _row(label: str, count: int, minor: int, currency: Currency, direction: int) -> Columns:
    # The currency stands with the net amount; in a row its letters would cost the columns.
    amount = printed_amount(Money(minor, currency), direction if minor else 1)
    return Columns((label, str(count), amount.partition(" ")[2]), _PARTS)


def _currency(counted: Sequence[Transaction]) -> Currency:
    return counted[0].begun.intent.amount.currency if counted else CNY


def _list(title: Word, rows: Iterable[tuple[str, ...]], language: str) -> Iterator[Block]:
    rows = list(rows)
    if not rows:
        return
    yield Rule()
    for line in title.lines(language):
        yield Text(line, bold=True)
    for cells in rows:
        yield Columns(cells, (2,) * (len(cells) - 1) + (3,))


def _detail(transaction: Transaction) -> tuple[str, ...]:
    intent = transaction.begun.intent
    amount = printed_amount(intent.amount, intent.kind.direction).partition(" ")[2]
    return f"{transaction.key.stan:06d}", intent.card_masked[-4:], amount


def _difference(difference: Difference, batch: Sequence[Transaction]) -> tuple[str, ...]:
    currency = _currency([t for t in batch if t.counts])
    sides = (difference.ours_minor, difference.theirs_minor)
    shown = ("-" if side is None else _signed(side, currency) for side in sides)
    return f"{difference.stan:06d}", *shown


def _signed(minor: int, currency: Currency) -> str:
    return printed_amount(Money(abs(minor), currency), -1 if minor < 0 else 1).partition(" ")[2]


def _moment(label: str, at: datetime, language: str) -> Field:
    return Field(_L[label].pair(language), f"{at:%Y/%m/%d %H:%M:%S}")
