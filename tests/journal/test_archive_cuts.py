"""The power is cut anywhere while batches move: nothing of the past is lost or there twice."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

import anyio
import pytest

from posfw.journal import archive
from posfw.journal.store import Journal
from posfw.values.errors import PosfwError
from tests.journal.fakes import NOW, SALE, approved, opened
from tests.journal.test_archive import everything, trade
from tests.power.controls import archive_not_synced, let_go_first
from tests.power.disk import Disk, Fate, Files
from tests.power.restart import put
from tests.power.vfs import TRACE, Event, available, recording

pytestmark = [
    pytest.mark.may_block,
    pytest.mark.skipif(bool(available()), reason=f"cannot be recorded: {available()}"),
]

# Every position of the trace with every fate is some 900 cuts; a release cuts them all.
CUTS: Final = int(os.environ.get("ARCHIVE_CUTS", "120"))


def prepared(folder: Path) -> dict[str, Any]:
    """Make a journal with three settled batches; return all that can be asked of it."""

    async def fill() -> dict[str, Any]:
        async with opened(folder) as journal:
            await trade(journal, 3, 2)
            return await everything(journal)

    return anyio.run(fill)


def contents(folder: Path) -> Files:
    names = (path for path in folder.iterdir() if not path.name.endswith(".lock"))
    return {path.name: path.read_bytes() for path in names}


def recorded(folder: Path) -> list[Event]:
    """Move everything; return what happened to the disk."""

    async def move() -> None:
        async with opened(folder, create=False) as journal:
            await journal.archive(NOW, 1)
            await journal.archive(NOW, 0)

    with recording():
        anyio.run(move)
        return list(TRACE)


def images(files: Files, trace: list[Event], cuts: int) -> list[tuple[str, Files]]:
    """Return disks that a cut may leave, none twice, spread over the trace."""
    disk, chance = Disk.of(files), Random(5)
    found: dict[object, tuple[str, Files]] = {}
    for at, event in enumerate(trace):
        disk.feed(event)
        for fate in Fate:
            image = disk.cut(fate, chance)
            found.setdefault(image.name, (f"{at} {fate.name}", image.files))
    return chance.sample(list(found.values()), min(cuts, len(found)))


def judged(folder: Path, past: dict[str, Any]) -> str:
    """Power up; say what is wrong with the past, now and when everything has moved."""

    async def look() -> str:
        async with opened(folder, create=False) as journal:
            if await everything(journal) != past:
                return "the past is another one"
            await journal.conclude(approved(await journal.begin(SALE)))
            await journal.archive(NOW, 0)
            bad = await journal.verify(whole=True)
            numbers = [n for n in await journal.batch_numbers() if f"rows {n}" in past][:-1]
            for n in numbers:
                if list(await journal.transactions(n)) != past[f"rows {n}"]:
                    return f"batch {n} moved and is another one"
            return f"entry {bad} is bad" if bad else ""

    try:
        return anyio.run(look)
    except PosfwError as error:
        return str(error)


def campaign(folder: Path, cuts: int) -> list[str]:
    """Return what was found wrong, with the cut."""
    work = folder / "work"
    work.mkdir()
    past = prepared(work)
    files = contents(work)
    trace = recorded(work)
    found = []
    for where, left in images(files, trace, cuts):
        put(left, work)
        wrong = judged(work, past)
        if wrong:
            found.append(f"{where}: {wrong}")
    return found


def test_no_cut_of_a_move_loses_or_doubles_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "ENTRIES", 12)
    assert campaign(tmp_path, CUTS) == []


@pytest.mark.parametrize("wrong", [let_go_first, archive_not_synced])
def test_wrong_moves_are_found(
    wrong: Callable[[Journal, Any, int], bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Controls: letting go before the archive has it, or before it has it durably."""
    monkeypatch.setattr(archive, "ENTRIES", 12)

    def step(journal: Journal, at: Any, keep: int) -> bool:
        return wrong(journal, at, keep)

    right = Journal._archive_step
    monkeypatch.setattr(Journal, "_archive_step", step)
    work = tmp_path / "work"
    work.mkdir()
    past = prepared(work)
    files = contents(work)
    trace = recorded(work)
    monkeypatch.setattr(Journal, "_archive_step", right)
    restart = partial(judged, work, past)
    found = 0
    for _, left in images(files, trace, 80):
        put(left, work)
        found += bool(restart())
    assert found > 0
