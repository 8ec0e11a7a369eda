"""Exports for the merchant's accountant: one row a transaction, as CSV, XLSX or JSONL. Pure.

Columns follow the order of an acquirer's statement. CSV has a byte order mark and CRLF (RFC 4180)
and long digits survive spreadsheets; JSONL has integers in minor units with their currency.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from html import escape

from posfw.settle.fees import Fee, Schedule
from posfw.values.errors import MisuseError
from posfw.values.transaction import Transaction

__all__ = ["COLUMNS", "FORMATS", "Row", "Wanted", "rows"]


@dataclass(frozen=True, slots=True)
class Row:
    """One transaction as an accountant sees it; credits are negative.

    `tip_minor` is part of the amount; a tip that came later is a row of its own, which names its
    sale in `original`. `instalment` is plan and periods.
    """

    merchant: str
    terminal: str
    time: str
    kind: str
    batch: int
    voucher: int
    reference: str
    auth_code: str
    card: str
    card_kind: str
    operator: str
    state: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    currency: str
    note: str
    tip_minor: int = 0
    instalment: str = ""
    original: str = ""


COLUMNS: Mapping[str, str] = {
    "merchant": "商户号",
    "terminal": "终端号",
    "time": "交易时间",
    "kind": "交易类型",
    "batch": "交易批次号",
    "voucher": "凭证号",
    "reference": "参考号",
    "auth_code": "授权码",
    "card": "卡号",
    "card_kind": "卡类别",
    "operator": "操作员",
    "state": "状态",
    "amount_minor": "交易金额",
    "fee_minor": "手续费",
    "net_minor": "结算金额",
    "currency": "币种",
    "note": "备注",
    "tip_minor": "其中小费",
    "instalment": "分期",
    "original": "原交易",
}
_MONEY = ("amount_minor", "fee_minor", "net_minor", "tip_minor")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is exported; None and "" take everything."""

    first: date | None = None
    last: date | None = None
    batch: int | None = None
    operator: str = ""
    kind: str = ""
    approved_only: bool = False

    def has(self, transaction: Transaction) -> bool:
        """Whether a transaction is wanted."""
        intent, day = transaction.begun.intent, transaction.begun.intent.at.date()
        return (
            (self.first is None or day >= self.first)
            and (self.last is None or day <= self.last)
            and (self.batch is None or transaction.key.batch == self.batch)
            and self.operator in ("", intent.operator)
            and self.kind in ("", intent.kind.value)
            and (transaction.counts or not self.approved_only)
        )


def rows(
    transactions: Iterable[Transaction], wanted: Wanted, schedule: Schedule, merchant: str
) -> tuple[Row, ...]:
    """Return the rows in time order; what does not count has no amount in the sums' columns."""
    every = list(transactions)
    fees = {fee.key: fee for fee in schedule.fees(every)}
    return tuple(
        _row(t, fees.get(str(t.key)) or schedule.fee(t), merchant) for t in every if wanted.has(t)
    )


def to_jsonl(found: Sequence[Row]) -> bytes:
    """Return one JSON object a line."""
    lines = (json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in found)
    return "".join(lines).encode()


def to_csv(found: Sequence[Row]) -> bytes:
    """Return CSV with a byte order mark, CRLF and Chinese headings."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS.values())
    for row in found:
        writer.writerow([_csv_cell(row, name) for name in COLUMNS])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def to_xlsx(found: Sequence[Row]) -> bytes:
    """Return a workbook of one sheet (ECMA-376, inline strings); amounts are numbers."""
    cells = [[_text_cell(title) for title in COLUMNS.values()]]
    cells += [[_xlsx_cell(row, name) for name in COLUMNS] for row in found]
    lines = "".join(f"<row>{''.join(line)}</row>" for line in cells)
    sheet = f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>{lines}</sheetData></worksheet>'
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as book:
        for name, text in {**_PARTS, "xl/worksheets/sheet1.xml": sheet}.items():
            # A fixed time: the same rows are the same bytes.
            book.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)
    return data.getvalue()


FORMATS: Mapping[str, Callable[[Sequence[Row]], bytes]] = {
    "csv": to_csv,
    "xlsx": to_xlsx,
    "jsonl": to_jsonl,
}


def _row(transaction: Transaction, fee: Fee, merchant: str) -> Row:
    intent, answer = transaction.begun.intent, transaction.answer
    counts, plan = transaction.counts, intent.instalment
    amount = fee.minor if counts else 0
    charged = fee.fee_minor if counts else 0
    return Row(
        merchant=merchant,
        terminal=transaction.key.terminal,
        time=intent.at.isoformat(timespec="seconds"),
        kind=intent.kind.value,
        batch=transaction.key.batch,
        voucher=transaction.key.stan,
        reference=answer.reference if answer else "",
        auth_code=intent.auth_code or (answer.auth_code if answer else ""),
        card=intent.card_masked,
        card_kind=fee.card,
        operator=intent.operator,
        state=transaction.state.value,
        amount_minor=amount,
        fee_minor=charged,
        net_minor=amount - charged,
        currency=intent.amount.currency.code,
        note=intent.note,
        tip_minor=intent.tip.minor if counts and intent.tip else 0,
        instalment=f"{plan.plan} {plan.periods}" if plan else "",
        original=str(intent.original or ""),
    )


def _money(minor: int) -> str:
    sign, whole, cents = "-" if minor < 0 else "", *divmod(abs(minor), 100)
    return f"{sign}{whole}.{cents:02d}"


def _csv_cell(row: Row, name: str) -> str:
    value = getattr(row, name)
    if name in _MONEY:
        return _money(value)
    text = f"{value:06d}" if name in ("batch", "voucher") else str(value)
    if text[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + text  # a spreadsheet would run it as a formula
    # A tab keeps 12 to 19 digits from becoming 1.1E+11 and leading zeros from going.
    return "\t" + text if text.isdigit() and (len(text) > 11 or text[0] == "0") else text


def _xlsx_cell(row: Row, name: str) -> str:
    value = getattr(row, name)
    if name in _MONEY:
        return f"<c><v>{_money(value)}</v></c>"
    return _text_cell(f"{value:06d}" if name in ("batch", "voucher") else str(value))


def _text_cell(text: str) -> str:
    plain = "".join(c for c in text if c.isprintable())
    return (
        f'<c t="inlineStr"><is><t xml:space="preserve">{escape(plain, quote=False)}</t></is></c>'
    )


_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS = {
    "[Content_Types].xml": (
        f'{_XML}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/>'
        "</Types>"
    ),
    "_rels/.rels": (
        f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1"'
        f' Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        '<sheet name="posfw" sheetId="1" r:id="rId1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1"'
        f' Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>'
    ),
}

if tuple(COLUMNS) != tuple(field.name for field in fields(Row)):
    raise MisuseError("A column of the statement has no heading.")
