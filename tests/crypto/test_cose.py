"""COSE_Mac0 and COSE_Encrypt0: round trips, and every change refused."""

from __future__ import annotations

import pytest

from posfw.codec import cbor
from posfw.crypto import cose
from posfw.keys.software import SoftwareElement
from posfw.values.errors import CodecError, InputError, MisuseError

ELEMENT = SoftwareElement(bytes(range(32)), b"POSFW001", b"s" * 32)
KID = b"POSFW001" + bytes([0, 0, 0, 1])
INNER_KID = KID[8:]
NONCE, AAD = bytes(range(12)), b"bound"
MAC_KEY, DATA_KEY = ELEMENT.mac_key(1), ELEMENT.data_key(1)
MAC0 = cose.mac0(b"payload", key=MAC_KEY, kid=KID, external_aad=AAD)
ENCRYPT0 = cose.encrypt0(b"plain", key=DATA_KEY, kid=INNER_KID, nonce=NONCE, external_aad=AAD)


def open_mac0(data: bytes, aad: bytes = AAD) -> bytes:
    return cose.verify_mac0(cose.parse_mac0(data), key=MAC_KEY, external_aad=aad)


def open_encrypt0(data: bytes, aad: bytes = AAD) -> bytes:
    return cose.decrypt0(cose.parse_encrypt0(data), key=DATA_KEY, external_aad=aad)


def test_both_come_back_with_their_kid() -> None:
    assert open_mac0(MAC0) == b"payload"
    assert open_encrypt0(ENCRYPT0) == b"plain"
    assert cose.parse_mac0(MAC0).kid == KID
    assert cose.parse_encrypt0(ENCRYPT0).kid == INNER_KID


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_a_change_of_any_byte_is_refused(flip: int) -> None:
    for data, opener in ((MAC0, open_mac0), (ENCRYPT0, open_encrypt0)):
        for at in range(len(data)):
            bad = data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]
            with pytest.raises(InputError):
                opener(bad)


def test_other_bound_data_is_refused() -> None:
    with pytest.raises(InputError):
        open_mac0(MAC0, b"other")
    with pytest.raises(InputError):
        open_encrypt0(ENCRYPT0, b"other")


@pytest.mark.parametrize(
    "header",
    [{}, {1: 5}, {4: KID}, {1: 4, 4: KID}, {1: 3, 4: KID}, {1: 5, 4: KID[:-1]}, {1: 5, 4: "k"},
     {1: 5, 2: [99], 4: KID}, {1: 5, 4: KID, 99: 0}, {1: None, 4: KID}, [1]],
)  # fmt: skip
def test_another_header_is_refused(header: object) -> None:
    with pytest.raises(InputError):
        cose.parse_mac0(
            cbor.encode(cbor.Tag(17, [cbor.encode(header), {}, b"payload", bytes(32)]))
        )


@pytest.mark.parametrize(
    "item",
    [0, [], cbor.Tag(16, []), cbor.Tag(17, 0), cbor.Tag(17, [b"", {}, b""]),
     cbor.Tag(17, [b"", {4: KID}, b"", b""]), cbor.Tag(17, [{}, {}, b"", b""])],
)  # fmt: skip
def test_another_shape_is_refused(item: object) -> None:
    for parse in (cose.parse_mac0, cose.parse_encrypt0):
        with pytest.raises(InputError):
            parse(cbor.encode(item))


@pytest.mark.parametrize("size", [0, 1, 23, 24, 255, 256, 5000])
def test_the_joined_bytes_are_what_the_general_encoder_writes(size: int) -> None:
    payload = bytes(size)
    header = cbor.encode({1: 5, 4: KID})
    tag = MAC_KEY.mac(cbor.encode(["MAC0", header, AAD, payload]))
    made = cose.mac0(payload, key=MAC_KEY, kid=KID, external_aad=AAD)
    assert made == cbor.encode(cbor.Tag(17, [header, {}, payload, tag]))
    header = cbor.encode({1: 3, 4: INNER_KID})
    sealed = DATA_KEY.encrypt(NONCE, payload, cbor.encode(["Encrypt0", header, AAD]))
    made = cose.encrypt0(payload, key=DATA_KEY, kid=INNER_KID, nonce=NONCE, external_aad=AAD)
    assert made == cbor.encode(cbor.Tag(16, [header, {5: NONCE}, sealed]))


def test_what_would_not_be_accepted_is_not_made() -> None:
    with pytest.raises(MisuseError):
        cose.mac0(b"", key=MAC_KEY, kid=KID[:-1], external_aad=AAD)
    with pytest.raises(MisuseError):
        cose.encrypt0(b"", key=DATA_KEY, kid=INNER_KID, nonce=NONCE[:-1], external_aad=AAD)
    with pytest.raises(CodecError):
        cose.mac0(bytes(cbor.MAX_BYTES), key=MAC_KEY, kid=KID, external_aad=AAD)


def test_content_and_tags_are_not_shown() -> None:
    assert "payload" not in repr(cose.parse_mac0(MAC0))
