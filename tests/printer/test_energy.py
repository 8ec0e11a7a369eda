from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.printer.energy import (
    division,
    dot_energy_mj,
    head_voltage,
    loaded_ohm,
    pulse_us,
    supply_ma,
)
from posfw.values.hardware import HeadProfile

LTP02 = HeadProfile()  # Seiko LTP02-245 on PD150R


def test_64_dots_on_see_252_7_ohm() -> None:
    assert loaded_ohm(LTP02, 64) == pytest.approx(252.7, abs=0.05)


# Published pulses for 64 dots (boards page, section 3, from the Seiko manuals).
@pytest.mark.parametrize(
    ("head_c", "voltage", "milliseconds"),
    [
        (40, 7.2, 1.56),
        (40, 5.5, 2.67),
        (25, 7.2, 1.73),
        (25, 5.5, 2.97),
        (5, 7.2, 1.97),
        (5, 5.5, 3.38),
    ],
)
def test_published_pulse_lengths(head_c: float, voltage: float, milliseconds: float) -> None:
    found = pulse_us(LTP02, head_c=head_c, voltage=voltage, dots_on=64)
    assert found is not None
    assert found / 1000 == pytest.approx(milliseconds, abs=0.006)


@pytest.mark.parametrize(
    ("head_c", "voltage"),
    [(25, 5.4), (25, 8.1), (-10, 5.5), (200, 7.2)],
    ids=["battery low", "supply too high", "longer than the head stands", "nothing left to add"],
)
def test_the_head_must_not_fire(head_c: float, voltage: float) -> None:
    assert pulse_us(LTP02, head_c=head_c, voltage=voltage, dots_on=64) is None


def test_another_paper_needs_another_energy() -> None:
    tf50 = replace(LTP02, energy_mj_25c=0.2853, energy_tc_mj_per_c=0.002803)
    assert dot_energy_mj(tf50, 25) == 0.2853
    assert dot_energy_mj(tf50, 40) == pytest.approx(0.2853 - 15 * 0.002803)


def test_voltage_correction_meets_at_its_knee() -> None:
    assert head_voltage(5.5) == pytest.approx(4.8)
    assert head_voltage(5.499) == pytest.approx(4.8, abs=0.01)
    assert head_voltage(8.0) == pytest.approx(7.8)


def test_64_dots_at_8_volt_take_3_16_ampere() -> None:
    assert supply_ma(LTP02, dots_on=64, voltage=8.0) == pytest.approx(3160, abs=1)


def black_in(row: bytes, first: int, end: int) -> int:
    return sum(row[c // 8] >> (7 - c % 8) & 1 for c in range(first, end))


@given(st.binary(min_size=1, max_size=48), st.integers(1, 384))
def test_every_black_dot_fires_once_and_never_too_many_at_once(row: bytes, limit: int) -> None:
    parts = division(row, limit)
    assert [end for _, end in parts[:-1]] == [first for first, _ in parts[1:]]
    assert all(1 <= black_in(row, *part) <= limit for part in parts)
    black = black_in(row, 0, len(row) * 8)
    assert sum(black_in(row, *part) for part in parts) == black
    assert len(parts) == -(-black // limit)


def test_text_needs_fewer_parts_than_fixed_blocks() -> None:
    row = bytes([0b1000_0000] * 48)  # 48 of 384 dots: one part instead of 6 blocks of 64
    assert len(division(row, 64)) == 1
