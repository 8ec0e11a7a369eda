"""BER-TLV as EMV uses it (EMV Book 3, annex B; ISO/IEC 8825-1), definite lengths only.

Parsing is total: any bytes give a list of nodes or one CodecError. Size, depth and item count are
bounded before anything is built.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from posfw.values.errors import CodecError

__all__ = ["MAX_BYTES", "MAX_DEPTH", "Node", "encode", "find", "parse"]

MAX_BYTES: Final = 4096
MAX_DEPTH: Final = 6
MAX_ITEMS: Final = 512
_MAX_TAG_BYTES: Final = 3
_MAX_LENGTH_BYTES: Final = 2


class Node(NamedTuple):
    """One data object: a primitive value, or the children of a constructed one.

    Attributes:
        tag: the tag's bytes as one number, 0x9F02.
        value: content of a primitive object; empty for a constructed one. Never shown.
        children: content of a constructed object.
    """

    tag: int
    value: bytes = b""
    children: tuple[Node, ...] = ()

    def __repr__(self) -> str:
        return f"Node(tag={self.tag}, children={self.children!r})"

    @property
    def constructed(self) -> bool:
        """Whether bit 6 of the first tag byte says that it holds other objects."""
        return _first_byte(self.tag) & 0x20 != 0


def parse(data: bytes) -> list[Node]:
    """Read all objects; zero bytes between objects are padding (EMV Book 3, annex B1).

    Raises:
        CodecError: too long, too deep, too many objects, cut off, or an indefinite length.
    """
    if len(data) > MAX_BYTES:
        raise CodecError(f"TLV data of {len(data)} bytes is longer than {MAX_BYTES}.")
    return _Parser(data).objects(0, len(data), 1)


def encode(nodes: Iterable[Node]) -> bytes:
    """Return the objects' bytes with shortest lengths.

    Raises:
        CodecError: a tag that is none, a constructed object with a value, a primitive one with
            children, or a result longer than MAX_BYTES.
    """
    data = b"".join(_object(node, 1) for node in nodes)
    if len(data) > MAX_BYTES:
        raise CodecError(f"TLV data of {len(data)} bytes is longer than {MAX_BYTES}.")
    return data


def find(nodes: Iterable[Node], tag: int) -> Iterator[Node]:
    """Yield every object with this tag, outer before inner, in order."""
    for node in nodes:
        if node.tag == tag:
            yield node
        yield from find(node.children, tag)


class _Parser:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._items = 0

    def objects(self, at: int, end: int, depth: int) -> list[Node]:
        if depth > MAX_DEPTH:
            raise CodecError("TLV data is nested too deeply.")
        # One loop with local names: a card's data is parsed fifteen times a sale.
        data, found = self._data, list[Node]()
        while at < end:
            first = data[at]
            if first == 0:
                at += 1
                continue
            self._items += 1
            if self._items > MAX_ITEMS:
                raise CodecError(f"TLV data with more than {MAX_ITEMS} objects.")
            at, tag = self._tag(at, end) if first & 0x1F == 0x1F else (at + 1, first)
            # One byte of length is by far the most frequent: it is read here.
            if at < end and data[at] < 0x80:
                at, length = at + 1, data[at]
            else:
                at, length = self._length(at, end)
            stop = at + length
            if stop > end:
                raise CodecError("A TLV object ends early.")
            if first & 0x20:
                found.append(Node(tag, b"", tuple(self.objects(at, stop, depth + 1))))
            else:
                found.append(Node(tag, data[at:stop]))
            at = stop
        return found

    def _tag(self, at: int, end: int) -> tuple[int, int]:
        # Two bytes are by far the most frequent.
        if at + 2 <= end and self._data[at + 1] < 0x80:
            return at + 2, self._data[at] << 8 | self._data[at + 1]
        size = 2
        while at + size <= end and self._data[at + size - 1] & 0x80:
            size += 1
        if at + size > end or size > _MAX_TAG_BYTES:
            raise CodecError("A TLV tag ends early or is too long.")
        return at + size, int.from_bytes(self._data[at : at + size], "big")

    def _length(self, at: int, end: int) -> tuple[int, int]:
        if at >= end:
            raise CodecError("A TLV object ends before its length.")
        first = self._data[at]
        if first < 0x80:
            return at + 1, first
        size = first & 0x7F
        if not 0 < size <= _MAX_LENGTH_BYTES or at + 1 + size > end:
            raise CodecError("A TLV length is indefinite, too long or ends early.")
        return at + 1 + size, int.from_bytes(self._data[at + 1 : at + 1 + size], "big")


def _first_byte(tag: int) -> int:
    while tag > 0xFF:
        tag >>= 8
    return tag


def _object(node: Node, depth: int) -> bytes:
    if depth > MAX_DEPTH:
        raise CodecError("TLV data is nested too deeply.")
    if node.value if node.constructed else node.children:
        raise CodecError(f"TLV tag {node.tag:X} holds the wrong kind of content.")
    content = b"".join(_object(each, depth + 1) for each in node.children) or node.value
    return _tag_bytes(node.tag) + _length_bytes(len(content)) + content


def _tag_bytes(tag: int) -> bytes:
    size = (tag.bit_length() + 7) // 8
    if not 0 < size <= _MAX_TAG_BYTES or tag < 0:
        raise CodecError(f"{tag:X} is not a TLV tag.")
    data = tag.to_bytes(size, "big")
    long_form = data[0] & 0x1F == 0x1F
    more = [byte & 0x80 != 0 for byte in data[1:]]
    if long_form != bool(more) or (more and more != [True] * (size - 2) + [False]):
        raise CodecError(f"{tag:X} is not a TLV tag.")
    return data


def _length_bytes(length: int) -> bytes:
    if length < 0x80:
        return bytes([length])
    if length < 0x100:
        return bytes([0x81, length])
    if length <= MAX_BYTES:
        return b"\x82" + length.to_bytes(2, "big")
    raise CodecError(f"TLV data of {length} bytes is longer than {MAX_BYTES}.")
