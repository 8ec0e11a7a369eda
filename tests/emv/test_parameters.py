"""CA keys: checksum, expiry; and what a terminal type may do."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from posfw.emv.parameters import AidParameters, CaKey, EmvParameters, Revoked

VECTORS = json.loads(Path(__file__).with_name("vectors").joinpath("oda.json").read_text())
AID = AidParameters(bytes.fromhex("A0000000031010"), 0, 0, 0)
TODAY = date(2026, 11, 24)
KEYS = [
    CaKey(
        bytes.fromhex(each["rid"]),
        int(each["index"], 16),
        bytes.fromhex(each["modulus"]),
        bytes.fromhex(each["exponent"]),
        bytes.fromhex(each["checksum"]),
    )
    for each in VECTORS["ca_keys"]
]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.rid.hex()}-{key.index:02X}")
def test_the_payment_systems_published_test_keys_have_their_checksum(key: CaKey) -> None:
    assert key.intact
    assert not replace(key, index=key.index ^ 1).intact
    assert not replace(key, exponent=b"\x05").intact


def test_a_key_that_is_damaged_expired_or_unknown_is_not_there() -> None:
    key = KEYS[0]
    damaged = replace(KEYS[1], checksum=bytes(20))
    expired = replace(KEYS[2], expires=date(2026, 11, 23))
    made = EmvParameters((AID,), (key, damaged, expired))
    assert made.ca_key(key.rid, key.index, TODAY) == key
    assert made.ca_key(damaged.rid, damaged.index, TODAY) is None
    assert made.ca_key(expired.rid, expired.index, TODAY) is None
    assert made.ca_key(expired.rid, expired.index, date(2026, 11, 23)) == expired
    assert made.ca_key(key.rid, 0x01, TODAY) is None


def test_a_revoked_certificate_is_found_by_all_three_parts() -> None:
    made = EmvParameters((AID,), revoked=(Revoked(AID.rid, 1, b"\x00\x00\x01"),))
    assert made.is_revoked(AID.rid, 1, b"\x00\x00\x01")
    assert not made.is_revoked(AID.rid, 2, b"\x00\x00\x01")
    assert not made.is_revoked(AID.rid, 1, b"\x00\x00\x02")


@pytest.mark.parametrize(
    ("kind", "online", "only"), [(0x22, True, False), (0x21, True, True), (0x23, False, False)]
)
def test_the_terminal_type_says_whether_there_is_a_line(
    kind: int, online: bool, only: bool
) -> None:
    made = EmvParameters((AID,), terminal_type=kind)
    assert (made.can_go_online, made.online_only) == (online, only)
