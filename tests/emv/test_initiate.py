"""Processing options in both formats (Book 3, 6.5.8.4)."""

from __future__ import annotations

import pytest

from posfw.emv.initiate import processing_options
from posfw.emv.tags import Tag
from posfw.values.errors import CardDataError


@pytest.mark.parametrize(
    "answer",
    ["800A7C000801010010010201", "770E82027C0094080801010010010201"],
)
def test_both_formats_give_aip_and_afl(answer: str) -> None:
    found = processing_options(bytes.fromhex(answer))
    assert found[Tag.AIP] == bytes.fromhex("7C00")
    assert found[Tag.AFL] == bytes.fromhex("0801010010010201")


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "8000",
        "80027C00",  # no AFL
        "770482027C00",
        "770A94080801010010010201",
        "7703820100",
        "70027C00",
        "800A7C00",
        "771082027C0082027C0094080801010010010201"[:8],
    ],
)
def test_anything_else_ends_it(wrong: str) -> None:
    with pytest.raises(CardDataError):
        processing_options(bytes.fromhex(wrong))
