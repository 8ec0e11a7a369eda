"""How far the journal has come, as the acquirer keeps it: a witness outside the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from posfw.values.errors import CodecError

__all__ = ["CODE_BYTES", "Head"]

CODE_BYTES: Final = 8
ENTRY_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Head:
    """The last durable entry of the chain and the first eight bytes of its code.

    Attributes:
        entry: its number, from 1.
        code: eight bytes. 2^64 tries for another history with the same code.
    """

    entry: int
    code: bytes

    @classmethod
    def at(cls, entry: int, code: bytes) -> Head:
        """Return the anchor of an entry by its whole code."""
        return cls(entry, code[:CODE_BYTES])

    def encode(self) -> bytes:
        """Return code and number, big-endian without leading zeros: 9 to 12 bytes."""
        return self.code + self.entry.to_bytes((self.entry.bit_length() + 7) // 8, "big")

    @classmethod
    def decode(cls, data: bytes) -> Head:
        """Read what `encode` wrote.

        Raises:
            CodecError: too short, too long, or a number with leading zeros.
        """
        code, number = data[:CODE_BYTES], data[CODE_BYTES:]
        if not 1 <= len(number) <= ENTRY_BYTES or not number[0]:
            raise CodecError("An anchor is eight bytes of code and an entry's number.")
        return cls(int.from_bytes(number, "big"), code)
