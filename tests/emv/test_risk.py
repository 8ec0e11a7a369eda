"""Floor limit, chance, velocity, exception file (Book 3, 10.6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from posfw.emv.bits import TSI, TVR
from posfw.emv.effects import CardHistory, Verdict
from posfw.emv.parameters import AidParameters
from posfw.emv.risk import selected, velocity
from posfw.sim.chip.drive import parameters
from posfw.sim.chip.profile import VISA

LOWER, UPPER = TVR.LOWER_OFFLINE_LIMIT_EXCEEDED, TVR.UPPER_OFFLINE_LIMIT_EXCEEDED
AID = AidParameters(
    bytes(5),
    0,
    0,
    0,
    floor_minor=10_000,
    threshold_minor=2_000,
    target_percent=20,
    max_target_percent=60,
)
NO_PIN = replace(VISA, cvm="1F03")


@pytest.mark.parametrize(
    ("amount", "share"),
    [(0, 20), (1_999, 20), (2_000, 20), (4_000, 30), (6_000, 40), (9_999, 59)],
)
def test_the_share_sent_online_grows_with_the_amount(amount: int, share: int) -> None:
    chosen = [chance for chance in range(1, 100) if selected(amount, AID, chance)]
    assert chosen == list(range(1, share + 1))


def test_a_share_of_nothing_never_selects() -> None:
    none = replace(AID, target_percent=0, max_target_percent=0)
    assert not any(selected(amount, none, 1) for amount in (0, 2_000, 9_999))


@pytest.mark.parametrize(
    ("atc", "last", "expected"),
    [
        (10, 9, TVR.NONE),
        (12, 9, TVR.NONE),
        (13, 9, LOWER),
        (15, 9, LOWER | UPPER),
        (9, 9, LOWER | UPPER),
        (8, 9, LOWER | UPPER),
        (2, 0, TVR.NEW_CARD),
        (-1, 9, LOWER | UPPER),
        (10, -1, LOWER | UPPER),
        (-1, 0, LOWER | UPPER | TVR.NEW_CARD),
    ],
)
def test_velocity(atc: int, last: int, expected: TVR) -> None:
    assert velocity(atc, last, lower=3, upper=5) == expected


@pytest.mark.parametrize(
    ("minor", "history", "expected"),
    [
        (19_999, CardHistory(), TVR.NONE),
        (20_000, CardHistory(), TVR.FLOOR_LIMIT_EXCEEDED),
        (10_000, CardHistory(approved_minor=9_999), TVR.NONE),
        (10_000, CardHistory(approved_minor=10_000), TVR.FLOOR_LIMIT_EXCEEDED),
        (5_000, CardHistory(listed=True), TVR.CARD_ON_EXCEPTION_FILE),
    ],
)
def test_amount_split_sales_and_exception_file(
    sale: Callable[..., Any], minor: int, history: CardHistory, expected: TVR
) -> None:
    made = sale(NO_PIN, minor=minor, history=history)
    assert made.finished.tvr == expected
    online = made.finished.verdict is Verdict.APPROVED_ONLINE
    assert online is bool(expected)
    assert TSI.TERMINAL_RISK_MANAGEMENT in made.finished.tsi


def test_the_cashier_can_force_it_online(sale: Callable[..., Any]) -> None:
    made = sale(NO_PIN, minor=5_000, request={"force_online": True})
    assert TVR.MERCHANT_FORCED_ONLINE in made.finished.tvr
    assert made.finished.verdict is Verdict.APPROVED_ONLINE


def test_a_card_cannot_talk_the_terminal_out_of_its_floor_limit(
    sale: Callable[..., Any],
) -> None:
    class Quiet(type(NO_PIN)):  # type: ignore[misc]  # one property of a frozen profile
        @property
        def aip(self) -> bytes:
            return bytes((super().aip[0] & ~0x08, 0))

    quiet = Quiet(**{name: getattr(NO_PIN, name) for name in NO_PIN.__slots__})
    made = sale(quiet, minor=30_000)
    assert TVR.FLOOR_LIMIT_EXCEEDED in made.finished.tvr


@pytest.mark.parametrize(
    ("counters", "expected"),
    [((25, 24), TVR.NONE), ((30, 20), LOWER | UPPER), ((25, 0), TVR.NEW_CARD | LOWER | UPPER)],
)
def test_a_card_with_limits_is_asked_for_its_counters(
    sale: Callable[..., Any], counters: tuple[int, int], expected: TVR
) -> None:
    profile = replace(NO_PIN, velocity=(3, 5))
    made = sale(profile, minor=5_000, card={"atc": counters[0], "last_online_atc": counters[1]})
    assert made.finished.tvr == expected
    asked = [each[2:4].hex() for each in made.card.log if each[1] == 0xCA]
    assert asked == ["9f36", "9f13"]


def test_counters_that_the_card_keeps_to_itself_count_as_exceeded(
    run_with: Callable[..., Any],
) -> None:
    profile = replace(NO_PIN, velocity=(3, 5))
    for answer in (b"\x6a\x88", b"\x9f\x36\x01\x00\x90\x00", b"\xff\x90\x00"):

        def mute(chip: Any, answer: bytes = answer) -> Callable[[bytes], bytes]:
            return lambda command: answer if command[1] == 0xCA else chip.transmit(command)

        made = run_with(profile, mute, minor=5_000)
        assert LOWER | UPPER in made.finished.tvr


def test_selection_by_chance_is_a_bit_and_goes_online(sale: Callable[..., Any]) -> None:
    made_parameters = parameters([NO_PIN])
    aids = tuple(
        replace(each, target_percent=40, max_target_percent=80, threshold_minor=10_000)
        for each in made_parameters.aids
    )
    chosen = replace(made_parameters, aids=aids)
    for chance, expected in ((40, True), (41, False)):
        made = sale(
            NO_PIN, minor=5_000, parameters_made=chosen, request={"chance_percent": chance}
        )
        assert (TVR.RANDOMLY_SELECTED_ONLINE in made.finished.tvr) is expected
        assert (made.finished.verdict is Verdict.APPROVED_ONLINE) is expected
