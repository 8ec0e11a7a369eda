"""SDA, DDA and CDA with every way to fail (Book 3, 10.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from posfw.emv.bits import TSI, TVR
from posfw.emv.codes import Code
from posfw.emv.effects import Verdict
from posfw.emv.parameters import Revoked
from posfw.sim.chip.drive import ca_key, parameters
from posfw.sim.chip.profile import CA_INDEX, MASTERCARD, UNIONPAY, VISA, Profile

OFFLINE = 5_000
FAILED = {"sda": TVR.SDA_FAILED, "dda": TVR.DDA_FAILED, "cda": TVR.CDA_FAILED}
ALL_FAILED = TVR.SDA_FAILED | TVR.DDA_FAILED | TVR.CDA_FAILED
NO_PIN = "1F03"


def card(method: str, **changes: Any) -> Profile:
    return replace(VISA, method=method, cvm=NO_PIN, answer_format=2, **changes)


@pytest.mark.parametrize("method", ["sda", "dda", "cda"])
@pytest.mark.parametrize("exponent", [3, 65537])
def test_a_genuine_card_is_authenticated_and_approved_offline(
    sale: Callable[..., Any], method: str, exponent: int
) -> None:
    made = sale(card(method, exponent=exponent), minor=OFFLINE)
    assert made.finished.verdict is Verdict.APPROVED_OFFLINE
    assert not made.finished.tvr & (ALL_FAILED | TVR.OFFLINE_DATA_AUTHENTICATION_NOT_PERFORMED)
    assert TSI.OFFLINE_DATA_AUTHENTICATION in made.finished.tsi
    assert (TVR.SDA_SELECTED in made.finished.tvr) == (method == "sda")
    assert made.card.signed == (0 if method == "sda" else 1)


def test_a_card_without_keys_is_marked_and_goes_online(sale: Callable[..., Any]) -> None:
    made = sale(card("none"), minor=OFFLINE)
    assert TVR.OFFLINE_DATA_AUTHENTICATION_NOT_PERFORMED in made.finished.tvr
    assert TSI.OFFLINE_DATA_AUTHENTICATION not in made.finished.tsi
    assert made.finished.verdict is Verdict.APPROVED_ONLINE


def test_the_best_method_both_know_is_used(sale: Callable[..., Any]) -> None:
    for capabilities, bit in ((0xE0F880, TVR.ICC_DATA_MISSING), (0xE0F8C0, TVR.NONE)):
        made = sale(card("cda"), minor=OFFLINE, terminal={"capabilities": capabilities})
        assert TVR.CDA_FAILED not in made.finished.tvr
        # the CDA card's AIP names no SDA, so a terminal that can only do SDA does nothing
        if bit:
            assert TVR.OFFLINE_DATA_AUTHENTICATION_NOT_PERFORMED in made.finished.tvr
        else:
            assert not made.finished.tvr & ALL_FAILED


@pytest.mark.parametrize("method", ["sda", "dda", "cda"])
@pytest.mark.parametrize("tag", [0x8F, 0x90, 0x9F32])
def test_missing_data_is_marked_with_the_methods_bit(
    sale: Callable[..., Any], method: str, tag: int
) -> None:
    made = sale(card(method, without=frozenset({tag})), minor=OFFLINE)
    assert TVR.ICC_DATA_MISSING | FAILED[method] in made.finished.tvr
    assert made.finished.verdict is Verdict.APPROVED_ONLINE


@pytest.mark.parametrize("method", ["sda", "dda", "cda"])
@pytest.mark.parametrize("why", ["unknown", "expired", "damaged", "revoked", "static"])
def test_a_chain_that_does_not_hold_fails_the_method_and_is_never_approved_offline(
    sale: Callable[..., Any], method: str, why: str
) -> None:
    profile = card(method)
    key = ca_key(profile)
    changes: dict[str, Any] = {}
    if why == "static":
        profile = replace(profile, extra={0x9F4A: b"\x82\x5a"})
    elif why == "revoked":
        changes["revoked"] = (Revoked(profile.rid, CA_INDEX, b"\x00\x00\x01"),)
    else:
        altered = {
            "unknown": replace(key, index=1),
            "expired": replace(key, expires=date(2026, 11, 23)),
            "damaged": replace(key, checksum=bytes(20)),
        }[why]
        changes["ca_keys"] = (altered,)
    made_parameters = replace(parameters([profile]), **changes)
    made = sale(profile, minor=OFFLINE, parameters_made=made_parameters)
    assert FAILED[method] in made.finished.tvr
    assert made.finished.verdict is Verdict.APPROVED_ONLINE
    down = sale(profile, minor=OFFLINE, parameters_made=made_parameters, issuer=None)
    assert down.finished.verdict is Verdict.DECLINED_OFFLINE


def spoiled(made: Any, instruction: int) -> Callable[[bytes], bytes]:
    """A card whose signature has one bit wrong."""

    def transmit(command: bytes) -> bytes:
        answer: bytes = made.transmit(command)
        if command[1] != instruction or len(answer) < 100:
            return answer
        return answer[:-3] + bytes((answer[-3] ^ 1,)) + answer[-2:]

    return transmit


def test_a_wrong_dynamic_signature_fails_dda(
    sale: Callable[..., Any], run_with: Callable[..., Any]
) -> None:
    made = run_with(card("dda"), lambda chip: spoiled(chip, 0x88), minor=OFFLINE)
    assert TVR.DDA_FAILED in made.finished.tvr
    assert made.finished.verdict is Verdict.APPROVED_ONLINE
    assert sale(card("dda"), minor=OFFLINE).finished.verdict is Verdict.APPROVED_OFFLINE


def test_a_wrong_signature_over_a_tc_declines(run_with: Callable[..., Any]) -> None:
    made = run_with(card("cda"), lambda chip: spoiled(chip, 0xAE), minor=OFFLINE)
    assert TVR.CDA_FAILED in made.finished.tvr
    assert made.finished.verdict is Verdict.DECLINED_OFFLINE
    assert made.finished.code is Code.SIGNATURE_FAILED


def test_a_wrong_signature_over_an_arqc_declines_without_a_line(
    run_with: Callable[..., Any],
) -> None:
    made = run_with(card("cda"), lambda chip: spoiled(chip, 0xAE), minor=30_000)
    assert made.finished.verdict is Verdict.DECLINED_OFFLINE
    assert made.finished.code is Code.SIGNATURE_FAILED
    assert made.counter.issuer.checked == 0


@pytest.mark.parametrize("what", ["amount", "issuer data", "counter"])
def test_cda_notices_what_was_changed_between_card_and_terminal(
    run_with: Callable[..., Any], what: str
) -> None:
    """The signature itself is genuine; what it covers is not what the terminal saw."""

    def between(chip: Any) -> Callable[[bytes], bytes]:
        def transmit(command: bytes) -> bytes:
            if command[1] != 0xAE:
                answer: bytes = chip.transmit(command)
                return answer
            if what == "amount":
                command = command[:10] + bytes((command[10] ^ 1,)) + command[11:]
            answer = chip.transmit(command)
            tag = {"issuer data": b"\x9f\x10", "counter": b"\x9f\x36"}.get(what, b"\x00\x00")
            at = answer.find(tag) + 4 if tag in answer else -3
            return answer if at < 0 else answer[:at] + bytes((answer[at] ^ 1,)) + answer[at + 1 :]

        return transmit

    made = run_with(card("cda"), between, minor=OFFLINE)
    assert TVR.CDA_FAILED in made.finished.tvr
    assert made.finished.code is Code.SIGNATURE_FAILED


def test_cda_covers_the_data_of_both_cryptograms(sale: Callable[..., Any]) -> None:
    made = sale(MASTERCARD)
    assert made.finished.verdict is Verdict.APPROVED_ONLINE
    assert TVR.CDA_FAILED not in made.finished.tvr
    assert made.card.signed == 2 + 1  # both cryptograms and one enciphered PIN


def test_a_ddol_without_the_unpredictable_number_fails_dda(sale: Callable[..., Any]) -> None:
    aids = tuple(replace(each, ddol=bytes.fromhex("9A03")) for each in parameters([UNIONPAY]).aids)
    weak = replace(UNIONPAY, without=frozenset({0x9F49}))
    made = sale(weak, parameters_made=replace(parameters([UNIONPAY]), aids=aids))
    assert TVR.DDA_FAILED in made.finished.tvr
    assert made.card.signed == 0
