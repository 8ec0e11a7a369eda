"""All published values of ANSI X9.24-3:2017's supplement, PIN blocks among them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from psec import pinblock  # an independent reading of ISO 9564-1

from posfw.crypto import dukpt, pin_block
from posfw.crypto.dukpt import Usage
from posfw.values.errors import KeyStoreError, MisuseError

PATH = Path(__file__).parents[1] / "vectors" / "aes_dukpt_x9_24_3_vectors.json"
VECTORS: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
USAGES = {
    "pin_key": Usage.PIN_ENCRYPTION,
    "mac_generation_key": Usage.MAC_GENERATION,
    "data_encryption_key": Usage.DATA_ENCRYPTION,
}


def compare(vectors: dict[str, Any]) -> int:
    """Assert every value and return how many there were."""
    key_id = bytes.fromhex(vectors["initial_key_id"])
    first = dukpt.initial_key(bytes.fromhex(vectors["base_derivation_key"]), key_id)
    assert first.hex() == vectors["initial_key"]
    compared = 1
    for row in vectors["transactions"]:
        counter = int(row["ksn"][16:], 16)
        key = dukpt.transaction_key(first, key_id, counter)
        assert key.hex() == row["transaction_key"]
        compared += 1
        for name, expected in row.items():
            usage, _, bits = name.partition("_aes")
            if bits:
                size = int(bits) // 8
                found = dukpt.working_key(key, USAGES[usage], key_id, counter, size=size)
                assert found.hex() == expected, (row["ksn"], name)
                compared += 1
        if "encrypted_pin_block" in row:
            pin_key = dukpt.working_key(
                key, Usage.PIN_ENCRYPTION, key_id, counter, size=len(first)
            )
            fields = (bytes.fromhex(vectors[name]) for name in ("pin_field", "pan_field"))
            assert pin_block.encrypt(pin_key, *fields).hex() == row["encrypted_pin_block"]
            compared += 1
    return compared


def test_every_published_value_is_met() -> None:
    assert compare(VECTORS["aes128"]) + compare(VECTORS["aes256"]) == 112


def test_pin_and_pan_fields_are_the_published_ones() -> None:
    vectors = VECTORS["aes128"]
    field = bytes.fromhex(vectors["pin_field"])
    assert pin_block.pin_field(vectors["pin"], field[8:]) == field
    assert pin_block.pan_field(vectors["pan"]).hex() == vectors["pan_field"]


@pytest.mark.parametrize("pin", ["", "123", "1234567890123", "12a4"])
def test_a_pin_that_is_none_makes_no_field(pin: str) -> None:
    with pytest.raises(MisuseError):
        pin_block.pin_field(pin, bytes(8))


def test_counters_with_more_than_sixteen_bits_are_skipped() -> None:
    counters = (0x1FFFE, 0x20000, 0xFFFE2000, 0xFFFE8000)
    expected = [0x20000, 0x20001, 0xFFFE4000, 0xFFFF0000]
    assert [dukpt.next_counter(each) for each in counters] == expected


def test_the_last_counter_has_no_next() -> None:
    with pytest.raises(KeyStoreError):
        dukpt.next_counter(dukpt.LAST_COUNTER)


def test_hmac_and_aes_keys_of_one_usage_differ() -> None:
    one, two = (
        dukpt.working_key(bytes(32), Usage.MAC_GENERATION, bytes(8), 1, size=32, hmac=each)
        for each in (False, True)
    )
    assert one != two


@pytest.mark.parametrize(("key", "key_id"), [(bytes(31), bytes(8)), (bytes(32), bytes(7))])
def test_an_initial_key_of_wrong_sizes_is_a_misuse(key: bytes, key_id: bytes) -> None:
    with pytest.raises(MisuseError):
        dukpt.initial_key(key, key_id)


def test_a_block_of_another_reading_opens_and_with_anything_else_is_no_pin() -> None:
    key, number = bytes(range(32)), "6212345678900000003"
    block = pinblock.encipher_pinblock_iso_4(key, "80246", number)
    pan = pin_block.pan_field(number)
    assert pin_block.pin_of(pin_block.decrypt(key, block, pan)) == "80246"
    other = pin_block.pan_field("6212345678901232")
    for wrong in (
        pin_block.decrypt(bytes(32), block, pan),
        pin_block.decrypt(key, block, other),
        pin_block.decrypt(key, block[:-1] + bytes((block[-1] ^ 1,)), pan),
        bytes.fromhex("43123AAAAAAAAAAA") + bytes(8),  # three digits
        bytes.fromhex("44123AAAAAAAAAAA") + bytes(8),  # a digit that is none
        bytes.fromhex("341234AAAAAAAAAA") + bytes(8),  # another format
        bytes.fromhex("441234AAAAAAAAA0") + bytes(8),  # wrong fill
    ):
        assert not pin_block.pin_of(wrong)
