from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.printer.fence import Heard, Listener, fence, proves
from posfw.values.hardware import PrinterProfile

PROFILE = PrinterProfile()


@pytest.mark.parametrize("dialect", ["esc-v", "star", "none"])
def test_only_epson_printers_can_prove(dialect: str) -> None:
    assert fence(PROFILE) == bytes.fromhex("1D7201")
    assert proves(PROFILE)
    assert fence(replace(PROFILE, status=dialect)) == b""
    assert not proves(replace(PROFILE, status=dialect))


# DLE EOT and ASB bytes of the six states (hardware page, section 6), with answers to GS r between.
@pytest.mark.parametrize(
    ("stream", "fences"),
    [
        ("12 12 12 12", 0),
        ("1A 32 12 7E", 0),
        ("00", 1),
        ("00 12 12 12 12 03", 2),
        ("0C 1A 16 12 12", 1),
        ("10 00 03 00", 0),
        ("00 18 00 0F 00 00", 2),
        ("11 13 00", 1),
    ],
)
def test_answers_in_their_turn_are_told_from_status(stream: str, fences: int) -> None:
    data = bytes.fromhex(stream)
    heard = Listener("epson").feed(data)
    assert heard.fences == fences
    assert len(heard.status) == len(data) - fences
    assert Listener("star").feed(data) == Heard(data)


@given(st.binary(max_size=60), st.integers(1, 7))
def test_noise_is_sorted_alike_however_it_is_cut(data: bytes, size: int) -> None:
    whole, cut = Listener("epson"), Listener("epson")
    pieces = [cut.feed(data[at : at + size]) for at in range(0, len(data), size)]
    at_once = whole.feed(data)
    assert b"".join(p.status for p in pieces) == at_once.status
    assert sum(p.fences for p in pieces) == at_once.fences
