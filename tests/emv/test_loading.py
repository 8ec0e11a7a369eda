"""Parameters from a file or a message: closed, all mistakes at once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from posfw.emv.loading import from_plain, from_toml
from posfw.values.card import CardNumber
from posfw.values.errors import ConfigError

KEY = json.loads(Path(__file__).with_name("vectors").joinpath("oda.json").read_text())["ca_keys"][
    0
]
GOOD = f"""
[terminal]
country = 156
capabilities = "E0F8C8"
terminal = "12345678"

[[aid]]
aid = "A000000333010101"
tac_denial = "0010000000"
tac_online = "D84004F800"
tac_default = "D84000A800"
floor_minor = 20000

[[ca_key]]
rid = "{KEY["rid"]}"
index = {int(KEY["index"], 16)}
modulus = "{KEY["modulus"]}"
exponent = "{KEY["exponent"]}"
checksum = "{KEY["checksum"]}"
expires = 2030-12-31

[[revoked]]
rid = "A000000333"
index = 2
serial = "000001"
"""

EXCEPTIONS = """
[exceptions]
salt = "000102030405060708090A0B0C0D0E0F"
cards = ["0011223344556677", "0000000000000000"]
"""


def test_a_file_becomes_parameters() -> None:
    made = from_toml(GOOD, source="emv.toml")
    assert made.aids[0].aid == bytes.fromhex("A000000333010101")
    assert made.aids[0].tac_online == 0xD84004F800
    assert made.capabilities == 0xE0F8C8
    assert made.ca_keys[0].expires == date(2030, 12, 31)
    assert made.revoked[0].serial == b"\x00\x00\x01"


def test_a_message_of_plain_values_becomes_the_same_parameters() -> None:
    plain = {
        "terminal": {"country": 156, "capabilities": b"\xe0\xf8\xc8", "terminal": "12345678"},
        "aid": [
            {
                "aid": bytes.fromhex("A000000333010101"),
                "tac_denial": bytes.fromhex("0010000000"),
                "tac_online": bytes.fromhex("D84004F800"),
                "tac_default": bytes.fromhex("D84000A800"),
                "floor_minor": 20000,
            }
        ],
        "ca_key": [
            {
                "rid": bytes.fromhex(KEY["rid"]),
                "index": int(KEY["index"], 16),
                "modulus": bytes.fromhex(KEY["modulus"]),
                "exponent": bytes.fromhex(KEY["exponent"]),
                "checksum": bytes.fromhex(KEY["checksum"]),
                "expires": "2030-12-31",
            }
        ],
        "revoked": [{"rid": bytes.fromhex("A000000333"), "index": 2, "serial": b"\x00\x00\x01"}],
    }
    assert from_plain(plain, source="message") == from_toml(GOOD, source="emv.toml")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("floor_minor = 20000", "floor_minor = true"), "aid 1.floor_minor"),
        (("floor_minor", "flor_minor"), "aid 1.flor_minor: is not known"),
        (('tac_denial = "0010000000"\n', ""), "aid 1.tac_denial: is missing"),
        (('"0010000000"', '"00100000"'), "aid 1.tac_denial: must be 5 to 5 bytes"),
        (('"0010000000"', '"zz"'), "aid 1.tac_denial"),
        (("[[aid]]", "[[aids]]"), "aids is not known"),
        (("country = 156", "country = 1560"), "terminal.country"),
        ((KEY["checksum"], "00" * 20), "the checksum does not fit"),
        (("2030-12-31", '"2030-02-31"'), "ca_key 1.expires"),
        (('serial = "000001"', "serial = 1"), "revoked 1.serial"),
        ((f'exponent = "{KEY["exponent"]}"', 'exponent = "05"'), "must be 3 or 65537"),
    ],
)
def test_a_mistake_is_named_with_its_place(change: tuple[str, str], complaint: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(ConfigError, match=complaint):
        from_toml(GOOD.replace(*change, 1), source="emv.toml")


@pytest.mark.parametrize("plain", [{}, {"aid": {}}, {"aid": [1]}, {"aid": [], "terminal": 3}])
def test_shapes_that_cannot_be_are_refused(plain: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        from_plain(plain, source="message")


def test_all_mistakes_are_told_at_once() -> None:
    text = GOOD.replace("country", "land").replace("index = 2", "index = 256")
    with pytest.raises(ConfigError) as caught:
        from_toml(text, source="emv.toml")
    assert len(caught.value.facts["mistakes"]) == 2  # type: ignore[arg-type]  # a list of lines


def test_a_file_that_is_no_toml_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"emv\.toml"):
        from_toml("[", source="emv.toml")


def test_every_mistake_has_its_line() -> None:
    text = GOOD.replace("floor_minor = 20000", "floor_minor = -1")
    text = text.replace(KEY["checksum"], "00" * 20).replace('rid = "A000000333"\n', "", 1)
    text += '\n[[revoked]]\nrid = "A000000333"\nindex = 2\nodd = 1\n'
    with pytest.raises(ConfigError) as caught:
        from_toml(text, source="emv.toml")
    rows = text.splitlines()
    told = str(caught.value).splitlines()

    def row(mistake: str) -> str:
        return rows[int(mistake.split("line ")[1].split(":", maxsplit=1)[0]) - 1]

    assert [(each.split(": ")[1], row(each)) for each in told] == [
        ("aid 1.floor_minor", "floor_minor = -1"),
        ("revoked 1.rid", "[[revoked]]"),
        ("revoked 2.odd", "odd = 1"),
        ("revoked 2.serial", "[[revoked]]"),
        ("ca_key 1.checksum", f'checksum = "{"00" * 20}"'),
    ]


@pytest.mark.parametrize("table", ["aid", "ca_key"])
def test_two_tables_for_one_thing_are_a_mistake(table: str) -> None:
    again = GOOD[GOOD.index(f"[[{table}]]") :].split("\n\n", maxsplit=1)[0]
    with pytest.raises(ConfigError, match=rf"line \d+: {table} 2: is the same as {table} 1"):
        from_toml(f"{GOOD}\n{again}\n", source="emv.toml")


def test_an_exception_file_is_read_and_its_mistakes_are_told() -> None:
    listed = from_toml(GOOD + EXCEPTIONS, source="emv.toml").exceptions
    assert listed.cards == {bytes.fromhex("0011223344556677"), bytes(8)}
    number = CardNumber("6216261000000000018")
    assert not listed.lists(number)
    assert replace(listed, cards=frozenset({listed.stands_for(number)})).lists(number)
    other = replace(listed, salt=bytes(16))  # a new salt makes another name of every card
    assert other.stands_for(number) != listed.stands_for(number)


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("salt =", "sallt =", "exceptions.salt: is missing"),
        ('"000102030405060708090A0B0C0D0E0F"', '"00"', "exceptions.salt: must be 16 to 64"),
        ('"0011223344556677"', '"6216261000000000018"', "exceptions.cards:"),
        ('"0011223344556677"', '"00"', "exceptions.cards: must be 8 to 8 bytes"),
        ("cards = [", 'cards = "', "emv.toml:"),
        ("cards =", "card =", "exceptions.card: is not known here"),
    ],
)
def test_a_wrong_exception_file_is_refused_as_a_whole(old: str, new: str, mistake: str) -> None:
    assert old in EXCEPTIONS
    with pytest.raises(ConfigError) as error:
        from_toml(GOOD + EXCEPTIONS.replace(old, new), source="emv.toml")
    assert mistake in str(error.value)
