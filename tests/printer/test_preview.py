from __future__ import annotations

import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from posfw.printer import preview, sheet
from posfw.printer.raster import Page, Raster
from posfw.values.document import Document

Canvas = Callable[[int], Raster]


@pytest.mark.parametrize("dots", [384, 576, 380])
def test_a_foreign_reader_sees_the_very_rows(canvas: Canvas, sample: Document, dots: int) -> None:
    page = sheet.page(sample, canvas(dots))
    picture = Image.open(io.BytesIO(preview.png(page)))
    assert picture.mode == "1"
    assert picture.size == (dots, page.height)
    inverted = picture.convert("L").point(lambda level: 255 - level).convert("1")
    black = inverted.tobytes()
    padding = -dots % 8
    rows = page.rows()
    width = page.width_bytes
    for at in range(0, len(rows), width):
        assert black[at : at + width] == rows[at : at + width]
    assert padding == 0 or not any(row & ((1 << padding) - 1) for row in rows[width - 1 :: width])


def test_an_empty_page_is_a_valid_picture() -> None:
    picture = Image.open(io.BytesIO(preview.png(Page(384, ()))))
    assert picture.size == (384, 1)
    assert picture.convert("L").getextrema() == (255, 255)


@pytest.mark.may_block
@pytest.mark.parametrize("dots", [384, 576])
def test_zbarimg_reads_both_codes_from_the_preview(
    canvas: Canvas, sample: Document, tmp_path: Path, dots: int
) -> None:
    if shutil.which("zbarimg") is None:
        pytest.skip("zbarimg is not there: apt-get install zbar-tools")
    path = tmp_path / "slip.png"
    path.write_bytes(preview.png(sheet.page(sample, canvas(dots))))
    done = subprocess.run(["zbarimg", "-q", path], capture_output=True, text=True, check=True)
    assert "EAN-13:6901234567892\n" in done.stdout
    assert "QR-Code:https://example.org/r/12345678-000001-000007?备注=店\n" in done.stdout


@pytest.mark.may_block
def test_neither_slips_nor_previews_load_an_imaging_or_code_library() -> None:
    """The terminal's memory: Pillow, segno and fonts stay out until something needs them."""
    program = (
        "import sys\n"
        "from posfw.printer import preview, sheet\n"
        "from posfw.printer.raster import Raster\n"
        "from posfw.printer.store import open_glyphs\n"
        "from posfw.values.document import Document, Text\n"
        "from posfw.values.printjob import Copy, DocumentKind, DocumentRef\n"
        "document = Document(DocumentRef(DocumentKind.TEST, ''), Copy.SINGLE, (Text('测试'),))\n"
        "assert preview.png(sheet.page(document, Raster(open_glyphs(), 384)))\n"
        "print(sorted({m.partition('.')[0] for m in sys.modules} & {'PIL', 'segno', 'anyio'}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
