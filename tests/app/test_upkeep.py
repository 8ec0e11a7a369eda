from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from posfw.app.upkeep import Maintenance
from posfw.values.errors import CodecError, InputError
from posfw.values.events import Topic
from tests.app.fakes import SetClock, do, opened


async def test_work_becomes_due_is_done_and_is_in_the_log(tmp_path: Path) -> None:
    clock = SetClock()
    async with opened(tmp_path, clock) as journal:
        desk = Maintenance(journal, clock)
        await desk.count_mm(1_000)
        assert (await do(desk, "upkeep_due"))["ok"]
        clock.at += timedelta(days=15)
        due = await do(desk, "upkeep_due")
        assert [task["task"] for task in due["tasks"]] == ["clean_rollers"]
        await do(desk, "upkeep_done", task="clean_rollers", parts=["roller"], note="worn")
        assert (await do(desk, "upkeep_due"))["ok"]
        await desk.count_mm(600_000)
        assert (await do(desk, "upkeep_due"))["tasks"][0]["why"] == "metres"
        log = await do(desk, "upkeep_log")
        assert [(d["task"], d["operator"]) for d in log["done"]] == [("clean_rollers", "01")]


async def test_faults_lower_the_score(tmp_path: Path) -> None:
    clock = SetClock()
    async with opened(tmp_path, clock) as journal:
        desk = Maintenance(journal, clock)
        assert (await do(desk, "upkeep_score"))["points"] == 100
        for _ in range(40):
            await do(desk, "upkeep_fault", part="printer", text="no paper feed")
        found = await do(desk, "upkeep_score")
        assert (found["ok"], found["by_part"]) == (False, {"printer": 40})
        assert len((await do(desk, "upkeep_log"))["faults"]) == 40


async def test_other_forms_are_refused(tmp_path: Path) -> None:
    clock = SetClock()
    async with opened(tmp_path, clock) as journal:
        desk = Maintenance(journal, clock)
        with pytest.raises(InputError, match="lubricate"):
            await do(desk, "upkeep_done", task="polish")
        with pytest.raises(CodecError):
            await do(desk, "upkeep_done", task="reader", parts="x")
        with pytest.raises(CodecError):
            await do(desk, "upkeep_score", days=0)


async def test_a_part_that_is_not_supported_is_noted_and_warned_of(tmp_path: Path) -> None:
    clock = SetClock()
    async with opened(tmp_path, clock) as journal:
        desk = Maintenance(journal, clock, {"printer": ["LTP02-245"]})
        good = await do(desk, "upkeep_done", task="reader", parts=["printer:LTP02-245", "cable:X"])
        assert "unsupported" not in good
        told = await do(desk, "upkeep_done", task="reader", parts=["printer:NONAME", "roller"])
        assert (told["ok"], told["unsupported"]) == (True, ["printer:NONAME"])
        assert "printer:NONAME" in told["lines"][-1]
        *_, last = await journal.read(Topic.UPKEEP)
        assert last.body["unsupported"] == ["printer:NONAME"]
