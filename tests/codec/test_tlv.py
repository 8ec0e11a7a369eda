"""BER-TLV: total parsing, exact encoding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.codec import tlv
from posfw.codec.tlv import Node
from posfw.values.errors import CodecError

ISSUER = bytes.fromhex("910A00112233445566778899720B9F180411223344860200AA")


def test_issuer_data_parses_and_encodes_to_the_same_bytes() -> None:
    nodes = tlv.parse(ISSUER)
    assert [node.tag for node in nodes] == [0x91, 0x72]
    assert next(tlv.find(nodes, 0x9F18)).value == bytes.fromhex("11223344")
    assert tlv.encode(nodes) == ISSUER


def test_padding_between_objects_is_skipped() -> None:
    assert tlv.parse(b"\x00\x00\x95\x01\x80\x00") == [Node(0x95, b"\x80")]


@pytest.mark.parametrize(
    "data",
    ["9F", "9F02", "95", "9502AA", "9580", "95830000010A", "9581", "9F818181", "70039F0206AA",
     "7080950100", "9F81818101AA"],
)  # fmt: skip
def test_cut_or_indefinite_data_is_refused(data: str) -> None:
    with pytest.raises(CodecError):
        tlv.parse(bytes.fromhex(data))


def test_depth_size_and_count_are_bounded() -> None:
    deep = b"\x95\x00"
    for _ in range(tlv.MAX_DEPTH):
        deep = b"\x70" + bytes([len(deep)]) + deep
    for data in (deep, bytes(tlv.MAX_BYTES + 1), b"\x95\x00" * 600):
        with pytest.raises(CodecError):
            tlv.parse(data)


@pytest.mark.parametrize(
    "node",
    [Node(0), Node(0x9F), Node(0x9502), Node(0x9F8101FF), Node(0x70, b"x"),
     Node(0x95, children=(Node(0x9A),)), Node(0x95, bytes(5000))],
)  # fmt: skip
def test_a_node_that_is_none_does_not_encode(node: Node) -> None:
    with pytest.raises(CodecError):
        tlv.encode([node])


def test_values_are_not_shown() -> None:
    assert "6222" not in repr(Node(0x5A, b"6222"))


@given(st.binary(max_size=80))
def test_any_bytes_parse_or_give_one_error(data: bytes) -> None:
    try:
        nodes = tlv.parse(data)
    except CodecError:
        return
    assert tlv.parse(tlv.encode(nodes)) == nodes
