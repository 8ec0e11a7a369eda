"""Recovery of certificates and signatures (EMV Book 2, chapters 5 and 6, annexes A2.1 and B2.1).

RSA with recovery: s^e mod n gives 6A … SHA-1 BC. Every check of the Books' numbered steps is made;
the first that fails raises. `pow` is the whole of the mathematics.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import Final

from posfw.emv.effects import PublicKey
from posfw.emv.pan import last_day
from posfw.values.errors import AuthenticityError

__all__ = [
    "IssuerKey",
    "dynamic_data",
    "icc_key",
    "issuer_key",
    "public_key",
    "recover",
    "static_code",
]

HEADER: Final = 0x6A
TRAILER: Final = 0xBC
HASH_BYTES: Final = 20
# Formats of recovered data (Book 2, tables 6, 7, 14, 17 and 23).
ISSUER_CERTIFICATE: Final = 0x02
STATIC: Final = 0x03
ICC_CERTIFICATE: Final = 0x04
DYNAMIC: Final = 0x05
SHA_1: Final = 0x01
RSA: Final = 0x01


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """An issuer's key, and what of its certificate is checked elsewhere."""

    key: PublicKey
    serial: bytes


def public_key(modulus: bytes, exponent: bytes) -> PublicKey:
    """Return a key; 3 and 65537 are the only exponents (Book 2, annex B2.1).

    Raises:
        AuthenticityError: another exponent, or a modulus of no use.
    """
    key = PublicKey(int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big"), len(modulus))
    if key.exponent not in (3, 65537) or not modulus or not modulus[0] or not key.modulus & 1:
        raise AuthenticityError("A public key on the card cannot be one.")
    return key


def recover(signature: bytes, key: PublicKey, kind: int, trailing: bytes = b"") -> bytes:
    """Return the recovered data without header, format, hash and trailer.

    Args:
        signature: as long as the key.
        key: whose signature it is.
        kind: format byte that must stand in it.
        trailing: what the hash covers beside the recovered data.

    Raises:
        AuthenticityError: length, header, trailer, format, hash algorithm or hash do not fit.
    """
    if len(signature) != key.size:
        raise AuthenticityError("A signature has not the length of its key.")
    number = int.from_bytes(signature, "big")
    if number >= key.modulus:
        raise AuthenticityError("A signature is larger than its key.")
    data = pow(number, key.exponent, key.modulus).to_bytes(key.size, "big")
    if data[0] != HEADER or data[-1] != TRAILER or data[1] != kind:
        raise AuthenticityError("A signature does not verify: header, format or trailer.")
    body, digest = data[1 : -HASH_BYTES - 1], data[-HASH_BYTES - 1 : -1]
    # The Books fix SHA-1 (Book 2, annex B3.1).
    if hashlib.sha1(body + trailing, usedforsecurity=False).digest() != digest:
        raise AuthenticityError("A signature does not verify: hash.")
    return body[1:]


def issuer_key(
    certificate: bytes, ca: PublicKey, *, remainder: bytes, exponent: bytes, pan: str, today: date
) -> IssuerKey:
    """Return the issuer's key (Book 2, 5.3 steps 1–12 without the revocation list).

    Raises:
        AuthenticityError: any step fails.
    """
    body = recover(certificate, ca, ISSUER_CERTIFICATE, remainder + exponent)
    # 4 identifier, 2 expiry, 3 serial, hash and key algorithm, key and exponent length
    identifier = body[:4].hex().upper().rstrip("F")
    if not 3 <= len(identifier) <= 8 or not pan.startswith(identifier):
        raise AuthenticityError("The issuer's certificate is for other card numbers.")
    _valid(body[4:6], today)
    key = _key(body[9:13], body[13:], remainder, exponent)
    return IssuerKey(key, body[6:9])


def icc_key(
    certificate: bytes,
    issuer: PublicKey,
    *,
    remainder: bytes,
    exponent: bytes,
    static: bytes,
    pan: str,
    today: date,
) -> PublicKey:
    """Return the card's key (Book 2, 6.4), or its PIN key (7.1, with empty `static`).

    Raises:
        AuthenticityError: any step fails.
    """
    body = recover(certificate, issuer, ICC_CERTIFICATE, remainder + exponent + static)
    # 10 card number, 2 expiry, 3 serial, then as above
    if body[:10].hex().upper().rstrip("F") != pan:
        raise AuthenticityError("The card's certificate is for another card number.")
    _valid(body[10:12], today)
    return _key(body[15:19], body[19:], remainder, exponent)


def static_code(signed: bytes, issuer: PublicKey, static: bytes) -> bytes:
    """Return the Data Authentication Code (Book 2, 5.4).

    Raises:
        AuthenticityError: any step fails.
    """
    body = recover(signed, issuer, STATIC, static)
    if body[0] != SHA_1:
        raise AuthenticityError("The static data uses another hash.")
    return body[1:3]


def dynamic_data(signed: bytes, icc: PublicKey, terminal_data: bytes) -> bytes:
    """Return the ICC Dynamic Data (Book 2, 6.5.2 and 6.6.2).

    Raises:
        AuthenticityError: any step fails.
    """
    body = recover(signed, icc, DYNAMIC, terminal_data)
    size = body[1]
    if body[0] != SHA_1 or size > len(body) - 2 or not size or body[2] >= size:
        raise AuthenticityError("The dynamic data has not the form it must have.")
    return body[2 : 2 + size]


def _valid(month: bytes, today: date) -> None:
    expires = last_day(month)
    if expires is None or expires < today:
        raise AuthenticityError("A certificate on the card has expired.")


def _key(head: bytes, field: bytes, remainder: bytes, exponent: bytes) -> PublicKey:
    """Join the parts of a modulus: what the certificate held and the remainder (table 6)."""
    hash_kind, key_kind, size, exponent_size = head
    if hash_kind != SHA_1 or key_kind != RSA or exponent_size != len(exponent):
        raise AuthenticityError("A certificate names another algorithm or exponent.")
    modulus = (field[:size] if size <= len(field) else field) + remainder
    if len(modulus) != size:
        raise AuthenticityError("A key's parts do not make up its length.")
    return public_key(modulus, exponent)
