"""The fields of a message: their numbers, and what each value must be.

`docs/wire.md` and `docs/wire.cddl` are normative; a number keeps its meaning for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, Final

from posfw.codec import cbor
from posfw.values.identity import LAST_NUMBER
from posfw.values.money import MAX_MINOR

__all__ = [
    "FIRST_OPTIONAL",
    "HEADER_KEYS",
    "VERSION",
    "DoFirstFlag",
    "Field",
    "Header",
    "InquiryState",
    "MessageType",
    "fault_of",
]

VERSION: Final = 1
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


def fault_of(body: Mapping[Any, Any], header: frozenset[int]) -> str:
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


HEADER_KEYS: Final = frozenset(int(each) for each in Header)
_LAST_HEADER: Final = max(HEADER_KEYS)
_TIME: Final = _number(0, 99_991_231_235_959)
_TERMINAL: Final = _identifier(8)
_COUNTED: Final = _number(1, LAST_NUMBER)
_MINOR: Final = _number(0, MAX_MINOR)
_PLAN: Final = _text(8)
_PIN_BLOCK_SIZES: Final = (16, 28)  # alone, and with the key serial number of the PIN pad's key
_PERIODS: Final = _number(2, 60)
_CHECKS: Final[Mapping[int, Callable[[Any], bool]]] = {
    int(key): check
    for key, check in {
        Header.VERSION: _number(VERSION, VERSION),
        Header.TYPE: _number(min(MessageType), max(MessageType)),
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
