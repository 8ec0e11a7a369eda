"""Issuer authentication and scripts (Book 3, 10.9 and 10.10; Book 4, annex A5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.emv.bits import TSI, TVR
from posfw.emv.codes import Code
from posfw.emv.effects import AuthoriseOnline, OnlineAnswer, Request, Verdict
from posfw.emv.issuer import issuer_data
from posfw.emv.kernel import begin, step
from posfw.sim.chip.ber import tlv
from posfw.sim.chip.card import ChipCard
from posfw.sim.chip.drive import Counter, parameters, run
from posfw.sim.chip.issuer import BLOCK, UNBLOCK, Issuer, Script, read_objects
from posfw.sim.chip.profile import MASTERCARD, UNIONPAY, VISA, Profile
from posfw.values.errors import InputError

BAD = (bytes.fromhex("84DA0000"), b"\x01\x02")
BEFORE, AFTER = TVR.SCRIPT_FAILED_BEFORE_FINAL_AC, TVR.SCRIPT_FAILED_AFTER_FINAL_AC
NO_PIN = replace(VISA, cvm="1F03")


@pytest.mark.parametrize("profile", [UNIONPAY, VISA])
def test_the_issuers_word_is_passed_on_and_marked(
    sale: Callable[..., Any], profile: Profile
) -> None:
    made = sale(profile)
    assert TSI.ISSUER_AUTHENTICATION in made.finished.tsi
    assert TVR.ISSUER_AUTHENTICATION_FAILED not in made.finished.tvr


@pytest.mark.parametrize("profile", [UNIONPAY, VISA, MASTERCARD])
@pytest.mark.parametrize("issuer", [Issuer(spoil=True), Issuer(silent=True)])
def test_a_card_without_the_issuers_true_word_refuses_and_the_sale_is_reversed(
    sale: Callable[..., Any], profile: Profile, issuer: Issuer
) -> None:
    made = sale(profile, issuer=replace(issuer))
    external = profile.issuer_authentication == "external"
    failed = TVR.ISSUER_AUTHENTICATION_FAILED in made.finished.tvr
    assert failed is (external and issuer.spoil)
    assert made.finished.code is Code.CARD_OVERRULED
    assert made.finished.reversal


def test_a_card_that_needs_no_issuers_word_takes_the_approval(
    sale: Callable[..., Any],
) -> None:
    made = sale(replace(NO_PIN, issuer_authentication="none"), issuer=Issuer(silent=True))
    assert made.finished.verdict is Verdict.APPROVED_ONLINE
    assert TSI.ISSUER_AUTHENTICATION not in made.finished.tsi


@pytest.mark.parametrize("tag", [0x71, 0x72])
@pytest.mark.parametrize(
    ("commands", "result", "fails"),
    [
        ([UNBLOCK], "20", False),
        ([UNBLOCK, UNBLOCK], "20", False),
        ([BAD], "20", False),  # PUT DATA with a right MAC is taken
        ([], "20", False),
    ],
)
def test_scripts_of_both_kinds_report_success(
    sale: Callable[..., Any], tag: int, commands: Any, result: str, fails: bool
) -> None:
    made = sale(NO_PIN, scripts=[Script(tag, commands, b"\x12\x34\x56\x78")])
    assert made.finished.script_results.hex() == result + "12345678"
    assert bool(made.finished.tvr & (BEFORE | AFTER)) is fails
    assert TSI.SCRIPT_PROCESSING in made.finished.tsi
    assert made.finished.verdict is Verdict.APPROVED_ONLINE


def raw_sale(data: bytes, request: Request, profile: Profile = NO_PIN) -> Any:
    """A sale whose answer carries the true 91 and `data` behind it."""
    card = ChipCard(profile, lambda size: b"\x11" * size)
    counter = Counter(card.transmit, card.chance, issuer=Issuer())
    kernel = begin(parameters([profile]), request)
    while not isinstance(kernel.effect, AuthoriseOnline):
        kernel = step(kernel, counter.perform(kernel.effect))
    answer = counter.perform(kernel.effect)
    assert isinstance(answer, OnlineAnswer)
    kernel = step(kernel, OnlineAnswer("00", answer.issuer_data + data))
    return run(kernel, counter), card


WRONG_MAC = bytes.fromhex("8424000008") + bytes(8)


@pytest.mark.parametrize(("tag", "bit"), [(0x71, BEFORE), (0x72, AFTER)])
@pytest.mark.parametrize(
    ("commands", "result"),
    [
        ([WRONG_MAC], "11"),
        ([bytes.fromhex("0084000000"), WRONG_MAC, WRONG_MAC], "12"),
        ([b"\x84"], "10"),  # no command at all: not one is sent
        ([bytes.fromhex("0084000000")] * 20 + [WRONG_MAC], "1f"),
    ],
)
def test_a_failing_command_is_named_by_its_number(
    make_request: Callable[..., Request],
    tag: int,
    bit: TVR,
    commands: list[bytes],
    result: str,
) -> None:
    script = tlv(tag, tlv(0x9F18, b"\x00\x00\x00\x07"), *(tlv(0x86, each) for each in commands))
    finished, _ = raw_sale(script, make_request())
    assert finished.script_results.hex() == result + "00000007"
    assert bit in finished.tvr
    assert finished.verdict is Verdict.APPROVED_ONLINE
    objects = read_objects(finished.script_data.reveal())
    assert objects[0xDF31] == finished.script_results


def test_a_script_that_fails_does_not_keep_the_next_from_running(
    make_request: Callable[..., Request],
) -> None:
    bad = tlv(0x72, tlv(0x9F18, b"\x00\x00\x00\x01"), tlv(0x86, WRONG_MAC))
    good = tlv(0x72, tlv(0x9F18, b"\x00\x00\x00\x02"), tlv(0x86, bytes.fromhex("0084000000")))
    finished, _ = raw_sale(bad + good, make_request())
    assert finished.script_results.hex() == "1100000001" + "2000000002"


@pytest.mark.parametrize(
    ("status", "result"), [(0x6200, "20"), (0x63C1, "20"), (0x6400, "11"), (0x6985, "11")]
)
def test_a_warning_goes_on_and_an_error_stops_a_script(
    run_with: Callable[..., Any], status: int, result: str
) -> None:
    def answering(chip: Any) -> Callable[[bytes], bytes]:
        answer = status.to_bytes(2, "big")
        return lambda command: answer if command[1] == 0x24 else chip.transmit(command)

    made = run_with(NO_PIN, answering, scripts=[Script(0x72, [UNBLOCK])])
    assert made.finished.script_results.hex() == result + "00000001"


def test_a_blocking_script_ends_the_cards_use(sale: Callable[..., Any]) -> None:
    made = sale(NO_PIN, code="05", scripts=[Script(0x72, [BLOCK])])
    assert made.finished.verdict is Verdict.DECLINED_ONLINE
    assert made.card.blocked


@pytest.mark.parametrize(
    "data",
    ["FF", "9103010203", "7180", "720586", "9108010203040506070891080102030405060708"],
)
def test_unreadable_issuer_data_never_approves_and_is_reversed(
    make_request: Callable[..., Request], data: str
) -> None:
    finished, _ = raw_sale(bytes.fromhex(data), make_request())
    assert (finished.verdict, finished.code) == (Verdict.DECLINED_ONLINE, Code.ISSUER_DATA)
    assert finished.reversal


@given(st.binary(max_size=300))
def test_any_issuer_data_is_read_or_one_error(data: bytes) -> None:
    try:
        found = issuer_data(data)
    except InputError:
        return
    assert len(found.before) <= 8
    assert len(found.authentication) in {0, *range(8, 17)}
