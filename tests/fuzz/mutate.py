"""A seeded mutator of bytes: the same seed makes the same inputs."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

__all__ = ["Mutator"]

MAX_BYTES: Final = 20_000  # somewhat more than any frame, so that limits are met too
# Bytes and lengths that formats give a meaning: borders of sizes, brackets, control characters.
_TELLING: Final = (
    b"\x00", b"\x7f", b"\x80", b"\xff", b"\x17", b"\x18", b"\x19", b"\x1a", b"\x1b", b"\x1f",
    b"\xff\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff\xff\xff\xff\xff", b"\x9f", b"\xbf",
    b"\xd8\x1c", b"\xf9\x7e\x00", b"\x02", b"\x03", b"\r\n", b";", b"%", b"?", b"=", b"^", b"{",
    b"[", b'"', b"'", b"]]", b"0" * 40, b"\x81" * 12, b"\xe4\xb8", b"-1", b"1e999", b"null",
)  # fmt: skip


class Mutator:
    """Makes inputs from a corpus that grows while it runs.

    Args:
        seeds: good and bad examples to begin with.
        seed: of the chance.
    """

    def __init__(self, seeds: Sequence[bytes], seed: int) -> None:
        self._corpus = list(seeds) or [b""]
        self._random = Random(seed)

    def keep(self, data: bytes) -> None:
        """Add an input that showed something new."""
        if len(data) <= MAX_BYTES:
            self._corpus.append(data)

    def next(self) -> bytes:
        """Return an example changed in one to four places."""
        random = self._random
        data = bytearray(random.choice(self._corpus))
        for _ in range(1 + int(random.random() * random.random() * 4)):
            self._change(data)
        return bytes(data[:MAX_BYTES])

    def _change(self, data: bytearray) -> None:
        random = self._random
        at = int(random.random() * (len(data) + 1))
        match int(random.random() * 8):
            case 0 | 1 if at < len(data):
                data[at] = int(random.random() * 256)
            case 2 if at < len(data):
                data[at] ^= 1 << int(random.random() * 8)
            case 3:
                data[at:at] = random.choice(_TELLING)
            case 4:
                piece = random.choice(_TELLING)
                data[at : at + len(piece)] = piece
            case 5:
                del data[at : at + 1 + int(random.random() * 6)]
            case 6:
                other = random.choice(self._corpus)
                start = int(random.random() * (len(other) + 1))
                data[at:at] = other[start : start + int(random.random() * 30)]
            case _:
                end = at + int(random.random() * 12)
                data[at:at] = data[at:end] * (1 + int(random.random() * 3))
