from __future__ import annotations

from pathlib import Path

import pytest

from posfw.app.supply import LOW_PERCENT, Supply, troubles
from posfw.ports import Charge
from posfw.values.events import Topic
from tests.app.fakes import SetClock, opened
from tests.board.fakes import FakeBattery


@pytest.mark.parametrize(
    ("charge", "under", "codes"),
    [
        (None, [], set()),
        (Charge(10, 3600, charging=True), [], set()),
        (Charge(LOW_PERCENT + 1, None, charging=False), [], set()),
        (Charge(LOW_PERCENT, None, charging=False), [], {"battery"}),
        (None, ["rpi_volt in0"], {"undervoltage rpi_volt in0"}),
    ],
)
def test_what_is_wrong_with_a_supply(
    charge: Charge | None, under: list[str], codes: set[str]
) -> None:
    assert set(troubles(charge, under)) == codes


@pytest.mark.may_block
async def test_each_brown_out_is_noted_when_it_begins_and_again_after_it_ended(
    tmp_path: Path,
) -> None:
    low: list[str] = []
    battery = FakeBattery()
    async with opened(tmp_path, SetClock()) as journal:
        supply = Supply(battery, lambda: low, lambda: ["undervoltage"], journal, SetClock())

        async def noted() -> list[tuple[str, object]]:
            return [(each.name, each.body["code"]) for each in await journal.read(Topic.FAULT)]

        await supply.started()
        reset: list[tuple[str, object]] = [("device", "reset undervoltage")]
        await supply.look()
        assert await noted() == reset
        low.append("rpi_volt in0")
        await supply.look()
        await supply.look()
        once = [*reset, ("device", "undervoltage rpi_volt in0")]
        assert await noted() == once
        low.clear()
        await supply.look()
        low.append("rpi_volt in0")
        await supply.look()
        assert await noted() == [*once, once[-1]]
