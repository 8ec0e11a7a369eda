from __future__ import annotations

import re
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.update.bootstate import (
    COPY_BYTES,
    OFFSETS,
    SLOTS,
    TRIES,
    BootState,
    bad,
    booted,
    first,
    from_bytes,
    good,
    newest,
    primary,
    returned,
    to_bytes,
    to_write,
)
from posfw.values.errors import CodecError, MisuseError

SCRIPT = Path(__file__).parents[2] / "deploy/update/boot.cmd"

states = st.builds(
    BootState,
    order=st.sampled_from((("A",), ("B",), ("A", "B"), ("B", "A"))),
    left=st.tuples(st.integers(0, TRIES), st.integers(0, TRIES)),
    trial=st.sampled_from(("", "A", "B")),
    counter=st.none() | st.integers(0, 999_999_999),
    sequence=st.integers(0, 0xFFFF_0000),
)


@given(states)
def test_a_copy_comes_back_as_it_was_written(state: BootState) -> None:
    copy = to_bytes(state)
    assert len(copy) == COPY_BYTES
    assert from_bytes(copy) == state


@given(states, st.integers(0, COPY_BYTES - 1), st.integers(1, 255))
def test_no_changed_byte_is_taken(state: BootState, at: int, flip: int) -> None:
    copy = bytearray(to_bytes(state))
    copy[at] ^= flip
    with pytest.raises(CodecError):
        from_bytes(bytes(copy))


@pytest.mark.parametrize(
    "text",
    [
        "BOOT_ORDER=A C\0BOOT_A_LEFT=3\0BOOT_B_LEFT=3\0BOOT_SEQ=1",
        "BOOT_ORDER=A A\0BOOT_A_LEFT=3\0BOOT_B_LEFT=3\0BOOT_SEQ=1",
        "BOOT_A_LEFT=3\0BOOT_B_LEFT=3\0BOOT_SEQ=1",
        "BOOT_ORDER=A\0BOOT_A_LEFT=4\0BOOT_B_LEFT=3\0BOOT_SEQ=1",
        "BOOT_ORDER=A\0BOOT_A_LEFT=3\0BOOT_SEQ=1",
        "BOOT_ORDER=A\0BOOT_A_LEFT=3\0BOOT_B_LEFT=3",
        "BOOT_ORDER=A\0BOOT_A_LEFT=3\0BOOT_B_LEFT=3\0BOOT_SEQ=100000000",
        "BOOT_ORDER=A\0BOOT_A_LEFT=3\0BOOT_B_LEFT=3\0BOOT_SEQ=1\0BOOT_TRIAL=X",
        "BOOT_ORDER=A\0BOOT_A_LEFT=3\0BOOT_B_LEFT=3\0BOOT_SEQ=1\0BOOT_COUNTER=-1",
        "BOOT_ORDER=A\0BOOT_A_LEFT=3\0BOOT_A_LEFT=3\0BOOT_B_LEFT=3\0BOOT_SEQ=1",
        "nonsense",
        "",
    ],
)
def test_a_right_sum_over_wrong_values_does_not_count(text: str) -> None:
    body = (text.encode() + b"\0\0").ljust(COPY_BYTES - 4, b"\0")
    with pytest.raises(CodecError):
        from_bytes(zlib.crc32(body).to_bytes(4, "little") + body)


@given(states, states, st.integers(0, COPY_BYTES), st.booleans())
def test_a_cut_at_any_byte_leaves_the_old_state_or_the_new_one(
    old: BootState, new: BootState, cut: int, erased: bool
) -> None:
    """A torn write leaves a prefix over the old bytes, or over an erased block."""
    copies = [to_bytes(old), to_bytes(replace(old, sequence=max(0, old.sequence - 1)))]
    number, data = to_write(copies, new)
    rest = b"\xff" * COPY_BYTES if erased else copies[number]
    copies[number] = data[:cut] + rest[cut:]
    found = newest(copies)
    assert found is not None
    assert found[0] in (old, replace(new, sequence=old.sequence + 1))
    if cut == COPY_BYTES:
        assert found[1] == number


