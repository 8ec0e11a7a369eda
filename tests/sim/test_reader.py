"""The simulated cards and their reader."""

from __future__ import annotations

import pytest

from posfw.sim.cards import NAMES, deck
from posfw.sim.reader import Way, pieces


def test_a_seed_gives_the_same_deck() -> None:
    assert deck(3) == deck(3)
    assert deck(3) != deck(4)


def test_there_are_chip_cards_and_a_number_of_19_digits() -> None:
    cards = deck(1)
    assert {cards["visa-chip"].service_code, cards["unionpay-chip"].service_code} == {"201", "220"}
    assert len(cards["unionpay-19"].number.reveal()) == 19


@pytest.mark.parametrize("name", NAMES)
def test_no_card_shows_its_number(name: str) -> None:
    card = deck(1)[name]
    assert card.number.reveal() not in repr(card)


def test_byte_by_byte_is_the_same_line() -> None:
    card = deck(1)["visa"]
    assert b"".join(pieces(card, Way.BYTE_BY_BYTE)) == card.line
    assert pieces(card, Way.NOISE, seed=5) == pieces(card, Way.NOISE, seed=5)
