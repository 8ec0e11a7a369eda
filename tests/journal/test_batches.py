from __future__ import annotations

from pathlib import Path

import pytest

from posfw.values.errors import MisuseError, RefusedError
from posfw.values.printjob import DocumentKind, DocumentRef
from tests.journal.fakes import NOW, SALE, approved, opened, unknown


async def test_a_frozen_batch_takes_nothing_and_the_next_one_does(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        begun = await journal.begin(SALE)
        await journal.conclude(approved(begun, copies=0))
        batch = await journal.freeze(NOW)
        with pytest.raises(RefusedError):
            await journal.begin(SALE)
        assert await journal.close(batch, {"balanced": True}, NOW) == batch + 1
        assert (await journal.begin(SALE)).key.batch == batch + 1
        (closed,) = await journal.batches(5)
        assert (closed["batch"], closed["balanced"]) == (batch, True)
        job = await journal.next_job()
        assert job is not None
        assert job.ref == DocumentRef(DocumentKind.SETTLEMENT, str(batch))


async def test_a_batch_in_doubt_is_not_closed(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.conclude(unknown(await journal.begin(SALE)))
        batch = await journal.freeze(NOW)
        with pytest.raises(RefusedError):
            await journal.close(batch, {}, NOW)


async def test_an_open_batch_that_was_not_frozen_is_not_closed(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.conclude(approved(await journal.begin(SALE)))
        with pytest.raises(MisuseError, match="not frozen"):
            await journal.close(1, {}, NOW)
        assert (await journal.begin(SALE)).key.batch == 1


async def test_a_batch_that_is_not_open_is_neither_closed_nor_thawed(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.freeze(NOW)
        for ending in (journal.close(7, {}, NOW), journal.thaw(7, "no", NOW)):
            with pytest.raises(RefusedError) as refused:
                await ending
            assert refused.value.stable_code == "SET-110"
        assert (await journal.standing()).settling
