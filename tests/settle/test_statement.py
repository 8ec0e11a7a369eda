from __future__ import annotations

import csv
import io
import json
import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree

import pytest

from posfw.settle.fees import Bin, Rate, Schedule
from posfw.settle.statement import COLUMNS, FORMATS, Wanted, rows
from posfw.values.card import EntryMode
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.outcome import Answer
from posfw.values.transaction import Begun, Instalment, Intent, Kind, State, Transaction

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
SCHEDULE = Schedule((Rate(date(2016, 9, 6), "debit", 5000),), (Bin("62", "debit"),))
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def made(
    stan: int,
    minor: int = 10_000,
    kind: Kind = Kind.SALE,
    state: State = State.APPROVED,
    note: str = "",
    operator: str = "01",
    batch: int = 3,
) -> Transaction:
    intent = Intent(
        kind=kind,
        amount=Money(minor),
        entry_mode=EntryMode.SWIPED,
        card_masked="621234******1232",
        card_token=b"t" * 16,
        operator=operator,
        at=NOW + timedelta(days=stan),
        note=note,
    )
    answer = Answer("00", "A12345", "000000000042")
    return Transaction(Begun(Key("12345678", batch, stan), stan, intent), state, answer=answer)


ALL = [made(1), made(2, 500, Kind.REFUND, operator="00"), made(3, state=State.DECLINED, batch=4)]
FOUND = rows(ALL, Wanted(), SCHEDULE, "898440350110001")


@pytest.mark.parametrize(
    ("wanted", "stans"),
    [
        (Wanted(), [1, 2, 3]),
        (Wanted(first=date(2026, 3, 4)), [2, 3]),
        (Wanted(last=date(2026, 3, 4)), [1, 2]),
        (Wanted(batch=4), [3]),
        (Wanted(operator="00"), [2]),
        (Wanted(kind="sale"), [1, 3]),
        (Wanted(approved_only=True), [1, 2]),
        (Wanted(batch=9), []),
    ],
)
def test_rows_by_day_batch_operator_and_kind(wanted: Wanted, stans: list[int]) -> None:
    assert [row.voucher for row in rows(ALL, wanted, SCHEDULE, "")] == stans


def test_amount_fee_and_net_of_a_row() -> None:
    figures = [(row.amount_minor, row.fee_minor, row.net_minor) for row in FOUND]
    assert figures == [(10_000, 50, 9_950), (-500, 0, -500), (0, 0, 0)]


def test_csv_opens_in_spreadsheets_as_it_is_meant() -> None:
    data = FORMATS["csv"](rows([made(1, note="=1+1")], Wanted(), SCHEDULE, "898440350110001"))
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.count(b"\r\n") == 2
    header, line = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    assert header == list(COLUMNS.values())
    cells = dict(zip(COLUMNS, line, strict=True))
    assert cells["merchant"] == "\t898440350110001"
    assert (cells["voucher"], cells["reference"]) == ("\t000001", "\t000000000042")
    assert (cells["amount_minor"], cells["note"]) == ("100.00", "'=1+1")


def test_a_negative_amount_stays_a_number() -> None:
    lines = FORMATS["csv"](FOUND).decode("utf-8-sig").splitlines()
    assert ",-5.00,0.00,-5.00," in lines[2]


def test_jsonl_has_integers_and_their_currency() -> None:
    lines = FORMATS["jsonl"](FOUND).decode().splitlines()
    first = json.loads(lines[0])
    assert (first["amount_minor"], first["currency"], len(lines)) == (10_000, "CNY", 3)


def test_xlsx_is_a_workbook_that_a_parser_reads_back() -> None:
    data = FORMATS["xlsx"](rows([made(1, note="<&>\x07")], Wanted(), SCHEDULE, "M"))
    assert data == FORMATS["xlsx"](rows([made(1, note="<&>\x07")], Wanted(), SCHEDULE, "M"))
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        assert book.testzip() is None
        for name in book.namelist():
            ElementTree.fromstring(book.read(name))
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    lines = [
        ["".join(cell.itertext()) for cell in line.iter(f"{MAIN}c")]
        for line in sheet.iter(f"{MAIN}row")
    ]
    assert lines[0] == list(COLUMNS.values())
    cells = dict(zip(COLUMNS, lines[1], strict=True))
    assert (cells["voucher"], cells["amount_minor"], cells["note"]) == ("000001", "100.00", "<&>")


def test_ten_thousand_records_lose_nothing() -> None:
    many = rows([made(1)] * 10_000, Wanted(), SCHEDULE, "")
    assert FORMATS["csv"](many).count(b"\r\n") == 10_001
    assert FORMATS["jsonl"](many).count(b"\n") == 10_000


def test_no_card_number_is_in_any_export() -> None:
    for write in FORMATS.values():
        data = write(FOUND)
        assert b"6212345678901232" not in data


def test_tips_instalments_telephone_codes_and_originals_have_columns_of_their_own() -> None:
    def changed(transaction: Transaction, **facts: object) -> Transaction:
        intent = replace(transaction.begun.intent, **facts)  # type: ignore[arg-type]  # test facts
        return replace(transaction, begun=replace(transaction.begun, intent=intent))

    first = changed(made(1), tip=Money(900))
    tip = changed(made(2, 500, Kind.TIP), original=first.key)
    plan = changed(made(3, 60_000, Kind.INSTALMENT), instalment=Instalment("YH03", 3, 1_080))
    called = replace(changed(made(4, kind=Kind.OFFLINE_SALE), auth_code="Z9Y8X7"), answer=None)
    down = changed(made(5, 300, Kind.ADJUST_DOWN), original=called.key)
    found = rows([first, tip, plan, called, down], Wanted(), SCHEDULE, "M")
    assert [row.tip_minor for row in found] == [900, 0, 0, 0, 0]
    assert [row.original for row in found] == ["", str(first.key), "", "", str(called.key)]
    assert [row.instalment for row in found] == ["", "", "YH03 3", "", ""]
    assert found[3].auth_code == "Z9Y8X7"
    assert [row.amount_minor for row in found] == [10_000, 500, 60_000, 10_000, -300]
    lines = FORMATS["csv"](found).decode("utf-8-sig").splitlines()
    assert lines[0].endswith("备注,其中小费,分期,原交易")
    assert lines[1].endswith(",9.00,,")
