from __future__ import annotations

import re
from pathlib import Path

import pytest

import posfw.printer
from posfw.printer.glyphs import Glyphs
from posfw.printer.raster import Raster
from posfw.printer.sheet import page
from posfw.sim.reading import UNREADABLE, SlipReader
from posfw.values.document import Amount, Block, Cut, Document, Field, Mark, Qr, Text, Title
from posfw.values.printjob import Copy, DocumentKind, DocumentRef

pytestmark = pytest.mark.may_block

BLOB = Path(posfw.printer.__file__).parent / "data" / "glyphs24.bin"
REF = DocumentRef(DocumentKind.RECEIPT, "12345678-000001-000001")


@pytest.fixture(scope="module")
def glyphs() -> Glyphs:
    return Glyphs(BLOB.read_bytes())


@pytest.fixture(scope="module")
def reader(glyphs: Glyphs) -> SlipReader:
    return SlipReader(glyphs)


def printed(glyphs: Glyphs, dots: int, *blocks: Block) -> list[bytes]:
    drawn = page(Document(REF, Copy.MERCHANT, blocks), Raster(glyphs, dots))
    rows, width = drawn.rows(), drawn.width_bytes
    return [rows[at : at + width] for at in range(0, len(rows), width)]


@pytest.mark.parametrize("dots", [384, 576])
def test_what_is_printed_is_read_back(glyphs: Glyphs, reader: SlipReader, dots: int) -> None:
    blocks = (
        Title("测试商户"),
        Field("终端号 TID", "12345678"),
        Text("消费 SALE", bold=True),
        Amount("金额", "RMB 1,234.50"),
        Mark("重打印/DUPLICATE"),
        Qr("not text"),
        Text("0123456789 ABCdefg.,:-*#%/+()"),
        Cut(),
    )
    text = re.sub(" +", " ", "\n".join(reader.lines(printed(glyphs, dots, *blocks))))
    for wanted in ("测试商户", "12345678", "消费 SALE", "RMB 1,234.50", "重打印/DUPLICATE"):
        assert wanted in text
    assert "0123456789 ABCdefg.,:-*#%/+()" in text
    assert UNREADABLE not in text


def test_a_changed_dot_never_makes_another_figure(glyphs: Glyphs, reader: SlipReader) -> None:
    rows = printed(glyphs, 384, Text("8"))
    for at, row in enumerate(rows):
        for bit in range(12):
            changed = int.from_bytes(row, "big") ^ 1 << (8 * len(row) - 1 - bit)
            damaged = [*rows[:at], changed.to_bytes(len(row), "big"), *rows[at + 1 :]]
            digits = [char for char in "".join(reader.lines(damaged)) if char.isdigit()]
            assert digits in ([], ["8"])


def test_blank_paper_has_no_lines(reader: SlipReader) -> None:
    assert reader.lines([bytes(48)] * 100) == []
    assert reader.lines([]) == []
