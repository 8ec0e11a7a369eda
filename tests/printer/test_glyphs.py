from __future__ import annotations

from pathlib import Path

import pytest

from posfw.printer.glyphs import HEIGHT, NARROW, Glyphs, columns, is_narrow
from posfw.printer.layout import legible
from posfw.printer.store import GLYPH_FILE

# Every sign that our own slips use, and names as merchants have them.
OURS = "商户名称编号终端操作员收单行卡有效期交易类型批次凭证授权码参考日期时间"
OURS += "金额备注原签购重打印测试"
HANT = "商戶名稱編號終端操作員簽購單憑證餘額淨額賬戶沖正報告"
NAMES = "喆堃淼犇龘鑫燚赟珺祎彧"


def every_two_byte_character(codec: str) -> set[str]:
    found = set()
    for first in range(0x81, 0xFF):
        for second in range(0x40, 0xFF):
            try:
                found.add(bytes((first, second)).decode(codec))
            except UnicodeDecodeError:
                continue
    return {char for char in found if len(char) == 1 and not 0xE000 <= ord(char) < 0xF900}


def test_all_of_gb2312_and_gbk_is_there(glyphs: Glyphs) -> None:
    assert [c for c in OURS + HANT + NAMES + "￥〓€·①" if c not in glyphs] == []
    # Noto has no U+2252; in GBK it is one of the mathematical signs.
    for codec, missing in (("gb2312", []), ("gbk", ["≒"])):
        characters = every_two_byte_character(codec)
        assert len(characters) > 7_000
        assert [c for c in characters if legible(c) not in glyphs] == missing


def test_all_hanzi_of_big5_level_1_are_there(glyphs: Glyphs) -> None:
    level_1 = {
        bytes((first, second)).decode("big5")
        for first in range(0xA4, 0xC7)
        for second in (*range(0x40, 0x7F), *range(0xA1, 0xFF))
        if (first, second) <= (0xC6, 0x7E)
    }
    assert len(level_1) == 5401
    assert [c for c in level_1 if c not in glyphs] == []


def test_characters_are_not_blank_but_spaces_are(glyphs: Glyphs) -> None:
    assert [chr(c) for c in NARROW if not glyphs.bitmap(chr(c))] == [" "]
    assert glyphs.bitmap("\u3000") == 0
    assert [c for c in OURS + HANT + NAMES if glyphs.bitmap(c).bit_count() < 30] == []


def test_different_characters_look_different(glyphs: Glyphs) -> None:
    text = sorted(set(OURS + HANT + NAMES))
    assert len({glyphs.bitmap(c) for c in text}) == len(text)
    digits = "0123456789"
    assert len({glyphs.bitmap(c) for c in digits}) == len(digits)


@pytest.mark.parametrize("char", ["𠮷", "㐂", "\u0300", "😀", "\U0010ffff"])
def test_a_character_it_lacks_is_a_box_with_its_code(glyphs: Glyphs, char: str) -> None:
    assert char not in glyphs
    rows = f"{glyphs.bitmap(char):0{HEIGHT * 24}b}"
    lines = [rows[at : at + 24] for at in range(0, len(rows), 24)]
    assert lines[0] == "0" * 24
    assert lines[1] == lines[-2] == "0" + "1" * 22 + "0"
    assert all(line[1] == line[22] == "1" for line in lines[1:-1])
    assert sum(line[2:22].count("1") for line in lines[2:-2]) > 20


def test_two_missing_characters_do_not_look_alike(glyphs: Glyphs) -> None:
    assert glyphs.bitmap("𠮷") != glyphs.bitmap("𠮶")
    boxes = {glyphs.bitmap(chr(0xE000 + digit)) for digit in range(16)}
    assert len(boxes) == 16


def test_one_byte_is_one_column_as_in_gb18030() -> None:
    for char in OURS + NAMES + "Az~ é€￥":
        assert columns(char) == min(2, len(char.encode("gb18030")))
        assert is_narrow(char) == (columns(char) == 1)


def test_it_is_found_by_halving_and_not_read_whole() -> None:
    class Counting:
        def __init__(self, blob: bytes) -> None:
            self.blob, self.read = blob, 0

        def __len__(self) -> int:
            return len(self.blob)

        def __getitem__(self, index: slice) -> bytes:
            part = self.blob[index]
            self.read += len(part)
            return part

    counting = Counting(GLYPH_FILE.read_bytes())
    looked = Glyphs(counting)
    looked.bitmap("中")
    assert counting.read < 200


def test_the_licence_stands_beside_the_file_and_the_size_is_the_stated_one() -> None:
    text = (GLYPH_FILE.parent / "OFL-1.1.txt").read_text(encoding="utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in text
    assert "Adobe" in text
    page = Path(__file__).parent.parent.parent / "docs" / "printing.md"
    assert f"{GLYPH_FILE.stat().st_size:,} bytes" in page.read_text(encoding="utf-8")
