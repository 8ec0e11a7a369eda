from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from posfw.printer import sheet
from posfw.printer.escpos import init, recover
from posfw.printer.native import encoded
from posfw.printer.raster import Raster
from posfw.values.document import Amount, Block, Document, Logo, Qr, Text, Title
from posfw.values.hardware import PrinterProfile
from posfw.values.printjob import Copy, DocumentKind, DocumentRef

Canvas = Callable[[int], Raster]
NODE_ENVIRONMENT = os.environ | {
    "NODE_PATH": str(Path(__file__).parents[2] / "node_modules"),
}
PROFILE = PrinterProfile(cutter="partial")
TEXT_MODE = PrinterProfile(cutter="partial", font="gb18030")


def document(*blocks: Block) -> Document:
    return Document(DocumentRef(DocumentKind.RECEIPT, ""), Copy.MERCHANT, blocks)


@pytest.mark.may_block
def test_receiptline_writes_the_same_bytes_for_a_chinese_line() -> None:
    node = shutil.which("node")
    program = (
        "const r=require('receiptline');process.stdout.write(Buffer.from(r.transform("
        "'商户名称 ABC é中\\n',{cpl:32,encoding:'gb18030',command:'escpos'}),'binary'))"
    )
    done = node and subprocess.run(
        [node, "-e", program], capture_output=True, check=False, env=NODE_ENVIRONMENT
    )
    if not done or done.returncode:
        pytest.skip("receiptline is not there: `make receiptline` (needs node and npm)")
    (strip,) = sheet.strips(document(Text("商户名称 ABC é中")), TEXT_MODE, None)
    words = b"\x1c&" + encoded("商户名称 ABC é中")
    assert words in strip.data
    assert words in done.stdout


def test_text_mode_bytes() -> None:
    (line,) = sheet.strips(document(Text("AB", bold=True)), TEXT_MODE, None)
    assert line.data == b"\x1bE\x01AB\x1bE\x00\n"
    (line,) = sheet.strips(document(Text("商户")), TEXT_MODE, None)
    assert line.data == b"\x1c&" + "商户".encode("gb2312") + b"\x1c.\n"
    (title,) = sheet.strips(document(Title("AB")), TEXT_MODE, None)
    assert title.data == b" " * 14 + b"\x1d!\x11AB\x1d!\x00\n"
    (amount,) = sheet.strips(document(Amount("A", "1.00")), TEXT_MODE, None)
    assert amount.data == b"\x1bE\x01A" + b" " * 23 + b"\x1d!\x111.00\x1d!\x00\x1bE\x00\n"


def test_a_character_no_printer_has_becomes_the_missing_sign() -> None:
    assert encoded("𠮷a") == "〓".encode("gb2312") + b"a"
    assert encoded("é喆") == "é喆".encode("gbk")


def test_what_text_mode_fires_is_estimated_from_the_bitmap_or_by_rule(canvas: Canvas) -> None:
    slip = document(Text("商户名称编号终端操作"))
    (exact,) = sheet.strips(slip, PROFILE, canvas(384))
    (seen,) = sheet.strips(slip, TEXT_MODE, canvas(384))
    (ruled,) = sheet.strips(slip, TEXT_MODE, None)
    assert seen.dots == exact.dots
    assert 0.5 < ruled.dots / exact.dots < 2


@pytest.mark.parametrize("size", [1037, 1293, 1200, 2331])
def test_codes_whose_length_is_a_real_time_command_or_too_long_are_sent_as_dots(size: int) -> None:
    profile = replace(TEXT_MODE, dots=576 if size == 1037 else 384)
    bands = sheet.strips(document(Qr("A" * size)), profile, None)
    longest = len(recover(profile)) - len(init(profile))
    for strip in bands:
        assert b"\x1d(k" not in strip.data
        assert not re.search(rb"\x10[\x04\x05\x14]", strip.data)
        assert len(strip.data) <= longest


def test_a_logo_comes_in_bands_that_recovery_can_end() -> None:
    logo = Logo(384, (b"\xaa" * 48,) * 100)
    bands = sheet.strips(document(logo), TEXT_MODE, None)
    assert [strip.rows for strip in bands[:-1]] == [24, 24, 24, 24, 4]
    assert sum(strip.dots for strip in bands) == 100 * 192
    longest = len(recover(TEXT_MODE)) - len(init(TEXT_MODE))
    assert all(len(strip.data) <= longest for strip in bands)


def test_a_code_whose_text_is_a_real_time_command_is_sent_as_dots() -> None:
    (plain, _) = sheet.strips(document(Qr("A" * 10)), TEXT_MODE, None)
    assert b"\x1d(k\x0d\x001P0" + b"A" * 10 in plain.data
    unsafe = sheet.strips(document(Qr("A\x10\x04\x01")), TEXT_MODE, None)
    assert all(b"\x10\x04" not in strip.data for strip in unsafe)
    assert unsafe[0].data.startswith(b"\x1dv0\x00")
