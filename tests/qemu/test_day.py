"""The image of a board in QEMU: a short business day against the host's simulators."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from emulated.day import opened, play, short_script

from posfw.sim.script import Step
from posfw.sim.steps import STEPS

pytestmark = [pytest.mark.slow, pytest.mark.may_block, pytest.mark.timeout(600)]

MOUNTED = "/var/lib/posfw ext4 rw,nosuid,nodev,noexec,noatime"


async def test_a_short_day_balances_in_three_books(board: str, tmp_path: Path) -> None:
    told: list[str] = []
    async with opened(board, tmp_path / "state") as day:
        await day.start()
        report = await play(day, short_script(), told.append)
        sys.stdout.write("\n".join([f"power-on to ready: {day.laps[0]} s", *told, ""]))
    assert report.problems == []
    assert report.balanced
    assert report.settlement["ours"] == report.bank == report.paper.totals()
    assert report.bank["debit_minor"] == 1200 + 4500 + 9900 + 7700


async def test_the_image_is_read_only_and_a_sale_survives_the_plug(
    board: str, tmp_path: Path
) -> None:
    """SIGKILL of the machine right after an approval; the next start knows it and settles it."""
    sale = {
        "do": "sale",
        "amount": "12.00",
        "keyed": {"pan": "4111111111111111", "expiry": "3012"},
    }
    async with opened(board, tmp_path / "state") as day:
        await day.start()
        with pytest.raises(RuntimeError, match="Read-only"):
            await day.run("touch /usr/x")
        assert await day.run("find / -xdev -path '*posfw/sim*' | wc -l") == "0"
        mounts = await day.run("cat /proc/mounts")
        assert "/ squashfs ro" in mounts
        assert MOUNTED in mounts
        owner = "ls -ld /var/lib/posfw/journal.db | awk '{print $1, $3}'"
        assert await day.run(owner) == "-rw------- posfw"

        await day.result({"do": "sign_on"})
        assert (await day.result(sale))["ending"] == "success"
        await day.cut()
        await day.start()
        assert not (await day.result({"do": "status"}))["in_doubt"]
        if unknown := (await day.result({"do": "status"}))["unknown_prints"]:
            assert unknown <= 2
            await day.result({"do": "unknown_prints", "decision": "reprint"})
        await STEPS["settle"](day, Step("settle"))
        assert day.report.settlement["ours"]["debit_minor"] == 1200
        assert day.report.problems == []
