"""The messages between terminal and acquirer: types, field numbers, one body for both directions.

A body is a CBOR map with unsigned-integer keys in deterministic encoding (RFC 8949, 4.2.3):
0 to 5 are the header, 16 and up are fields. `docs/wire.md` and `docs/wire.cddl` are normative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any, Final

from posfw.codec import cbor
from posfw.values.errors import CodecError, MisuseError
from posfw.values.events import Plain
from posfw.values.identity import LAST_NUMBER
from posfw.values.money import MAX_MINOR

__all__ = [
    "VERSION",
    "DoFirstFlag",
    "Field",
    "Header",
    "InquiryState",
    "Message",
    "MessageType",
    "from_names",
    "to_names",
]

VERSION: Final = 1


class MessageType(IntEnum):
    """Body key 1. A type keeps its number for ever."""

    SIGN_ON = 1
    SIGN_OFF = 2
    ECHO = 3
    AUTHORISE = 4
    INQUIRY = 5
    REVERSAL = 6
    ADVICE = 7
    SCRIPT_RESULT = 8
    SETTLE = 9
    UPLOAD = 10
    PARAMETERS = 11
    VITALS = 12
    ACTIVATION = 13


class Header(IntEnum):
    """Body keys that every message has."""

    VERSION = 0
    TYPE = 1
    TERMINAL = 2
    MERCHANT = 3
    BATCH = 4
    STAN = 5


class Field(IntEnum):
    """Body keys of fields; the comment names the ISO 8583 data element where there is one."""

    KIND = 16
    AMOUNT = 17  # DE4, minor units
    CURRENCY = 18  # DE49
    TIP = 19  # part of AMOUNT, minor units
    ENTRY_MODE = 20  # DE22, first two digits
    LOCAL_TIME = 21  # DE12 and DE13 with year: YYYYMMDDhhmmss
    OPERATOR = 22
    ORIGINAL = 23  # DE61: [terminal, batch, STAN]
    CARD = 24  # COSE_Encrypt0
    PIN_BLOCK = 25  # DE52, ISO 9564-1 format 4, in AUTHORISE only
    NOTE = 26
    TEST = 27
    REASON = 28  # DE39 of a reversal: 98, A0, 06
    REPEAT = 29  # may have been sent before
    ISSUER_RESULT = 30  # DE55 of a script result
    APPROVED_OFFLINE = 31  # the card itself approved

    RESPONSE_CODE = 48  # DE39; in every answer, in no request
    AUTH_CODE = 49  # DE38
    REFERENCE = 50  # DE37
    HOST_TIME = 51  # YYYYMMDDhhmmss
    ISSUER_DATA = 52  # DE55 of an answer
    BALANCE = 53  # DE54, minor units
    DO_FIRST = 54  # array of DoFirstFlag
    INQUIRY_STATE = 55

    TOTALS = 64  # DE48 of a settlement
    RECORDS = 65  # an upload's records
    DETAILS = 79  # a map with text keys: what only one management message needs


class InquiryState(IntEnum):
    """How the acquirer knows a key."""

    NOT_FOUND = 0
    APPROVED = 1
    DECLINED = 2
    REVERSED = 3


class DoFirstFlag(IntEnum):
    """处理要求: what an answer wants done before the next sale."""

    PARAMETERS = 1
    STATUS = 2
    SIGN_ON = 3
    KEYS = 4


_INTEGERS: Final = frozenset(
    {
        Field.AMOUNT,
        Field.CURRENCY,
        Field.TIP,
        Field.ENTRY_MODE,
        Field.BALANCE,
        Field.INQUIRY_STATE,
    }
)
_BYTES: Final = frozenset({Field.CARD, Field.PIN_BLOCK, Field.ISSUER_RESULT, Field.ISSUER_DATA})
_FLAGS: Final = frozenset({Field.TEST, Field.REPEAT, Field.APPROVED_OFFLINE})
_TEXT_LIMITS: Final = {
    Field.KIND: 20,
    Field.LOCAL_TIME: 14,
    Field.OPERATOR: 2,
    Field.NOTE: 40,
    Field.REASON: 2,
    Field.RESPONSE_CODE: 2,
    Field.AUTH_CODE: 6,
    Field.REFERENCE: 12,
    Field.HOST_TIME: 14,
}
_FIELD_KEYS: Final = frozenset(int(each) for each in Field)
_HEADER_KEYS: Final = frozenset(int(each) for each in Header)
_TYPES: Final = frozenset(int(each) for each in MessageType)


@dataclass(frozen=True, slots=True)
class Message:
    """One body. The field values never show in a repr: some are card data under encryption.

    Attributes:
        type: what it is; an answer has its request's type.
        terminal: eight letters or digits.
        merchant: fifteen letters or digits.
        batch: 1..999999, or 0 where no batch is meant.
        stan: 1..999999, or 0 where no transaction is meant.
        fields: values by field number.
    """

    type: MessageType
    terminal: str
    merchant: str
    batch: int = 0
    stan: int = 0
    fields: Mapping[Field, Plain] = field(default_factory=dict, repr=False)

    def encode(self) -> bytes:
        """Return the body's bytes.

        Raises:
            MisuseError: a value that `decode` would refuse.
            CodecError: longer than a message may be.
        """
        fault = _fault(self)
        if fault:
            raise MisuseError(fault)
        header: dict[int, Any] = {
            Header.VERSION: VERSION,
            Header.TYPE: int(self.type),
            Header.TERMINAL: self.terminal,
            Header.MERCHANT: self.merchant,
            Header.BATCH: self.batch,
            Header.STAN: self.stan,
        }
        body = {int(key): value for key, value in header.items()}
        body.update({int(key): _bare(value) for key, value in self.fields.items()})
        return cbor.encode(body)

    @classmethod
    def decode(cls, data: bytes) -> Message:
        """Read a body.

        Raises:
            CodecError: not deterministic CBOR, another version, an unknown type or key, a value
                of the wrong type or size.
        """
        body = cbor.decode(data)
        if not isinstance(body, Mapping) or not body.keys() >= _HEADER_KEYS:
            raise CodecError("The message has no complete header.")
        if not body.keys() <= _HEADER_KEYS | _FIELD_KEYS:
            raise CodecError("The message has a field that this version does not know.")
        if type(body[Header.VERSION]) is not int or body[Header.VERSION] != VERSION:
            raise CodecError("The message is of another protocol version.")
        if type(body[Header.TYPE]) is not int or body[Header.TYPE] not in _TYPES:
            raise CodecError("The message is of an unknown type.")
        message = cls(
            type=MessageType(body[Header.TYPE]),
            terminal=body[Header.TERMINAL],
            merchant=body[Header.MERCHANT],
            batch=body[Header.BATCH],
            stan=body[Header.STAN],
            fields={Field(key): value for key, value in body.items() if key in _FIELD_KEYS},
        )
        fault = _fault(message)
        if fault:
            raise CodecError(fault)
        return message


def from_names(message: str, fields: Mapping[str, object]) -> tuple[MessageType, dict[Any, Any]]:
    """Turn a message name and field names (`sign_on`, `totals`) into numbers.

    Names that are no field travel in DETAILS. `batch` and `stan` stay text keys: they are header.

    Raises:
        MisuseError: no message of that name.
    """
    if message.upper() not in MessageType.__members__:
        raise MisuseError(f"There is no message called {message!r}.")
    numbered: dict[Any, Any] = {}
    details: dict[str, object] = {}
    for name, value in fields.items():
        if name in ("batch", "stan"):
            numbered[name] = value
        elif name.upper() in Field.__members__ and name != "details":
            numbered[Field[name.upper()]] = value
        else:
            details[name] = value
    if details:
        numbered[Field.DETAILS] = details
    return MessageType[message.upper()], numbered


def to_names(message: Message) -> dict[str, object]:
    """Return the fields by lower-case name, DETAILS spread among them; fields win over details."""
    details = message.fields.get(Field.DETAILS)
    named: dict[str, object] = dict(details) if isinstance(details, Mapping) else {}
    named.update(
        {key.name.lower(): value for key, value in message.fields.items() if key != Field.DETAILS}
    )
    return named


def _fault(message: Message) -> str:
    """Return what is wrong with a message, or ""."""
    if not (_plain(message.terminal, 8) and _plain(message.merchant, 15)):
        return "The terminal or merchant number is malformed."
    for number in (message.batch, message.stan):
        if not _whole(number) or not 0 <= number <= LAST_NUMBER:
            return f"Batch and STAN must be 0..{LAST_NUMBER}."
    for key, value in message.fields.items():
        if not _fits(key, value):
            return f"Field {key.name} has a value of the wrong type or size."
    return ""


def _plain(text: object, length: int) -> bool:
    if not isinstance(text, str) or len(text) != length:
        return False
    return text.isascii() and text.isalnum() and text == text.upper()


def _fits(key: Field, value: object) -> bool:
    if key in _INTEGERS:
        return _whole(value) and 0 <= value <= MAX_MINOR  # type: ignore[operator]
    if key in _BYTES:
        return isinstance(value, bytes)
    if key in _FLAGS:
        return value is True
    if key in _TEXT_LIMITS:
        return isinstance(value, str) and 0 < len(value) <= _TEXT_LIMITS[key]
    return _SHAPES[key](value)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _bare(value: Any) -> Any:
    """Return plain numbers and texts where the caller used members of enums."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [_bare(each) for each in value]
    if isinstance(value, Mapping):
        return {key: _bare(each) for key, each in value.items()}
    return value


def _original(value: object) -> bool:
    if not isinstance(value, (list, tuple)) or len(value) != 3:
        return False
    numbers = value[1:]
    return _plain(value[0], 8) and all(
        _whole(number) and 1 <= number <= LAST_NUMBER for number in numbers
    )


def _flags(value: object) -> bool:
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= len(DoFirstFlag):
        return False
    return all(_whole(each) and 1 <= each <= len(DoFirstFlag) for each in value)


def _named(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(each, str) for each in value)


def _listed(value: object) -> bool:
    return isinstance(value, (list, tuple, Mapping))


_SHAPES: Final = {
    Field.ORIGINAL: _original,
    Field.DO_FIRST: _flags,
    Field.DETAILS: _named,
    Field.TOTALS: _listed,
    Field.RECORDS: _listed,
}
