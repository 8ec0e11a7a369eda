"""Each storage call failed once and for ever: never an approval without a durable row."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from posfw.journal.store import Journal
from posfw.values.errors import JournalError, JournalUnsafeError, RefusedError
from posfw.values.identity import Key
from posfw.values.transaction import Begun, State
from tests.journal.fakes import NOW, SALE, approved, opened, unknown
from tests.journal.storage import Storage, stored, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "the storage can be failed")


async def sell(journal: Journal, shown: list[Key], count: int) -> None:
    for _ in range(count):
        begun = await journal.begin(SALE)
        await journal.conclude(approved(begun))
        shown.append(begun.key)


async def test_a_sale_syncs_twice(tmp_path: Path) -> None:
    with stored(Storage()) as storage:
        async with opened(tmp_path) as journal:
            await sell(journal, [], 2)
            storage.calls.clear()
            await sell(journal, [], 5)  # too few for the log to be copied into the file
            assert storage.calls["xSync"] == 10


async def calls_of(folder: Path, name: str) -> int:
    """Return how many calls of a kind a run without faults makes: the sweep's end."""
    await anyio.Path(folder).mkdir()
    with stored(Storage()) as storage:
        async with opened(folder) as journal:
            storage.calls.clear()
            await sell(journal, [], 8)
            return storage.calls[name]


@pytest.mark.slow
@pytest.mark.parametrize("forever", [False, True], ids=["once", "for ever"])
@pytest.mark.parametrize("name", ["xWrite", "full", "xSync"])
async def test_whatever_call_fails_what_was_shown_is_durable(
    tmp_path: Path, name: str, *, forever: bool
) -> None:
    call = "xWrite" if name == "full" else name
    last = await calls_of(tmp_path / "count", call)
    assert last > 15
    faults = 0
    for at in range(1, last + 1, max(1, last // 24)):
        folder = tmp_path / f"{at}"
        await anyio.Path(folder).mkdir()
        shown: list[Key] = []
        storage = Storage(fails=(call,), forever=forever, full=name == "full")
        with stored(storage):
            async with opened(folder) as journal:
                await sell(journal, shown, 1)
                storage.fail_at, storage._seen = at, 0
                with pytest.raises(JournalUnsafeError, match=r"journal\.db could not be"):
                    await sell(journal, shown, 20)
                # Out of service: nothing more, even where the storage has come back.
                with pytest.raises(JournalUnsafeError):
                    await journal.begin(SALE)
                storage.heal()
                await journal.reopen(NOW)
                await still_there(journal, shown)
                await sell(journal, shown, 1)
        async with opened(folder, create=False) as journal:
            await still_there(journal, shown)
        faults += storage.failed
    assert faults >= 10


async def still_there(journal: Journal, shown: list[Key]) -> None:
    assert await journal.verify() is None
    for key in shown:
        found = await journal.transaction(key)
        assert found is not None
        assert found.state is State.APPROVED


async def test_a_storage_that_stays_broken_keeps_the_terminal_out_of_service(
    tmp_path: Path,
) -> None:
    storage = Storage(fails=("xSync",), forever=True)
    with stored(storage):
        async with opened(tmp_path) as journal:
            await sell(journal, [], 1)
            storage.fail_at = 1
            with pytest.raises(JournalUnsafeError, match="SQLITE_IOERR_FSYNC"):
                await journal.begin(SALE)
            with pytest.raises(JournalError):
                await journal.reopen(NOW)
            storage.heal()
            await journal.reopen(NOW)
            await sell(journal, [], 1)


async def test_a_page_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await sell(journal, [], 1)
    with stored(Storage(fails=("xRead",), fail_at=3, forever=True)) as storage:
        with pytest.raises(JournalError, match=r"journal\.db"):
            async with opened(tmp_path, create=False):
                raise AssertionError("opened")
        assert storage.failed


async def test_a_nearly_full_disk_stops_sales_before_reversals_and_settlement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 100
    monkeypatch.setattr("posfw.journal.store.free_mib", lambda _: free)
    async with opened(tmp_path, reserve_mib=16) as journal:
        begun: list[Begun] = [await journal.begin(SALE) for _ in range(8)]
        free = 15
        with pytest.raises(RefusedError, match="15 MiB are free") as refused:
            await journal.begin(SALE)
        assert refused.value.stable_code == "JRN-011"
        for each in begun:  # what was begun ends, what is owed is sent, the batch is settled
            await journal.conclude(unknown(each))
        for owed in await journal.owed(10):
            await journal.acknowledge(owed, "00", NOW)
        batch = await journal.freeze(NOW)
        await journal.close(batch, {}, NOW)
        free = 16
        await journal.begin(SALE)
