"""Commands of the contact kernel as values, and their bytes (EMV Book 3, chapter 6; Book 1, 11).

ISO/IEC 7816-4 short APDUs only, as EMV asks. `exchange` answers 61xx and 6Cxx, which T=0 cards
send (Book 1, 9.3.1), with a bound on rounds and bytes, so no card can keep the terminal busy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from posfw.values.errors import CardDataError

__all__ = [
    "Command",
    "Exchange",
    "Response",
    "external_authenticate",
    "generate_ac",
    "get_challenge",
    "get_data",
    "get_processing_options",
    "internal_authenticate",
    "read_record",
    "script_command",
    "select",
    "verify",
]

MAX_ROUNDS: Final = 8  # 256 bytes need one GET RESPONSE; eight are generous and finite
MAX_RESPONSE_BYTES: Final = 256


class Command(NamedTuple):
    """A C-APDU. `data` may be a PIN block or card data: it is never shown.

    Attributes:
        le: bytes expected, 0 means up to 256, None means none.
        raw: the whole command as an issuer's script gives it; the other fields are then its head.
    """

    cla: int
    ins: int
    p1: int = 0
    p2: int = 0
    data: bytes = b""
    le: int | None = None
    raw: bytes = b""

    def __repr__(self) -> str:
        return f"<command {self.cla:02X}{self.ins:02X}{self.p1:02X}{self.p2:02X}>"

    def to_bytes(self, protocol: int = 1) -> bytes:
        """Return the bytes for T=0 or T=1.

        Under T=0 a command with data carries no Le: the card says 61xx instead (Book 1, 9.3.1).
        """
        if self.raw:
            return self.raw
        head = bytes((self.cla, self.ins, self.p1, self.p2))
        if not self.data:
            if self.le is None:
                return head + b"\x00" if protocol == 0 else head
            return head + bytes((self.le & 0xFF,))
        body = head + bytes((len(self.data),)) + self.data
        return body if self.le is None or protocol == 0 else body + bytes((self.le & 0xFF,))


@dataclass(frozen=True, slots=True)
class Response:
    """An R-APDU: data and the two status bytes as one number."""

    data: bytes = field(repr=False)
    sw: int

    @property
    def ok(self) -> bool:
        """Whether the status is 9000."""
        return self.sw == 0x9000

    @classmethod
    def from_bytes(cls, answer: bytes) -> Response:
        """Split an answer.

        Raises:
            CardDataError: shorter than a status, or longer than a short R-APDU.
        """
        if not 2 <= len(answer) <= MAX_RESPONSE_BYTES + 2:
            raise CardDataError(f"The card answered {len(answer)} bytes.")
        return cls(answer[:-2], int.from_bytes(answer[-2:], "big"))


class Exchange(NamedTuple):
    """One command until its final status; further rounds are asked for by `advance`."""

    command: Command
    data: bytes = b""
    rounds: int = 0

    def __repr__(self) -> str:
        return f"<exchange {self.command!r}, round {self.rounds}>"

    def advance(self, response: Response) -> Exchange | Response:
        """Return the next round's exchange, or the whole response.

        Raises:
            CardDataError: too many rounds or too many bytes.
        """
        high, low = response.sw >> 8, response.sw & 0xFF
        if high not in (0x61, 0x6C):
            return Response(self.data + response.data, response.sw) if self.data else response
        data = self.data + response.data
        if self.rounds >= MAX_ROUNDS or len(data) > MAX_RESPONSE_BYTES:
            raise CardDataError("The card does not come to an end with its answer.")
        if high == 0x61:
            return Exchange(Command(0x00, 0xC0, le=low), data, self.rounds + 1)
        return Exchange(self.command._replace(le=low), self.data, self.rounds + 1)


def select(name: bytes, *, next_occurrence: bool = False) -> Command:
    """SELECT by name (Book 1, 11.3)."""
    return Command(0x00, 0xA4, 0x04, 0x02 if next_occurrence else 0x00, name, 0)


def read_record(sfi: int, number: int) -> Command:
    """READ RECORD (Book 1, 11.2; Book 3, 6.5.11)."""
    return Command(0x00, 0xB2, number, sfi << 3 | 0x04, le=0)


def get_processing_options(pdol_data: bytes) -> Command:
    """GET PROCESSING OPTIONS with the command template 83 (Book 3, 6.5.8).

    Raises:
        CardDataError: the PDOL asks for more than one command holds.
    """
    size = len(pdol_data)
    if size > 252:
        raise CardDataError(f"The card's PDOL asks for {size} bytes.")
    head = bytes((0x83, size)) if size < 0x80 else bytes((0x83, 0x81, size))
    return Command(0x80, 0xA8, data=head + pdol_data, le=0)


def get_data(tag: int) -> Command:
    """GET DATA of a two-byte tag (Book 3, 6.5.7)."""
    return Command(0x80, 0xCA, tag >> 8, tag & 0xFF, le=0)


def internal_authenticate(data: bytes) -> Command:
    """INTERNAL AUTHENTICATE over the DDOL's data (Book 3, 6.5.9)."""
    return Command(0x00, 0x88, data=data, le=0)


def get_challenge() -> Command:
    """GET CHALLENGE: eight bytes for the enciphered PIN (Book 3, 6.5.6)."""
    return Command(0x00, 0x84, le=0)


def verify(pin_data: bytes, *, enciphered: bool) -> Command:
    """VERIFY: P2 80 plaintext, 88 enciphered (Book 3, 6.5.12, table 23)."""
    return Command(0x00, 0x20, 0x00, 0x88 if enciphered else 0x80, pin_data)


def external_authenticate(data: bytes) -> Command:
    """EXTERNAL AUTHENTICATE with tag 91's value (Book 3, 6.5.4)."""
    return Command(0x00, 0x82, data=data)


def generate_ac(kind: int, data: bytes, *, cda: bool) -> Command:
    """GENERATE AC; bit 5 of P1 asks for a CDA signature (Book 3, 6.5.5)."""
    return Command(0x80, 0xAE, kind | (0x10 if cda else 0), data=data, le=0)


def script_command(raw: bytes) -> Command:
    """Return an issuer's command as it came, to be passed on unchanged (Book 3, 10.10).

    Raises:
        CardDataError: no command APDU of 4 to 261 bytes.
    """
    if not 4 <= len(raw) <= 261:
        raise CardDataError(f"A script command has {len(raw)} bytes.")
    return Command(raw[0], raw[1], raw[2], raw[3], raw=raw)
