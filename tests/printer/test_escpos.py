from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.printer.escpos import (
    BAND_ROWS,
    contained,
    cut,
    init,
    is_contained,
    raster,
    recover,
    status_request,
)
from posfw.values.hardware import PrinterProfile

EPSON = PrinterProfile(cutter="partial")
PROFILES = [
    replace(EPSON, status=status, dots=dots)
    for status in ("epson", "esc-v", "star", "none", "another")
    for dots in (384, 576)
]
# Written apart from the encoder: DLE EOT n, DLE ENQ n, DLE DC4 fn of Epson's reference.
REALTIME = re.compile(rb"\x10[\x04\x05\x14]")


def test_bytes_are_those_of_the_command_references() -> None:
    assert init(EPSON) == bytes.fromhex("1b40 1d6100 1d28440300140100 1d28440300140200")
    assert init(replace(EPSON, status="esc-v")) == b"\x1b@"
    text = init(replace(EPSON, status="esc-v", font="gb18030"))
    assert text == bytes.fromhex("1b40 1b331e 1c530000")
    assert status_request(EPSON) == bytes.fromhex("100401 100402 100403 100404")
    assert status_request(replace(EPSON, status="esc-v")) == b"\x1bv"
    assert status_request(replace(EPSON, status="star")) == bytes.fromhex("1b0601")
    assert status_request(replace(EPSON, status="none")) == b""
    assert raster(EPSON, b"\xff\x00", 2, 1) == bytes.fromhex("1d763000 0200 0100 ff00")
    star = raster(replace(EPSON, status="star"), b"\xff", 1, 1)
    assert star == bytes.fromhex("1b1d5301 0100 0100 00 ff")
    assert cut(EPSON) == bytes.fromhex("1d5601")
    assert cut(replace(EPSON, cutter="full")) == bytes.fromhex("1d5600")
    assert cut(replace(EPSON, cutter="none")) == b""
    assert cut(replace(EPSON, status="star")) == bytes.fromhex("1b6401")


@given(
    st.lists(st.sampled_from([0x10, 0x04, 0x05, 0x14, 0x00, 0x0C, 0xFF]), max_size=60).map(bytes)
)
def test_no_picture_holds_a_real_time_command_and_no_dot_is_lost(rows: bytes) -> None:
    safe = contained(rows)
    assert not REALTIME.search(safe)
    assert is_contained(safe)
    assert len(safe) == len(rows)
    added = [s & ~r & 0xFF for r, s in zip(rows, safe, strict=True)]
    lost = [r & ~s & 0xFF for r, s in zip(rows, safe, strict=True)]
    assert not any(lost)
    assert set(added) <= {0, 0x08}  # the neighbour of a black dot, nothing else
    if not REALTIME.search(rows):
        assert safe == rows


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: f"{p.status}-{p.dots}")
@given(data=st.data())
def test_heads_of_pictures_cannot_form_a_real_time_command(
    profile: PrinterProfile, data: st.DataObject
) -> None:
    width = data.draw(st.integers(1, (profile.dots + 7) // 8))
    height = data.draw(st.integers(1, BAND_ROWS))
    first = data.draw(st.sampled_from([0x00, 0x04, 0x05, 0x10, 0x14]))
    command = raster(profile, bytes((first,)) * (width * height), width, height)
    assert not REALTIME.search(command)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: f"{p.status}-{p.dots}")
def test_recovery_ends_the_longest_picture_and_starts_anew(profile: PrinterProfile) -> None:
    width = (profile.dots + 7) // 8
    whole = raster(profile, b"\xaa" * (width * BAND_ROWS), width, BAND_ROWS)
    nuls, _, rest = recover(profile).partition(b"\x1b@")
    assert set(nuls) == {0}
    assert len(nuls) >= len(whole) - 1
    assert b"\x1b@" + rest == init(profile)
    assert not REALTIME.search(recover(profile))
