"""Commands of an ABECS PIN pad: the PIN goes into the pad, an enciphered block comes out.

    command   NNN (LLL data)*       answer   NNN SSS (LLL data)*      name, status, length

Names, statuses and layout are those of ABECS 2.12 as four public programs agree on them. Its GET
PIN knows TDES only (methods 1 and 3, ISO 9564-1 format 0). posfw takes format 4 and nothing
weaker, so a pad needs firmware with method 5: AES DUKPT (X9.24-3), a 16-byte block and a 12-byte
key serial number. That method is this product's extension, not the standard's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from posfw.values.card import CardNumber, Secret
from posfw.values.errors import CodecError, DeviceError, MisuseError
from posfw.values.money import Money

__all__ = [
    "CLOSE",
    "GET_PIN",
    "OPEN",
    "PROMPTS",
    "Answer",
    "EncipheredPin",
    "Status",
    "answer_of",
    "close_pad",
    "get_pin",
    "open_pad",
    "pin_of",
]

OPEN: Final = "OPN"
CLOSE: Final = "CLO"
GET_PIN: Final = "GPN"
MAX_BLOCK_CHARS: Final = 999
AES_DUKPT: Final = "5"
BLOCK_BYTES: Final = 16
KEY_SERIAL_BYTES: Final = 12
# Two lines of 16 characters; a pad's text display is ASCII.
PROMPTS: Final = ("ENTER PIN", "WRONG PIN: AGAIN", "LAST TRY: PIN")
_LINE_CHARS: Final = 16
_MIN_DIGITS: Final = 4
_MAX_DIGITS: Final = 12


class Status(IntEnum):
    """Statuses that are acted on; any other is a fault."""

    OK = 0
    TIMEOUT = 12
    CANCELLED = 13
    NO_KEY = 42
    BUSY = 44  # too many PIN entries in a short time


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `blocks` may hold an enciphered PIN."""

    name: str
    status: int
    blocks: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class EncipheredPin:
    """An ISO 9564-1 format 4 block and the serial number of the key it is under."""

    block: Secret
    key_serial: bytes


def open_pad() -> bytes:
    """OPN without secure communication, packet 16 4F 50 4E 17 A8 A9; `OPN000` is its answer."""
    return b"OPN"


def close_pad() -> bytes:
    """CLO with the text that stays on the display."""
    return _command(CLOSE, " " * 32)


def get_pin(number: CardNumber, amount: Money, prompt_id: int, *, key_slot: int = 0) -> bytes:
    """GPN: method, key slot, no working key, card number, one entry of 4 to 12 digits, text.

    Raises:
        MisuseError: a prompt or key slot that does not exist.
    """
    if not 0 <= prompt_id < len(PROMPTS) or not 0 <= key_slot <= 99:
        raise MisuseError(f"There is no prompt {prompt_id} or key slot {key_slot}.")
    digits = number.reveal()
    text = str(amount).encode("ascii", "replace").decode()[:_LINE_CHARS].ljust(_LINE_CHARS)
    text += PROMPTS[prompt_id].ljust(_LINE_CHARS)
    fields = (
        AES_DUKPT, f"{key_slot:02d}", "0" * 32, f"{len(digits):02d}", digits.ljust(19),
        "1", f"{_MIN_DIGITS:02d}", f"{_MAX_DIGITS:02d}", text,
    )  # fmt: skip
    return _command(GET_PIN, "".join(fields))


def answer_of(data: bytes) -> Answer:
    """Read one answer.

    Raises:
        CodecError: not an answer.
    """
    try:
        text = data.decode("latin-1")
        name, status, rest = text[:3], text[3:6], text[6:]
        if len(text) < 6 or not (name.isascii() and name.isalnum()):
            raise CodecError("The PIN pad's answer has no name.")
        return Answer(name, _number(status), tuple(_blocks(rest)))
    except ValueError:
        raise CodecError("The PIN pad's answer has no status or length.") from None


def pin_of(answer: Answer) -> EncipheredPin | None:
    """Return the enciphered PIN, or None when the customer gave none (cancelled or too slow).

    Raises:
        DeviceError: the pad refused, or its block is not of format 4's size.
    """
    if answer.status in (Status.CANCELLED, Status.TIMEOUT):
        return None
    if answer.status == Status.NO_KEY:
        raise DeviceError(
            "The PIN pad holds no key in this slot.", next_step="Have its key loaded."
        )
    if answer.status != Status.OK:
        raise DeviceError(f"The PIN pad refused with status {answer.status:03d}.")
    text = "".join(answer.blocks)
    try:
        data = bytes.fromhex(text)
    except ValueError:
        raise DeviceError("The PIN pad's block is not hexadecimal.") from None
    if len(data) != BLOCK_BYTES + KEY_SERIAL_BYTES:
        raise DeviceError(f"The PIN pad's block has {len(data)} bytes: not format 4.")
    return EncipheredPin(Secret(data[:BLOCK_BYTES]), data[BLOCK_BYTES:])


def _command(name: str, *blocks: str) -> bytes:
    return (name + "".join(f"{len(block):03d}{block}" for block in blocks)).encode("ascii")


def _blocks(text: str) -> list[str]:
    blocks = []
    while text:
        size = _number(text[:3])
        if not 0 < size <= len(text) - 3:
            raise CodecError("The PIN pad's answer is cut off.")
        blocks.append(text[3 : 3 + size])
        text = text[3 + size :]
    return blocks


def _number(text: str) -> int:
    if not (len(text) == 3 and text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)
