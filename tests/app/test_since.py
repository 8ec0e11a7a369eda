from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from posfw.app.since import since
from posfw.values.transaction import Kind
from tests.app.fakes import NOW, SetClock, opened, sold

HOUR = timedelta(hours=1)
CLOSED: dict[str, object] = {"balanced": True, "differences": []}


async def test_what_follows_in_later_batches_is_found_and_earlier_ones_are_not_read(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, SetClock()) as journal:
        await sold(journal, 500)
        await journal.close(await journal.freeze(NOW), CLOSED, NOW - HOUR)
        hold = await sold(journal, 1000, Kind.PREAUTH)
        await journal.close(await journal.freeze(NOW), CLOSED, NOW + HOUR)
        taken = await sold(journal, 900, Kind.COMPLETION, original=hold)
        original = await journal.transaction(hold)
        assert original is not None
        assert {each.key for each in await since(journal, original)} == {hold, taken}
