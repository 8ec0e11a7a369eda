"""A log that a failed sync left in memory alone: the next process must not build on it.

After a failed sync the kernel marks the pages clean: whoever reads the file sees what the disk
does not have, and no later sync writes it. (ext4, XFS and Btrfs do; "Can applications recover
from fsync failures?", ATC 2020.)
"""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import anyio
import pytest

from posfw.journal import store
from posfw.values.errors import JournalUnsafeError
from posfw.values.identity import Key
from tests.journal.fakes import SALE, approved, opened
from tests.journal.storage import Storage, stored, why_not
from tests.power.disk import Disk, Fate
from tests.power.vfs import TRACE, available, recording

pytestmark = [
    pytest.mark.may_block,
    pytest.mark.skipif(
        bool(why_not() or available()), reason=why_not() or available() or "both can be used"
    ),
]

FILES = ("journal.db", "journal.db-wal")


def copied(folder: Path, to: Path) -> None:
    to.mkdir()
    for name in FILES:
        shutil.copy(folder / name, to / name)


async def until_a_sync_fails(folder: Path, cache: Path, disk: Path) -> list[Key]:
    """Sell until a sync fails and the process dies: what is on the disk, what is in memory."""
    shown: list[Key] = []
    with stored(Storage(fails=("xSync",))) as storage:
        async with opened(folder) as journal:
            for _ in range(2):
                begun = await journal.begin(SALE)
                await journal.conclude(approved(begun))
                shown.append(begun.key)
            copied(folder, disk)
            storage.fail_at, storage._seen = 1, 0
            with pytest.raises(JournalUnsafeError):
                await journal.begin(SALE)
            copied(folder, cache)
    return shown


async def after_the_power_cut(tmp_path: Path) -> tuple[list[Key], Path]:
    """A second process sells on what memory shows, then the power goes; return what was shown."""
    live, cache, disk = (tmp_path / name for name in ("live", "cache", "disk"))
    await anyio.Path(live).mkdir()
    shown = await until_a_sync_fails(live, cache, disk)
    assert (cache / FILES[1]).read_bytes() != (disk / FILES[1]).read_bytes()
    model = Disk.of({name: (disk / name).read_bytes() for name in FILES})
    with recording():
        async with opened(cache, create=False) as journal:
            begun = await journal.begin(SALE)
            await journal.conclude(approved(begun))
            shown.append(begun.key)
            events = list(TRACE)
    for event in events:
        model.feed(event)
    left = tmp_path / "left"
    left.mkdir()
    for name, content in model.cut(Fate.LOST, Random(1)).files.items():
        (left / name).write_bytes(content)
    return shown, left


async def test_what_the_next_process_shows_survives_the_power_cut(tmp_path: Path) -> None:
    shown, left = await after_the_power_cut(tmp_path)
    async with opened(left, create=False) as journal:
        for key in shown:
            assert await journal.transaction(key) is not None, key
        assert await journal.verify() is None


async def test_without_the_rewrite_a_sale_that_was_shown_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: what is read is believed, and the commits behind the hole go with it."""
    monkeypatch.setattr(store, "merge_log", lambda *_: None)
    shown, left = await after_the_power_cut(tmp_path)
    async with opened(left, create=False) as journal:
        found = [await journal.transaction(key) for key in shown]
        assert found[-1] is None
        assert None not in found[:-1]
