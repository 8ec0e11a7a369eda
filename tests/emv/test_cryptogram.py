"""First and second GENERATE AC: what was asked, what the card may answer (Book 3, 10.7–10.11)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from posfw.emv.bits import TSI, TVR
from posfw.emv.codes import Code
from posfw.emv.effects import AuthoriseOnline, UnableToGoOnline, Verdict
from posfw.emv.tags import Tag
from posfw.sim.chip.drive import parameters
from posfw.sim.chip.issuer import read_objects
from posfw.sim.chip.profile import MASTERCARD, SCHEMES, VISA, Profile

NO_PIN = replace(VISA, cvm="1F03")
OFFLINE, ONLINE = 5_000, 30_000


def asked_kinds(made: Any) -> list[int]:
    return [each[2] & 0xC0 for each in made.card.log if each[1] == 0xAE]


@pytest.mark.parametrize("profile", SCHEMES, ids=lambda each: each.scheme)
@pytest.mark.parametrize("protocol", [0, 1])
def test_an_issuer_that_approves_ends_in_a_tc(
    sale: Callable[..., Any], profile: Profile, protocol: int
) -> None:
    made = sale(profile, card={"protocol": protocol})
    assert made.finished.verdict is Verdict.APPROVED_ONLINE
    assert made.finished.receipt[Tag.CRYPTOGRAM_INFORMATION] == b"\x40"
    assert asked_kinds(made)[-1] == 0x40
    assert not made.finished.reversal
    assert made.counter.issuer.checked == 1
    assert TSI.CARD_RISK_MANAGEMENT in made.finished.tsi


@pytest.mark.parametrize("profile", SCHEMES, ids=lambda each: each.scheme)
def test_an_issuer_that_declines_ends_in_an_aac(
    sale: Callable[..., Any], profile: Profile
) -> None:
    made = sale(profile, code="51")
    assert (made.finished.verdict, made.finished.code) == (
        Verdict.DECLINED_ONLINE,
        Code.ISSUER_DECLINED,
    )
    assert made.finished.receipt[Tag.CRYPTOGRAM_INFORMATION] == b"\x00"
    assert not made.finished.reversal


@pytest.mark.parametrize("answer_format", [1, 2])
def test_a_small_sale_is_approved_offline_with_its_certificate(
    sale: Callable[..., Any], answer_format: int
) -> None:
    made = sale(replace(NO_PIN, answer_format=answer_format), minor=OFFLINE)
    assert made.finished.verdict is Verdict.APPROVED_OFFLINE
    assert asked_kinds(made) == [0x40]
    card = made.finished.card
    assert card.approved_offline
    objects = read_objects(card.emv.reveal())
    assert (objects[0x9F27], objects[0x8A]) == (b"\x40", b"Y1")
    assert made.counter.issuer.genuine(card.emv.reveal(), card.number.reveal(), 1)


def test_terminal_rules_that_deny_ask_for_an_aac(sale: Callable[..., Any]) -> None:
    made = sale(replace(NO_PIN, expiry="251231", iac_denial="0040000000"), minor=OFFLINE)
    assert TVR.EXPIRED_APPLICATION in made.finished.tvr
    assert (made.finished.verdict, made.finished.code) == (
        Verdict.DECLINED_OFFLINE,
        Code.TERMINAL_DECLINED,
    )
    assert asked_kinds(made) == [0x00]


@pytest.mark.parametrize(
    ("willing", "minor", "verdict", "code"),
    [
        ("online", OFFLINE, Verdict.APPROVED_ONLINE, Code.NONE),
        ("decline", OFFLINE, Verdict.DECLINED_OFFLINE, Code.CARD_DECLINED),
        ("decline", ONLINE, Verdict.DECLINED_OFFLINE, Code.CARD_DECLINED),
        ("overrule", ONLINE, Verdict.DECLINED_ONLINE, Code.CARD_OVERRULED),
    ],
)
@pytest.mark.parametrize("method", ["dda", "cda"])
def test_the_card_may_want_less(
    sale: Callable[..., Any],
    method: str,
    willing: str,
    minor: int,
    verdict: Verdict,
    code: Code,
) -> None:
    made = sale(replace(NO_PIN, willing=willing, method=method), minor=minor)
    assert (made.finished.verdict, made.finished.code) == (verdict, code)
    assert made.finished.reversal is (willing == "overrule")


@pytest.mark.parametrize(
    ("unable", "default", "verdict", "reversal"),
    [
        (UnableToGoOnline(offline_allowed=True, maybe_sent=False), "0000000000",
         Verdict.APPROVED_OFFLINE, False),
        (UnableToGoOnline(offline_allowed=True, maybe_sent=False), "0000008000",
         Verdict.DECLINED_OFFLINE, False),
        (UnableToGoOnline(offline_allowed=False, maybe_sent=False), "0000000000",
         Verdict.DECLINED_OFFLINE, False),
        (UnableToGoOnline(offline_allowed=True, maybe_sent=True), "0000000000",
         Verdict.DECLINED_OFFLINE, True),
    ],
)  # fmt: skip
def test_without_a_line_the_default_codes_decide_and_doubt_never_approves(
    sale: Callable[..., Any],
    unable: UnableToGoOnline,
    default: str,
    verdict: Verdict,
    reversal: bool,
) -> None:
    profile = replace(NO_PIN, iac_default=default)
    made_parameters = parameters([profile])
    aids = tuple(replace(each, tac_default=0) for each in made_parameters.aids)
    made = sale(
        profile,
        issuer=None,
        unable=unable,
        parameters_made=replace(made_parameters, aids=aids),
    )
    assert made.finished.verdict is verdict
    assert made.finished.reversal is reversal
    arc = read_objects(made.finished.card.emv.reveal())[0x8A]
    assert arc == (b"Y3" if verdict.approved else b"Z3")


def test_a_terminal_without_a_line_of_its_own_decides_at_once(
    sale: Callable[..., Any],
) -> None:
    below = sale(NO_PIN, minor=OFFLINE, terminal={"terminal_type": 0x23})
    above = sale(NO_PIN, minor=ONLINE, terminal={"terminal_type": 0x23})
    assert below.finished.verdict is Verdict.APPROVED_OFFLINE
    assert above.finished.verdict is Verdict.DECLINED_OFFLINE
    for made in (below, above):
        assert not [each for each in made.counter.asked if isinstance(each, AuthoriseOnline)]


def test_an_online_only_terminal_never_approves_by_itself(sale: Callable[..., Any]) -> None:
    terminal = {"terminal_type": 0x21}
    assert sale(NO_PIN, minor=OFFLINE, terminal=terminal).finished.verdict is (
        Verdict.APPROVED_ONLINE
    )
    unable = UnableToGoOnline(offline_allowed=True, maybe_sent=False)
    down = sale(NO_PIN, minor=OFFLINE, terminal=terminal, issuer=None, unable=unable)
    assert down.finished.verdict is Verdict.DECLINED_OFFLINE


def answering(kind: int) -> Callable[[Any], Callable[[bytes], bytes]]:
    """A card whose cryptogram claims another type than it was made for."""

    def change(chip: Any) -> Callable[[bytes], bytes]:
        def transmit(command: bytes) -> bytes:
            answer: bytes = chip.transmit(command)
            if command[1] != 0xAE:
                return answer
            return answer.replace(b"\x9f\x27\x01" + answer[5:6], bytes((0x9F, 0x27, 1, kind)), 1)

        return transmit

    return change


@pytest.mark.parametrize(
    ("profile", "minor", "kind"),
    [
        (NO_PIN, ONLINE, 0x40),  # TC where an ARQC was asked for
        (NO_PIN, OFFLINE, 0xC0),  # RFU
        (replace(NO_PIN, expiry="251231", iac_denial="0040000000"), OFFLINE, 0x40),
        (replace(NO_PIN, expiry="251231", iac_denial="0040000000"), OFFLINE, 0x80),
    ],
)
def test_a_card_that_gives_more_than_was_asked_for_is_ended(
    run_with: Callable[..., Any], profile: Profile, minor: int, kind: int
) -> None:
    made = run_with(replace(profile, answer_format=2), answering(kind), minor=minor)
    assert (made.finished.verdict, made.finished.code) == (Verdict.TERMINATED, Code.BAD_DATA)


def test_a_second_request_for_a_line_is_ended_and_reversed(
    run_with: Callable[..., Any],
) -> None:
    made = run_with(replace(NO_PIN, answer_format=2), answering(0x80))
    assert made.finished.verdict is Verdict.TERMINATED
    assert made.finished.reversal


def test_an_unsigned_cryptogram_where_a_signature_was_asked_for_declines(
    run_with: Callable[..., Any],
) -> None:
    def unsigned(chip: Any) -> Callable[[bytes], bytes]:
        def transmit(command: bytes) -> bytes:
            if command[1] == 0xAE:
                command = command[:2] + bytes((command[2] & ~0x10,)) + command[3:]
            answer: bytes = chip.transmit(command)
            return answer

        return transmit

    made = run_with(replace(NO_PIN, method="cda"), unsigned, minor=OFFLINE)
    assert made.finished.code is Code.SIGNATURE_FAILED
    assert made.finished.verdict is Verdict.DECLINED_OFFLINE
    assert TVR.CDA_FAILED in made.finished.tvr


@pytest.mark.parametrize(("own", "default"), [("9F02069A03", False), ("", True)])
def test_a_tc_hash_uses_the_cards_list_or_marks_the_terminals(
    sale: Callable[..., Any], own: str, default: bool
) -> None:
    tdol = own or "9F0206"
    missing = frozenset() if own else frozenset({0x97})
    profile = replace(NO_PIN, tdol=tdol, without=missing)
    made_parameters = parameters([profile])
    aids = tuple(replace(each, tdol=b"\x9f\x02\x06") for each in made_parameters.aids)
    made = sale(profile, minor=OFFLINE, parameters_made=replace(made_parameters, aids=aids))
    assert (TVR.DEFAULT_TDOL_USED in made.finished.tvr) is default
    amount, day = bytes.fromhex("000000005000"), bytes.fromhex("261124")
    covered = amount + day if own else amount
    digest = hashlib.sha1(covered, usedforsecurity=False).digest()
    first = next(each for each in made.card.log if each[1] == 0xAE)
    assert digest in first


def test_mastercard_gets_the_issuers_word_in_the_second_cryptogram(
    sale: Callable[..., Any],
) -> None:
    made = sale(MASTERCARD)
    assert not [each for each in made.card.log if each[1] == 0x82]
    assert made.finished.verdict is Verdict.APPROVED_ONLINE
