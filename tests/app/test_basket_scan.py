"""A basket at the scanner: what is goods is counted, everything else is told and not taken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from posfw.app.basket_scan import BasketScan
from posfw.app.goods import Goods
from posfw.app.scans import ScanDesk
from posfw.card.codes import BAD_SCAN, READER_GONE
from posfw.card.scanner import Kind, Scan
from posfw.journal.store import Journal
from posfw.values.errors import CodecError, PosfwError, RefusedError
from posfw.values.texts import ENGLISH
from tests.app.fakes import SetClock, opened
from tests.app.test_scans import Scanner

TEA, SUGAR = Scan(Kind.GTIN, "6901234567892"), Scan(Kind.GTIN, "96385074")
ROWS = "gtin,name,price,description,quantity\n6901234567892,Tea,12.50,,9\n96385074,Sugar,3.00,,1\n"


class Counter:
    """A counter with a scanner; what the screen says is `told`."""

    def __init__(self, journal: Journal) -> None:
        self.desk, self.scanner = ScanDesk(), Scanner()
        self.goods = Goods(journal, SetClock())
        self.basket = BasketScan(self.goods, self.desk, ENGLISH)
        self.told: list[Any] = []

    async def ask(self, verb: str, **body: Any) -> Any:
        return await self.basket.verbs()[verb](body, self.told.append)


@asynccontextmanager
async def counter(folder: Path) -> AsyncIterator[Counter]:
    path = anyio.Path(folder / "goods.csv")
    await path.write_text(ROWS, encoding="utf-8")
    async with opened(folder, SetClock()) as journal, anyio.create_task_group() as group:
        there = Counter(journal)
        await there.goods.verbs()["goods_import"]({"path": str(path)}, lambda _: None)
        group.start_soon(there.desk.run, there.scanner)
        await anyio.wait_all_tasks_blocked()
        yield there
        group.cancel_scope.cancel()


async def filled(there: Counter, *items: Scan | str, done: bool = True, **body: Any) -> Any:
    """Scan these while a basket waits, and return what it came to, or why it did not."""
    found: list[Any] = []

    async def scan() -> None:
        try:
            found.append(await there.ask("goods_scan", **body))
        except PosfwError as error:
            found.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(scan)
        while not there.told:
            await anyio.lowlevel.checkpoint()
        for item in items:
            await there.scanner.send.send(item)
        await anyio.wait_all_tasks_blocked()
        if done:
            assert await there.ask("goods_scan_done") == {"ok": True}
    return found[0]


async def test_each_scan_is_one_more(tmp_path: Path) -> None:
    async with counter(tmp_path) as there:
        found = await filled(there, TEA, SUGAR, TEA)
        assert (found["amount"], found["codes"]) == (
            "28.00",
            [["6901234567892", 2], ["96385074", 1]],
        )
        assert [body["text"] for body in there.told] == [
            "Scan the goods.",
            "Tea  1 x 12.50",
            "Sugar  1 x 3.00",
            "Tea  2 x 12.50",
        ]


async def test_what_is_not_sold_here_is_told_and_not_taken(tmp_path: Path) -> None:
    payment = Scan(Kind.QR, "134612345678901234")
    strange = Scan(Kind.GTIN, "5901234123457")
    async with counter(tmp_path) as there:
        found = await filled(there, TEA, payment, strange, READER_GONE, TEA, done=False, count=2)
        assert found["codes"] == [["6901234567892", 2]]
        assert [body["code"] for body in there.told if "code" in body] == [
            BAD_SCAN,
            "GDS-202",
            READER_GONE,
        ]
        assert "134612345678901234" not in str(there.told)


async def test_more_than_the_stock_is_refused_where_that_binds(tmp_path: Path) -> None:
    async with counter(tmp_path) as there:
        found = await filled(there, SUGAR, SUGAR, done=False, count=2, must_be_in_stock=True)
        assert found.stable_code == "GDS-110"


async def test_silence_ends_it(tmp_path: Path) -> None:
    async with counter(tmp_path) as there:
        found = await filled(there, TEA, done=False, quiet_s=0.05)
        assert found["amount"] == "12.50"
        assert await there.ask("goods_scan_done") == {"ok": False}


@pytest.mark.parametrize("body", [{"count": 0}, {"count": True}, {"quiet_s": 0}, {"quiet_s": "1"}])
async def test_a_wrong_request_is_told(body: dict[str, Any], tmp_path: Path) -> None:
    async with counter(tmp_path) as there:
        with pytest.raises(CodecError):
            await there.ask("goods_scan", **body)


async def test_without_a_scanner_it_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path, SetClock()) as journal:
        basket = BasketScan(Goods(journal, SetClock()), ScanDesk(), ENGLISH)
        with pytest.raises(RefusedError) as refused:
            await basket.verbs()["goods_scan"]({}, lambda _: None)
        assert refused.value.stable_code == "GDS-116"
