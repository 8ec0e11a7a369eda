"""Cuts of a recording made by hand: a device on which a journal appears between two flushes."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.blocks.campaign import cut, drawn
from tests.blocks.conftest import KEY, Make
from tests.blocks.guest import Recorded
from tests.blocks.log import Entry, Flag
from tests.blocks.replay import Fate
from tests.blocks.world import Event, Reached, Ready

pytestmark = [pytest.mark.slow, pytest.mark.may_block]
BLOCK = 4096
START = 1 << 20


def _recorded(before: bytes, after: bytes, seen: Event, *, flushed: bool) -> Recorded:
    """A recording that makes one disk of another; somebody sees it before or after the flush."""
    entries = [
        Entry(START + at, BLOCK, Flag(0), after[at : at + BLOCK])
        for at in range(0, len(after), BLOCK)
        if after[at : at + BLOCK] != before[at : at + BLOCK]
    ]
    at = len(entries) + flushed
    entries.append(Entry(0, 0, Flag.FLUSH, b""))
    return Recorded(before, START, entries, [(at, seen)], KEY, 0.0)


@pytest.fixture
def empty(make_disk: Make, tmp_path: Path) -> bytes:
    """The same file system without the journal."""
    (tmp_path / "none").mkdir()
    return make_disk(tmp_path / "none")


def test_what_was_flushed_before_it_was_seen_is_never_lost(
    image: bytes, empty: bytes, tmp_path: Path
) -> None:
    recorded = _recorded(empty, image, Ready(), flushed=True)
    last = len(recorded.entries)
    assert {at for at, _ in drawn(recorded, 40, Random(1))} >= {last}
    tally = cut(recorded, tmp_path, seed=1, quota=40)
    assert tally.cuts == 40
    assert tally.relied >= 10
    assert not [told for told in tally.first if told.startswith(f"after {last} of")]


def test_what_was_seen_before_its_flush_is_lost_and_halves_of_a_disk_are_no_disk(
    image: bytes, empty: bytes, tmp_path: Path
) -> None:
    """The two controls: these requests stand without a file system's own journal."""
    tally = cut(_recorded(empty, image, Ready(), flushed=False), tmp_path, seed=1, quota=40)
    assert tally.lost >= 1
    assert tally.unmountable >= 1
    assert any("lost: there is no journal" in told for told in tally.first)
    assert any("e2fsck" in told for told in tally.first)


def test_an_entry_that_was_told_and_is_not_there_is_lost(image: bytes, tmp_path: Path) -> None:
    told = Reached(3, 900, "00000000")
    recorded = Recorded(image, START, [Entry(0, 0, Flag.FLUSH, b"")], [(1, told)], KEY, 0.0)
    tally = cut(recorded, tmp_path, seed=1, quota=2)
    assert (tally.cuts, tally.lost, tally.unmountable) == (2, 2, 0)


def test_the_same_seed_cuts_at_the_same_places() -> None:
    entries = [Entry(0, 0, Flag.FLUSH, b"")] * 50
    recorded = Recorded(b"", 0, entries, [(9, Ready())], KEY, 0.0)
    cuts = drawn(recorded, 64, Random(3))
    assert cuts == drawn(recorded, 64, Random(3)) != drawn(recorded, 64, Random(4))
    assert len(cuts) == 64
    assert {fate for _, fate in cuts} == set(Fate)
    assert sum(9 <= at <= 13 for at, _ in cuts) >= 32
    assert all(1 <= at <= 50 for at, _ in cuts)
