"""Every bit of the TVR with the section that asks for it and a sale that sets it, and no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from posfw.emv.bits import TVR
from posfw.emv.effects import CardHistory, Verdict
from posfw.sim.chip.drive import parameters
from posfw.sim.chip.issuer import UNBLOCK, Issuer, Script
from posfw.sim.chip.profile import MASTERCARD, UNIONPAY, Profile

QUIET = replace(UNIONPAY, cvm="1F00", issuer_authentication="none")  # sets no bit by itself
SMALL = 5_000


def without(tag: int, profile: Profile = QUIET, **changes: Any) -> Profile:
    return replace(profile, without=frozenset({tag}), **changes)


@dataclass(frozen=True)
class Case:
    """A bit, the section (EMV 4.3) that asks for it, a card, and what is unusual about the sale.

    `also` are bits that the same section or the amount brings with it.
    """

    bit: TVR
    book: str
    profile: Profile = QUIET
    sale: dict[str, Any] = field(default_factory=dict)
    aid: dict[str, Any] = field(default_factory=dict)
    also: TVR = TVR.NONE


CASES = (
    Case(
        TVR.OFFLINE_DATA_AUTHENTICATION_NOT_PERFORMED, "3, 10.3", replace(QUIET, method="none")
    ),
    Case(TVR.SDA_FAILED, "2, 5.4", without(0x93, method="sda"),
         also=TVR.ICC_DATA_MISSING | TVR.SDA_SELECTED),
    Case(TVR.ICC_DATA_MISSING, "3, 7.5 and 10.5", without(0x8E)),
    Case(TVR.CARD_ON_EXCEPTION_FILE, "3, 10.6", sale={"history": CardHistory(listed=True)}),
    Case(TVR.DDA_FAILED, "2, 6.5.1", without(0x9F49), aid={"ddol": b"\x9a\x03"}),
    Case(TVR.CDA_FAILED, "2, 6.4", without(0x9F46, replace(MASTERCARD, cvm="1F00")),
         also=TVR.ICC_DATA_MISSING),
    Case(TVR.SDA_SELECTED, "3, 10.3", replace(QUIET, method="sda")),
    Case(TVR.DIFFERENT_APPLICATION_VERSIONS, "3, 10.4.1", replace(QUIET, version="0096")),
    Case(TVR.EXPIRED_APPLICATION, "3, 10.4.3", replace(QUIET, expiry="261123")),
    Case(TVR.APPLICATION_NOT_YET_EFFECTIVE, "3, 10.4.3", replace(QUIET, effective="261125")),
    Case(TVR.SERVICE_NOT_ALLOWED, "3, 10.4.2", replace(QUIET, usage="0000")),
    Case(TVR.NEW_CARD, "3, 10.6.3", replace(QUIET, velocity=(9, 9)),
         {"card": {"atc": 2, "last_online_atc": 0}}),
    Case(TVR.CARDHOLDER_VERIFICATION_NOT_SUCCESSFUL, "3, 10.5", replace(QUIET, cvm="0000")),
    Case(TVR.UNRECOGNISED_CVM, "3, 10.5", replace(QUIET, cvm="7E001F00")),
    Case(TVR.PIN_TRY_LIMIT_EXCEEDED, "3, 10.5.1", replace(QUIET, cvm="41001F00"),
         {"card": {"tries": 0}}),
    Case(TVR.PIN_PAD_NOT_PRESENT_OR_NOT_WORKING, "3, 10.5.1", replace(QUIET, cvm="41001F00"),
         {"pad": False}),
    Case(TVR.PIN_NOT_ENTERED, "4, 6.3.4.3", replace(QUIET, cvm="41001F00"), {"pins": [""]}),
    Case(TVR.ONLINE_PIN_ENTERED, "3, 10.5.2", replace(QUIET, cvm="0200")),
    Case(TVR.FLOOR_LIMIT_EXCEEDED, "3, 10.6.1", sale={"minor": 20_000}),
    Case(TVR.LOWER_OFFLINE_LIMIT_EXCEEDED, "3, 10.6.3", replace(QUIET, velocity=(1, 9)),
         {"card": {"atc": 12, "last_online_atc": 9}}),
    Case(TVR.UPPER_OFFLINE_LIMIT_EXCEEDED, "3, 10.6.3", replace(QUIET, velocity=(1, 2)),
         {"card": {"atc": 12, "last_online_atc": 9}}, also=TVR.LOWER_OFFLINE_LIMIT_EXCEEDED),
    Case(TVR.RANDOMLY_SELECTED_ONLINE, "3, 10.6.2", sale={"request": {"chance_percent": 40}},
         aid={"target_percent": 40, "max_target_percent": 80, "threshold_minor": 10_000}),
    Case(TVR.MERCHANT_FORCED_ONLINE, "3, 10.6", sale={"request": {"force_online": True}}),
    Case(TVR.DEFAULT_TDOL_USED, "3, annex C5", without(0x97, tdol="9F0206"),
         aid={"tdol": b"\x9f\x02\x06"}),
    Case(TVR.ISSUER_AUTHENTICATION_FAILED, "3, 10.9",
         replace(QUIET, issuer_authentication="external"),
         {"minor": 20_000, "issuer": Issuer(spoil=True)}, also=TVR.FLOOR_LIMIT_EXCEEDED),
    Case(TVR.SCRIPT_FAILED_BEFORE_FINAL_AC, "3, 10.10", QUIET,
         {"minor": 20_000, "raw": 0x71}, also=TVR.FLOOR_LIMIT_EXCEEDED),
    Case(TVR.SCRIPT_FAILED_AFTER_FINAL_AC, "3, 10.10", QUIET,
         {"minor": 20_000, "raw": 0x72}, also=TVR.FLOOR_LIMIT_EXCEEDED),
)  # fmt: skip


def sold(sale: Callable[..., Any], run_with: Callable[..., Any], case: Case) -> Any:
    asked: dict[str, Any] = {"minor": SMALL, **case.sale}
    tag = asked.pop("raw", None)
    if tag is not None:

        def refusing(chip: Any) -> Callable[[bytes], bytes]:
            """Every script command is refused with an error status."""
            return lambda apdu: b"\x69\x88" if apdu[0] & 0x04 else chip.transmit(apdu)

        return run_with(case.profile, refusing, scripts=[Script(tag, [UNBLOCK])], **asked)
    made = parameters([case.profile])
    aids = tuple(replace(each, **case.aid) for each in made.aids)
    return sale(case.profile, parameters_made=replace(made, aids=aids), **asked)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.bit.name)
def test_a_bit_is_set_where_its_section_asks_for_it_and_nothing_else_is(
    sale: Callable[..., Any], run_with: Callable[..., Any], case: Case
) -> None:
    assert sold(sale, run_with, case).finished.tvr == case.bit | case.also, case.book


def test_no_bit_is_left_out() -> None:
    assert {case.bit for case in CASES} == set(TVR)
    assert all(case.book[:2] in {"2,", "3,", "4,"} for case in CASES)


def test_a_sale_with_nothing_unusual_sets_none(
    sale: Callable[..., Any], run_with: Callable[..., Any]
) -> None:
    made = sold(sale, run_with, Case(TVR.NONE, ""))
    assert made.finished.tvr == TVR.NONE
    assert made.finished.verdict is Verdict.APPROVED_OFFLINE


@pytest.mark.parametrize("code", ["01", "02"])
def test_a_referral_approves_nothing(sale: Callable[..., Any], code: str) -> None:
    """Nobody telephones: a referral is a decline, and the card is asked for an AAC."""
    made = sale(QUIET, minor=30_000, code=code)
    assert made.finished.verdict is Verdict.DECLINED_ONLINE
    assert not made.finished.reversal
    kinds = [each[2] & 0xC0 for each in made.card.log if each[1] == 0xAE]
    assert kinds == [0x80, 0x00]


def test_an_amount_rule_is_skipped_where_the_cards_currency_is_another(
    sale: Callable[..., Any],
) -> None:
    """Book 3, annex C3, conditions 06 to 09 need the application's currency."""
    listed = replace(QUIET, cvm="01061F00", cvm_x=99_999)
    made = sale(listed, minor=SMALL)
    assert made.finished.cvm_results.hex().upper() == "010602"
    for odd in (replace(listed, currency=840), without(0x9F42, listed)):
        assert sale(odd, minor=SMALL).finished.cvm_results.hex().upper() == "1F0002"
