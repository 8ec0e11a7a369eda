"""Frames in any pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.codec.frame import MAX_FRAME_BYTES, Deframer, frame
from posfw.values.errors import CodecError


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.integers(1, 9))
def test_payloads_come_out_whole_whatever_the_pieces(payloads: list[bytes], size: int) -> None:
    data, deframer = b"".join(map(frame, payloads)), Deframer()
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    assert [each for piece in pieces for each in deframer.feed(piece)] == payloads


@pytest.mark.parametrize("length", [0, MAX_FRAME_BYTES + 1, 0xFFFFFFFF])
def test_a_wrong_length_is_refused_at_once(length: int) -> None:
    with pytest.raises(CodecError):
        Deframer().feed(length.to_bytes(4, "big"))


@pytest.mark.parametrize("payload", [b"", bytes(MAX_FRAME_BYTES + 1)])
def test_a_payload_outside_the_limits_gets_no_frame(payload: bytes) -> None:
    with pytest.raises(CodecError):
        frame(payload)


def test_the_longest_frame_passes() -> None:
    payload = bytes(MAX_FRAME_BYTES)
    assert Deframer().feed(frame(payload)) == [payload]
