"""A journal rolled back to an old copy sells nothing until the acquirer has told the numbers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from posfw.sim.play import opened

pytestmark = [pytest.mark.system, pytest.mark.may_block]

SALE = {"do": "sale", "amount": "12.00", "keyed": {"pan": "6212345678901232", "expiry": "3012"}}
FILES = ("journal.db", "journal.db-wal")
ALL = (*FILES, "journal.db.anchor")


async def test_an_old_copy_is_noticed_and_never_reuses_a_number(tmp_path: Path) -> None:
    async with opened(tmp_path, 1) as day:
        await day.start()
        await day.result({"do": "sign_on"})
        await day.result(SALE)
        await day.cut()
        copies = {
            name: (tmp_path / name).read_bytes() for name in FILES if (tmp_path / name).exists()
        }
        await day.start()
        last = await day.result(SALE)
        await day.result(SALE)
        await day.cut()
        for name in FILES:
            (tmp_path / name).unlink(missing_ok=True)
        for name, data in copies.items():
            (tmp_path / name).write_bytes(data)
        await day.start()
        status = await day.result({"do": "status"})
        assert "old copy" in status["journal_behind"]
        refused = await day.ask(SALE)
        assert refused["error"]["code"] == "JRN-008"
        await day.result({"do": "sign_on"})
        again = await day.result(SALE)
        assert again["ending"] == "success"
        assert int(again["key"].rpartition("-")[2]) > int(last["key"].rpartition("-")[2]) + 1
        assert day.rig.acquirer.bank.counts.get("key_reused", 0) == 0
    shutil.rmtree(tmp_path / "rig", ignore_errors=True)


async def test_a_folder_that_went_back_as_a_whole_is_told_by_the_acquirer(tmp_path: Path) -> None:
    async with opened(tmp_path, 1) as day:
        await day.start()
        await day.result({"do": "sign_on"})
        await day.result(SALE)
        await day.cut()
        copies = {
            name: (tmp_path / name).read_bytes() for name in ALL if (tmp_path / name).exists()
        }
        await day.start()
        last = await day.result(SALE)
        await day.result(SALE)
        await day.cut()
        for name in ALL:
            (tmp_path / name).unlink(missing_ok=True)
        for name, data in copies.items():
            (tmp_path / name).write_bytes(data)
        await day.start()
        status = await day.result({"do": "status"})
        assert "the acquirer was told of entry" in status["journal_behind"]
        refused = await day.ask(SALE)
        assert refused["error"]["code"] == "JRN-008"
        await day.result({"do": "sign_on"})
        again = await day.result(SALE)
        assert again["ending"] == "success"
        assert int(again["key"].rpartition("-")[2]) > int(last["key"].rpartition("-")[2]) + 1
        assert day.rig.acquirer.bank.counts.get("key_reused", 0) == 0
    shutil.rmtree(tmp_path / "rig", ignore_errors=True)
