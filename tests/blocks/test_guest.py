"""What a guest on a logged disk is started with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from posfw.journal import opening
from tests.blocks.guest import BOARD, CONTROLS, Logged, orders


def _logged(folder: Path) -> Logged:
    return Logged(BOARD, folder, {}, folder / "extra")


def test_the_disk_hangs_on_a_log_and_nothing_goes_around_it(tmp_path: Path) -> None:
    words = _logged(tmp_path).command()
    node = words[words.index("-blockdev") + 1].split(",")
    assert node[0] == "driver=blklogwrites"
    assert f"log.filename={tmp_path / 'writes.log'}" in node
    assert f"file.filename={tmp_path / 'disk.img'}" in node
    assert "-drive" not in words
    assert "virtio-blk-pci,drive=disk,write-cache=on" in words
    assert sum("disk.img" in word for word in words) == 1


@pytest.mark.slow
@pytest.mark.may_block
@pytest.mark.parametrize("control", CONTROLS)
def test_a_controls_orders_change_just_the_journals_settings(control: str) -> None:
    """As the guest runs them, over the source that the image has."""
    source = Path(opening.__file__).read_text()
    line = f"sed {orders(CONTROLS[control])}"
    done = subprocess.run(
        ["sh", "-c", line], input=source, capture_output=True, text=True, check=True
    )
    before, after = source.splitlines(), done.stdout.splitlines()
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == len(CONTROLS[control])
    for _, new in CONTROLS[control]:
        assert sum(new in each for each in changed) == 1
