"""日报: a day's sales by hour and its figures as one PNG. Pure: rows in, bytes out."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime

from PIL import Image, ImageDraw, ImageFont

from posfw.settle.statement import Row

__all__ = ["SIZE", "by_hour", "day_report"]

SIZE = (800, 480)
LEFT, BOTTOM, TOP = 70, 420, 150
_INK, _GRID, _BAR, _BAD = (20, 20, 20), (215, 215, 215), (31, 119, 180), (200, 70, 60)


def by_hour(rows: Sequence[Row]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return net amounts in minor units by hour, and counts of what failed by hour."""
    amounts, failed = [0] * 24, [0] * 24
    for row in rows:
        hour = datetime.fromisoformat(row.time).hour
        amounts[hour] += row.amount_minor
        failed[hour] += row.state in ("declined", "cancelled", "reversed")
    return tuple(amounts), tuple(failed)


def day_report(rows: Sequence[Row], title: str) -> bytes:
    """Return the PNG: figures above, a bar for each hour below, failures as red squares.

    Latin letters only: the picture carries figures, the words stand on the slips.
    """
    image = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(image)
    small, large = ImageFont.load_default(14), ImageFont.load_default(26)
    amounts, failed = by_hour(rows)
    gross, fees = sum(row.amount_minor for row in rows), sum(row.fee_minor for row in rows)
    draw.text((20, 16), title.encode("ascii", "replace").decode(), _INK, large)
    figures = (
        f"transactions {len(rows)}   net sales {gross / 100:,.2f}"
        f"   fees {fees / 100:,.2f}   to merchant {(gross - fees) / 100:,.2f}"
    )
    draw.text((20, 62), figures, _INK, small)
    top = max(1, *amounts)
    for step in range(5):
        y = BOTTOM - (BOTTOM - TOP) * step // 4
        draw.line((LEFT, y, SIZE[0] - 20, y), _GRID)
        draw.text((8, y - 8), f"{top * step // 400:,}", _INK, small)
    width = (SIZE[0] - 20 - LEFT) // 24
    for hour in range(24):
        x = LEFT + hour * width
        height = (BOTTOM - TOP) * max(0, amounts[hour]) // top
        if height:
            draw.rectangle((x + 3, BOTTOM - height, x + width - 3, BOTTOM), _BAR)
        for number in range(min(failed[hour], 8)):
            draw.rectangle((x + 8, 140 - number * 6, x + width - 8, 143 - number * 6), _BAD)
        if hour % 3 == 0:
            draw.text((x + 4, BOTTOM + 8), f"{hour:02d}", _INK, small)
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()
