"""The simulated printer: rows exactly, answers by the published table, faults, pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from posfw.printer import escpos
from posfw.printer.status import decode
from posfw.sim.head import HeadSim
from posfw.sim.heat import VirtualClock
from posfw.sim.paper import Decoder, Row
from posfw.sim.printer import LONG_FEED_ROWS, PrinterSim
from posfw.values.hardware import PrinterProfile

PROFILE = PrinterProfile(cutter="partial")
ROW_S = PROFILE.line_mm / PROFILE.max_speed_mm_s
DLE_EOT = bytes.fromhex("100401 100402 100403 100404")
BAND = escpos.raster(PROFILE, bytes(range(0x80, 0x98)) * 48, 48, 24)


def made(
    folder: Path | None = None, *, profile: PrinterProfile = PROFILE, keeps: bool = True
) -> tuple[PrinterSim, VirtualClock]:
    clock = VirtualClock()
    sim = PrinterSim(profile, clock, folder=folder, keeps_buffer=keeps)
    return sim, clock


def let(sim: PrinterSim, clock: VirtualClock, seconds: float) -> None:
    until = clock.now + seconds
    while (wait_s := sim.step()) is not None and clock.now + wait_s <= until:
        clock.now += wait_s
    clock.now = until
    sim.step()


# The six states of the hardware page, section 6, as published.
@pytest.mark.parametrize(
    ("state", "answer"),
    [
        ("ok", "12121212"),
        ("near_end", "1212121E"),
        ("paper_out", "1A32127E"),
        ("cover_open", "1A161212"),
        ("hot", "1A525212"),
    ],
)
def test_epson_answers_are_those_of_the_table(state: str, answer: str) -> None:
    sim, _ = made()
    sim.near_end = state == "near_end"
    if state == "paper_out":
        sim.end_paper()
    if state == "cover_open":
        sim.open_cover()
    if state == "hot":
        sim.make_hot()
    sim.receive(DLE_EOT)
    assert sim.spoken().hex().upper() == answer


@pytest.mark.parametrize(
    ("dialect", "request_"), [("esc-v", b"\x1bv"), ("star", b"\x1b\x06\x01"), ("epson", DLE_EOT)]
)
@pytest.mark.parametrize("state", ["ready", "paper_out", "cover_open", "head_hot"])
def test_every_dialect_is_understood_by_the_terminal(
    dialect: str, request_: bytes, state: str
) -> None:
    sim, clock = made(profile=PrinterProfile(status=dialect))
    if state == "paper_out":
        sim.end_paper()
    if state == "cover_open":
        sim.open_cover()
    if state == "head_hot":
        sim.make_hot()
    sim.receive(request_)
    let(sim, clock, 0.1)
    found = decode(dialect, sim.spoken())
    assert found.ready is (state == "ready")
    assert state == "ready" or state in {c.value for c in found.conditions}


def test_rows_take_time_and_real_time_requests_do_not() -> None:
    sim, clock = made()
    sim.receive(BAND + b"\x1dr\x01" + DLE_EOT)
    assert len(sim.spoken()) == 4
    let(sim, clock, 10 * ROW_S)
    assert len(sim.tape) in (10, 11)
    assert sim.spoken() == b""
    let(sim, clock, 20 * ROW_S)
    assert len(sim.tape) == 24
    assert sim.spoken() == b"\x00"


def test_the_buffer_is_finite() -> None:
    sim, _ = made()
    sim.open_cover()
    room = sim.room
    sim.receive(BAND)
    assert sim.room == room - len(BAND)
    sim.receive(BAND * 4)
    assert sim.room == 0


@pytest.mark.parametrize("rows", [0, 1, 13, 23, 24])
def test_paper_ends_after_exactly_so_many_rows(rows: int) -> None:
    sim, clock = made()
    sim.end_paper(rows)
    sim.receive(BAND)
    let(sim, clock, 5.0)
    assert len(sim.tape) == rows
    sim.load_paper()
    let(sim, clock, 5.0)
    assert len(sim.tape) == 24


def test_without_a_buffer_the_rest_is_lost() -> None:
    whole, clock = made()
    whole.receive(BAND)
    let(whole, clock, 1.0)
    sim, clock = made(keeps=False)
    sim.end_paper(5)
    sim.receive(BAND)
    let(sim, clock, 1.0)
    sim.load_paper()
    let(sim, clock, 1.0)
    assert len(sim.tape) == 5
    sim.receive(escpos.recover(PROFILE) + BAND)
    let(sim, clock, 1.0)
    assert [r.bits for r in sim.tape[5:] if r.dots] == [r.bits for r in whole.tape]


def test_a_switched_off_printer_forgets_and_says_nothing() -> None:
    sim, clock = made()
    sim.receive(BAND[:500])
    sim.switch(on=False)
    sim.receive(DLE_EOT)
    assert sim.spoken() == b""
    sim.switch(on=True)
    sim.receive(BAND)
    let(sim, clock, 1.0)
    assert len([r for r in sim.tape if r.dots]) == 24


def test_a_cut_makes_a_picture_of_exactly_the_rows(tmp_path: Path) -> None:
    sim, clock = made(tmp_path)
    rows = bytes(n % 251 for n in range(24 * 48))
    sim.receive(escpos.raster(PROFILE, rows, 48, 24) + b"\x1dV\x01" + BAND)
    let(sim, clock, 1.0)
    (path,) = sorted(tmp_path.glob("*.png"))
    with Image.open(path) as picture:
        assert picture.size == (384, 24)
        dots = picture.convert("1").tobytes()
    assert bytes(255 - b for b in dots) == rows
    assert not sim.hanging.blank


def test_without_a_knife_a_long_feed_ends_a_slip(tmp_path: Path) -> None:
    profile = PrinterProfile(cutter="none")
    sim, clock = made(tmp_path, profile=profile)
    white = escpos.raster(profile, bytes(LONG_FEED_ROWS), 1, LONG_FEED_ROWS)
    sim.receive(BAND + white + BAND + white)
    let(sim, clock, 5.0)
    assert len(sim.slips) == 2


def test_text_is_collected_in_gb18030(tmp_path: Path) -> None:
    sim, clock = made(tmp_path)
    sim.receive(b"\x1b@\x1ba\x01\x1c&" + "签购单 ¥12.50".encode("gb18030") + b"\x1c.\n\x1dV\x01")
    let(sim, clock, 2.0)
    assert sim.slips[0].text == "签购单 ¥12.50"
    assert (tmp_path / "receipt-001.txt").read_text(encoding="utf-8") == "签购单 ¥12.50\n"


def test_its_own_firmware_stops_above_80_and_goes_on_below_60() -> None:
    sim, clock = made()
    sim.head = HeadSim.like(PROFILE.thermal, clock)
    sim.head.set_body(81.0)
    sim.receive(BAND)
    let(sim, clock, 5.0)
    assert sim.tape == []
    let(sim, clock, 25.0)
    assert len(sim.tape) == 24
    assert sim.head.dots == sum(row.dots for row in sim.tape)


@given(st.binary(max_size=600), st.integers(1, 97))
def test_any_bytes_end_alike_however_they_are_cut(data: bytes, size: int) -> None:
    def rows(pieces: list[bytes]) -> list[object]:
        decoder = Decoder(48)
        found: list[object] = []
        for piece in pieces:
            decoder.feed(piece)
            while ops := list(decoder.next()):
                found += ops
        return found

    cut = [data[at : at + size] for at in range(0, len(data), size)]
    assert rows([data]) == rows(cut)


def test_a_picture_narrower_than_the_paper_stands_at_the_left() -> None:
    decoder = Decoder(48)
    decoder.feed(escpos.raster(PROFILE, b"\x80\x01", 1, 2))
    rows = [op for _ in range(2) for op in decoder.next()]
    assert rows == [Row(b"\x80" + bytes(47), 1), Row(b"\x01" + bytes(47), 1)]
