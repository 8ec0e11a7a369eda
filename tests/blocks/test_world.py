"""Every way in which a disk may lack what somebody relied on is found, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.blocks.world import (
    Asked,
    Event,
    Found,
    Paper,
    Reached,
    Ready,
    Settled,
    Shown,
    World,
    violations,
)

EVENTS: tuple[Event, ...] = (
    Ready(),
    Reached(7, 3, "8D42A34A"),
    Asked((1, 4), "authorise"),
    Shown((1, 4), "approved", 1200),
    Paper(4, 1200, "MERCHANT"),
    Asked((1, 5), "authorise"),
    Asked((1, 5), "reversal"),
    Shown((1, 5), "unknown", 900),
    Shown((1, 6), "approved_offline", 700),
    Asked((1, 6), "advice"),
    Settled(1, balanced=True),
)
HOLDS = Found(
    rows={(1, 4): ("approved", 1200), (1, 5): ("reversed", 900), (1, 6): ("approved", 700)},
    closed=frozenset({1}),
    counter=7,
)


def _world() -> World:
    world = World()
    for event in EVENTS:
        world.feed(event)
    return world


def test_a_disk_that_holds_everything_is_right() -> None:
    assert violations(HOLDS, _world()) == []
    further = replace(HOLDS, counter=9, rows={**HOLDS.rows, (2, 7): ("begun", 100)})
    assert violations(further, _world()) == []


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (Found(missing=True), "no journal"),
        (Found(fault="JournalCorruptError: damaged"), "damaged"),
        (replace(HOLDS, bad_entry=3), "entry 3"),
        (replace(HOLDS, counter=6), "counter 7 left"),
        (replace(HOLDS, closed=frozenset()), "batch 1 was shown settled"),
        (replace(HOLDS, queued=frozenset({(4, "MERCHANT")})), "printed again"),
        (replace(HOLDS, rows={**HOLDS.rows, (1, 4): ("begun", 1200)}), "was shown approved"),
        (replace(HOLDS, rows={**HOLDS.rows, (1, 4): ("approved", 1100)}), "receipt of 4"),
        (replace(HOLDS, rows={**HOLDS.rows, (1, 5): ("begun", 900)}), "reversal of"),
        (replace(HOLDS, rows={**HOLDS.rows, (1, 6): ("reversing", 700)}), "advice of"),
        (replace(HOLDS, rows={(1, 4): ("approved", 1200)}), "authorise of"),
    ],
)
def test_what_is_missing_is_said(found: Found, says: str) -> None:
    assert any(says in told for told in violations(found, _world()))


def test_before_anybody_relies_on_it_a_journal_may_be_missing() -> None:
    assert violations(Found(missing=True), World()) == []
    world = World()
    world.feed(Ready())
    assert violations(Found(missing=True), world)
