from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from posfw.printer.store import GLYPH_FILE, open_glyphs
from posfw.values.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "content"), [("empty", b""), ("text", b"not glyphs"), ("cut", None), ("long", None)]
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: bytes | None) -> None:
    path = tmp_path / "glyphs24.bin"
    whole = GLYPH_FILE.read_bytes()
    path.write_bytes({"cut": whole[:-1], "long": whole + b"\0"}.get(name, content or b""))
    with pytest.raises(ConfigError, match=r"glyphs24\.bin.*PRN-310"):
        open_glyphs(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.bin.*PRN-310"):
        open_glyphs(tmp_path / "nowhere.bin")


@pytest.mark.may_block
def test_looking_glyphs_up_dirties_no_page_of_the_file() -> None:
    program = (
        "import re\n"
        "from posfw.printer.store import open_glyphs\n"
        "glyphs = open_glyphs()\n"
        "for code in range(0x4E00, 0x9F00, 400): glyphs.bitmap(chr(code))\n"
        "maps = open('/proc/self/smaps').read()\n"
        "found = re.search(r'glyphs24\\.bin\\n(?:.*\\n)*?Private_Dirty: +(\\d+)', maps)\n"
        "print(found.group(1))\n"
    )
    if not Path("/proc/self/smaps").exists():
        pytest.skip("this kernel has no /proc/self/smaps")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "0\n"  # pages of the file, shared and dropped at need: no memory of ours
