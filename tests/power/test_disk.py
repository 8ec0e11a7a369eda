from __future__ import annotations

from random import Random

import pytest

from tests.power.disk import Disk, Fate, Files
from tests.power.vfs import Event

WRITTEN: list[Event] = [("open", "a", True), ("sync", "a"), ("write", "a", 0, b"x" * 1024)]


def played(*events: Event) -> Disk:
    disk = Disk()
    for event in events:
        disk.feed(event)
    return disk


def possible(disk: Disk, fate: Fate, tries: int = 60) -> set[tuple[tuple[str, bytes], ...]]:
    files: list[Files] = [disk.cut(fate, Random(seed)).files for seed in range(tries)]
    return {tuple(sorted(each.items())) for each in files}


def test_what_is_synced_survives_every_fate() -> None:
    disk = played(*WRITTEN, ("sync", "a"))
    assert disk.settled
    for fate in Fate:
        assert possible(disk, fate) == {(("a", b"x" * 1024),)}


def test_what_is_not_synced_is_lost_or_kept() -> None:
    disk = played(*WRITTEN)
    assert not disk.settled
    assert possible(disk, Fate.LOST) == {(("a", b""),)}
    assert possible(disk, Fate.KEPT) == {(("a", b"x" * 1024),)}


def test_writes_are_torn_at_sectors() -> None:
    found = possible(played(*WRITTEN), Fate.TORN)
    assert (("a", bytes(512) + b"x" * 512),) in found
    assert (("a", b"x" * 512),) in found
    for ((_, content),) in found:
        assert len(content) in (0, 512, 1024)


def test_a_later_write_may_be_there_without_an_earlier_one() -> None:
    disk = played(*WRITTEN, ("write", "a", 1024, b"y"))
    assert (("a", bytes(1024) + b"y"),) in possible(disk, Fate.REORDERED)


def test_a_file_that_was_made_may_be_missing_until_its_folder_is_synced() -> None:
    made: list[Event] = [("open", "a", True)]
    assert possible(played(*made), Fate.LOST) == {()}
    assert possible(played(*made, ("folder",)), Fate.LOST) == {(("a", b""),)}


@pytest.mark.parametrize(("synced", "back"), [(False, True), (True, False)])
def test_an_unlinked_file_may_come_back_until_the_folder_is_synced(
    *, synced: bool, back: bool
) -> None:
    disk = played(*WRITTEN, ("sync", "a"), ("del", "a", synced))
    assert possible(disk, Fate.LOST) == ({(("a", b"x" * 1024),)} if back else {()})
    assert possible(disk, Fate.KEPT) == {()}


def test_a_rename_is_done_or_not_and_done_after_the_sync_of_the_folder() -> None:
    renamed = [*WRITTEN, ("sync", "a"), ("rename", "a", "b")]
    assert possible(played(*renamed), Fate.LOST) == {(("a", b"x" * 1024),)}
    assert possible(played(*renamed), Fate.KEPT) == {(("b", b"x" * 1024),)}
    assert possible(played(*renamed, ("folder",)), Fate.LOST) == {(("b", b"x" * 1024),)}


def test_what_was_not_synced_before_a_rename_is_not_synced_by_it() -> None:
    disk = played(*WRITTEN, ("rename", "a", "b"), ("folder",))
    assert possible(disk, Fate.LOST) == {(("b", b""),)}


def test_the_first_sync_of_a_wal_syncs_its_folder() -> None:
    disk = played(*WRITTEN, ("sync", "a"), ("del", "a", False))
    for event in (("open", "b-wal", True), ("sync", "b-wal")):
        disk.feed(event)
    assert possible(disk, Fate.LOST) == {(("b-wal", b""),)}


def test_equal_names_are_equal_disks() -> None:
    disk = played(*WRITTEN, ("write", "a", 700, b"y" * 3000))
    seen: dict[object, Files] = {}
    for seed in range(200):
        image = disk.cut(Fate.TORN, Random(seed))
        assert seen.setdefault(image.name, image.files) == image.files
