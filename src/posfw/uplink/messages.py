"""The messages between terminal and acquirer: types, field numbers, one body for both directions.

A body is a CBOR map with unsigned-integer keys in deterministic encoding (RFC 8949, 4.2.3):
0 to 5 are the header, 16 and up are fields. A key below 128 is critical: an unknown one is
refused. An unknown key from 128 to 65535 is optional: kept and ignored. `docs/wire.md` and
`docs/wire.cddl` are normative.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final

from posfw.codec import cbor
from posfw.uplink.fields import (
    FIRST_OPTIONAL,
    HEADER_KEYS,
    VERSION,
    DoFirstFlag,
    Field,
    Header,
    InquiryState,
    MessageType,
    fault_of,
)
from posfw.values.errors import CodecError, MisuseError
from posfw.values.events import Plain

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

VERSIONS: Final = (VERSION,)  # what sign-on offers, oldest first


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
        return _encoded(header | self._wire_fields(), HEADER_KEYS)

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
        body = _decoded(data, HEADER_KEYS)
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
    fault = fault_of(body, header)
    if fault:
        raise MisuseError(fault)
    return cbor.encode(body)


def _decoded(data: bytes, header: frozenset[int]) -> dict[int, Any]:
    body = cbor.decode(data)
    fault = fault_of(body, header) if type(body) is dict else "The message is not a map."
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


_NO_KEYS: Final[frozenset[int]] = frozenset()
_TIMES: Final = frozenset({int(Field.LOCAL_TIME), int(Field.HOST_TIME)})
_FOURTEEN: Final = re.compile("[0-9]{14}")
_BARE: Final = frozenset({bool, int, str, bytes})
_FIELDS: Final = {int(each): each for each in Field}
_TYPES: Final = {int(each): each for each in MessageType}
