from __future__ import annotations

import csv
import io
import json
import warnings
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from posfw.journal import reading
from posfw.journal.export import COLUMNS, render
from posfw.values.money import Currency, Money
from tests.journal.fakes import SALE, approved, opened

SHOP = ("898340157220001", '=HYPERLINK("http://x","茶馆")')
NOTES = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "plain", "123456789012", 'a,b\n"c"', "<&>\x01")


async def rows(folder: Path) -> list[dict[str, Any]]:
    async with opened(folder) as journal:
        for note in NOTES:
            await journal.conclude(approved(await journal.begin(replace(SALE, note=note))))
        return [reading.exported(each) for each in await journal.transactions()]


def cells(data: bytes) -> list[list[str]]:
    """Read a sheet as its parts say, without our own code."""
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        assert book.testzip() is None
        for name in book.namelist():
            ET.fromstring(book.read(name))  # each part is well-formed
        sheet = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    assert not list(sheet.iter(f"{space}f"))  # no formula anywhere
    return [
        ["".join(cell.itertext()) for cell in row.iter(f"{space}c")]
        for row in sheet.iter(f"{space}row")
    ]


async def test_columns_stand_as_in_an_acquirers_statement(tmp_path: Path) -> None:
    data = render(await rows(tmp_path), "csv", SHOP)
    heading = next(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    wanted = "商户号 门店名称 终端号 交易时间 交易类型 交易批次号 凭证号 参考号 卡号 卡类别 发卡行"
    assert heading[:11] == wanted.split()
    assert [heading.index(name) for name in ("交易金额", "手续费", "交易日期", "结算金额")] == [
        11,
        12,
        13,
        14,
    ]


async def test_csv_runs_no_formula_and_rounds_no_digits(tmp_path: Path) -> None:
    data = render(await rows(tmp_path), "csv", SHOP)
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.count(b"\r\n") == 1 + len(NOTES)
    lines = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    for line, note in zip(lines, NOTES, strict=True):
        assert not any(str(cell).startswith(("=", "+", "-", "@", "\t")) for cell in line.values())
        assert line["备注"].endswith(note)
        assert line["商户号"] == "`898340157220001"
        assert (line["交易金额"], line["凭证号"][:5]) == ("12.50", "00000")
    assert lines[6]["备注"] == "`123456789012"


async def test_a_sheet_holds_texts_and_amounts_and_no_formula(tmp_path: Path) -> None:
    found = await rows(tmp_path)
    data = render(found, "xlsx", SHOP)
    assert render(found, "xlsx", SHOP) == data  # equal journals give equal files
    sheet = cells(data)
    assert sheet[0] == [heading for heading, _ in COLUMNS]
    notes = [row[sheet[0].index("备注")] for row in sheet[1:]]
    assert notes[:8] == list(NOTES[:8])
    assert notes[8] == "<&>\ufffd"
    assert {row[sheet[0].index("商户号")] for row in sheet[1:]} == {SHOP[0]}
    assert b'<c s="2"><v>12.50</v></c>' in zipfile.ZipFile(io.BytesIO(data)).read(
        "xl/worksheets/sheet1.xml"
    )


async def test_an_independent_reader_opens_the_sheet(tmp_path: Path) -> None:
    """openpyxl, as accountants' scripts use it: texts stay texts, amounts are numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it warns of what a spreadsheet would repair
        book = openpyxl.load_workbook(io.BytesIO(render(await rows(tmp_path), "xlsx", SHOP)))
    sheet = book["posfw"]
    heading, *lines = sheet.iter_rows()
    assert [cell.value for cell in heading] == [name for name, _ in COLUMNS]
    names = [cell.value for cell in heading]
    assert len(lines) == len(NOTES)
    for line, note in zip(lines, NOTES, strict=True):
        by_name = dict(zip(names, line, strict=True))
        assert {cell.data_type for cell in line} <= {"s", "inlineStr", "n"}  # "f" is a formula
        assert by_name["备注"].value == note.replace("\x01", "\ufffd")
        assert by_name["商户号"].value == SHOP[0]
        assert by_name["商户号"].number_format == "@"
        assert by_name["交易金额"].value == 12.5
        assert by_name["交易金额"].number_format == "0.00"
        assert by_name["手续费"].value is None


async def test_json_lines_hold_integer_minor_units(tmp_path: Path) -> None:
    lines = render(await rows(tmp_path), "jsonl", SHOP).decode().splitlines()
    facts = [json.loads(line) for line in lines]
    assert [each["note"] for each in facts] == list(NOTES)
    assert {(each["amount_minor"], each["currency"]) for each in facts} == {(1250, "CNY")}


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_a_currency_without_minor_units_is_not_divided(tmp_path: Path, form: str) -> None:
    async with opened(tmp_path) as journal:
        yen = replace(SALE, amount=Money(1250, Currency("JPY", 392, 0)))
        await journal.conclude(approved(await journal.begin(yen)))
        found = [reading.exported(each) for each in await journal.transactions()]
    data = render(found, form, SHOP)
    text = data.decode("utf-8-sig") if form == "csv" else " ".join(cells(data)[1])
    assert "1250" in text
    assert "12.50" not in text


async def test_no_export_holds_more_of_a_card_than_its_mask(tmp_path: Path) -> None:
    found = await rows(tmp_path)
    assert {each["card"] for each in found} == {SALE.card_masked}
    assert SALE.card_token not in render(found, "jsonl", SHOP)
