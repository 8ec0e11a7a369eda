"""Recovery against published keys and recordings of test cards, and against `cryptography`."""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from posfw.emv.certificates import (
    dynamic_data,
    icc_key,
    issuer_key,
    public_key,
    recover,
    static_code,
)
from posfw.emv.effects import PublicKey
from posfw.sim.chip import pki
from posfw.values.errors import AuthenticityError

VECTORS = json.loads(Path(__file__).with_name("vectors").joinpath("oda.json").read_text())
CA = {(each["rid"], each["index"]): each for each in VECTORS["ca_keys"]}
VALID = date(2025, 5, 6)  # when the recordings' certificates were valid
TODAY = date(2026, 11, 24)


def octets(card: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(card[name])


def recorded_issuer_key(card: dict[str, Any], today: date, **changes: Any) -> Any:
    ca = CA[card["rid"], card["index"]]
    key = public_key(bytes.fromhex(ca["modulus"]), bytes.fromhex(ca["exponent"]))
    fixed: dict[str, Any] = {
        "remainder": octets(card, "remainder"),
        "exponent": octets(card, "exponent"),
        "pan": card["pan"],
        "today": today,
    }
    return issuer_key(octets(card, "certificate"), key, **(fixed | changes))


MASTERCARD = VECTORS["cards"][1]


def test_a_recorded_issuer_certificate_gives_the_published_key() -> None:
    found = recorded_issuer_key(MASTERCARD, VALID)
    assert found.key.modulus == int(MASTERCARD["issuer_modulus"], 16)
    assert found.serial.hex().upper() == MASTERCARD["serial"]


def test_a_recorded_certificate_of_2031_year_12_is_read_from_month_and_year() -> None:
    visa = VECTORS["cards"][0]  # 12/31
    assert recorded_issuer_key(visa, VALID).key.modulus == int(visa["issuer_modulus"], 16)
    with pytest.raises(AuthenticityError, match="expired"):
        recorded_issuer_key(visa, date(2032, 1, 1))


@pytest.mark.parametrize(
    "change",
    [{"exponent": b"\x01\x00\x01"}, {"pan": "4761749001010119"}, {"remainder": b"\x00"}],
    ids=["exponent", "number", "remainder"],
)
def test_a_recorded_certificate_with_another_input_does_not_verify(change: dict[str, Any]) -> None:
    with pytest.raises(AuthenticityError):
        recorded_issuer_key(VECTORS["cards"][0], VALID, **change)


@pytest.mark.parametrize("card", VECTORS["cards"], ids=lambda card: card["name"])
def test_a_recorded_dynamic_signature_gives_the_published_data(card: dict[str, Any]) -> None:
    icc = public_key(octets(card, "icc_modulus"), b"\x03")
    signed, asked = octets(card, "signed"), octets(card, "terminal_data")
    assert dynamic_data(signed, icc, asked) == octets(card, "dynamic_data")
    with pytest.raises(AuthenticityError):
        dynamic_data(signed[:-1] + bytes([signed[-1] ^ 1]), icc, asked)
    with pytest.raises(AuthenticityError):
        dynamic_data(signed, icc, b"\x00" * 4)


@cache
def chain(exponent: int, issuer_bits: int, icc_bits: int) -> tuple[pki.Key, pki.Key, pki.Key]:
    return (
        pki.make_key(1984, exponent),
        pki.make_key(issuer_bits, exponent),
        pki.make_key(icc_bits, exponent),
    )


def public(key: pki.Key) -> PublicKey:
    return public_key(key.modulus_bytes, key.exponent_bytes)


PAN = "6216261000000000018"
STATIC = bytes(range(100))


@pytest.mark.parametrize("exponent", [3, 65537])
@pytest.mark.parametrize(("issuer_bits", "icc_bits"), [(1024, 1024), (1408, 1152), (1984, 1984)])
def test_generated_chains_of_every_size_are_recovered(
    exponent: int, issuer_bits: int, icc_bits: int
) -> None:
    ca, issuer, icc = chain(exponent, issuer_bits, icc_bits)
    certificate, remainder = pki.certify_issuer(ca, issuer, PAN)
    found = issuer_key(
        certificate,
        public(ca),
        remainder=remainder,
        exponent=issuer.exponent_bytes,
        pan=PAN,
        today=TODAY,
    )
    assert found.key == public(issuer)
    certificate, remainder = pki.certify_card(issuer, icc, PAN, STATIC)
    card = icc_key(
        certificate,
        found.key,
        remainder=remainder,
        exponent=icc.exponent_bytes,
        static=STATIC,
        pan=PAN,
        today=TODAY,
    )
    assert card == public(icc)


def test_cryptography_agrees_on_the_bare_rsa_operation() -> None:
    made = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    signature = made.sign(b"judge", padding.PKCS1v15(), hashes.SHA256())
    judged = made.public_key().recover_data_from_signature(
        signature, padding.PKCS1v15(), hashes.SHA256()
    )
    numbers = made.public_key().public_numbers()
    ours = pow(int.from_bytes(signature, "big"), numbers.e, numbers.n).to_bytes(128, "big")
    assert ours.endswith(judged)
    assert ours.startswith(b"\x00\x01\xff")


def test_a_cards_certificate_is_good_for_its_own_number_alone() -> None:
    _, issuer, icc = chain(3, 1024, 1024)
    certificate, remainder = pki.certify_card(issuer, icc, PAN, STATIC)
    with pytest.raises(AuthenticityError, match="another card number"):
        icc_key(
            certificate,
            public(issuer),
            remainder=remainder,
            exponent=icc.exponent_bytes,
            static=STATIC,
            pan="6216261000000000026",
            today=TODAY,
        )


def small_chain() -> tuple[pki.Key, pki.Key]:
    ca, issuer, _ = chain(3, 1024, 1024)
    return ca, issuer


@pytest.mark.parametrize(
    ("place", "what"),
    [(0, "header"), (1, "format"), (5, "hash"), (-1, "trailer"), (-2, "hash")],
)
def test_every_part_of_a_certificate_is_checked(place: int, what: str) -> None:
    ca, issuer = small_chain()
    certificate, remainder = pki.certify_issuer(ca, issuer, PAN)
    opened = bytearray(pow(int.from_bytes(certificate, "big"), 3, ca.modulus).to_bytes(248, "big"))
    opened[place] ^= 1
    trailing = remainder + issuer.exponent_bytes
    with pytest.raises(AuthenticityError, match=what):
        recover(ca.apply(bytes(opened)), public(ca), 0x02, trailing)


@pytest.mark.parametrize(
    ("head", "what"),
    [
        ("621626FF10250000010101", "expired"),
        ("621626FF13490000010101", "expired"),
        ("621627FF12490000010101", "other card numbers"),
        ("FFFFFFFF12490000010101", "other card numbers"),
        ("621626FF12490000010201", "algorithm"),
        ("621626FF12490000010102", "algorithm"),
    ],
)
def test_a_well_signed_certificate_with_wrong_content_is_refused(head: str, what: str) -> None:
    ca, issuer = small_chain()
    body = bytes.fromhex(head) + bytes((issuer.size, 1)) + issuer.modulus_bytes
    certificate = pki.sign(ca, 0x02, body, b"\x03")
    with pytest.raises(AuthenticityError, match=what):
        issuer_key(certificate, public(ca), remainder=b"", exponent=b"\x03", pan=PAN, today=TODAY)


@pytest.mark.parametrize("exponent", ["01", "02", "05", "010003", "00"])
def test_only_3_and_65537_are_exponents(exponent: str) -> None:
    with pytest.raises(AuthenticityError):
        public_key(b"\xff" * 128, bytes.fromhex(exponent))


def test_static_data_is_covered_to_its_last_byte() -> None:
    _, issuer = small_chain()
    signed = pki.sign(issuer, 0x03, b"\x01\xda\xc0", STATIC)
    assert static_code(signed, public(issuer), STATIC) == b"\xda\xc0"
    with pytest.raises(AuthenticityError):
        static_code(signed, public(issuer), STATIC[:-1])
    other = pki.sign(issuer, 0x03, b"\x02\xda\xc0", STATIC)
    with pytest.raises(AuthenticityError, match="hash"):
        static_code(other, public(issuer), STATIC)


@pytest.mark.parametrize("body", ["0200", "01FF", "0100", "010405AABBCC"])
def test_dynamic_data_of_a_wrong_form_is_refused(body: str) -> None:
    _, issuer = small_chain()
    signed = pki.sign(issuer, 0x05, bytes.fromhex(body), b"1234")
    with pytest.raises(AuthenticityError, match="form"):
        dynamic_data(signed, public(issuer), b"1234")
