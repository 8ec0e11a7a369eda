"""The messages between terminal and acquirer: types, field numbers, one body for both directions.

A body is a CBOR map with unsigned-integer keys in deterministic encoding (RFC 8949, 4.2.3):
0 to 5 are the header, 16 and up are fields. A key below 128 is critical: an unknown one is
refused. An unknown key from 128 to 65535 is optional: kept and ignored. `docs/wire.md` and
`docs/wire.cddl` are normative.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum
from typing import Any, Final

from posfw.codec import cbor
from posfw.values.errors import CodecError, MisuseError
from posfw.values.events import Plain
from posfw.values.identity import LAST_NUMBER
from posfw.values.money import MAX_MINOR

__all__ = [
    "FIRST_OPTIONAL",
    "VERSION",
    "VERSIONS",
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
VERSIONS: Final = (1,)  # what sign-on offers, oldest first
FIRST_OPTIONAL: Final = 128
LAST_OPTIONAL: Final = 65_535
_MAX_OPTIONAL: Final = 16  # bounded like everything that is kept


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
    LOCAL_TIME = 21  # DE12 and DE13 with year: YYYYMMDDhhmmss, an integer on the wire
    OPERATOR = 22
    ORIGINAL = 23  # DE61: [terminal, batch, STAN]
    CARD = 24  # COSE_Encrypt0
    PIN_BLOCK = 25  # DE52, ISO 9564-1 format 4 and its key's serial number, in AUTHORISE only
    NOTE = 26
    TEST = 27
    REASON = 28  # DE39 of a reversal: 98, A0, 06
    REPEAT = 29  # may have been sent before
    ISSUER_RESULT = 30  # DE55 of a script result
    APPROVED_OFFLINE = 31  # the card itself approved
    INSTALMENT = 32  # [plan, periods, fee in minor units]
    CLOSE = 33  # of an inquiry: take no payment under this key any more
    ANCHOR = 34  # how far the journal has come (values.anchor), in every request

    RESPONSE_CODE = 48  # DE39; in every answer, in no request
    AUTH_CODE = 49  # DE38; of a sale that was authorised by telephone in the request
    REFERENCE = 50  # DE37
    HOST_TIME = 51  # YYYYMMDDhhmmss, an integer on the wire
    ISSUER_DATA = 52  # DE55 of an answer
    BALANCE = 53  # DE54, minor units
    DO_FIRST = 54  # array of DoFirstFlag
    INQUIRY_STATE = 55
    PAY_CODE = 56  # what a payer's telephone scans
    VALID_S = 57  # how long it may be paid
    WITNESS = 58  # the furthest ANCHOR that was told before, in answers to echo and sign-on

    TOTALS = 64  # DE48 of a settlement
    RECORDS = 65  # an upload's records
    DETAILS = 79  # a map with text keys: what only one management message needs


class InquiryState(IntEnum):
    """How the acquirer knows a key."""

    NOT_FOUND = 0
    APPROVED = 1
    DECLINED = 2
    REVERSED = 3
    WAITING = 4  # the payer has not decided


class DoFirstFlag(IntEnum):
    """处理要求: what an answer wants done before the next sale."""

    PARAMETERS = 1
    STATUS = 2
    SIGN_ON = 3
    KEYS = 4


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
        optional: values under keys that this version does not know and may ignore.
    """

    type: MessageType
    terminal: str
    merchant: str
    batch: int = 0
    stan: int = 0
    fields: Mapping[Field, Plain] = field(default_factory=dict, repr=False)
    optional: Mapping[int, Plain] = field(default_factory=dict, repr=False)

    def encode(self) -> bytes:
        """Return a request's body.

        Raises:
            MisuseError: a value that `decode` would refuse.
            CodecError: longer than a message may be.
        """
        header = {
            0: VERSION,
            1: int(self.type),
            2: self.terminal,
            3: self.merchant,
            4: self.batch,
            5: self.stan,
        }
        return _encoded(header | self._wire_fields(), _HEADER_KEYS)

    def encode_answer(self) -> bytes:
        """Return an answer's body: fields alone, because its code binds the request's header.

        Raises:
            MisuseError: a value that `decode_answer` would refuse.
            CodecError: longer than a message may be.
        """
        return _encoded(self._wire_fields(), _NO_KEYS)

    @classmethod
    def decode(cls, data: bytes) -> Message:
        """Read a request's body.

        Raises:
            CodecError: not deterministic CBOR, another version, an unknown type or critical key,
                a value of the wrong type or size.
        """
        body = _decoded(data, _HEADER_KEYS)
        known, optional = _sorted_out(body)
        return cls(_TYPES[body[1]], body[2], body[3], body[4], body[5], known, optional)

    @classmethod
    def decode_answer(cls, data: bytes, request: Message) -> Message:
        """Read an answer's body; its header is the request's.

        Raises:
            CodecError: as `decode`, or it carries a header of its own.
        """
        known, optional = _sorted_out(_decoded(data, _NO_KEYS))
        return replace(request, fields=known, optional=optional)

    def _wire_fields(self) -> dict[int, Any]:
        body: dict[int, Any] = {}
        for key, value in self.fields.items():
            plain = value if type(value) in _BARE else bare(value)
            body[int(key)] = _wire_time(plain) if key in _TIMES else plain
        for number, value in self.optional.items():
            body[number] = bare(value)
        return body


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


