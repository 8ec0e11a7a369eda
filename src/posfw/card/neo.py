"""Commands of ID TECH NEO 2 readers, and what their plain replies say.

Numbers and fields are those of the NEO 2 interface guide (80139403-002, 2019); its page stands
with each. While an activation runs the reader takes only Cancel, and anything else counts as one
(p242; Kiosk V manual p22).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from posfw.card.vivotech2 import Reply, command
from posfw.codec.tlv import Node, encode, parse
from posfw.values.errors import CodecError, DeviceError, MisuseError
from posfw.values.money import Money

__all__ = [
    "ACTIVATE",
    "CANCEL",
    "DISPLAY",
    "FIRMWARE",
    "GET_CONFIGURATION",
    "INTERFACE",
    "PING",
    "SET_CONFIGURATION",
    "Beep",
    "Display",
    "Lamp",
    "Status",
    "activate",
    "cancel",
    "configuration",
    "firmware_version",
    "get_configuration",
    "interface",
    "ping",
    "set_configuration",
    "text_of",
]

PING: Final = 0x18
FIRMWARE: Final = 0x29
ACTIVATE: Final = 0x02
CANCEL: Final = 0x05
SET_CONFIGURATION: Final = 0x04
GET_CONFIGURATION: Final = 0x03
INTERFACE: Final = 0x01
MAX_WAIT_S: Final = 255
DISPLAY: Final = 3  # component of an event (p58)

_AMOUNT: Final = 0x9F02
_TYPE: Final = 0x9C
_CURRENCY: Final = 0x5F2A
_COUNTER: Final = 0x9F41
_PURCHASE: Final = b"\x00"


class Status(IntEnum):
    """Status codes of replies that are acted on (p28)."""

    OK = 0x00
    CRC_ERROR = 0x04
    TIMEOUT = 0x08
    FAILED = 0x0A
    NOT_ALLOWED = 0x0B
    INTERFACE_EVENT = 0x0E
    ONLINE = 0x23


class Display(IntEnum):
    """Messages of the reader's display (p124); NONE leaves it alone."""

    WELCOME = 0x00
    PRESENT = 0x01
    PROCESSING = 0x03
    THANK_YOU = 0x04
    FAIL = 0x05
    INSERT_OR_SWIPE = 0x08
    TRY_AGAIN = 0x09
    ONE_CARD = 0x0A
    WAIT = 0x0B
    NONE = 0xFF


class Beep(IntEnum):
    """Sounds of the reader (p124)."""

    NONE = 0x00
    SINGLE = 0x01
    DOUBLE = 0x02
    TRIPLE = 0x03
    LONG = 0x06


@dataclass(frozen=True, slots=True)
class Lamp:
    """One LED of four, or all of them (255), and whether it burns."""

    number: int = 0xFF
    on: bool = False


def ping() -> bytes:
    """18-01: is anybody there?"""
    return command(PING, 0x01)


def firmware_version() -> bytes:
    """29-00: name and version of the firmware."""
    return command(FIRMWARE, 0x00)


def activate(amount: Money, *, wait_s: int, counter: int) -> bytes:
    """02-40: read one card for this amount, by contact, contactless or stripe (p212, p233).

    Date and time are the reader's own: the guide forbids sending them (p179).

    Args:
        amount: authorised amount (9F02, n12), with its currency.
        wait_s: how long the reader waits for a card, 1 to 255.
        counter: transaction sequence counter (9F41); comes back with the result.

    Raises:
        MisuseError: a wait or counter out of range.
    """
    if not 0 < wait_s <= MAX_WAIT_S or not 0 <= counter <= 99_999_999:
        raise MisuseError(f"A wait of {wait_s} s or counter {counter} cannot be sent.")
    fields = (
        Node(_AMOUNT, bytes.fromhex(f"{amount.minor:012d}")),
        Node(_TYPE, _PURCHASE),
        Node(_CURRENCY, bytes.fromhex(f"{amount.currency.number:04d}")),
        Node(_COUNTER, bytes.fromhex(f"{counter:08d}")),
    )
    return command(ACTIVATE, 0x40, bytes((wait_s,)) + encode(fields))


def cancel() -> bytes:
    """05-01: stop the activation; nothing may be sent before its reply (p242)."""
    return command(CANCEL, 0x01)


def set_configuration(fields: Iterable[Node]) -> bytes:
    """04-00: store terminal data; tags and values are the acquirer's and the maker's."""
    return command(SET_CONFIGURATION, 0x00, encode(fields))


def get_configuration() -> bytes:
    """03-02: all terminal data."""
    return command(GET_CONFIGURATION, 0x02)


def interface(
    display: Display = Display.NONE, beep: Beep = Beep.NONE, lamp: Lamp | None = None
) -> bytes:
    """01-02: display, buzzer and lamps in one command (p124)."""
    lamp = lamp or Lamp()
    return command(INTERFACE, 0x02, bytes((display, beep, lamp.number, int(lamp.on))))


def text_of(reply: Reply) -> str:
    """Return a reply's text, printable ASCII only.

    Raises:
        DeviceError: the reader refused, see its status.
    """
    _ok(reply)
    return "".join(chr(byte) for byte in reply.data if 0x20 <= byte < 0x7F)


def configuration(reply: Reply) -> list[Node]:
    """Return the reader's data objects.

    Raises:
        DeviceError: the reader refused or sent no TLV.
    """
    _ok(reply)
    try:
        return parse(reply.data)
    except CodecError as error:
        raise DeviceError("The reader's configuration cannot be read.") from error


def _ok(reply: Reply) -> None:
    if reply.status != Status.OK:
        raise DeviceError(
            f"The reader refused command {reply.command:02X} with status {reply.status:02X}."
        )
