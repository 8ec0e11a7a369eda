"""Each storage call of a move failed once and for ever: the past stays whole."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from posfw.values.errors import JournalError
from tests.journal.fakes import NOW, SALE, approved, opened
from tests.journal.storage import Storage, stored, why_not
from tests.journal.test_archive import everything, trade

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "the storage can be failed")


async def calls_of(folder: Path, name: str) -> int:
    """Return how many calls of a kind a move without faults makes: the sweep's end."""
    await anyio.Path(folder).mkdir()
    with stored(Storage()) as storage:
        async with opened(folder) as journal:
            await trade(journal, 2)
            storage.calls.clear()
            await journal.archive(NOW, 0)
            return storage.calls[name]


@pytest.mark.slow
@pytest.mark.parametrize("forever", [False, True], ids=["once", "for ever"])
@pytest.mark.parametrize("name", ["xWrite", "full", "xSync", "xTruncate"])
async def test_whatever_call_fails_the_past_stays(
    tmp_path: Path, name: str, *, forever: bool
) -> None:
    call = "xWrite" if name == "full" else name
    last = await calls_of(tmp_path / "count", call)
    assert last >= 1
    faults = refused = 0
    for at in range(1, last + 1, max(1, last // 16)):
        folder = tmp_path / f"{at}"
        await anyio.Path(folder).mkdir()
        storage = Storage(fails=(call,), forever=forever, full=name == "full")
        with stored(storage):
            async with opened(folder) as journal:
                await trade(journal, 2)
                past = await everything(journal)
                storage.fail_at, storage._seen = at, 0
                with pytest.raises(JournalError):
                    await journal.archive(NOW, 0)
                storage.heal()
                # What failed fails again until the files were read anew: no commit is retried.
                # Only an archive that was still being made is made anew, from nothing.
                try:
                    await journal.archive(NOW, 0)
                except JournalError:
                    refused += 1
                await journal.reopen(NOW)
                assert await everything(journal) == past
                await journal.archive(NOW, 0)
                assert await everything(journal) == past
                assert await journal.verify(whole=True) is None
                await journal.conclude(approved(await journal.begin(SALE)))
        faults += storage.failed
    assert faults >= min(last, 8)
    assert refused >= 4 or name == "xTruncate"  # the log is truncated while it is made, only
