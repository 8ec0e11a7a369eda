from __future__ import annotations

import logging
from pathlib import Path

import pytest
from PIL import Image

from posfw.app.logo import load_logo

pytestmark = pytest.mark.may_block


def test_dark_becomes_a_dot_and_light_none(tmp_path: Path) -> None:
    picture = Image.new("RGB", (10, 2), "white")
    picture.putpixel((0, 0), (10, 20, 30))
    picture.putpixel((9, 1), (0, 0, 0))
    picture.save(tmp_path / "logo.png")
    logo = load_logo(tmp_path / "logo.png", 384)
    assert logo is not None
    assert (logo.width_dots, logo.rows) == (10, (b"\x80\x00", b"\x00\x40"))


@pytest.mark.parametrize("size", [(385, 10), (100, 241)])
def test_a_logo_beyond_the_limits_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, size: tuple[int, int]
) -> None:
    Image.new("1", size).save(tmp_path / "logo.png")
    with caplog.at_level(logging.WARNING):
        assert load_logo(tmp_path / "logo.png", 384) is None
    assert "merchant.logo" in caplog.text


@pytest.mark.parametrize("data", [None, b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_a_file_that_is_no_picture_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, data: bytes | None
) -> None:
    path = tmp_path / "logo.png"
    if data is not None:
        path.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        assert load_logo(path, 384) is None
    assert "cannot be read" in caplog.text
