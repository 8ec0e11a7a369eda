from __future__ import annotations

import base64
import io
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from escpos.printer import Dummy
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops

from posfw.printer import preview, sheet
from posfw.printer.escpos import BAND_ROWS, init, recover, status_request
from posfw.printer.layout import LINE_ROWS
from posfw.printer.raster import Raster
from posfw.printer.status import Condition, decode
from posfw.values.document import Barcode, Block, Cut, Document, Logo, Qr, Text, Title
from posfw.values.hardware import PrinterProfile
from posfw.values.printjob import Copy, DocumentKind, DocumentRef

Canvas = Callable[[int], Raster]
Judge = Callable[..., Any]
NODE_ENVIRONMENT = os.environ | {
    "NODE_PATH": str(Path(__file__).parents[2] / "node_modules"),
}
PROFILE = PrinterProfile(cutter="partial")
TEXT_MODE = replace(PROFILE, font="gb18030")
REALTIME = re.compile(rb"\x10[\x04\x05\x14]")


def document(*blocks: Block) -> Document:
    reference = DocumentRef(DocumentKind.RECEIPT, "12345678-000001-000007")
    return Document(reference, Copy.MERCHANT, blocks)


def paper(document: Document, canvas: Raster) -> Image.Image:
    return Image.open(io.BytesIO(preview.png(sheet.page(document, canvas)))).convert("1")


def same(ours: Image.Image, theirs: Image.Image) -> bool:
    return ours.size == theirs.size and ImageChops.logical_xor(ours, theirs).getbbox() is None


def sent(document: Document, profile: PrinterProfile, canvas: Raster | None) -> bytes:
    return b"".join(strip.data for strip in sheet.strips(document, profile, canvas))


# --- dots ------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.may_block
@pytest.mark.parametrize("dots", [384, 576])
def test_a_foreign_printer_prints_the_preview_dot_for_dot(
    emupos: Judge, canvas: Canvas, sample: Document, dots: int
) -> None:
    profile = replace(PROFILE, dots=dots)
    data = init(profile) + sent(sample, profile, canvas(dots))
    seen = emupos(dots, data)
    assert len(seen.pictures) == 1
    assert same(paper(sample, canvas(dots)), seen.pictures[0])
    # GS ( D is the one command it does not know.
    assert {event["command"] for event in seen.unknown} == {"GS ("}


