"""Exports for a merchant's bookkeeping: CSV and XLSX for spreadsheets, JSON lines for programs.

Column order is that of Chinese acquirers' statements, so that the two lie side by side. What
the terminal does not know (card type, issuer, fee, settled amount) stays an empty column.
Spreadsheets run a cell that begins like a formula and turn long digits into floating point: both
are prevented here, not left to whoever opens the file.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

__all__ = ["COLUMNS", "FORMATS", "Shop", "render"]

FORMATS: Final = ("csv", "xlsx", "jsonl")
Shop = tuple[str, str]  # merchant number, shop name

# Heading, field of `reading.exported`; "" is a column of the statement that only the acquirer has.
COLUMNS: Final = (
    ("商户号", "merchant"),
    ("门店名称", "shop"),
    ("终端号", "terminal"),
    ("交易时间", "at"),
    ("交易类型", "kind"),
    ("交易批次号", "batch"),
    ("凭证号", "stan"),
    ("参考号", "reference"),
    ("卡号", "card"),
    ("卡类别", ""),
    ("发卡行", ""),
    ("交易金额", "amount"),
    ("手续费", ""),
    ("交易日期", "day"),
    ("结算金额", ""),
    ("币种", "currency"),
    ("状态", "state"),
    ("授权码", "auth_code"),
    ("应答码", "response_code"),
    ("操作员", "operator"),
    ("输入方式", "entry_mode"),
    ("脱机", "offline"),
    ("已撤销", "voided"),
    ("已退金额", "refunded"),
    ("原交易", "original"),
    ("小费", "tip"),
    ("分期", "instalment"),
    ("备注", "note"),
    ("测试", "test"),
)
_AMOUNTS: Final = frozenset({"amount", "refunded", "tip"})
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")  # what spreadsheets take for a formula
_LONG_DIGITS: Final = 12  # from here on a spreadsheet shows 1.1E+11
_EXPONENT: Final = {"JPY": 0}


def render(transactions: Iterable[Mapping[str, Any]], form: str, shop: Shop) -> bytes:
    """Return a whole file of transactions (`reading.exported`) in one of FORMATS."""
    if form == "jsonl":
        return _jsonl(transactions)
    rows = ([_cell(fields, name) for _, name in COLUMNS] for fields in _rows(transactions, shop))
    return _csv(rows) if form == "csv" else _xlsx(rows)


def _jsonl(transactions: Iterable[Mapping[str, Any]]) -> bytes:
    lines = (
        json.dumps(fields, ensure_ascii=False, separators=(",", ":")) for fields in transactions
    )
    return "".join(f"{line}\n" for line in lines).encode()


def _rows(transactions: Iterable[Mapping[str, Any]], shop: Shop) -> Iterable[dict[str, Any]]:
    for fields in transactions:
        currency = fields["currency"]
        yield {
            **fields,
            "merchant": shop[0],
            "shop": shop[1],
            "batch": f"{fields['batch']:06d}",
            "stan": f"{fields['stan']:06d}",
            "day": fields["at"][:10],
            "amount": _decimal(fields["amount_minor"], currency),
            "refunded": _decimal(fields["refunded_minor"], currency),
            "tip": _decimal(fields["tip_minor"], currency),
        }


def _decimal(minor: int, currency: str) -> str:
    places = _EXPONENT.get(currency, 2)
    if not places:
        return str(minor)
    return f"{minor // 10**places}.{minor % 10**places:0{places}d}"


def _cell(fields: Mapping[str, Any], name: str) -> tuple[str, bool]:
    """Return a cell's text and whether it is a number."""
    value = fields[name] if name else ""
    if isinstance(value, bool):
        return ("是" if value else "", False)
    return (str(value), name in _AMOUNTS)


def guarded(text: str) -> str:
    """Return a text that a spreadsheet shows as it is: no formula, no rounded digits."""
    if text.startswith(_FORMULA):
        return "'" + text
    if len(text) >= _LONG_DIGITS and text.isascii() and text.isdigit():
        return "`" + text  # the mark that Chinese providers use
    return text


