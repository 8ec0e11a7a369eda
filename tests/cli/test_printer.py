"""`posfw printer`: the picture of a day, and where the terminal must be asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from posfw.cli.main import main


@pytest.mark.slow
def test_a_day_is_drawn_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "day.png"
    assert main(["printer", "plot", "-o", str(out), "--ambient", "38", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "posfw.printer_plot"
    assert told["slips"] > 1000
    assert told["peak_c"] <= 75.0
    with Image.open(out) as picture:
        assert picture.size == (1200, 640)
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24) or []}
    assert (255, 246, 214) in colours  # the slow zone was drawn


def test_without_a_terminal_status_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["printer", "status", "--state", str(tmp_path)]) == 5
    assert "posfw run" in capsys.readouterr().err
