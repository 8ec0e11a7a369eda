"""A card that lies with its own good keys: everything signed is what its maker chose.

`test_kernel` changes single answers; here the whole card is made to be taken: action codes that
ask for nothing, rules that need nobody, counters that say "just online", certificates left out, an
answer other than the one that was asked for. The judge is the same, and knows the exception file.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posfw.emv.bits import TVR
from posfw.emv.effects import CardHistory, Finished, Request, UnableToGoOnline, Verdict
from posfw.emv.kernel import MAX_APDUS, begin
from posfw.emv.parameters import EmvParameters
from posfw.sim.chip.card import ChipCard
from posfw.sim.chip.drive import parameters
from posfw.sim.chip.issuer import Issuer
from posfw.sim.chip.profile import MASTERCARD, UNIONPAY, VISA, Profile
from posfw.values.money import Money
from tests.emv.test_kernel import Trace, counter_for, drive, judge, new_card

AT = datetime(2026, 11, 24, tzinfo=UTC)
NOTHING, ALL = "0000000000", "FFFFFFFFFF"
KINDS = {0x00, 0x40, 0x80, 0xC0}
TAGS = (0x5A, 0x5F24, 0x5F25, 0x5F28, 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x9F07, 0x9F08, 0x9F0D,
        0x9F0E, 0x9F0F, 0x9F32, 0x9F42, 0x9F46, 0x9F47, 0x9F49, 0x9F4A)  # fmt: skip


def makers(base: Profile) -> st.SearchStrategy[Profile]:
    """Cards of a maker who wants goods for nothing."""
    codes = st.sampled_from([NOTHING, ALL, base.iac_online])
    day = st.sampled_from(["200101", "261123", "261124", "261125", "301231", "000000"])
    chosen = st.fixed_dictionaries(
        {
            "method": st.sampled_from(["none", "sda", "dda", "cda"]),
            "cvm": st.sampled_from(["1F00", "1F03", "0000", "", "5E031F00", "020003001F00"])
            | st.binary(min_size=2, max_size=8).map(lambda raw: raw[: len(raw) & ~1].hex()),
            "iac_denial": codes,
            "iac_online": codes,
            "iac_default": codes,
            "effective": day,
            "expiry": day,
            "usage": st.sampled_from(["FF00", "0000", "FFFF"]),
            "version": st.sampled_from(["008C", "0000", "FFFF"]),
            "velocity": st.sampled_from([None, (0, 0), (9, 9), (255, 255)]),
            "atc": st.sampled_from([1, 26, 0xFFFE]),
            "last_online_atc": st.sampled_from([0, 25, 0xFFFF]),
            "willing": st.sampled_from(["obey", "online", "decline"]),
            "signed_aip": st.booleans(),
            "without": st.frozensets(st.sampled_from(TAGS), max_size=2),
        }
    )

    def made(changes: dict[str, Any]) -> Profile:
        return replace(base, **changes)

    return chosen.map(made)


def judge_listed(finished: Finished, history: CardHistory) -> None:
    """A listed card is approved by its issuer or by nobody (Book 3, 10.6)."""
    if history.listed and finished.verdict.approved:
        assert TVR.CARD_ON_EXCEPTION_FILE in finished.tvr
        assert finished.verdict is Verdict.APPROVED_ONLINE


@pytest.mark.parametrize("base", [UNIONPAY, VISA, MASTERCARD], ids=lambda each: each.scheme)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_make_of_card_gets_more_than_the_terminals_own_rules(
    data: st.DataObject, base: Profile
) -> None:
    profile = data.draw(makers(base), "card")
    minor = data.draw(st.sampled_from([1, 5_000, 19_999, 20_000]), "amount")
    history = CardHistory(
        data.draw(st.sampled_from([0, 19_999]), "split"), data.draw(st.booleans(), "listed")
    )
    says = data.draw(st.none() | st.sampled_from(sorted(KINDS)), "always says")
    made, request = parameters([base]), Request(Money(minor), AT, b"1234", 50)
    finished, trace, apdus = sold(data, profile, made, request, history, says)
    judge(finished, trace, made, request)
    judge_listed(finished, history)
    if finished.verdict is Verdict.APPROVED_OFFLINE:
        assert minor + history.approved_minor < made.aids[0].floor_minor
    assert apdus <= MAX_APDUS + 1


def sold(
    data: st.DataObject,
    profile: Profile,
    made: EmvParameters,
    request: Request,
    history: CardHistory,
    says: int | None,
) -> tuple[Finished, Trace, int]:
    card = new_card(profile)
    line = Issuer() if data.draw(st.booleans(), "line") else None
    unable = UnableToGoOnline(
        offline_allowed=data.draw(st.booleans(), "policy"),
        maybe_sent=data.draw(st.booleans(), "sent"),
    )
    code = data.draw(st.sampled_from(["00", "05"]), "code")
    changes: dict[str, Any] = {"issuer": line, "unable": unable, "history": history, "code": code}
    transmit = card.transmit if says is None else lying(card, says)
    return drive(begin(made, request), counter_for(card, transmit, **changes))


def lying(card: ChipCard, kind: int) -> Any:
    """Return a card that answers every GENERATE AC with one kind of cryptogram."""

    def transmit(command: bytes) -> bytes:
        right = card.transmit(command)
        if command[1] != 0xAE:
            return right
        at = right.find(b"\x9f\x27\x01")
        place = at + 3 if at >= 0 else 2  # format 2 names it, format 1 begins with it
        return right[:place] + bytes((kind,)) + right[place + 1 :]

    return transmit


def test_the_judge_of_listed_cards_sees_what_it_is_there_for() -> None:
    request = Request(Money(5_000), AT, b"1234", 50)
    profile, made = replace(VISA, cvm="1F03"), parameters([VISA])
    good, _, _ = drive(begin(made, request), counter_for(new_card(profile)))
    assert good.verdict is Verdict.APPROVED_OFFLINE
    judge_listed(good, CardHistory())
    with pytest.raises(AssertionError):
        judge_listed(good, CardHistory(listed=True))


def test_some_of_these_cards_are_good_ones() -> None:
    """Were none ever approved, the judge would have nothing to judge."""
    request = Request(Money(5_000), AT, b"1234", 50)
    greedy = replace(VISA, cvm="1F00", iac_online=NOTHING, iac_default=NOTHING)
    made = parameters([VISA])
    verdicts = {
        drive(begin(made, request), counter_for(new_card(each)))[0].verdict
        for each in (greedy, replace(greedy, method="none"), replace(greedy, iac_denial=ALL))
    }
    assert {Verdict.APPROVED_OFFLINE, Verdict.APPROVED_ONLINE} <= verdicts
