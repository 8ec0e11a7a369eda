from __future__ import annotations

import json
from pathlib import Path

import pytest

from posfw.values.errors import RefusedError
from posfw.values.events import Plain, Record, Topic
from posfw.values.identity import Key
from posfw.values.printjob import JobState
from tests.journal.fakes import NOW, SALE, approved, opened, unknown


async def test_a_life_tells_every_step_with_its_time(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        begun = await journal.begin(SALE)
        await journal.conclude(unknown(begun))
        life = await journal.life(begun.key)
        assert life["owed"] == ["reversal"]
        (owed,) = await journal.owed(1)
        await journal.acknowledge(owed, "00", NOW)
        life = await journal.life(begun.key)
    assert [entry["name"] for entry in life["life"]] == ["begun", "concluded", "acknowledged"]
    assert {entry["at"] for entry in life["life"]} == {NOW.isoformat()}
    assert (life["state"], life["amount_minor"], life["owed"]) == ("reversed", 1250, [])
    assert life["life"][0]["card"] == SALE.card_masked
    json.dumps(life)


async def test_a_life_shows_its_prints(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        begun = await journal.begin(SALE)
        await journal.conclude(approved(begun))
        job = await journal.next_job()
        assert job is not None
        await journal.mark(job, JobState.DONE, 0, "", NOW)
        life = await journal.life(begun.key)
    assert [(each["copy"], each["state"]) for each in life["prints"]] == [
        ("merchant", "done"),
        ("cardholder", "queued"),
    ]


async def test_an_unknown_key_is_told(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        with pytest.raises(RefusedError, match="000099"):
            await journal.life(Key("12345678", 1, 99))


async def test_the_tail_is_the_newest_oldest_first(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        for n in range(5):
            body: dict[str, Plain] = {"n": n, "raw": b"\x01", "deep": [{"x": b"\x02"}]}
            await journal.append(Record(Topic.SYSTEM, f"event {n}", NOW, "01", body))
        entries = await journal.tail(2)
        assert [entry["name"] for entry in entries] == ["event 3", "event 4"]
        assert entries[0]["body"] == {"n": 3, "raw": "01", "deep": [{"x": "02"}]}
        assert [entry["number"] for entry in await journal.tail(10, after=4)] == [5]
        json.dumps(entries)
