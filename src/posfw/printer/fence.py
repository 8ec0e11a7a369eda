"""How far a printer has come: a command that it answers in its turn. Pure.

DLE EOT is answered at once and says nothing about what lies in the printer's buffer. `GS r 1` is
an ordinary command: its answer comes when everything sent before has been worked off. One behind
every strip makes each strip's fate known; answers come in order, so counting them is enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from posfw.values.hardware import PrinterProfile

__all__ = ["Heard", "Listener", "fence", "proves"]

# Star has no such command that all its models share, `none` has no way back. The answer of ESC v
# looks like any other answer of ESC v: one that was lost would let the next one prove too much.
_FENCE = MappingProxyType({"epson": b"\x1dr\x01"})
ASB_BYTES = 4


def fence(profile: PrinterProfile) -> bytes:
    """Return the command to send behind a strip, empty where the printer has none."""
    return _FENCE.get(profile.status, b"")


def proves(profile: PrinterProfile) -> bool:
    """Whether the printer can say which strips it has worked off."""
    return bool(fence(profile))


@dataclass(frozen=True, slots=True)
class Heard:
    """What a piece of the stream held: bytes for `status.decode`, and fence answers."""

    status: bytes = b""
    fences: int = 0


@dataclass(slots=True)
class Listener:
    """Takes fence answers out of a printer's stream; bounded: it keeps four bytes at most."""

    dialect: str
    _block: bytes = b""

    def feed(self, data: bytes) -> Heard:
        """Sort the bytes that came."""
        if self.dialect != "epson":
            return Heard(data)
        status = bytearray()
        fences = 0
        for byte in data:
            if self._block or byte & 0x93 == 0x10:  # automatic status: 0xx1xx00 and three more
                self._block += bytes((byte,))
                if len(self._block) == ASB_BYTES:
                    status += self._block
                    self._block = b""
            elif byte & 0x90 == 0:  # GS r 1: 0xx0xxxx; DLE EOT, XON and XOFF have bit 4 set
                fences += 1
            else:
                status.append(byte)
        return Heard(bytes(status), fences)
