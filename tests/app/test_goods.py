from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from posfw.app.goods import Goods
from posfw.values.errors import CodecError, InputError, RefusedError
from posfw.values.transaction import Kind
from tests.app.fakes import SetClock, do, opened, sold

HEADER = "gtin,name,price,description,quantity\n"
TEA, SUGAR = "4006381333931", "96385074"
FILE = HEADER + f"{TEA},茶,12.50,明前,10\n{SUGAR},糖,3,,5\n"


def write(folder: Path, text: str, name: str = "c.csv") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


async def test_a_file_is_imported_found_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path, FILE)
    async with opened(tmp_path, SetClock()) as journal:
        goods = Goods(journal, SetClock())
        assert (await do(goods, "goods_import", path=path, dry_run=True))["checked"] == 2
        assert (await do(goods, "goods_list"))["goods"] == []
        await do(goods, "goods_import", path=path)
        found = await do(goods, "goods_find", code=TEA)
        assert (found["name"], found["price"], found["stock"]) == ("茶", "12.50", 10)
        assert (await do(goods, "goods_count", code=SUGAR, quantity=3))["difference"] == -2
        for code in ("4006381333932", "6901234567892"):
            with pytest.raises(InputError):
                await do(goods, "goods_find", code=code)


async def test_nothing_of_a_broken_file_is_imported(tmp_path: Path) -> None:
    path = write(tmp_path, FILE + "4006381333932,bad,1,,\n")
    async with opened(tmp_path, SetClock()) as journal:
        goods = Goods(journal, SetClock())
        with pytest.raises(InputError, match=r"c\.csv:4"):
            await do(goods, "goods_import", path=path)
        assert (await do(goods, "goods_list"))["goods"] == []
        with pytest.raises(InputError):
            await do(goods, "goods_import", path=str(tmp_path / "none.csv"))


@pytest.mark.slow
async def test_ten_thousand_articles_are_imported_at_once(tmp_path: Path) -> None:
    def row(number: int) -> str:
        body = f"690{number:09d}"
        digits = [int(d) for d in reversed(body)]
        check = -sum(3 * d if at % 2 == 0 else d for at, d in enumerate(digits)) % 10
        return f"{body}{check},Article {number},{number}.00,,{number}\n"

    path = write(tmp_path, HEADER + "".join(row(number) for number in range(10_000)))
    async with opened(tmp_path, SetClock()) as journal:
        goods = Goods(journal, SetClock())
        assert (await do(goods, "goods_import", path=path))["imported"] == 10_000
        assert len((await goods.catalogue()).items) == 10_000
        assert await journal.verify() is None


async def test_a_basket_is_booked_once_for_the_sale_of_its_amount(tmp_path: Path) -> None:
    path = write(tmp_path, FILE)
    async with opened(tmp_path, SetClock()) as journal:
        goods = Goods(journal, SetClock())
        await do(goods, "goods_import", path=path)
        lines = [[TEA, 1], [SUGAR, 2]]
        basket = await do(goods, "goods_basket", lines=lines)
        assert basket["amount"] == "18.50"
        key = str(await sold(journal, 1850))
        with pytest.raises(RefusedError, match=r"3\.00"):
            await do(goods, "goods_sold", key=key, lines=[[SUGAR, 1]])
        await do(goods, "goods_sold", key=key, lines=lines)
        with pytest.raises(RefusedError, match="already"):
            await do(goods, "goods_sold", key=key, lines=lines)
        assert (await do(goods, "goods_find", code=SUGAR))["stock"] == 3
        await do(goods, "goods_sold", key=key, lines=[[SUGAR, 2]], returned=True)
        with pytest.raises(RefusedError, match="come back"):
            await do(goods, "goods_sold", key=key, lines=[[SUGAR, 1]], returned=True)
        assert (await do(goods, "goods_find", code=SUGAR))["stock"] == 5
        for wrong in (None, [["x"]], "xy", [[1, 2]]):
            with pytest.raises(CodecError):
                await do(goods, "goods_basket", lines=wrong)


