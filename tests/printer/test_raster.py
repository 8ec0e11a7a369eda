from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.printer.escpos import BAND_ROWS
from posfw.printer.glyphs import HEIGHT, Glyphs
from posfw.printer.layout import Blank, Line, Picture, Span, Tear, lay_out
from posfw.printer.raster import Page, Raster
from posfw.values.document import Document, Logo

Canvas = Callable[[int], Raster]


def dots_of(page: Page) -> list[str]:
    """Rows as text, # for black: independent of how they were made."""
    rows = page.rows()
    width = page.width_bytes
    lines = [rows[at : at + width] for at in range(0, len(rows), width)]
    return [
        f"{int.from_bytes(line, 'big'):0{8 * width}b}".replace("0", ".").replace("1", "#")
        for line in lines
    ]


def drawn_slowly(glyphs: Glyphs, line: Line, dots: int) -> list[str]:
    """Draw a line dot by dot, the way the renderer must not: its judge."""
    height = HEIGHT * line.size
    paper = [[False] * dots for _ in range(height)]
    for span in line.spans:
        x = span.column * 12
        for char in span.text:
            width = 12 if " " <= char <= "~" else 24
            bits = f"{glyphs.bitmap(char):0{width * HEIGHT}b}"
            black = {(i % width, i // width) for i, bit in enumerate(bits) if bit == "1"}
            if line.bold:
                black |= {(a + 1, b) for a, b in black if a + 1 < width}
            for a, b in black:
                for i in range(span.size):
                    for j in range(span.size):
                        top = height - HEIGHT * span.size
                        paper[top + b * span.size + j][x + a * span.size + i] = True
            x += width * span.size
    return ["".join(".#"[dot] for dot in row) for row in paper]


@given(
    st.lists(
        st.tuples(
            st.text(st.sampled_from("A中7.户é𠮷 "), min_size=1, max_size=4),
            st.sampled_from([1, 2]),
        ),
        min_size=1,
        max_size=2,
    ),
    st.booleans(),
)
def test_lines_are_what_drawing_dot_by_dot_gives(
    glyphs: Glyphs, canvas: Canvas, texts: list[tuple[str, int]], bold: bool
) -> None:
    spans, column = [], 0
    for text, size in texts:
        spans.append(Span(column, text, size))
        column = spans[-1].end + 1
    if spans[-1].end > 32:
        spans = spans[:1]
    line = Line(tuple(spans), bold=bold)
    page = canvas(384).page((line,))
    expected = drawn_slowly(glyphs, line, 384)
    seen = dots_of(page)[: len(expected)]
    differing = sum(
        a != b for x, y in zip(expected, seen, strict=True) for a, b in zip(x, y, strict=True)
    )
    ink = sum(row.count("#") for row in seen)
    # A real-time command taken out of the picture costs one dot; nothing else may differ.
    assert differing == ink - sum(row.count("#") for row in expected)
    assert differing <= 3
    assert ink == sum(band.dots for band in page.bands)


def test_bands_are_at_most_24_rows_and_count_their_dots(canvas: Canvas, sample: Document) -> None:
    for dots in (384, 576):
        page = canvas(dots).page(lay_out(sample.blocks, dots))
        for band in page.bands:
            assert 0 < band.height <= BAND_ROWS
            assert len(band.data) in (0, band.width_bytes * band.height)
            assert band.width_bytes <= page.width_bytes
            assert band.dots == int.from_bytes(band.data, "big").bit_count()
        assert sum("".join(dots_of(page)).count("#") for _ in "1") == sum(
            b.dots for b in page.bands
        )
        assert len(dots_of(page)) == page.height


def test_a_logo_is_printed_dot_for_dot_in_the_middle(canvas: Canvas) -> None:
    logo = Logo(16, (b"\xf0\x0f", b"\xaa\x55"))
    rows = dots_of(canvas(384).page(lay_out((logo,), 384)))
    left = (48 - 2) // 2 * 8
    assert rows[0] == "." * left + "####........####" + "." * (384 - left - 16)
    assert rows[1] == "." * left + "#.#.#.#..#.#.#.#" + "." * (384 - left - 16)


def test_white_lines_and_cuts(canvas: Canvas) -> None:
    page = canvas(384).page((Line((Span(0, "  "),)), Blank(50), Tear()))
    assert sum(band.dots for band in page.bands) == 0
    assert page.height == 24 + 6 + 50 + 96
    assert [band.cut for band in page.bands].count(True) == 1
    assert page.bands[-1].cut


def test_an_empty_slip_has_no_rows(canvas: Canvas) -> None:
    assert canvas(384).page(()).height == 0
    assert canvas(384).page((Picture(0, 1, (), Logo(8, ())),)).bands == ()


@pytest.mark.slow
@pytest.mark.parametrize(("size", "most"), [(1, 1_500_000), (2, 1_000_000)])
def test_the_glyph_cache_is_bounded(glyphs: Glyphs, size: int, most: int) -> None:
    raster = Raster(glyphs, 576)
    tracemalloc.start()
    for start in range(0x4E00, 0x4E00 + 1_600, 20):
        text = "".join(chr(code) for code in range(start, start + 20))
        raster.page((Line((Span(0, text[: 20 // size], size),)),))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < most
