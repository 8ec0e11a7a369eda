"""The simulated issuer's arithmetic against PyEMV (tests/emv/vectors/make_issuer.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from posfw.sim.chip import cryptograms

PATH = Path(__file__).parents[2] / "emv" / "vectors" / "issuer.json"
VECTORS = json.loads(PATH.read_text())
KEY, DATA = bytes.fromhex(VECTORS["issuer_key"]), bytes.fromhex(VECTORS["data"])
ATC = bytes.fromhex(VECTORS["atc"])


@pytest.fixture(params=VECTORS["cards"], ids=lambda each: each["pan"][:6])
def card(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_the_cards_key_for_16_and_19_digits(card: Any) -> None:
    key = cryptograms.master_key(KEY, card["pan"], card["sequence"])
    assert key.hex() == card["master_key"]


def test_session_key_cryptogram_and_answer(card: Any) -> None:
    key = bytes.fromhex(card["master_key"])
    session = cryptograms.common_session_key(key, ATC + bytes(6))
    arqc = cryptograms.mac(session, DATA)
    assert session.hex() == card["session_key"]
    assert arqc.hex() == card["arqc"]
    assert cryptograms.arpc_1(session, arqc, b"00").hex() == card["arpc_1"]
    assert cryptograms.arpc_2(session, arqc, bytes.fromhex("00820000")).hex() == card["arpc_2"]


def test_visas_cryptogram_without_session_key(card: Any) -> None:
    key = bytes.fromhex(card["master_key"])
    assert cryptograms.mac(key, DATA, pad_one=False).hex() == card["arqc_visa"]


def test_the_mac_of_a_script_command(card: Any) -> None:
    key, arqc = bytes.fromhex(card["master_key"]), bytes.fromhex(card["arqc"])
    head = bytes.fromhex("8424000008")
    assert cryptograms.script_mac(key, head, ATC, arqc, b"").hex() == card["script_mac"]
    assert cryptograms.script_mac(key, head, ATC, arqc, b"\x01").hex() != card["script_mac"]


def test_unionpays_session_key_changes_with_every_transaction() -> None:
    keys = {cryptograms.unionpay_session_key(KEY, bytes((0, atc))) for atc in range(20)}
    assert len(keys) == 20
    assert all(bin(byte).count("1") % 2 for key in keys for byte in key)
