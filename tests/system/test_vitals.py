"""After a sign-on the acquirer knows how the terminal is: printer, upkeep, what is unsent."""

from __future__ import annotations

from pathlib import Path

import pytest

from posfw.sim.play import opened
from posfw.sim.rig import TERMINAL

pytestmark = [pytest.mark.system, pytest.mark.may_block]


async def test_vitals_follow_the_sign_on_and_can_be_asked_for(tmp_path: Path) -> None:
    async with opened(tmp_path, 1) as day:
        await day.start()
        await day.result({"do": "sign_on"})
        first = day.rig.acquirer.vitals[TERMINAL]
        assert first["unknown_prints"] == 0
        assert isinstance(first["upkeep_due"], list)
        day.rig.printer.end_paper()
        keyed = {"pan": "6212345678901232", "expiry": "3012"}
        await day.result({"do": "sale", "amount": "12.00", "keyed": keyed})
        await day.until("printer_reason", value="PRN-202")
        assert (await day.result({"do": "vitals"}))["ok"] is True
        told = day.rig.acquirer.vitals[TERMINAL]
        assert (told["printer_reason"], told["waiting_prints"]) == ("PRN-202", 2)
        assert "6212345678901232" not in str(told)
