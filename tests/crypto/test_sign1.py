from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from posfw.codec import cbor
from posfw.crypto.sign1 import (
    EDDSA,
    ES256,
    PemSigner,
    PublicKey,
    parse_sign1,
    public_key,
    sign1,
    verify_sign1,
)
from posfw.values.errors import AuthenticityError, CodecError, KeyStoreError, PosfwError

# RFC 9052, appendix C.2.1 (single ECDSA signature) with the key "11" of appendix C.7.1.
RFC_MESSAGE = bytes.fromhex(
    "d28443a10126a10442313154546869732069732074686520636f6e74656e742e58408eb33e4ca31d1c465ab05aac"
    "34cc6b23d58fef5c083106c4d25a91aef0b0117e2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5"
    "a4c345cacb36"
)
RFC_KEY = PublicKey(
    ec.EllipticCurvePublicNumbers(
        int("bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff", 16),
        int("20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e", 16),
        ec.SECP256R1(),
    ).public_key()
)


def pem(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey,
) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


P256 = PemSigner(pem(ec.generate_private_key(ec.SECP256R1())))
ED = PemSigner(pem(ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32)))


def test_the_published_message_verifies_and_its_neighbours_do_not() -> None:
    message = parse_sign1(RFC_MESSAGE)
    assert (message.algorithm, message.kid) == (ES256, b"11")
    assert verify_sign1(message, key=RFC_KEY, external_aad=b"") == b"This is the content."
    with pytest.raises(AuthenticityError):
        verify_sign1(message, key=RFC_KEY, external_aad=b"x")
    changed = parse_sign1(RFC_MESSAGE.replace(b"the content", b"the Content"))
    with pytest.raises(AuthenticityError):
        verify_sign1(changed, key=RFC_KEY, external_aad=b"")


@pytest.mark.parametrize(("signer", "algorithm"), [(P256, ES256), (ED, EDDSA)])
def test_what_is_signed_verifies_under_its_own_key_only(signer: PemSigner, algorithm: int) -> None:
    data = sign1(b"papers", signer=signer, kid=b"T1", external_aad=b"request")
    message = parse_sign1(data)
    assert (message.algorithm, message.kid) == (algorithm, b"T1")
    key = public_key(signer.public)
    assert verify_sign1(message, key=key, external_aad=b"request") == b"papers"
    other = public_key((ED if signer is P256 else P256).public)
    for wrong, aad in ((other, b"request"), (key, b"answer")):
        with pytest.raises(AuthenticityError):
            verify_sign1(message, key=wrong, external_aad=aad)


@settings(max_examples=150)
@given(st.data())
def test_every_flipped_bit_is_refused(data: st.DataObject) -> None:
    signed = bytearray(sign1(b"papers", signer=ED, kid=b"T1", external_aad=b"r"))
    bit = data.draw(st.integers(0, len(signed) * 8 - 1))
    signed[bit // 8] ^= 1 << bit % 8
    with pytest.raises((AuthenticityError, CodecError)):
        verify_sign1(parse_sign1(bytes(signed)), key=public_key(ED.public), external_aad=b"r")


@given(st.binary(max_size=80))
def test_nonsense_is_one_kind_of_error(data: bytes) -> None:
    with pytest.raises(PosfwError):
        parse_sign1(data)


@pytest.mark.parametrize(
    ("protected", "unprotected"),
    [
        ({1: -7, 2: [3]}, {}),
        ({1: -37}, {}),
        ({}, {1: -7}),
        ({1: -7, 4: b"a"}, {4: b"b"}),
        ({1: -7}, {4: "text"}),
        ({1: -7}, {99: 1}),
    ],
)
def test_other_headers_are_refused(protected: object, unprotected: object) -> None:
    parts = [cbor.encode(protected), unprotected, b"p", b"s" * 64]
    with pytest.raises(AuthenticityError):
        parse_sign1(cbor.encode(cbor.Tag(18, parts)))


def test_keys_of_other_kinds_are_refused() -> None:
    for wrong in (
        b"no key",
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(rsa.generate_private_key(65537, 2048)),
    ):
        with pytest.raises(KeyStoreError):
            PemSigner(wrong)
    with pytest.raises(KeyStoreError):
        public_key(b"no key")
    assert "k" * 8 not in repr(ED)
