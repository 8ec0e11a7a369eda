from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.codec import cbor
from posfw.printer.counters import EVERY_S, Columns, Counters, Wear, folded, record
from posfw.printer.escpos import raster
from posfw.printer.strip import Strip
from posfw.values.events import Record, Topic
from posfw.values.hardware import PrinterProfile

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
PROFILE = PrinterProfile(cutter="partial")


def picture(profile: PrinterProfile, *rows: bytes) -> Strip:
    data = raster(profile, b"".join(rows), len(rows[0]), len(rows))
    dots = sum(int.from_bytes(r).bit_count() for r in rows)
    return Strip(data, len(rows), dots)


@given(st.lists(st.integers(0, 2**40 - 1), max_size=60))
def test_the_most_used_column_is_the_one_that_counting_finds(rows: list[int]) -> None:
    columns = Columns()
    for row in rows:
        columns.add(row)
    by_hand = [sum(row >> n & 1 for row in rows) for n in range(40)]
    assert columns.highest == max(by_hand)


@pytest.mark.parametrize("dialect", ["epson", "star"])
def test_narrow_pictures_count_at_the_left_edge(dialect: str) -> None:
    profile = replace(PROFILE, status=dialect)
    wear = Wear(profile)
    wear.strip(picture(profile, b"\x80" + bytes(47), bytes(48)), is_last=False)
    wear.strip(picture(profile, b"\x80", b"\x80", b"\x80"), is_last=True)
    assert wear.totals.pulses == 4
    assert (wear.totals.jobs, wear.totals.cuts) == (1, 1)


def test_paper_is_counted_by_rows_and_text_is_estimated() -> None:
    wear = Wear(PROFILE)
    wear.strip(Strip(b"abc\n", 30, 400), is_last=False)
    wear.strip(Strip(b"\n" * 4, 120, 0), is_last=False)
    assert wear.totals.paper_mm == int(150 * 0.125)
    assert wear.totals.pulses == 15


def test_no_cutter_no_cuts() -> None:
    wear = Wear(PrinterProfile(cutter="none"))
    wear.strip(Strip(b"\n", 30, 0), is_last=True)
    assert (wear.totals.cuts, wear.totals.jobs) == (0, 1)


def test_counters_are_due_when_they_changed_and_two_minutes_passed() -> None:
    wear = Wear(PROFILE)
    assert not wear.due(0.0)
    wear.strip(Strip(b"\n", 30, 0), is_last=True)
    assert wear.due(0.0)
    wear.wrote(wear.totals, 0.0)
    wear.strip(Strip(b"\n", 30, 0), is_last=True)
    assert not wear.due(EVERY_S - 1)
    assert wear.due(EVERY_S)
    wear.wrote(wear.totals, EVERY_S)
    assert not wear.due(10 * EVERY_S)


def test_a_record_keeps_the_totals_as_the_journal_stores_them() -> None:
    counters = Counters(paper_mm=12, pulses=345, cuts=6, over_temperature=7, jobs=8)
    kept = record(counters, NOW)
    assert cbor.decode(cbor.encode(kept.body)) == dict(kept.body)
    assert folded([record(Counters(), NOW), kept]) == counters


def test_foreign_and_wrong_records_change_nothing() -> None:
    counters = Counters(paper_mm=12)
    others = [
        Record(Topic.UPKEEP, "cleaned", NOW, body={"paper_mm": 1}),
        Record(Topic.SYSTEM, "printer_counters", NOW, body={"paper_mm": 1}),
        Record(Topic.UPKEEP, "printer_counters", NOW, body={"pulses": "x", "cuts": -1, "a": 1}),
    ]
    assert folded([record(counters, NOW), *others]) == counters


def test_a_new_process_goes_on_from_the_old_totals() -> None:
    wear = Wear(PROFILE, base=Counters(paper_mm=1000, pulses=500, cuts=3, jobs=4))
    wear.strip(picture(PROFILE, b"\xff", b"\xff"), is_last=True)
    assert wear.totals == Counters(paper_mm=1000, pulses=502, cuts=4, jobs=5)
