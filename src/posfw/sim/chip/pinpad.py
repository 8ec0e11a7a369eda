"""A simulated PIN pad and cardholder: makes the data of VERIFY as an approved device would.

The PIN exists only in here; the kernel sees blocks (EMV Book 3, table 24; Book 2, 7.2).
"""

from __future__ import annotations

from collections.abc import Callable

from posfw.sim.chip.ber import cn

__all__ = ["enciphered_block", "plaintext_block"]


def plaintext_block(pin: str) -> bytes:
    """Return 2, length, digits, filled with F: eight bytes."""
    return bytes.fromhex(f"2{len(pin):X}") + cn(pin, 7)


def enciphered_block(
    pin: str,
    challenge: bytes,
    modulus: int,
    exponent: int,
    size: int,
    chance: Callable[[int], bytes],
) -> bytes:
    """Return 7F, block, challenge and chance under the card's key."""
    data = b"\x7f" + plaintext_block(pin) + challenge
    data += chance(size - len(data))
    return pow(int.from_bytes(data, "big"), exponent, modulus).to_bytes(size, "big")
