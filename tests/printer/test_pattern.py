from __future__ import annotations

import pytest

from posfw.printer.layout import check_logo
from posfw.printer.pattern import BLACK_ROWS, STEP_ROWS, dead_dots


@pytest.mark.parametrize("dots", [384, 576, 382])
def test_every_dot_stands_alone_in_exactly_one_step(dots: int) -> None:
    pattern = dead_dots(dots)
    check_logo(pattern, dots)
    steps = pattern.rows[:-BLACK_ROWS:STEP_ROWS]
    fired = [0] * dots
    for row in steps:
        bits = f"{int.from_bytes(row, 'big'):0{8 * len(row)}b}"
        assert "11" not in bits
        assert "1" not in bits[dots:]
        for column in range(dots):
            fired[column] += bits[column] == "1"
    assert fired == [1] * dots


@pytest.mark.parametrize("dots", [384, 382])
def test_the_bar_fires_all_of_them(dots: int) -> None:
    assert int.from_bytes(dead_dots(dots).rows[-1], "big").bit_count() == dots
