from __future__ import annotations

import re
from pathlib import Path

import pytest

import posfw.printer
from posfw.printer.glyphs import Glyphs
from posfw.printer.raster import Raster
from posfw.printer.sheet import page
from posfw.sim.reading import UNREADABLE, Picture, SlipReader
from posfw.values.document import (
    Amount,
    Block,
    Copy,
    Cut,
    Document,
    DocumentKind,
    DocumentRef,
    Field,
    Mark,
    Qr,
    Text,
    Title,
)

pytestmark = pytest.mark.may_block

BLOB = Path(posfw.printer.__file__).parent / "data" / "glyphs24.bin"
REF = DocumentRef(DocumentKind.RECEIPT, "12345678-000001-000001")


@pytest.fixture(scope="module")
def glyphs() -> Glyphs:
    return Glyphs(BLOB.read_bytes())


@pytest.fixture(scope="module")
def reader(glyphs: Glyphs) -> SlipReader:
    return SlipReader(glyphs)


def printed(glyphs: Glyphs, dots: int, *blocks: Block) -> list[Picture]:
    document = Document(REF, Copy.MERCHANT, blocks)
    bands = page(document, Raster(glyphs, dots)).bands
    return [Picture(band.width_bytes, band.data) for band in bands if band.data]


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


def test_a_changed_dot_makes_a_figure_unreadable_and_no_other_figure(
    glyphs: Glyphs, reader: SlipReader
) -> None:
    (picture,) = printed(glyphs, 384, Text("8"))
    for at in range(len(picture.data)):
        changed = bytearray(picture.data)
        changed[at] ^= 0x40
        (read,) = reader.lines([Picture(picture.width_bytes, bytes(changed))]) or [""]
        assert read in ("8", UNREADABLE, UNREADABLE * 2, "")