def _csv(rows: Iterable[Sequence[tuple[str, bool]]]) -> bytes:
    """RFC 4180 with CRLF, in UTF-8 with a byte order mark: spreadsheets read it as UTF-8 then."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(heading for heading, _ in COLUMNS)
    for row in rows:
        writer.writerow(text if number else guarded(text) for text, number in row)
    return b"\xef\xbb\xbf" + out.getvalue().encode()


_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_RELATION = "application/vnd.openxmlformats-package.relationships+xml"
_TYPES = (
    f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types">'
    f'<Default Extension="rels" ContentType="{_RELATION}"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_SHEET}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_SHEET}.worksheet+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_SHEET}.styles+xml"/></Types>'
)
_RELS = (
    f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1"'
    f' Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
)
_BOOK_RELS = (
    f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1"'
    f' Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2"'
    f' Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>'
)
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_BOOK = (
    f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
    '<sheet name="posfw" sheetId="1" r:id="rId1"/></sheets></workbook>'
)
_PLAIN = 'fontId="0" fillId="0" borderId="0"'
# Style 0 is plain, 1 is text (@: digits stay digits), 2 is 0.00 (ECMA-376, 18.8.30: ids 49 and 2).
_STYLES = (
    f'{_HEAD}<styleSheet xmlns="{_MAIN}"><fonts count="1"><font/></fonts>'
    # A fill names a pattern, and spreadsheets keep the first two for themselves (18.8.20).
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border/></borders>'
    f'<cellStyleXfs count="1"><xf numFmtId="0" {_PLAIN}/></cellStyleXfs><cellXfs count="3">'
    f'<xf numFmtId="0" {_PLAIN} xfId="0"/>'
    f'<xf numFmtId="49" {_PLAIN} xfId="0" applyNumberFormat="1"/>'
    f'<xf numFmtId="2" {_PLAIN} xfId="0" applyNumberFormat="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)


def _xlsx(rows: Iterable[Sequence[tuple[str, bool]]]) -> bytes:
    """The least workbook of ECMA-376: one sheet, inline texts (never formulas), typed amounts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as book:
        for name, text in (
            ("[Content_Types].xml", _TYPES),
            ("_rels/.rels", _RELS),
            ("xl/workbook.xml", _BOOK),
            ("xl/_rels/workbook.xml.rels", _BOOK_RELS),
            ("xl/styles.xml", _STYLES),
        ):
            book.writestr(_dated(name), text)
        with book.open(_dated("xl/worksheets/sheet1.xml"), "w") as sheet:
            sheet.write(
                f'<?xml version="1.0" encoding="UTF-8"?><worksheet xmlns="{_MAIN}">'.encode()
            )
            sheet.write(b"<sheetData>")
            sheet.write(_row([(heading, False) for heading, _ in COLUMNS]))
            for row in rows:
                sheet.write(_row(row))
            sheet.write(b"</sheetData></worksheet>")
    return out.getvalue()


def _dated(name: str) -> zipfile.ZipInfo:
    """Without the time of writing: equal journals give equal files."""
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _row(cells: Sequence[tuple[str, bool]]) -> bytes:
    return b"<row>" + b"".join(_xml_cell(text, number) for text, number in cells) + b"</row>"


def _xml_cell(text: str, number: bool) -> bytes:  # noqa: FBT001 - a pair unpacked
    if not text:
        return b"<c/>"
    if number:
        return f'<c s="2"><v>{text}</v></c>'.encode()
    # Control characters are not XML 1.0 (2.2); a note may hold them.
    clean = "".join(each if each >= " " or each in "\t\n" else "�" for each in text)
    told = escape(clean, quote=False)
    return f'<c t="inlineStr" s="1"><is><t xml:space="preserve">{told}</t></is></c>'.encode()
