"""BER-TLV as the cards write it: an encoder of their own, apart from the terminal's codec."""

from __future__ import annotations

__all__ = ["cn", "numeric", "split_dol", "tlv"]


def tlv(tag: int, *values: bytes) -> bytes:
    """Return one object with the shortest length."""
    value = b"".join(values)
    size = len(value)
    if size < 0x80:
        length = bytes((size,))
    elif size < 0x100:
        length = bytes((0x81, size))
    else:
        length = b"\x82" + size.to_bytes(2, "big")
    return bytes.fromhex(f"{tag:0{(tag.bit_length() + 7) // 8 * 2}X}") + length + value


def cn(digits: str, size: int = 0) -> bytes:
    """Format cn: digits two to a byte, filled with F on the right."""
    text = digits + "F" * (len(digits) % 2)
    return bytes.fromhex(text.ljust(2 * size, "F"))


def numeric(number: int, size: int) -> bytes:
    """Format n: digits two to a byte, zeros on the left."""
    return bytes.fromhex(f"{number:0{2 * size}d}")


def split_dol(dol: bytes, data: bytes) -> dict[int, bytes]:
    """Return what the terminal sent for a list, by tag; too little data gives short values."""
    found: dict[int, bytes] = {}
    at = place = 0
    while at < len(dol):
        size = 2 if dol[at] & 0x1F == 0x1F else 1
        tag = int.from_bytes(dol[at : at + size], "big")
        length = dol[at + size]
        found[tag] = data[place : place + length]
        at, place = at + size + 1, place + length
    return found
