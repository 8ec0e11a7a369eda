"""The activation file (激活文件) and the bank's answer: CBOR maps under COSE_Sign1.

The request is signed with the device key and holds no secret. The answer is signed by the bank
and names the request by its SHA-256. Whether an answer fits is decided here, item by item, and
every difference is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

from posfw.codec import cbor
from posfw.crypto.sign1 import PublicKey, Signer, parse_sign1, public_key, sign1, verify_sign1
from posfw.values.errors import AuthenticityError, CodecError, KeyStoreError
from posfw.values.events import Plain

__all__ = [
    "Answer",
    "Expected",
    "Mismatch",
    "Request",
    "digest",
    "mismatches",
    "open_answer",
    "open_request",
    "seal_answer",
    "seal_request",
]

VERSION: Final = 1
REQUEST_AAD: Final = b"posfw activation request 1"
ANSWER_AAD: Final = b"posfw activation answer 1"
MAX_AHEAD = timedelta(days=1)  # the bank's midnight is not ours
MAX_AGE = timedelta(days=7)  # a mailed answer takes some days


@dataclass(frozen=True, slots=True)
class Request:
    """What a terminal tells its bank about itself.

    Attributes:
        terminal, merchant: as issued.
        serial: of the device.
        board: board id.
        versions: of program, journal schema, kernel, by name.
        self_test: check id to passed.
        account: merchant and account data of the application.
        catalogue: SHA-256 of the goods, empty if none.
        nonce: 16 random bytes: two files are never the same.
        made_at: YYYYMMDDhhmmss local time.
        epoch: number of earlier activations.
        key: the device's public key, DER.
    """

    terminal: str
    merchant: str
    serial: str
    board: str
    versions: Mapping[str, str]
    self_test: Mapping[str, bool]
    account: Mapping[str, str]
    nonce: bytes
    made_at: str
    epoch: int
    key: bytes
    catalogue: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """The bank's answer.

    Attributes:
        request: SHA-256 of the activation file that it answers.
        terminal, merchant, serial: whom it is for.
        day: YYYYMMDD at the bank.
        yesterday_minor: 昨日结算金额: what the bank settled with this terminal last, in minor
            units; 0 for a new terminal.
        parameters: version and check values of keys and parameters to be loaded.
    """

    request: bytes
    terminal: str
    merchant: str
    serial: str
    day: str
    yesterday_minor: int
    parameters: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the terminal knows and the answer must match."""

    request: bytes
    terminal: str
    merchant: str
    serial: str
    today: date
    yesterday_minor: int
    used: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One item that differs."""

    code: str
    item: str
    expected: str
    told: str


def digest(file: bytes) -> bytes:
    """Return the SHA-256 by which a file is named."""
    return hashlib.sha256(file).digest()


def seal_request(request: Request, signer: Signer) -> bytes:
    """Return the activation file."""
    body = _request_body(request)
    kid = request.serial.encode()
    return sign1(cbor.encode(body), signer=signer, kid=kid, external_aad=REQUEST_AAD)


def open_request(file: bytes) -> Request:
    """Read an activation file; it must be signed by the very key that it names.

    Raises:
        CodecError: not an activation file.
        AuthenticityError: its signature does not fit.
    """
    message = parse_sign1(file)
    body = _map(message.payload, 12)
    if type(body[11]) is not bytes:
        raise CodecError("The activation file has no key.")
    try:
        key = public_key(body[11])
    except KeyStoreError as error:
        raise CodecError("The activation file's key is none.") from error
    verify_sign1(message, key=key, external_aad=REQUEST_AAD)
    return Request(*(body[number] for number in range(1, 13)))


def seal_answer(answer: Answer, signer: Signer, kid: bytes) -> bytes:
    """Return the signed answer: the bank's side, used by simulators and tests."""
    body = {
        0: VERSION,
        1: answer.request,
        2: answer.terminal,
        3: answer.merchant,
        4: answer.serial,
        5: answer.day,
        6: answer.yesterday_minor,
        7: dict(answer.parameters),
    }
    return sign1(cbor.encode(body), signer=signer, kid=kid, external_aad=ANSWER_AAD)


def open_answer(file: bytes, key: PublicKey) -> Answer:
    """Read the bank's answer.

    Raises:
        CodecError: not an answer.
        AuthenticityError: not signed by this bank.
    """
    message = parse_sign1(file)
    payload = verify_sign1(message, key=key, external_aad=ANSWER_AAD)
    body = _map(payload, 7)
    kinds = (bytes, str, str, str, str, int, dict)
    values = [body[number] for number in range(1, 8)]
    if any(type(value) is not kind for value, kind in zip(values, kinds, strict=True)):
        raise CodecError("The bank's answer has a part of the wrong type.")
    return Answer(*values)


def mismatches(answer: Answer, file_digest: bytes, expected: Expected) -> tuple[Mismatch, ...]:
    """Return every item that differs; only an empty result lets the activation go on."""
    pairs = (
        ("ACT-201", "request", expected.request.hex(), answer.request.hex()),
        ("ACT-202", "terminal", expected.terminal, answer.terminal),
        ("ACT-203", "merchant", expected.merchant, answer.merchant),
        ("ACT-204", "serial", expected.serial, answer.serial),
        (
            "ACT-206",
            "yesterday",
            str(expected.yesterday_minor),
            str(answer.yesterday_minor),
        ),
    )
    found = [Mismatch(*pair) for pair in pairs if pair[2] != pair[3]]
    if not _day_fits(answer.day, expected.today):
        found.append(Mismatch("ACT-205", "date", f"{expected.today:%Y%m%d}", answer.day))
    if file_digest in expected.used:
        found.append(Mismatch("ACT-207", "answer", "a new one", "taken before"))
    return tuple(found)


def _day_fits(told: str, today: date) -> bool:
    """Whether the bank's date agrees with the clock within the limits."""
    if len(told) != 8 or not (told.isascii() and told.isdigit()):
        return False
    try:
        day = datetime.strptime(told + "+0000", "%Y%m%d%z").date()
    except ValueError:
        return False
    return today - MAX_AGE <= day <= today + MAX_AHEAD


def _request_body(request: Request) -> dict[int, Any]:
    return {
        0: VERSION,
        1: request.terminal,
        2: request.merchant,
        3: request.serial,
        4: request.board,
        5: dict(request.versions),
        6: dict(request.self_test),
        7: dict(request.account),
        8: request.nonce,
        9: request.made_at,
        10: request.epoch,
        11: request.key,
        12: request.catalogue,
    }


def _map(payload: bytes, last: int) -> dict[int, Any]:
    body = cbor.decode(payload)
    if not isinstance(body, dict) or body.keys() != set(range(last + 1)):
        raise CodecError("The signed file has other parts than it should.")
    if body[0] != VERSION:
        raise AuthenticityError(f"The signed file is of version {body[0]!r:.10}.")
    return body