def test_one_copy_alone_loses_everything_in_a_cut() -> None:
    """The control: with one copy in place, the same cut leaves nothing."""
    old, new = to_bytes(BootState(sequence=1)), to_bytes(BootState(order=("B",), sequence=2))
    assert newest([new[:20] + old[20:]]) is None


@given(states)
def test_writes_take_turns(state: BootState) -> None:
    copies = [b"", b""]
    seen = []
    for _ in range(4):
        number, data = to_write(copies, state)
        copies[number] = data
        seen.append(number)
    assert seen == [0, 1, 0, 1]
    assert newest(copies) == (replace(state, sequence=4), 1)


def test_the_last_number_is_not_passed() -> None:
    with pytest.raises(MisuseError):
        to_write([to_bytes(BootState(sequence=0xFFFF_FFFE)), b""], BootState())


def test_a_broken_update_is_tried_three_times_and_then_it_is_the_other_slot() -> None:
    state = first(bad(BootState(counter=1), "B"), "B")
    slots = []
    for _ in range(4):
        slot, state = booted(state)
        slots.append(slot)
    assert slots == ["B", "B", "B", "A"]
    assert state.trial == "B"
    back = returned(state)
    assert (back.order, back.trial, back.tries("B")) == (("A",), "", 0)


def test_a_slot_that_is_being_written_is_never_tried() -> None:
    state = bad(BootState(left=(1, 3)), "B")
    for _ in range(9):
        slot, state = booted(state)
        assert slot == "A"


def test_good_ends_the_trial_and_refills() -> None:
    state = good(booted(first(BootState(counter=4), "B"))[1], "B", 4)
    assert (state.order, state.left, state.trial, state.counter) == (("B", "A"), (3, 3), "", 4)


def test_a_greater_counter_closes_the_way_back() -> None:
    state = good(booted(first(BootState(counter=4), "B"))[1], "B", 5)
    assert (state.order, state.counter, state.tries("A")) == (("B",), 5, 0)


def test_a_smaller_counter_never_lowers_the_floor() -> None:
    assert good(BootState(counter=7), "A", 6).counter == 7


def test_an_unknown_counter_is_healed_by_a_good_slot_and_keeps_the_other() -> None:
    state = good(BootState(), "A", 3)
    assert (state.counter, state.order) == (3, ("A", "B"))


def test_a_good_start_beside_a_failed_trial_keeps_the_trial_until_it_is_returned() -> None:
    assert good(first(BootState(counter=1), "B"), "A", 2).trial == "B"


@given(states)
def test_a_start_never_raises_the_tries_of_a_slot_that_is_out(state: BootState) -> None:
    slot, after = booted(state)
    assert slot in state.order
    for each in SLOTS:
        if each not in state.order:
            assert after.tries(each) == state.tries(each)
    assert after.tries(slot) == (state.tries(slot) or TRIES) - 1


@given(states)
def test_the_only_slot_is_never_taken_out(state: BootState) -> None:
    if len(state.order) == 1:
        with pytest.raises(MisuseError):
            bad(state, state.order[0])
    else:
        left = bad(state, state.order[0])
        assert len(left.order) == 1
        assert primary(left) in ("", left.order[0])


def test_unknown_slots_are_misuse() -> None:
    with pytest.raises(MisuseError):
        BootState().tries("C")
    assert returned(BootState()) == BootState()


def test_script_and_program_agree_on_names_places_and_tries() -> None:
    """The boot script is not Python; what both must share is compared by its text."""
    script = SCRIPT.read_text(encoding="utf-8")
    assert f"-s {COPY_BYTES:#x}" in script
    assert re.search(rf"setexpr other \$\{{start\}} \+ {OFFSETS[1] // 512:#x}\b", script)
    for name in ("BOOT_ORDER", "BOOT_A_LEFT", "BOOT_B_LEFT", "BOOT_TRIAL", "BOOT_COUNTER"):
        assert name in script
    assert set(re.findall(r"_LEFT (\d)$", script, re.MULTILINE)) == {str(TRIES)}
