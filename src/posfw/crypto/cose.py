"""COSE_Mac0 (HMAC 256/256: 5) and COSE_Encrypt0 (A256GCM: 3), RFC 9052 and 9053.

Own code, because pycose and cwt break with cbor2 6; cwt with cbor2 5.9 judges it in tests. Headers
are a closed list: another algorithm, `crit` or any unknown label is refused.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Any, Final

from posfw.codec import cbor
from posfw.ports import DataKey, MacKey
from posfw.values.errors import AuthenticityError, CodecError, MisuseError

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

IV: Final = 5  # header label (RFC 9052, 3.1); 1 is alg, 4 is kid
TAG_ENCRYPT0, TAG_MAC0 = 16, 17
KID_BYTES: Final = 12  # 8-byte initial key ID and 4-byte counter
INNER_KID_BYTES: Final = 4  # the counter: an Encrypt0 travels inside a Mac0 of the same terminal
NONCE_BYTES: Final = 12
# One algorithm and one header make every part but kid, payload and code constant, so the parts are
# joined and compared as bytes; tests hold them against the general encoder and cwt.
_HMAC_HEADER: Final = b"\xa2\x01\x05\x04\x4c"  # {1: 5, 4: h'12 bytes'}
_GCM_HEADER: Final = b"\xa2\x01\x03\x04\x44"  # {1: 3, 4: h'4 bytes'}
_MAC0_HEAD: Final = b"\xd1\x84\x51"  # 17([h'17 bytes'
_ENCRYPT0_HEAD: Final = b"\xd0\x83\x49"  # 16([h'9 bytes'
_IV_HEAD: Final = b"\xa1\x05\x4c"  # {5: h'12 bytes'}


@dataclass(frozen=True, slots=True)
class Mac0:
    """A parsed, not yet verified COSE_Mac0."""

    kid: bytes
    payload: bytes = field(repr=False)
    tag: bytes = field(repr=False)
    protected: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Encrypt0:
    """A parsed, not yet decrypted COSE_Encrypt0; its kid is the DUKPT counter alone."""

    kid: bytes
    nonce: bytes
    ciphertext: bytes = field(repr=False)
    protected: bytes = field(repr=False)


def mac0(payload: bytes, *, key: MacKey, kid: bytes, external_aad: bytes) -> bytes:
    """Return a tagged COSE_Mac0 with HMAC 256/256."""
    protected = _header(_HMAC_HEADER, kid, KID_BYTES)
    tag = key.mac(_mac_structure(protected, external_aad, payload))
    body = cbor.byte_string(payload)
    return _whole(_MAC0_HEAD + protected + b"\xa0" + body + cbor.byte_string(tag))


def parse_mac0(data: bytes) -> Mac0:
    """Read a COSE_Mac0 without verifying it.

    Raises:
        CodecError: not one, or not in deterministic form.
        AuthenticityError: another algorithm or an unknown header.
    """
    protected, unprotected, payload, tag = _parts(data, TAG_MAC0, 4)
    if unprotected != {} or type(payload) is not bytes or type(tag) is not bytes:
        raise CodecError("The COSE_Mac0 has a part of the wrong type.")
    return Mac0(_kid(protected, _HMAC_HEADER, KID_BYTES), payload, tag, protected)


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
    """Return a tagged COSE_Encrypt0 with A256GCM; kid is 4 bytes, the nonce fresh for the key."""
    if len(nonce) != NONCE_BYTES:
        raise MisuseError(f"A nonce of {len(nonce)} bytes; {NONCE_BYTES} are needed.")
    protected = _header(_GCM_HEADER, kid, INNER_KID_BYTES)
    aad = _encrypt_structure(protected, external_aad)
    ciphertext = cbor.byte_string(key.encrypt(nonce, plaintext, aad))
    return _whole(_ENCRYPT0_HEAD + protected + _IV_HEAD + nonce + ciphertext)


def parse_encrypt0(data: bytes) -> Encrypt0:
    """Read a COSE_Encrypt0 without decrypting it.

    Raises:
        CodecError: not one, or not in deterministic form.
        AuthenticityError: another algorithm or an unknown header.
    """
    protected, unprotected, ciphertext = _parts(data, TAG_ENCRYPT0, 3)
    nonce = unprotected.get(IV) if type(unprotected) is dict else None
    if type(nonce) is not bytes or len(nonce) != NONCE_BYTES or len(unprotected) != 1:
        raise CodecError("The COSE_Encrypt0 has no 12-byte IV or an unknown header.")
    if not isinstance(ciphertext, bytes):
        raise CodecError("The COSE_Encrypt0 has no ciphertext.")
    return Encrypt0(_kid(protected, _GCM_HEADER, INNER_KID_BYTES), nonce, ciphertext, protected)


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


def _header(head: bytes, kid: bytes, size: int) -> bytes:
    if len(kid) != size:
        raise MisuseError(f"A kid of {len(kid)} bytes; {size} are needed.")
    return head + kid


def _whole(data: bytes) -> bytes:
    if len(data) > cbor.MAX_BYTES:
        raise CodecError(f"A message of {len(data)} bytes is longer than {cbor.MAX_BYTES}.")
    return data


def _kid(protected: bytes, head: bytes, size: int) -> bytes:
    """Return the kid of the one header that is accepted; it has one deterministic form."""
    if len(protected) != len(head) + size or not protected.startswith(head):
        raise AuthenticityError("A message with another algorithm or an unknown header.")
    return protected[len(head) :]


def _mac_structure(protected: bytes, external_aad: bytes, payload: bytes) -> bytes:
    """["MAC0", body_protected, external_aad, payload] (RFC 9052, 6.3)."""
    return b"\x84\x64MAC0" + b"".join(map(cbor.byte_string, (protected, external_aad, payload)))


def _encrypt_structure(protected: bytes, external_aad: bytes) -> bytes:
    """["Encrypt0", protected, external_aad] (RFC 9052, 5.3)."""
    return b"\x83\x68Encrypt0" + cbor.byte_string(protected) + cbor.byte_string(external_aad)
