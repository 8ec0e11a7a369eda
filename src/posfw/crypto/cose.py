"""COSE_Mac0 and COSE_Encrypt0 (RFC 9052) with one algorithm each and the KSN as kid.

Own code, because pycose and cwt break with cbor2 6; cwt with cbor2 5.9 judges it in tests. Headers
are a closed list: another algorithm, `crit` or any unknown label is refused.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Any, Final

from posfw.codec import cbor
from posfw.ports import DataKey, MacKey
from posfw.values.errors import AuthenticityError, CodecError

__all__ = [
    "KID_BYTES",
    "Encrypt0",
    "Mac0",
    "decrypt0",
    "encrypt0",
    "mac0",
    "parse_encrypt0",
    "parse_mac0",
    "verify_mac0",
]

ALG, KID, IV = 1, 4, 5  # header labels, RFC 9052, 3.1
HMAC_256 = 5  # RFC 9053, 3.1
A256GCM = 3  # RFC 9053, 4.1
TAG_ENCRYPT0, TAG_MAC0 = 16, 17
KID_BYTES: Final = 12  # 8-byte initial key ID and 4-byte counter
NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Mac0:
    """A parsed, not yet verified COSE_Mac0."""

    kid: bytes
    payload: bytes = field(repr=False)
    tag: bytes = field(repr=False)
    protected: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Encrypt0:
    """A parsed, not yet decrypted COSE_Encrypt0."""

    kid: bytes
    nonce: bytes
    ciphertext: bytes = field(repr=False)
    protected: bytes = field(repr=False)


def mac0(payload: bytes, *, key: MacKey, kid: bytes, external_aad: bytes) -> bytes:
    """Return a tagged COSE_Mac0 with HMAC 256/256."""
    protected = cbor.encode({ALG: HMAC_256, KID: kid})
    tag = key.mac(_mac_structure(protected, external_aad, payload))
    return cbor.encode(cbor.Tag(TAG_MAC0, [protected, {}, payload, tag]))


def parse_mac0(data: bytes) -> Mac0:
    """Read a COSE_Mac0 without verifying it.

    Raises:
        CodecError: not one, or not in deterministic form.
        AuthenticityError: another algorithm or an unknown header.
    """
    protected, unprotected, payload, tag = _parts(data, TAG_MAC0, 4)
    if unprotected != {} or not isinstance(payload, bytes) or not isinstance(tag, bytes):
        raise CodecError("The COSE_Mac0 has a part of the wrong type.")
    return Mac0(_kid(protected, HMAC_256), payload, tag, protected)


def verify_mac0(message: Mac0, *, key: MacKey, external_aad: bytes) -> bytes:
    """Return the payload.

    Raises:
        AuthenticityError: the code does not fit.
    """
    expected = key.mac(_mac_structure(message.protected, external_aad, message.payload))
    if not hmac.compare_digest(expected, message.tag):
        raise AuthenticityError("A message does not verify.")
    return message.payload


def encrypt0(
    plaintext: bytes, *, key: DataKey, kid: bytes, nonce: bytes, external_aad: bytes
) -> bytes:
    """Return a tagged COSE_Encrypt0 with A256GCM; the nonce must be fresh for the key."""
    protected = cbor.encode({ALG: A256GCM, KID: kid})
    aad = _encrypt_structure(protected, external_aad)
    ciphertext = key.encrypt(nonce, plaintext, aad)
    return cbor.encode(cbor.Tag(TAG_ENCRYPT0, [protected, {IV: nonce}, ciphertext]))


def parse_encrypt0(data: bytes) -> Encrypt0:
    """Read a COSE_Encrypt0 without decrypting it.

    Raises:
        CodecError: not one, or not in deterministic form.
        AuthenticityError: another algorithm or an unknown header.
    """
    protected, unprotected, ciphertext = _parts(data, TAG_ENCRYPT0, 3)
    nonce = unprotected.get(IV) if isinstance(unprotected, dict) else None
    if not isinstance(nonce, bytes) or len(nonce) != NONCE_BYTES or len(unprotected) != 1:
        raise CodecError("The COSE_Encrypt0 has no 12-byte IV or an unknown header.")
    if not isinstance(ciphertext, bytes):
        raise CodecError("The COSE_Encrypt0 has no ciphertext.")
    return Encrypt0(_kid(protected, A256GCM), nonce, ciphertext, protected)


def decrypt0(message: Encrypt0, *, key: DataKey, external_aad: bytes) -> bytes:
    """Return the plaintext.

    Raises:
        AuthenticityError: the tag does not fit.
    """
    aad = _encrypt_structure(message.protected, external_aad)
    return key.decrypt(message.nonce, message.ciphertext, aad)


def _parts(data: bytes, tag: int, count: int) -> list[Any]:
    item = cbor.decode(data)
    if not isinstance(item, cbor.Tag) or item.tag != tag or not isinstance(item.value, list):
        raise CodecError(f"Not a COSE message with tag {tag}.")
    parts: list[Any] = item.value
    if len(parts) != count or not isinstance(parts[0], bytes):
        raise CodecError("A COSE message with the wrong number of parts.")
    return parts


def _kid(protected: bytes, algorithm: int) -> bytes:
    header = cbor.decode(protected)
    if not isinstance(header, dict) or set(header) != {ALG, KID} or header[ALG] != algorithm:
        raise AuthenticityError("A message with another algorithm or an unknown header.")
    kid = header[KID]
    if not isinstance(kid, bytes) or len(kid) != KID_BYTES:
        raise AuthenticityError("A message without a KSN.")
    return kid


def _mac_structure(protected: bytes, external_aad: bytes, payload: bytes) -> bytes:
    # RFC 9052, 6.3
    return cbor.encode(["MAC0", _body_protected(protected), external_aad, payload])


def _encrypt_structure(protected: bytes, external_aad: bytes) -> bytes:
    return cbor.encode(["Encrypt0", _body_protected(protected), external_aad])  # RFC 9052, 5.3


def _body_protected(protected: bytes) -> bytes:
    """An empty map sent as a0 counts as the empty string (RFC 9052, 4.4)."""
    return b"" if protected == b"\xa0" else protected
