"""Length-prefixed frames: four bytes big-endian, then that many bytes, 16 KiB at most."""

from __future__ import annotations

from typing import Final

from posfw.values.errors import CodecError

__all__ = ["HEAD_BYTES", "MAX_FRAME_BYTES", "Deframer", "frame"]

HEAD_BYTES: Final = 4
MAX_FRAME_BYTES: Final = 16 * 1024


def frame(payload: bytes) -> bytes:
    """Return the payload with its length.

    Raises:
        CodecError: empty or longer than 16 KiB.
    """
    _check(len(payload))
    return len(payload).to_bytes(HEAD_BYTES, "big") + payload


class Deframer:
    """Collects bytes in whatever pieces they come and gives whole payloads.

    It never holds more than one frame and one read: a longer announcement is refused at once.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes of a frame that has begun and is not complete."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payloads that `data` completed.

        Raises:
            CodecError: a frame announced 0 or more than 16 KiB; the stream cannot go on.
        """
        self._buffer += data
        found = []
        while len(self._buffer) >= HEAD_BYTES:
            length = int.from_bytes(self._buffer[:HEAD_BYTES], "big")
            _check(length)
            if len(self._buffer) < HEAD_BYTES + length:
                break
            found.append(bytes(self._buffer[HEAD_BYTES : HEAD_BYTES + length]))
            del self._buffer[: HEAD_BYTES + length]
        return found


def _check(length: int) -> None:
    if not 0 < length <= MAX_FRAME_BYTES:
        raise CodecError(f"A frame of {length} bytes is outside 1..{MAX_FRAME_BYTES}.")
