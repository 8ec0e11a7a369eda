"""Application selection (Book 1, chapter 12)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from posfw.emv.codes import Code
from posfw.emv.effects import ChooseApplication, Fallback, Verdict
from posfw.emv.kernel import begin
from posfw.emv.parameters import AidParameters, EmvParameters
from posfw.emv.tags import Tag
from posfw.sim.chip.card import ChipCard
from posfw.sim.chip.drive import Counter, parameters, run
from posfw.sim.chip.issuer import Issuer
from posfw.sim.chip.profile import UNIONPAY, VISA

CREDIT = (bytes.fromhex("A000000333010102"), "PBOC CREDIT", 2)


def asked(counter: Any) -> list[tuple[str, ...]]:
    return [each.labels for each in counter.asked if isinstance(each, ChooseApplication)]


@pytest.mark.parametrize("directory", [True, False])
def test_one_application_is_taken_without_a_question(
    sale: Callable[..., Any], directory: bool
) -> None:
    made = sale(replace(UNIONPAY, directory=directory))
    assert made.finished.verdict is Verdict.APPROVED_ONLINE
    assert asked(made.counter) == []
    assert made.finished.receipt[Tag.DF_NAME] == UNIONPAY.aid


@pytest.mark.parametrize("directory", [True, False])
def test_the_cardholder_chooses_among_several_in_order_of_priority(
    sale: Callable[..., Any], directory: bool
) -> None:
    two = replace(UNIONPAY, priority=3, applications=(CREDIT,), directory=directory)
    made = sale(two, choice=0)
    assert asked(made.counter) == [("PBOC CREDIT", "PBOC DEBIT")]
    assert made.finished.receipt[Tag.DF_NAME] == CREDIT[0]


def test_without_a_chooser_the_first_that_needs_no_confirmation_is_taken(
    sale: Callable[..., Any],
) -> None:
    two = replace(UNIONPAY, priority=0x81, applications=(CREDIT,))
    made = sale(two, terminal={"choice": False})
    assert made.finished.receipt[Tag.DF_NAME] == CREDIT[0]
    alone = sale(replace(UNIONPAY, priority=0x81), terminal={"choice": False})
    assert alone.finished.code is Code.NO_APPLICATION


def test_an_application_that_wants_it_is_confirmed_and_can_be_refused(
    sale: Callable[..., Any],
) -> None:
    wants = replace(UNIONPAY, priority=0x81)
    assert asked(sale(wants).counter) == [("PBOC DEBIT",)]
    refused = sale(wants, choice=-1)
    assert (refused.finished.verdict, refused.finished.code) == (
        Verdict.CANCELLED,
        Code.CANCELLED,
    )


@pytest.mark.parametrize("directory", [True, False])
def test_a_card_that_holds_nothing_known_is_told_apart_and_not_swiped(
    sale: Callable[..., Any], directory: bool
) -> None:
    other = EmvParameters((AidParameters(bytes.fromhex("A0000000651010"), 0, 0, 0),))
    made = sale(replace(VISA, directory=directory), parameters_made=other)
    assert (made.finished.code, made.finished.fallback) == (Code.NO_APPLICATION, Fallback.NONE)


def test_whole_names_only_where_partial_selection_is_not_allowed(
    sale: Callable[..., Any],
) -> None:
    aid = AidParameters(UNIONPAY.aid[:7], 0, 0, 0, partial=False)
    made = sale(UNIONPAY, parameters_made=EmvParameters((aid,)))
    assert made.finished.code is Code.NO_APPLICATION


def test_a_card_that_selects_another_application_than_asked_is_not_used(
    run_with: Callable[..., Any],
) -> None:
    def swapped(chip: Any) -> Callable[[bytes], bytes]:
        """The directory says one name, the selected application another of the same scheme."""

        def transmit(command: bytes) -> bytes:
            answer: bytes = chip.transmit(command)
            name, other = UNIONPAY.aid, CREDIT[0]
            return answer.replace(name, other) if answer[:1] == b"\x6f" else answer

        return transmit

    made = run_with(UNIONPAY, swapped)
    assert made.finished.code is Code.NO_APPLICATION


def test_a_blocked_card_ends_it_at_once(sale: Callable[..., Any]) -> None:
    made = sale(UNIONPAY, card={"card_blocked": True})
    assert (made.finished.code, made.counter.apdus) == (Code.CARD_BLOCKED, 1)
    assert made.finished.fallback is Fallback.NONE


@pytest.mark.parametrize("directory", [True, False])
def test_a_blocked_application_is_named_as_such(sale: Callable[..., Any], directory: bool) -> None:
    made = sale(replace(UNIONPAY, directory=directory), card={"blocked": True})
    assert made.finished.code is Code.APPLICATION_BLOCKED
    assert made.finished.fallback is Fallback.NONE


def test_an_application_that_cannot_be_used_leaves_the_list(
    make_request: Callable[..., Any],
) -> None:
    """GET PROCESSING OPTIONS 6985 on the first leads to the second (Book 3, 10.1)."""
    two = replace(UNIONPAY, applications=(CREDIT,))
    refusals = [b"\x69\x85"]

    def once(card: Any) -> Callable[[bytes], bytes]:
        def transmit(command: bytes) -> bytes:
            answer: bytes = card.transmit(command)
            return refusals.pop() if command[1] == 0xA8 and refusals else answer

        return transmit

    card = ChipCard(two, lambda size: b"\x33" * size)
    counter = Counter(once(card), card.chance, pins=["1234"], issuer=Issuer())
    finished = run(begin(parameters([two]), make_request()), counter)
    assert finished.verdict is Verdict.APPROVED_ONLINE
    assert finished.receipt[Tag.DF_NAME] == CREDIT[0]