def bare(value: Any) -> Any:
    """Return plain values where the caller used enums, tuples or mappings."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [bare(each) for each in value]
    if isinstance(value, Mapping):
        return {bare(key): bare(each) for key, each in value.items()}
    return value


def _encoded(body: Mapping[int, Any], header: frozenset[int]) -> bytes:
    fault = _fault(body, header)
    if fault:
        raise MisuseError(fault)
    return cbor.encode(body)


def _decoded(data: bytes, header: frozenset[int]) -> dict[int, Any]:
    body = cbor.decode(data)
    fault = _fault(body, header) if type(body) is dict else "The message is not a map."
    if fault:
        raise CodecError(fault)
    return body  # type: ignore[no-any-return]  # a map by the line above


def _sorted_out(body: Mapping[int, Any]) -> tuple[dict[Field, Plain], dict[int, Plain]]:
    known: dict[Field, Plain] = {}
    optional: dict[int, Plain] = {}
    for key, value in body.items():
        if key in _FIELDS:
            known[_FIELDS[key]] = f"{value:014d}" if key in _TIMES else value
        elif key >= FIRST_OPTIONAL:
            optional[key] = value
    return known, optional


def _wire_time(text: Any) -> Any:
    """Times are one integer on the wire: YYYYMMDDhhmmss in 9 bytes instead of 15."""
    return int(text) if type(text) is str and _FOURTEEN.fullmatch(text) else text


def _fault(body: Mapping[Any, Any], header: frozenset[int]) -> str:
    """Return what is wrong with a body, or ""; it names keys, never values."""
    if not header <= body.keys():
        return "The message has no complete header."
    for key, value in body.items():
        check = _CHECKS.get(key)
        if check is None:
            if type(key) is not int or not FIRST_OPTIONAL <= key <= LAST_OPTIONAL:
                return "The message has a field that this version does not know."
            check = _plain
        if not check(value):
            return f"The message's value under key {key} has the wrong type or size."
        if key <= _LAST_HEADER and key not in header:
            return "The answer has a header of its own."
    if len(body) > len(_CHECKS) + _MAX_OPTIONAL:
        return "The message has too many optional fields."
    return ""


def _identifier(length: int) -> Callable[[Any], bool]:
    form = re.compile(f"[A-Z0-9]{{{length}}}")
    return lambda value: type(value) is str and form.fullmatch(value) is not None


def _number(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _text(length: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is str and 0 < len(value) <= length


def _bytes(value: Any) -> bool:
    return type(value) is bytes


def _pin_block(value: Any) -> bool:
    return type(value) is bytes and len(value) in _PIN_BLOCK_SIZES


def _anchor(value: Any) -> bool:
    return type(value) is bytes and 9 <= len(value) <= 12 and value[8] != 0


def _true(value: Any) -> bool:
    return value is True


def _original(value: Any) -> bool:
    return (
        type(value) is list
        and len(value) == 3
        and _TERMINAL(value[0])
        and all(_COUNTED(each) for each in value[1:])
    )


def _instalment(value: Any) -> bool:
    return (
        type(value) is list
        and len(value) == 3
        and _PLAN(value[0])
        and _PERIODS(value[1])
        and _MINOR(value[2])
    )


def _flags(value: Any) -> bool:
    if type(value) is not list or not 1 <= len(value) <= len(DoFirstFlag):
        return False
    return all(type(each) is int and 1 <= each <= len(DoFirstFlag) for each in value)


def _named(value: Any) -> bool:
    return type(value) is dict and all(type(key) is str for key in value) and _plain(value)


def _listed(value: Any) -> bool:
    return type(value) in (list, dict) and _plain(value)


def _plain(value: Any, depth: int = cbor.MAX_DEPTH - 1) -> bool:
    """Say whether a body can carry it: plain values only, and no deeper than `cbor` decodes."""
    if type(value) in (list, dict) and not depth:
        return False
    if type(value) is list:
        return all(_plain(each, depth - 1) for each in value)
    if type(value) is dict:
        keys = all(type(key) is str or type(key) is int for key in value)
        return keys and all(_plain(each, depth - 1) for each in value.values())
    if type(value) is int:
        return -(1 << 63) <= value < 1 << 63
    return value is None or type(value) in (bool, str, bytes)


_HEADER_KEYS: Final = frozenset(int(each) for each in Header)
_NO_KEYS: Final[frozenset[int]] = frozenset()
_LAST_HEADER: Final = max(_HEADER_KEYS)
_TIMES: Final = frozenset({int(Field.LOCAL_TIME), int(Field.HOST_TIME)})
_FOURTEEN: Final = re.compile("[0-9]{14}")
_TIME: Final = _number(0, 99_991_231_235_959)
_BARE: Final = frozenset({bool, int, str, bytes})
_TERMINAL: Final = _identifier(8)
_COUNTED: Final = _number(1, LAST_NUMBER)
_MINOR: Final = _number(0, MAX_MINOR)
_PLAN: Final = _text(8)
_PIN_BLOCK_SIZES: Final = (16, 28)  # alone, and with the key serial number of the PIN pad's key
_PERIODS: Final = _number(2, 60)
_FIELDS: Final = {int(each): each for each in Field}
_TYPES: Final = {int(each): each for each in MessageType}
_CHECKS: Final[Mapping[int, Callable[[Any], bool]]] = {
    int(key): check
    for key, check in {
        Header.VERSION: _number(VERSION, VERSION),
        Header.TYPE: _number(min(_TYPES), max(_TYPES)),
        Header.TERMINAL: _TERMINAL,
        Header.MERCHANT: _identifier(15),
        Header.BATCH: _number(0, LAST_NUMBER),
        Header.STAN: _number(0, LAST_NUMBER),
        Field.KIND: _text(20),
        Field.AMOUNT: _MINOR,
        Field.CURRENCY: _number(0, 999),
        Field.TIP: _MINOR,
        Field.ENTRY_MODE: _number(0, 99),
        Field.LOCAL_TIME: _TIME,
        Field.OPERATOR: _text(2),
        Field.ORIGINAL: _original,
        Field.CARD: _bytes,
        Field.PIN_BLOCK: _pin_block,
        Field.NOTE: _text(40),
        Field.TEST: _true,
        Field.REASON: _text(2),
        Field.REPEAT: _true,
        Field.ISSUER_RESULT: _bytes,
        Field.APPROVED_OFFLINE: _true,
        Field.INSTALMENT: _instalment,
        Field.CLOSE: _true,
        Field.ANCHOR: _anchor,
        Field.RESPONSE_CODE: _text(2),
        Field.AUTH_CODE: _text(6),
        Field.REFERENCE: _text(12),
        Field.HOST_TIME: _TIME,
        Field.ISSUER_DATA: _bytes,
        Field.BALANCE: _MINOR,
        Field.DO_FIRST: _flags,
        Field.INQUIRY_STATE: _number(0, len(InquiryState) - 1),
        Field.PAY_CODE: _text(512),
        Field.VALID_S: _number(0, 3600),
        Field.WITNESS: _anchor,
        Field.TOTALS: _listed,
        Field.RECORDS: _listed,
        Field.DETAILS: _named,
    }.items()
}