async def test_a_delivery_is_made_noticed_moved_and_compared(tmp_path: Path) -> None:
    clock = SetClock()
    async with opened(tmp_path, clock) as journal:
        goods = Goods(journal, clock)
        sale = await sold(journal, 1000, note="DLV-1")
        assert [p["problem"] for p in (await do(goods, "delivery_check"))["problems"]] == [
            "no_delivery"
        ]
        new = {"delivery": "DLV-1", "key": str(sale), "region": "广东深圳", "urgent": True}
        with pytest.raises(InputError):
            await do(goods, "delivery_new", **new, due="tomorrow")
        await do(goods, "delivery_new", **new, due="2026-03-02T08:00")
        with pytest.raises(RefusedError):
            await do(goods, "delivery_new", **new, due="2026-03-02T18:00")
        notice = await do(goods, "delivery_notice", delivery="DLV-1")
        assert "加急/URGENT" in notice["lines"]
        await do(goods, "delivery_notice", delivery="DLV-1", acknowledged=True)
        listed = await do(goods, "delivery_list", late=True)
        assert [(d["delivery"], d["acknowledged"]) for d in listed["deliveries"]] == [
            ("DLV-1", True)
        ]
        for status in ("prepared", "sent", "delivered"):
            await do(goods, "delivery_move", delivery="DLV-1", status=status)
        with pytest.raises(RefusedError):
            await do(goods, "delivery_move", delivery="DLV-1", status="sent")
        with pytest.raises(InputError):
            await do(goods, "delivery_move", delivery="DLV-1", status="lost")
        assert (await do(goods, "delivery_check"))["ok"]
        await sold(journal, 1000, Kind.REFUND, original=sale)
        checked = await do(goods, "delivery_check")
        assert [p["problem"] for p in checked["problems"]] == ["refund_without_return"]
        await do(goods, "delivery_move", delivery="DLV-1", status="returned")
        assert (await do(goods, "delivery_check"))["ok"]


async def test_what_is_reserved_is_sold_to_nobody_else_and_ends_with_its_sale(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, FILE)
    async with opened(tmp_path, SetClock()) as journal:
        goods = Goods(journal, SetClock())
        await do(goods, "goods_import", path=path)
        await do(goods, "goods_reserve", name="DLV-1", lines=[[SUGAR, 4]])
        found = await do(goods, "goods_find", code=SUGAR)
        assert (found["stock"], found["reserved"]) == (5, 4)
        assert (await do(goods, "goods_basket", lines=[[SUGAR, 2]]))["short"] == [SUGAR]
        with pytest.raises(RefusedError, match=SUGAR):
            await do(goods, "goods_reserve", name="counter", lines=[[SUGAR, 2]])
        with pytest.raises(RefusedError, match="already"):
            await do(goods, "goods_reserve", name="DLV-1", lines=[[TEA, 1]])
        key = str(await sold(journal, 1200))
        lines = [[SUGAR, 4]]
        with pytest.raises(InputError, match="DLV-9"):
            await do(goods, "goods_sold", key=key, lines=lines, reserved="DLV-9")
        await do(goods, "goods_sold", key=key, lines=lines, reserved="DLV-1")
        found = await do(goods, "goods_find", code=SUGAR)
        assert (found["stock"], found["reserved"]) == (1, 0)
        await do(goods, "goods_reserve", name="counter", lines=[[SUGAR, 1]])
        await do(goods, "goods_release", name="counter")
        with pytest.raises(InputError):
            await do(goods, "goods_release", name="counter")
        with pytest.raises(InputError):
            await do(goods, "goods_reserve", name=" ", lines=[[SUGAR, 1]])


async def test_a_cancelled_delivery_gives_its_goods_back_and_pressing_ones_are_shown(
    tmp_path: Path,
) -> None:
    clock = SetClock()
    path = write(tmp_path, FILE)
    async with opened(tmp_path, clock) as journal:
        goods = Goods(journal, clock)
        await do(goods, "goods_import", path=path)
        sale = await sold(journal, 1250, note="DLV-1")
        new = {"delivery": "DLV-1", "key": str(sale), "region": "广东深圳"}
        await do(goods, "delivery_new", **new, due="2026-03-02T12:00")
        await do(goods, "goods_reserve", name="DLV-1", lines=[[TEA, 1]])
        assert await goods.pressing() == []
        clock.at += timedelta(hours=1)  # half past ten, to be packed and handed over by noon
        assert await goods.pressing() == ["DLV-1"]
        await do(goods, "delivery_move", delivery="DLV-1", status="cancelled")
        assert await goods.pressing() == []
        assert (await do(goods, "goods_find", code=TEA))["reserved"] == 0
