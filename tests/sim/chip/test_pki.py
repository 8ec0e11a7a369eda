"""Generated keys: what is signed opens with the public half, and nothing else does."""

from __future__ import annotations

import hashlib

import pytest

from posfw.sim.chip import pki
from posfw.sim.chip.profile import SCHEMES, Profile, personalise


@pytest.mark.parametrize(("bits", "exponent"), [(1024, 3), (1152, 65537), (1984, 3)])
def test_a_key_has_the_size_that_was_asked_for(bits: int, exponent: int) -> None:
    key = pki.make_key(bits, exponent)
    assert key.modulus.bit_length() == bits
    assert key.exponent_bytes == (b"\x03" if exponent == 3 else b"\x01\x00\x01")
    assert pow(pow(12345, key.public, key.modulus), key.private, key.modulus) == 12345


def test_a_signature_has_header_format_hash_and_trailer() -> None:
    key = pki.make_key(1024)
    signed = pki.sign(key, 0x05, b"body", b"trailing")
    opened = pow(int.from_bytes(signed, "big"), 3, key.modulus).to_bytes(128, "big")
    assert (opened[:6], opened[-1]) == (b"\x6a\x05body", 0xBC)
    digest = hashlib.sha1(opened[1:-21] + b"trailing", usedforsecurity=False).digest()
    assert opened[-21:-1] == digest


@pytest.mark.parametrize("profile", SCHEMES, ids=lambda each: each.scheme)
def test_records_fit_into_an_answer_and_the_list_names_them_all(profile: Profile) -> None:
    made = personalise(profile)
    assert all(len(record) <= 254 for record in made.records.values())
    named = set()
    for at in range(0, len(made.afl), 4):
        sfi, first, last = made.afl[at] >> 3, made.afl[at + 1], made.afl[at + 2]
        named |= {(sfi, number) for number in range(first, last + 1)}
    assert named == set(made.records)
