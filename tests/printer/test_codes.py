from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import pytest
from barcode import EAN13  # type: ignore[import-untyped]  # comes with python-escpos
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from stdnum import ean

from posfw.printer.codes import CodePicture, check_digit, ean13, qr

TWELVE = st.text("0123456789", min_size=12, max_size=12)


def dots(picture: CodePicture, row: int = 0) -> str:
    return f"{int.from_bytes(picture.rows[row], 'big'):0{8 * picture.width_bytes}b}"


@given(st.text("0123456789", min_size=7, max_size=13))
def test_check_digits_agree_with_python_stdnum(digits: str) -> None:
    assert str(check_digit(digits)) == ean.calc_check_digit(digits)


# GS1 General Specifications and the payments page: published numbers.
@pytest.mark.parametrize("gtin", ["6901234567892", "4006381333931"])
def test_published_numbers_are_drawn(gtin: str) -> None:
    assert ean13(gtin, 384) is not None


@given(TWELVE, st.sampled_from([384, 576, 300]))
def test_bars_are_those_of_python_barcode(digits: str, paper: int) -> None:
    gtin = digits + str(check_digit(digits))
    picture = ean13(gtin, paper)
    assert picture is not None
    oracle = EAN13(gtin).build()[0].replace("G", "1")
    expected = "".join(m * picture.scale for m in "0" * 11 + oracle + "0" * 7)
    assert dots(picture).startswith(expected)
    assert "1" not in dots(picture)[len(expected) :]
    assert len(set(picture.rows)) == 1
    assert picture.width_bytes * 8 <= paper + 7


@pytest.mark.parametrize(
    "gtin", ["", "690123456789", "6901234567890", "69012345678921", "69012345678９2", "abc"]
)
def test_what_is_no_gtin_is_not_drawn(gtin: str) -> None:
    assert ean13(gtin, 384) is None


def test_paper_too_narrow_for_two_dots_a_module_gets_no_code() -> None:
    assert ean13("6901234567892", 225) is None
    assert ean13("6901234567892", 226) is not None
    assert qr("x" * 400, 100) is None


def test_modules_grow_with_the_paper_and_are_at_least_two_dots() -> None:
    """One dot alone could stand for DLE; codes must never need a dot added."""
    small, large = qr("1", 384), qr("x" * 1_000, 384)
    assert small is not None
    assert large is not None
    assert small.scale == 6
    assert large.scale == 2
    for picture in (small, large):
        for number in range(len(picture.rows)):
            runs = [len(run) for run in dots(picture, number).split("0") if run]
            assert all(run % picture.scale == 0 for run in runs)


def test_text_beyond_a_symbol_is_refused() -> None:
    assert qr("x" * 2_400, 1_000) is None
    assert qr("", 384) is None
    assert qr("\ud800", 384) is None


@pytest.mark.may_block
@pytest.mark.parametrize(
    "text", ["https://example.org/12345678-000001-000007", "商户备注:店 A-17", "1"]
)
def test_zbarimg_reads_qr_codes(tmp_path: Path, text: str) -> None:
    if shutil.which("zbarimg") is None:
        pytest.skip("zbarimg is not there: apt-get install zbar-tools")
    picture = qr(text, 384)
    assert picture is not None
    rows = b"".join(bytes(byte ^ 0xFF for byte in row) for row in picture.rows)
    image = Image.frombytes("1", (8 * picture.width_bytes, len(picture.rows)), rows)
    file = io.BytesIO()
    image.save(file, format="PNG")
    (tmp_path / "code.png").write_bytes(file.getvalue())
    done = subprocess.run(
        ["zbarimg", "-q", "--raw", tmp_path / "code.png"], capture_output=True, check=True
    )
    assert done.stdout.decode() == text + "\n"
