"""ABECS streams: packets and signals, cut anywhere, lossy, among noise."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.card.abecs import MAX_DATA_BYTES, Deframer, Item, Packet, Signal, packet

OPN = bytes.fromhex("16") + b"OPN000" + bytes.fromhex("17775E")  # published (hardware page, 3)
ESCAPED = packet(b"\x13\x16\x17\x06\x15")
STREAM = b"\x06" + OPN + b"\x15" + ESCAPED + b"\x04"
ITEMS: list[Item] = [
    Signal.ACK, Packet(b"OPN000"), Signal.NAK, Packet(b"\x13\x16\x17\x06\x15"), Signal.EOT,
]  # fmt: skip


def test_the_published_packet_and_the_signals_are_read() -> None:
    assert Deframer().feed(STREAM) == ITEMS


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_cuts_anywhere_change_nothing(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    deframer = Deframer()
    assert [i for a, b in pairwise(places) for i in deframer.feed(STREAM[a:b])] == ITEMS


def test_byte_by_byte_is_the_same() -> None:
    deframer = Deframer()
    assert [i for byte in STREAM for i in deframer.feed(bytes((byte,)))] == ITEMS


@pytest.mark.parametrize("lost", range(len(OPN)))
def test_a_lost_byte_costs_its_own_packet_only(lost: int) -> None:
    deframer = Deframer()
    found = deframer.feed(OPN[:lost] + OPN[lost + 1 :] + ESCAPED + ESCAPED)
    assert found[-1] == ITEMS[3]
    assert found.count(ITEMS[3]) >= 1
    assert Packet(b"OPN000") not in found


@pytest.mark.parametrize(
    "wrong",
    [OPN[:-1] + b"\x00", b"\x16\x17\x00\x00", b"\x16\x13\x99\x17\x00\x00", b"\x16ABC" + OPN],
)
def test_what_is_no_packet_is_told_once(wrong: bytes) -> None:
    assert Deframer().feed(wrong)[0] is Signal.BROKEN


def test_a_packet_that_does_not_end_is_given_up() -> None:
    deframer = Deframer()
    assert deframer.feed(OPN[:5]) == []
    assert deframer.pending
    assert deframer.expire() == [Signal.BROKEN]
    assert deframer.feed(OPN) == [ITEMS[1]]


def test_the_largest_packet_fits() -> None:
    data = b"\x16" * MAX_DATA_BYTES
    assert Deframer().feed(packet(data)) == [Packet(data)]


@given(st.lists(st.binary(max_size=6000), max_size=6))
def test_any_bytes_give_items_and_never_grow(pieces: list[bytes]) -> None:
    deframer = Deframer()
    for piece in pieces:
        for item in deframer.feed(b"\x16" + piece):
            assert isinstance(item, (Packet, Signal))
        assert len(deframer._data) <= 2 * MAX_DATA_BYTES + 6000 + 4


def test_ten_megabytes_of_noise_leave_no_memory_and_the_next_packet_is_read() -> None:
    deframer = Deframer()
    noise = random.Random(3).randbytes(1 << 20)
    packets = [i for _ in range(10) for i in deframer.feed(noise) if isinstance(i, Packet)]
    assert packets == []
    assert len(deframer._data) <= 2 * MAX_DATA_BYTES + 4
    deframer.expire()
    assert deframer.feed(OPN) == [ITEMS[1]]


def test_nothing_shows_what_a_packet_holds() -> None:
    assert "OPN" not in repr(Deframer().feed(OPN))
