from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from posfw.activate.bundle import (
    Answer,
    Expected,
    Request,
    digest,
    mismatches,
    open_answer,
    open_request,
    seal_answer,
    seal_request,
)
from posfw.codec import cbor
from posfw.crypto.sign1 import PemSigner, public_key, sign1
from posfw.values.errors import AuthenticityError, CodecError


def signer(letter: bytes) -> PemSigner:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(letter * 32)
    return PemSigner(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


DEVICE, BANK = signer(b"d"), signer(b"b")
REQUEST = Request(
    terminal="12345678",
    merchant="898440350110001",
    serial="PF000001",
    board="host",
    versions={"posfw": "0.1.0"},
    self_test={"printer": True, "reader": True},
    account={"account_name": "小店"},
    nonce=b"n" * 16,
    made_at="20260302093000",
    epoch=0,
    key=DEVICE.public,
)
FILE = seal_request(REQUEST, DEVICE)
EXPECTED = Expected(
    digest(FILE), "12345678", "898440350110001", "PF000001", date(2026, 3, 2), 125_000
)
FITS = Answer(
    digest(FILE), "12345678", "898440350110001", "PF000001", "20260302", 125_000, {"kcv": "a1"}
)


def test_a_request_comes_back_as_it_was() -> None:
    assert open_request(FILE) == REQUEST


def test_a_request_signed_by_another_key_than_it_names_is_refused() -> None:
    with pytest.raises(AuthenticityError):
        open_request(seal_request(REQUEST, BANK))


@pytest.mark.parametrize("key", [b"", b"nonsense", b"\x30\x2a" + bytes(42), REQUEST.key + b"\0"])
def test_a_key_that_is_none_is_no_activation_file(key: bytes) -> None:
    """Whoever sends it: the receiver's own secure element is not what failed."""
    with pytest.raises(CodecError):
        open_request(seal_request(replace(REQUEST, key=key), DEVICE))


def test_the_file_holds_no_private_key() -> None:
    assert b"d" * 16 not in FILE
    assert b"PRIVATE" not in FILE


def test_an_answer_that_fits_has_no_mismatch() -> None:
    file = seal_answer(FITS, BANK, b"bank")
    answer = open_answer(file, public_key(BANK.public))
    assert answer == FITS
    assert mismatches(answer, digest(file), EXPECTED) == ()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"request": b"o" * 32}, "ACT-201"),
        ({"terminal": "12345679"}, "ACT-202"),
        ({"merchant": "898440350110002"}, "ACT-203"),
        ({"serial": "PF000002"}, "ACT-204"),
        ({"day": "20260222"}, "ACT-205"),
        ({"day": "20260304"}, "ACT-205"),
        ({"day": "20261302"}, "ACT-205"),
        ({"day": "2026030２"}, "ACT-205"),
        ({"day": ""}, "ACT-205"),
        ({"yesterday_minor": 125_001}, "ACT-206"),
        ({"yesterday_minor": -125_000}, "ACT-206"),
    ],
)
def test_every_wrong_item_blocks_and_is_named(change: Mapping[str, Any], code: str) -> None:
    found = mismatches(replace(FITS, **change), b"x" * 32, EXPECTED)
    assert [each.code for each in found] == [code]


def test_all_differences_are_told_at_once() -> None:
    wrong = replace(FITS, terminal="99999999", day="19700101", yesterday_minor=1)
    codes = {each.code for each in mismatches(wrong, b"x" * 32, EXPECTED)}
    assert codes == {"ACT-202", "ACT-205", "ACT-206"}


def test_an_answer_is_taken_once() -> None:
    used = replace(EXPECTED, used=frozenset({b"x" * 32}))
    assert [each.code for each in mismatches(FITS, b"x" * 32, used)] == ["ACT-207"]


def test_a_mailed_answer_may_be_a_week_old() -> None:
    for days, fits in ((-1, True), (-2, False), (7, True), (8, False)):
        day = EXPECTED.today - timedelta(days=days)
        found = mismatches(replace(FITS, day=f"{day:%Y%m%d}"), b"x" * 32, EXPECTED)
        assert (not found) is fits


def test_another_banks_signature_is_refused() -> None:
    with pytest.raises(AuthenticityError):
        open_answer(seal_answer(FITS, DEVICE, b"bank"), public_key(BANK.public))


def test_a_request_is_never_taken_for_an_answer() -> None:
    with pytest.raises(AuthenticityError):
        open_answer(FILE, public_key(DEVICE.public))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {0: 1},
        dict.fromkeys(range(8), 1),
        {0: 1, 1: b"", 2: "", 3: "", 4: "", 5: "", 6: True, 7: {}},
        {0: 1, 1: b"", 2: "", 3: "", 4: "", 5: "", 6: 0, 7: {}, 8: 0},
        [],
    ],
)
def test_signed_nonsense_is_refused(body: object) -> None:
    file = sign1(
        cbor.encode(body), signer=BANK, kid=b"", external_aad=b"posfw activation answer 1"
    )
    with pytest.raises(CodecError):
        open_answer(file, public_key(BANK.public))


def test_another_version_is_refused() -> None:
    body = {0: 2, 1: b"", 2: "", 3: "", 4: "", 5: "", 6: 0, 7: {}}
    file = sign1(
        cbor.encode(body), signer=BANK, kid=b"", external_aad=b"posfw activation answer 1"
    )
    with pytest.raises(AuthenticityError):
        open_answer(file, public_key(BANK.public))
