"""ViVOtech2 streams: the guide's frames, cut anywhere, lossy, among noise; never a lost frame."""

from __future__ import annotations

import random
from binascii import crc_hqx
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.card.vivotech2 import (
    HEADER,
    MAX_FRAME_BYTES,
    Burst,
    Deframer,
    Event,
    Frame,
    Reply,
    command,
)

# NEO 2 interface guide 80139403-002, p60 "Sample output": one card read with all its events.
EVENTS = (
    "45005500040303000 0E8DD", "4500550004011100 0028B6", "45005500040110000 01F86",
    "4500550004022000 0041FF", "4500550004011100 0028B6", "45005500040121000 0ED13",
    "45005500040131000 0AE70",
)  # fmt: skip
BURST = bytes.fromhex(
    "01000A2542363237393235373734393133323334335E5445535420434152442F5649564F544543485E"
    "31303132383133303037323130343335303030303F3B363237393235373734393133323334333D"
    "31303132383133303037323130343335303030303FB5DC"
)
AFTER = ("45005500040304000 06D4D", "450055000C0130000001200000011000005378",
         "45005500040301000 086BD")  # fmt: skip
SAMPLE = b"".join(bytes.fromhex(text.replace(" ", "")) for text in EVENTS) + BURST
SAMPLE += b"".join(bytes.fromhex(text.replace(" ", "")) for text in AFTER)
PONG = bytes.fromhex("5669564F74656368320018000000FA83")  # p42
LIGHT = bytes.fromhex("5669564F74656368320083000002E1010D25")  # p471


def whole(data: bytes) -> list[Frame]:
    return Deframer().feed(data)


def framed(number: int, status: int, data: bytes) -> bytes:
    body = HEADER + bytes((number, status)) + len(data).to_bytes(2, "big") + data
    return body + crc_hqx(body, 0xFFFF).to_bytes(2, "big")


def test_the_guides_sample_is_eleven_frames() -> None:
    frames = whole(SAMPLE)
    assert [type(frame) for frame in frames] == [Event] * 7 + [Burst] + [Event] * 3
    assert frames[0] == Event(((3, 3),))
    assert frames[9] == Event(((1, 0x30), (1, 0x20), (1, 0x10)))
    burst = frames[7]
    assert isinstance(burst, Burst)
    assert len(BURST) == 103
    assert (burst.status, burst.kind) == (0, 0x0A)
    assert burst.tracks == BURST[3:-2]


def test_the_guides_replies_are_replies() -> None:
    assert whole(PONG + LIGHT) == [Reply(0x18, 0, b""), Reply(0x83, 0, b"\xe1\x01")]


def test_a_public_program_sends_the_same_activation() -> None:
    data = bytes.fromhex("9F0201009F030100FFEE080ADFEF1A010ADFED280103")  # web-hid-api
    assert command(0x02, 0x40, data)[-2:].hex() == "fd1a"


STREAM = PONG + SAMPLE + LIGHT


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_cuts_anywhere_change_nothing(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    deframer = Deframer()
    found = [frame for a, b in pairwise(places) for frame in deframer.feed(STREAM[a:b])]
    assert found == whole(STREAM)
    assert deframer.skipped_bytes == 0


def test_byte_by_byte_is_the_same() -> None:
    deframer = Deframer()
    found = [frame for byte in STREAM for frame in deframer.feed(bytes((byte,)))]
    assert found == whole(STREAM)


@pytest.mark.parametrize("lost", range(len(PONG + LIGHT)))
def test_a_lost_byte_costs_at_most_its_own_frame(lost: int) -> None:
    data = PONG + LIGHT
    deframer = Deframer()
    found = deframer.feed(data[:lost] + data[lost + 1 :] + STREAM)
    while deframer.pending:
        found += deframer.expire()
    assert found[-len(whole(STREAM)) :] == whole(STREAM)
    other = LIGHT if lost < len(PONG) else PONG
    assert found[: -len(whole(STREAM))] == whole(other)


def test_a_wrong_crc_is_no_frame() -> None:
    assert whole(PONG[:-1] + b"\x00") == []
    assert whole(BURST[:-1] + b"\x00") == []
    assert whole(bytes.fromhex("45005500040303000 0E8DE".replace(" ", ""))) == []


def test_a_header_with_a_lie_about_its_length_hides_no_frame_for_ever() -> None:
    deframer = Deframer()
    assert deframer.feed(HEADER + b"\x02\x00\x10\x00" + PONG) == []  # says 4,096 bytes
    assert deframer.expire() == [Reply(0x18, 0, b"")]
    assert not deframer.pending


@given(st.binary(max_size=60))
def test_noise_before_and_behind_loses_nothing(noise: bytes) -> None:
    deframer = Deframer()
    found = deframer.feed(noise + LIGHT + noise)
    for _ in range(200):
        found += deframer.expire()
    assert Reply(0x83, 0, b"\xe1\x01") in found


@given(st.lists(st.binary(max_size=300), max_size=10))
def test_any_bytes_never_grow(pieces: list[bytes]) -> None:
    deframer = Deframer()
    for piece in pieces:
        for start in (b"", HEADER, b"E\0U\0", b"\x01\x00\x0a%"):
            deframer.feed(start + piece)
            assert len(deframer._data) <= MAX_FRAME_BYTES


def test_ten_megabytes_of_noise_leave_no_memory_and_the_next_frame_is_read() -> None:
    deframer = Deframer()
    noise = random.Random(2).randbytes(1 << 20)
    frames = [frame for _ in range(10) for frame in deframer.feed(noise)]
    assert frames == []
    assert deframer.skipped_bytes >= 10 * len(noise) - MAX_FRAME_BYTES
    while deframer.pending:
        deframer.expire()
    assert deframer.feed(PONG) == [Reply(0x18, 0, b"")]


def test_the_largest_reply_fits_and_a_larger_one_does_not() -> None:
    data = bytes(4096)
    assert whole(framed(2, 0, data)) == [Reply(2, 0, data)]
    assert whole(framed(2, 0, data + b"\0")) == []


def test_nothing_shows_card_data() -> None:
    deframer = Deframer()
    shown = repr(deframer.feed(BURST)) + repr(deframer.feed(BURST[:50])) + repr(deframer)
    assert "6279257749132343" not in shown