@pytest.mark.slow
@pytest.mark.may_block
def test_the_judge_notices_a_single_dot(emupos: Judge, canvas: Canvas, sample: Document) -> None:
    data = bytearray(init(PROFILE) + sent(sample, PROFILE, canvas(384)))
    data[len(data) // 2] ^= 0x01
    assert not same(paper(sample, canvas(384)), emupos(384, bytes(data)).pictures[0])


def test_python_escpos_sends_the_same_dots(canvas: Canvas, sample: Document) -> None:
    oracle = Dummy()
    oracle.image(paper(sample, canvas(384)), impl="bitImageRaster", fragment_height=60_000)
    page = sheet.page(sample, canvas(384))
    size = page.width_bytes.to_bytes(2, "little") + page.height.to_bytes(2, "little")
    assert b"\x1dv0\x00" + size + page.rows() in oracle.output


@pytest.mark.slow
@pytest.mark.may_block
@pytest.mark.parametrize("cut_at", [0.0, 0.3, 0.9])
def test_a_strip_cut_in_the_middle_is_repeated_whole_after_recovery(
    emupos: Judge, canvas: Canvas, sample: Document, cut_at: float
) -> None:
    strips = sheet.strips(sample, PROFILE, canvas(384))
    place = next(n for n, strip in enumerate(strips) if n > 5 and strip.dots > 500)
    band = strips[place].data
    rows = band[4] * BAND_ROWS  # GS v 0 0 xL xH yL yH, then the rows
    half = band[: 8 + int(cut_at * rows)]
    before = init(PROFILE) + b"".join(strip.data for strip in strips[:place]) + half
    after = b"".join(strip.data for strip in strips[place:])
    whole = paper(sample, canvas(384))
    rest = whole.crop((0, sum(strip.rows for strip in strips[:place]), 384, whole.height))

    def repeated(data: bytes) -> bool:
        seen = emupos(384, data).pictures[0]
        return same(rest, seen.crop((0, seen.height - rest.height, 384, seen.height)))

    assert repeated(before + recover(PROFILE) + after)
    # Without the white rows the printer takes ESC @ and what follows for dots.
    assert not repeated(before + init(PROFILE) + after)


def test_strips_follow_the_page_and_count_its_dots(canvas: Canvas, sample: Document) -> None:
    for dots in (384, 576):
        strips = sheet.strips(sample, replace(PROFILE, dots=dots), canvas(dots))
        page = sheet.page(sample, canvas(dots))
        assert sum(strip.rows for strip in strips) == page.height
        assert sum(strip.dots for strip in strips) == sum(band.dots for band in page.bands)
        assert max(strip.rows for strip in strips) <= BAND_ROWS + LINE_ROWS
        assert strips == sheet.strips(sample, replace(PROFILE, dots=dots), canvas(dots))
        assert strips[-1].data.endswith(b"\x1dV\x01")


def test_narrow_lines_send_narrow_pictures(canvas: Canvas) -> None:
    (strip,) = sheet.strips(document(Text("12")), PROFILE, canvas(384))
    assert strip.data.startswith(b"\x1dv0\x00\x03\x00\x18\x00")
    assert strip.rows == LINE_ROWS


def test_star_mechanisms_get_their_own_pictures(canvas: Canvas) -> None:
    star = replace(TEXT_MODE, status="star")
    strips = sheet.strips(document(Text("中"), Cut()), star, canvas(384))
    assert strips[0].data.startswith(b"\x1b\x1dS\x01\x03\x00\x18\x00\x00")
    assert strips[-1].data.endswith(b"\x1bd\x01")


@pytest.mark.slow
@pytest.mark.may_block
def test_receiptline_sends_the_same_dots_to_a_star_mechanism(canvas: Canvas) -> None:
    slip = document(Text("商户名称编号终端操作员收单行卡号"))
    picture = base64.b64encode(preview.png(sheet.page(slip, canvas(384)))).decode()
    program = (
        "const r=require('receiptline');process.stdout.write(Buffer.from(r.transform("
        f"'{{image:{picture}}}\\n',{{cpl:32,command:'starsbcs',gradient:false}}),'binary'))"
    )
    node = shutil.which("node")
    done = node and subprocess.run(
        [node, "-e", program], capture_output=True, check=False, env=NODE_ENVIRONMENT
    )
    if not done or done.returncode:
        pytest.skip("receiptline is not there: `make receiptline` (needs node and npm)")
    (strip,) = sheet.strips(slip, replace(PROFILE, status="star"), canvas(384))
    head, rows = strip.data[:9], strip.data[9 : 9 + 24 * 48]
    assert rows in done.stdout
    theirs = done.stdout[done.stdout.index(b"\x1b\x1dS") :][:9]
    assert head[:6] == theirs[:6]  # ESC GS S 1, bytes a row
    assert head[8] == theirs[8]


# --- the printer's own characters --------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.may_block
def test_text_mode_says_the_same_and_its_codes_can_be_read(
    emupos: Judge, canvas: Canvas, sample: Document, tmp_path: Path
) -> None:
    seen = emupos(384, init(TEXT_MODE) + sent(sample, TEXT_MODE, canvas(384)))
    # emupos has no Chinese glyphs; its text shows the bytes as code page 437.
    text = seen.texts[0].encode("cp437", errors="replace").decode("gb18030", errors="replace")
    for part in (
        "银联POS签购单",
        "重打印/DUPLICATE",
        "終端編號",
        "RMB 12.50",
    ):
        assert part in text
    assert "RMB 9,999,999,999.99" in text
    if shutil.which("zbarimg") is None:
        pytest.skip("zbarimg is not there: apt-get install zbar-tools")
    seen.pictures[0].save(tmp_path / "text.png")
    done = subprocess.run(
        ["zbarimg", "-q", tmp_path / "text.png"], capture_output=True, text=True, check=True
    )
    assert "EAN-13:6901234567892\n" in done.stdout
    assert "QR-Code:https://example.org/r/" in done.stdout


def test_without_glyphs_the_printer_uses_its_own_characters(canvas: Canvas) -> None:
    slip = document(Text("合计 12.50"), Cut())
    assert sent(slip, PROFILE, None) == sent(slip, TEXT_MODE, canvas(384))


# --- any document -------------------------------------------------------------------------------
WORDS = st.text(st.sampled_from("中文商户é𠮷A1 .\x10\x04\x14\x05\x1b\x1d\n"), max_size=40)
BLOCKS = st.lists(
    st.one_of(
        st.builds(Text, WORDS, st.sampled_from(["left", "right"]), st.booleans()),
        st.builds(Title, WORDS),
        st.builds(Qr, WORDS | st.just("\x10\x04\x01")),
        st.builds(Barcode, st.sampled_from(["6901234567892", "0000000000000", "x"])),
        st.binary(min_size=60, max_size=60).map(
            lambda data: Logo(96, tuple(data[at : at + 12] for at in range(0, 60, 12)))
        ),
        st.just(Logo(16, (b"\x10\x04", b"\x10\x14", b"\x10\x05"))),
        st.builds(Cut),
    ),
    max_size=5,
)


@given(
    BLOCKS,
    st.sampled_from(["epson", "esc-v", "star", "none"]),
    st.sampled_from(["raster", "gb18030"]),
    st.sampled_from([384, 576]),
    st.booleans(),
)
def test_no_strip_of_any_document_holds_a_real_time_command(
    canvas: Canvas, blocks: list[Block], status: str, font: str, dots: int, glyphs: bool
) -> None:
    profile = replace(PROFILE, status=status, font=font, dots=dots)
    strips = sheet.strips(document(*blocks), profile, canvas(dots) if glyphs else None)
    data = b"".join(strip.data for strip in strips)
    assert not REALTIME.search(data)
    assert all(strip.rows > 0 and strip.dots >= 0 and strip.data for strip in strips)
    # Recovery ends any command; after a band come white rows and perhaps a cut.
    longest = len(recover(profile)) - len(init(profile)) + 20
    assert all(len(strip.data) <= longest for strip in strips)


# --- status, answered by a foreign printer ------------------------------------------------------
@pytest.mark.slow
@pytest.mark.may_block
@pytest.mark.parametrize(
    ("fault", "condition"),
    [
        ("paper-near-end", Condition.NEAR_END),
        ("paper-out", Condition.PAPER_OUT),
        ("cover-open", Condition.COVER_OPEN),
        ("offline", Condition.OFFLINE),
    ],
)
def test_a_foreign_printer_is_understood(emupos: Judge, fault: str, condition: Condition) -> None:
    asked, automatic = status_request(PROFILE), b"\x1da\xff"
    seen = emupos(576, asked, automatic, (fault, True), asked, (fault, False), asked)
    ok, first_block, block, told, _, ok_again = seen.replies
    assert decode("epson", ok).conditions == frozenset()
    assert decode("epson", first_block).conditions == frozenset()
    assert decode("epson", told).conditions == {condition}
    assert decode("epson", block).conditions == {condition}
    assert decode("epson", block + told).conditions == {condition}
    assert decode("epson", ok_again).ready
