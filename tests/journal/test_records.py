from __future__ import annotations

from pathlib import Path

from posfw.values.events import Record, Topic
from tests.journal.fakes import NOW, opened


async def test_records_are_read_by_topic_and_in_order(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        for name in ("signed_on", "signed_off"):
            await journal.append(Record(Topic.SESSION, name, NOW, body={"batch": 1}))
            assert (await journal.standing()).signed_on is (name == "signed_on")
        await journal.append(Record(Topic.UPKEEP, "cleaned", NOW, "01"))
        assert [r.name for r in await journal.read(Topic.SESSION)] == ["signed_on", "signed_off"]
