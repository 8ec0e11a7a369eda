"""The campaign in small; `make cuts` runs the whole of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.power import vfs
from tests.power.business import record
from tests.power.campaign import Work, do
from tests.power.controls import CONTROLS
from tests.power.outside import KINDS
from tests.power.vfs import Event

pytestmark = [
    pytest.mark.may_block,
    pytest.mark.slow,
    pytest.mark.skipif(bool(vfs.available()), reason=f"no power cuts: {vfs.available()}"),
]


def test_no_cut_loses_doubles_or_alters_anything() -> None:
    _, tally, events = do(Work("", 3, 600))
    assert tally.first == {}
    assert (tally.cuts, tally.second) == (600, 240)
    assert 300 < tally.started <= 600
    assert events > 500


@pytest.mark.parametrize("control", CONTROLS)
def test_every_control_is_caught(control: str) -> None:
    _, tally, _ = do(Work(control, 3, 400))
    assert sum(tally.found.values()) > 0
    assert set(tally.found) <= set(KINDS)


def test_a_stretch_holds_every_way_in_which_a_transaction_ends(tmp_path: Path) -> None:
    trace = record(tmp_path, 3)
    outside = Counter(event[1] for event in trace if event[0] == "ext")
    assert {"opened", "sent", "arrived", "lost", "shown", "paper", "settled"} <= set(outside)
    endings = {event[3] for event in trace if event[:2] == ("ext", "shown")}
    assert endings == {"approved", "approved_offline", "declined", "unknown"}
    disk = Counter(event[0] for event in trace)
    assert {"write", "sync", "open", "del", "rename", "folder"} <= set(disk)
    into_file = [e for e in trace if e[0] == "write" and e[1] == "journal.db"]
    assert into_file, "no checkpoint in the stretch"
    assert outside["settled"] == 2


def test_sales_go_on_while_batches_move_into_the_archive(tmp_path: Path) -> None:
    trace = record(tmp_path, 3)
    moves = [at for at, e in enumerate(trace) if e[:2] == ("sync", "journal.db.archive-wal")]
    between = [e for e in trace[moves[0] : moves[-1]] if e[:2] == ("ext", "shown")]
    assert len(moves) > 5
    assert between


def _shape(event: Event) -> Event:
    """What a seed determines: not SQLite's own salts, and not `hash` of another run."""
    if event[0] == "write":
        return (*event[:3], len(event[3]))
    return event[:2] if event[1:2] in (("opened",), ("committed",)) else event


def test_one_seed_gives_one_trace(tmp_path: Path) -> None:
    shapes = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        folder = tmp_path / name
        folder.mkdir()
        shapes.append([repr(_shape(event)) for event in record(folder, seed)])
    assert shapes[0] == shapes[1]
    assert shapes[0] != shapes[2]
