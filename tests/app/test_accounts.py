from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from posfw.app.accounts import Accounts
from posfw.journal.store import Journal
from posfw.settle.fees import Bin, Rate, Schedule
from posfw.settle.totals import totals
from posfw.values.errors import CodecError, InputError
from posfw.values.events import Record, Topic
from posfw.values.transaction import Kind
from tests.app.fakes import NOW, SetClock, do, opened, sold

SCHEDULE = Schedule((Rate(date(2016, 9, 6), "debit", 5000),), (Bin("62", "debit"),))


@asynccontextmanager
async def accounts(folder: Path) -> AsyncIterator[tuple[Accounts, Journal]]:
    clock = SetClock()
    async with opened(folder, clock) as journal:
        yield Accounts(journal, clock, SCHEDULE, "898440350110001"), journal


async def test_fees_of_a_batch_are_compared_with_the_banks_figure(tmp_path: Path) -> None:
    async with accounts(tmp_path) as (desk, journal):
        sale = await sold(journal, 10_000)
        await sold(journal, 2_000, Kind.REFUND, original=sale)
        found = await do(desk, "fees")
        assert (found["gross_minor"], found["fee_minor"], found["net_minor"]) == (8000, 50, 7950)
        assert found["ok"]
        await do(desk, "fee_entry", what="bank_fee", minor=60, batch=1)
        found = await do(desk, "fees", batch=1)
        assert (found["ok"], found["difference_minor"]) == (False, 10)
        await do(desk, "fee_entry", what="bank_fee", minor=50, batch=1)
        await do(desk, "fee_entry", what="deposit", minor=20_000, note="2026")
        found = await do(desk, "fees", batch=1)
        assert (found["ok"], [each["what"] for each in found["entries"]]) == (True, ["deposit"])


async def test_entries_of_other_forms_are_refused(tmp_path: Path) -> None:
    async with accounts(tmp_path) as (desk, _):
        for body, error in (
            ({"what": "gift", "minor": 1}, InputError),
            ({"what": "deposit", "minor": "1"}, CodecError),
            ({"what": "deposit", "minor": -1}, InputError),
            ({"what": "bank_fee", "minor": 1}, InputError),
        ):
            with pytest.raises(error):
                await do(desk, "fee_entry", **body)


async def test_exports_cover_closed_and_open_batches_and_overwrite_nothing(tmp_path: Path) -> None:
    async with accounts(tmp_path) as (desk, journal):
        await sold(journal, 10_000)
        await journal.close(await journal.freeze(NOW), {"balanced": True}, NOW)
        await sold(journal, 500)
        path = anyio.Path(tmp_path / "all.jsonl")
        told = await do(desk, "export", path=str(path), format="jsonl")
        assert told["rows"] == 2
        rows = [json.loads(line) for line in (await path.read_text()).splitlines()]
        assert [row["amount_minor"] for row in rows] == [10_000, 500]
        with pytest.raises(InputError, match="exists"):
            await do(desk, "export", path=str(path), format="jsonl")
        for form in ("csv", "xlsx"):
            target = str(tmp_path / f"one.{form}")
            assert (await do(desk, "export", path=target, format=form, batch=1))["rows"] == 1
        with pytest.raises(InputError, match="csv"):
            await do(desk, "export", path=str(tmp_path / "x"), format="pdf")
        with pytest.raises(InputError, match="2026-03-02"):
            await do(desk, "export", path=str(tmp_path / "x"), format="csv", **{"from": "today"})


async def test_the_picture_of_today_is_written(tmp_path: Path) -> None:
    async with accounts(tmp_path) as (desk, journal):
        await sold(journal, 10_000)
        path = anyio.Path(tmp_path / "day.png")
        assert (await do(desk, "day_picture", path=str(path)))["rows"] == 1
        assert (await path.read_bytes()).startswith(b"\x89PNG")


async def test_turnover_counts_live_batches_alone_and_tells_when_a_prepayment_comes_back(
    tmp_path: Path,
) -> None:
    async def close(journal: Journal, at: datetime) -> None:
        batch = await journal.freeze(at)
        sums = asdict(totals(await journal.transactions(batch)))
        await journal.close(batch, {"balanced": True, "differences": [], **sums}, at)

    hour = timedelta(hours=1)
    async with accounts(tmp_path) as (plain, journal):
        desk = replace(plain, prepaid_minor=9_900, prepaid_turnover_minor=10_000)
        await journal.append(Record(Topic.ACTIVATION, "provisioned", NOW))
        await sold(journal, 77_700)
        await close(journal, NOW + hour)  # the settlement of acceptance
        assert (await do(desk, "turnover"))["turnover_minor"] == 0
        await journal.append(Record(Topic.ACTIVATION, "activated", NOW + 2 * hour))
        sale = await sold(journal, 9_000)
        await sold(journal, 500, Kind.REFUND, original=sale)
        await close(journal, NOW + 3 * hour)
        await do(desk, "fee_entry", what="prepaid", minor=9_900)
        found = await do(desk, "turnover")
        assert (found["turnover_minor"], found["left_minor"]) == (8_500, 1_500)
        assert (found["prepaid_minor"], found["due_back_minor"]) == (9_900, 0)
        await sold(journal, 1_500)  # the open batch counts
        found = await do(desk, "turnover")
        assert (found["left_minor"], found["due_back_minor"]) == (0, 9_900)
        await do(desk, "fee_entry", what="prepaid_back", minor=9_900)
        assert (await do(desk, "turnover"))["due_back_minor"] == 0
        assert (await do(plain, "turnover"))["due_back_minor"] == 0  # nothing was agreed
