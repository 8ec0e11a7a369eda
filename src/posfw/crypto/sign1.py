"""COSE_Sign1 (RFC 9052, 4.2) with ES256 or EdDSA: files that a terminal and a bank exchange.

Headers are a closed list like those of `cose`: the algorithm in the protected one, the key's name
in either; `crit` or any other label is refused. The external data names what kind of file it is,
so that an answer is never taken for a request.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from posfw.codec import cbor
from posfw.values.errors import AuthenticityError, CodecError, KeyStoreError

__all__ = [
    "EDDSA",
    "ES256",
    "PemSigner",
    "PublicKey",
    "Sign1",
    "Signer",
    "parse_sign1",
    "public_key",
    "sign1",
    "verify_sign1",
]

ALG, KID = 1, 4  # header labels, RFC 9052, 3.1
ES256: Final = -7  # RFC 9053, 2.1
EDDSA: Final = -8  # RFC 9053, 2.2
TAG_SIGN1: Final = 18
HALF_BYTES: Final = 32  # r and s of P-256


class Signer(Protocol):
    """A private key that signs; it may live in a token."""

    @property
    def algorithm(self) -> int:
        """ES256 or EDDSA."""
        ...

    @property
    def public(self) -> bytes:
        """The public key as DER SubjectPublicKeyInfo."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte signature."""
        ...


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies."""

    key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

    @property
    def algorithm(self) -> int:
        """ES256 or EDDSA."""
        return EDDSA if isinstance(self.key, ed25519.Ed25519PublicKey) else ES256

    @property
    def der(self) -> bytes:
        """DER SubjectPublicKeyInfo (RFC 5280)."""
        return self.key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def verify(self, signature: bytes, data: bytes) -> None:
        """Return if the signature fits.

        Raises:
            AuthenticityError: it does not.
        """
        try:
            if isinstance(self.key, ed25519.Ed25519PublicKey):
                self.key.verify(signature, data)
            else:
                r, s = signature[:HALF_BYTES], signature[HALF_BYTES:]
                der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
                self.key.verify(der, data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as error:
            raise AuthenticityError("A signature does not verify.") from error


class PemSigner:
    """crypto.sign1.Signer over a PEM private key: P-256 or Ed25519.

    Raises:
        KeyStoreError: not such a key.
    """

    def __init__(self, pem: bytes) -> None:
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyStoreError("The device key is not a PEM private key.") from error
        if not isinstance(key, (ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)):
            raise KeyStoreError("The device key must be P-256 or Ed25519.")
        self._key = key
        self._public = _checked(key.public_key())

    @property
    def algorithm(self) -> int:
        """ES256 or EDDSA."""
        return self._public.algorithm

    @property
    def public(self) -> bytes:
        """DER SubjectPublicKeyInfo."""
        return self._public.der

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte signature."""
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(data)
        r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(HALF_BYTES, "big") + s.to_bytes(HALF_BYTES, "big")

    def __repr__(self) -> str:
        return "<PEM signer>"


@dataclass(frozen=True, slots=True)
class Sign1:
    """A parsed, not yet verified COSE_Sign1."""

    algorithm: int
    kid: bytes
    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    protected: bytes = field(repr=False)


def public_key(data: bytes) -> PublicKey:
    """Read a public key: PEM key, PEM certificate, or DER SubjectPublicKeyInfo.

    Raises:
        KeyStoreError: none of these, or another curve.
    """
    try:
        if b"BEGIN CERTIFICATE" in data:
            from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415 - seldom, slow

            key: Any = load_pem_x509_certificate(data).public_key()
        elif data.startswith(b"-----"):
            key = serialization.load_pem_public_key(data)
        else:
            key = serialization.load_der_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyStoreError("This is not a public key.", code="SEC-004") from error
    return _checked(key)


def sign1(payload: bytes, *, signer: Signer, kid: bytes, external_aad: bytes) -> bytes:
    """Return a tagged COSE_Sign1."""
    protected = cbor.encode({ALG: signer.algorithm, KID: kid})
    signature = signer.sign(_structure(protected, external_aad, payload))
    return cbor.encode(cbor.Tag(TAG_SIGN1, [protected, {}, payload, signature]))


def parse_sign1(data: bytes) -> Sign1:
    """Read a COSE_Sign1 without verifying it.

    Raises:
        CodecError: not one, or not in deterministic form.
        AuthenticityError: another algorithm or an unknown header.
    """
    item = cbor.decode(data)
    if not isinstance(item, cbor.Tag) or item.tag != TAG_SIGN1 or not isinstance(item.value, list):
        raise CodecError(f"Not a COSE message with tag {TAG_SIGN1}.")
    if [type(part) for part in item.value] != [bytes, dict, bytes, bytes]:
        raise CodecError("The COSE_Sign1 has a part of the wrong type.")
    protected, unprotected, payload, signature = item.value
    header = cbor.decode(protected)
    if not isinstance(header, dict) or header.keys() & unprotected.keys():
        raise AuthenticityError("A signed file with a doubled header.")
    every = header | unprotected
    kid = every.get(KID, b"")
    if set(every) - {ALG, KID} or not isinstance(kid, bytes):
        raise AuthenticityError("A signed file with an unknown header.")
    if header.get(ALG) not in (ES256, EDDSA) or len(signature) != 2 * HALF_BYTES:
        raise AuthenticityError("A signed file with another algorithm.")
    return Sign1(header[ALG], kid, payload, signature, protected)


def verify_sign1(message: Sign1, *, key: PublicKey, external_aad: bytes) -> bytes:
    """Return the payload.

    Raises:
        AuthenticityError: the signature does not fit, or the key is of another algorithm.
    """
    if key.algorithm != message.algorithm:
        raise AuthenticityError("A signed file with another algorithm than its key.")
    key.verify(message.signature, _structure(message.protected, external_aad, message.payload))
    return message.payload


def _structure(protected: bytes, external_aad: bytes, payload: bytes) -> bytes:
    # RFC 9052, 4.4
    return cbor.encode(["Signature1", protected, external_aad, payload])


def _checked(key: object) -> PublicKey:
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return PublicKey(key)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return PublicKey(key)
    raise KeyStoreError("A signing key must be P-256 or Ed25519.", code="SEC-004")
