"""Cardholder verification: every method, every answer of pad and card (Book 3, 10.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from posfw.emv.bits import TSI, TVR
from posfw.emv.codes import Code
from posfw.emv.effects import CheckIdentity, EnterOfflinePin, EnterOnlinePin, Verdict
from posfw.sim.chip.profile import UNIONPAY, VISA

FAILED = TVR.CARDHOLDER_VERIFICATION_NOT_SUCCESSFUL
PIN_BITS = (
    FAILED
    | TVR.UNRECOGNISED_CVM
    | TVR.PIN_TRY_LIMIT_EXCEEDED
    | TVR.PIN_PAD_NOT_PRESENT_OR_NOT_WORKING
    | TVR.PIN_NOT_ENTERED
    | TVR.ONLINE_PIN_ENTERED
)
NO_SIGNATURE, NO_PIN_PAD = 0xE0D8C8, 0xE028C8


@pytest.mark.parametrize(
    ("rules", "pins", "terminal", "results", "bits"),
    [
        # what is done, and done right
        ("0103", ["1234"], {}, "010302", TVR.NONE),
        ("0403", ["1234"], {}, "040302", TVR.NONE),
        ("0203", ["1234"], {}, "020300", TVR.ONLINE_PIN_ENTERED),
        ("1E03", [], {}, "1E0300", TVR.NONE),
        ("1F00", [], {}, "1F0002", TVR.NONE),
        ("0300", ["1234"], {}, "030000", TVR.NONE),
        ("0500", ["1234"], {}, "050000", TVR.NONE),
        # wrong, then right; wrong to the end
        ("0100", ["9999", "1234"], {}, "010002", TVR.NONE),
        ("0400", ["9999", "1234"], {}, "040002", TVR.NONE),
        ("0100", ["1", "2", "3"], {}, "010001", FAILED | TVR.PIN_TRY_LIMIT_EXCEEDED),
        ("41001E00", ["1", "2", "3"], {}, "1E0000", TVR.PIN_TRY_LIMIT_EXCEEDED),
        # passed over: no PIN method after it is tried
        ("0100", [""], {}, "010001", FAILED | TVR.PIN_NOT_ENTERED),
        ("41001E00", [""], {}, "1E0000", TVR.PIN_NOT_ENTERED),
        ("410042001F00", ["", "1234"], {}, "1F0002", TVR.PIN_NOT_ENTERED),
        ("41000200", ["", "1234"], {}, "020001", FAILED | TVR.PIN_NOT_ENTERED),
        # not supported
        ("0100", [], {"capabilities": NO_PIN_PAD}, "010001",
         FAILED | TVR.PIN_PAD_NOT_PRESENT_OR_NOT_WORKING),
        ("1E00", [], {"capabilities": NO_SIGNATURE}, "1E0001", FAILED),
        ("5E001F00", [], {"capabilities": NO_SIGNATURE}, "1F0002", TVR.NONE),
        # conditions that do not hold, codes that nobody knows, fail on purpose
        ("1F01", [], {}, "3F0001", FAILED),
        ("3E00", [], {}, "3E0001", FAILED | TVR.UNRECOGNISED_CVM),
        ("7E001F00", [], {}, "1F0002", TVR.UNRECOGNISED_CVM),
        ("0000", [], {}, "000001", FAILED),
    ],
)  # fmt: skip
def test_a_list_ends_with_the_results_and_bits_of_the_books(
    sale: Callable[..., Any],
    rules: str,
    pins: list[str],
    terminal: dict[str, Any],
    results: str,
    bits: TVR,
) -> None:
    made = sale(replace(VISA, cvm=rules), pins=list(pins), terminal=terminal)
    assert made.finished.cvm_results.hex().upper() == results
    assert made.finished.tvr & PIN_BITS == bits
    assert TSI.CARDHOLDER_VERIFICATION in made.finished.tsi


def test_a_broken_pad_is_marked(sale: Callable[..., Any]) -> None:
    made = sale(replace(VISA, cvm="41001E00"), pad=False)
    assert made.finished.tvr & PIN_BITS == TVR.PIN_PAD_NOT_PRESENT_OR_NOT_WORKING
    assert made.finished.signature


@pytest.mark.parametrize(
    ("rules", "asked"), [("1E00", True), ("0300", True), ("1F00", False), ("0100", False)]
)
def test_a_signature_is_asked_for_where_a_rule_asks(
    sale: Callable[..., Any], rules: str, asked: bool
) -> None:
    made = sale(replace(VISA, cvm=rules))
    assert made.finished.verdict is Verdict.APPROVED_ONLINE
    assert made.finished.signature is asked
    assert made.finished.card.signature is asked


def test_a_card_whose_profile_names_no_verification_is_not_asked(
    sale: Callable[..., Any],
) -> None:
    made = sale(replace(VISA, without=frozenset({0x8E})))
    assert TVR.ICC_DATA_MISSING in made.finished.tvr
    assert TSI.CARDHOLDER_VERIFICATION not in made.finished.tsi
    assert made.finished.cvm_results.hex() == "3f0000"


def test_the_try_counter_at_zero_fails_without_an_entry(sale: Callable[..., Any]) -> None:
    made = sale(replace(VISA, cvm="0100"), card={"tries": 0})
    assert TVR.PIN_TRY_LIMIT_EXCEEDED | FAILED in made.finished.tvr
    assert not [each for each in made.counter.asked if isinstance(each, EnterOfflinePin)]


def test_the_pad_is_told_how_many_tries_are_left(sale: Callable[..., Any]) -> None:
    made = sale(replace(VISA, cvm="0100"), pins=["9", "8", "1234"])
    asked = [each for each in made.counter.asked if isinstance(each, EnterOfflinePin)]
    assert [(each.tries_left, each.wrong) for each in asked] == [
        (3, False),
        (2, True),
        (1, True),
    ]


def test_every_enciphered_entry_has_a_fresh_challenge(sale: Callable[..., Any]) -> None:
    made = sale(replace(VISA, cvm="0400"), pins=["9", "1234"])
    asked = [each for each in made.counter.asked if isinstance(each, EnterOfflinePin)]
    assert len({each.challenge for each in asked}) == 2
    assert all(each.key is not None for each in asked)


@pytest.mark.parametrize("tag", [0x90, 0x9F32])
def test_an_enciphered_pin_without_a_key_fails(sale: Callable[..., Any], tag: int) -> None:
    made = sale(replace(VISA, cvm="0400", without=frozenset({tag})))
    assert made.finished.cvm_results.hex() == "040001"
    assert FAILED in made.finished.tvr


def test_without_a_pin_key_the_cards_own_key_enciphers(sale: Callable[..., Any]) -> None:
    made = sale(replace(VISA, cvm="0400", without=frozenset({0x9F2D, 0x9F2E})))
    asked = [each for each in made.counter.asked if isinstance(each, EnterOfflinePin)]
    assert asked[0].key is not None
    # the simulated card deciphers with its PIN key alone: it counts a wrong entry
    assert asked[1].wrong


def test_the_online_block_travels_with_the_request(sale: Callable[..., Any]) -> None:
    made = sale(UNIONPAY)
    assert [each for each in made.counter.asked if isinstance(each, EnterOnlinePin)]
    assert made.finished.card.pin_block.reveal() == b"\x04" * 16


def test_cancelling_at_the_pad_cancels_the_sale(sale: Callable[..., Any]) -> None:
    for rules in ("0100", "0200", "0400"):
        made = sale(replace(VISA, cvm=rules), pins=["cancel"])
        assert (made.finished.verdict, made.finished.code) == (
            Verdict.CANCELLED,
            Code.CANCELLED,
        )


@pytest.mark.parametrize(("matches", "results"), [(True, "200002"), (False, "200001")])
def test_unionpays_identity_check_is_the_cashiers_word(
    sale: Callable[..., Any], matches: bool, results: str
) -> None:
    extra = {0x9F61: b"11010519491231002X", 0x9F62: b"\x00"}
    profile = replace(UNIONPAY, cvm="2000", extra=extra)
    made = sale(profile, terminal={"identity_check": True}, identity=matches)
    asked = [each for each in made.counter.asked if isinstance(each, CheckIdentity)]
    assert asked[0].number.reveal() == b"11010519491231002X"
    assert "1101" not in repr(asked[0])
    assert made.finished.cvm_results.hex() == results


def test_unionpays_identity_check_is_unknown_to_other_schemes(
    sale: Callable[..., Any],
) -> None:
    made = sale(replace(VISA, cvm="60001F00"), terminal={"identity_check": True})
    assert TVR.UNRECOGNISED_CVM in made.finished.tvr
    assert made.finished.cvm_results.hex() == "1f0002"


def test_a_card_that_never_counts_down_is_not_asked_for_ever(
    run_with: Callable[..., Any],
) -> None:
    def endless(chip: Any) -> Callable[[bytes], bytes]:
        return lambda command: b"\x63\xcf" if command[1] == 0x20 else chip.transmit(command)

    made = run_with(replace(VISA, cvm="0100"), endless, pins=["9"] * 40)
    asked = [each for each in made.counter.asked if isinstance(each, EnterOfflinePin)]
    assert len(asked) == 15
    assert FAILED in made.finished.tvr
