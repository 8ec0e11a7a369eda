from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posfw.update.bootstate import COPY_BYTES, OFFSETS, BootState, bad, first, good
from posfw.update.store import BootStore
from posfw.values.errors import DeviceError


@pytest.fixture
def store(tmp_path: Path) -> BootStore:
    path = tmp_path / "state"
    path.write_bytes(bytes(1 << 20))
    return BootStore(path)


def test_an_empty_partition_has_no_state_and_takes_the_first(store: BootStore) -> None:
    assert store.read() is None
    made = store.change(lambda state: good(state, "A", 2))
    assert made == BootState(counter=2, sequence=1)
    assert store.read() == made


def test_an_unchanged_state_is_not_written_again(store: BootStore) -> None:
    store.change(lambda state: good(state, "A", 2))
    before = store.path.read_bytes()
    store.change(lambda state: good(state, "A", 2))
    assert store.path.read_bytes() == before


@pytest.mark.parametrize("damage", [0, 1])
def test_each_copy_alone_is_enough(store: BootStore, damage: int) -> None:
    store.change(lambda state: good(state, "A", 2))
    newest = store.change(lambda state: first(state, "B"))
    with store.path.open("r+b") as file:
        file.seek(OFFSETS[damage] + 9)
        file.write(b"\xff")
    found = store.read()
    assert found is not None
    assert found == newest if damage == 0 else found.trial == ""


def test_a_write_that_is_not_kept_is_told(
    store: BootStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Storage that swallows writes, as worn-out cards do; the former state counts."""
    kept = store.change(lambda state: good(state, "A", 2))
    monkeypatch.setattr(os, "pwrite", lambda _descriptor, data, _at: len(data))
    with pytest.raises(DeviceError) as refused:
        store.change(lambda state: first(state, "B"))
    assert refused.value.stable_code == "UPD-207"
    assert store.read() == kept


def test_a_short_write_is_told(store: BootStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.change(lambda state: good(state, "A", 2))
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: whole(fd, data[:40], at))
    with pytest.raises(DeviceError, match="come back"):
        store.change(lambda state: first(state, "B"))


def test_a_missing_partition_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeviceError) as refused:
        BootStore(tmp_path / "none").read()
    assert refused.value.stable_code == "UPD-206"


class Cut(Exception):  # noqa: N818 - the power is not an error of anybody
    pass


STEPS = (
    lambda state: good(state, "A", 1),
    lambda state: bad(state, "B"),
    lambda state: first(state, "B"),
    lambda state: good(state, "B", 2),
)


@settings(max_examples=60, deadline=None)
@given(step=st.integers(0, len(STEPS) - 1), cut=st.integers(0, COPY_BYTES), sync=st.booleans())
def test_an_installation_cut_at_any_byte_of_any_write_goes_on(
    tmp_path_factory: pytest.TempPathFactory, step: int, cut: int, sync: bool
) -> None:
    """The state is the one before or after the step that was cut, and every later step works."""
    path = tmp_path_factory.mktemp("cut") / "state"
    path.write_bytes(bytes(1 << 20))
    store = BootStore(path)
    whole = os.pwrite

    def torn(descriptor: int, data: bytes, at: int) -> int:
        whole(descriptor, data[:cut], at)
        raise Cut

    before: BootState | None = None
    for each in STEPS[:step]:
        before = store.change(each)
    with pytest.MonkeyPatch.context() as patch:
        if sync:
            patch.setattr(os, "pwrite", torn)
        else:
            patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(Cut))
        with pytest.raises(Cut):
            store.change(STEPS[step])
    after = store.read()
    expected = STEPS[step](before or BootState())
    seen = None if after is None else (after.order, after.left, after.trial, after.counter)
    possible = [(expected.order, expected.left, expected.trial, expected.counter)]
    possible += (
        [] if before is None else [(before.order, before.left, before.trial, before.counter)]
    )
    assert seen in possible or (before is None and seen is None)
    for each in STEPS[step:]:
        final = store.change(each)
    assert (final.order, final.counter, final.trial) == (("B",), 2, "")
