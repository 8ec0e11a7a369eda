from __future__ import annotations

import io
from dataclasses import replace

from PIL import Image

from posfw.settle.chart import _BAD, _BAR, BOTTOM, LEFT, SIZE, by_hour, day_report
from posfw.settle.statement import Row

ROW = Row(
    merchant="M",
    terminal="12345678",
    time="2026-03-02T09:30:00+08:00",
    kind="sale",
    batch=1,
    voucher=1,
    reference="",
    auth_code="",
    card="",
    card_kind="debit",
    operator="01",
    state="approved",
    amount_minor=10_000,
    fee_minor=50,
    net_minor=9_950,
    currency="CNY",
    note="",
)
NOON = replace(ROW, time="2026-03-02T12:00:00+08:00", amount_minor=20_000)
DECLINED = replace(ROW, time="2026-03-02T15:00:00+08:00", state="declined", amount_minor=0)


def test_hours_are_local_and_failures_are_counted() -> None:
    amounts, failed = by_hour([ROW, NOON, DECLINED])
    assert {hour: a for hour, a in enumerate(amounts) if a} == {9: 10_000, 12: 20_000}
    assert {hour: f for hour, f in enumerate(failed) if f} == {15: 1}


def test_the_picture_shows_a_bar_for_each_hour_with_sales_in_proportion() -> None:
    image = Image.open(io.BytesIO(day_report([ROW, NOON, DECLINED], "2026-03-02 小店")))
    assert image.size == SIZE
    width = (SIZE[0] - 20 - LEFT) // 24

    def bar(hour: int) -> int:
        x = LEFT + hour * width + width // 2
        return sum(image.getpixel((x, y)) == _BAR for y in range(BOTTOM + 1))

    assert bar(10) == 0
    assert abs(bar(12) - 2 * bar(9)) <= 2
    assert bar(12) > 200
    colours = {colour for _, colour in image.getcolors(100_000) or []}
    assert _BAD in colours


def test_an_empty_day_and_a_day_of_refunds_are_drawn_too() -> None:
    for rows in ([], [replace(ROW, amount_minor=-500)]):
        image = Image.open(io.BytesIO(day_report(rows, "empty")))
        assert _BAR not in {colour for _, colour in image.getcolors(100_000) or []}
