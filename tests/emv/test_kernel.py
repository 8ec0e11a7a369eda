"""Whole transactions, faults at every command, and cards that lie.

The invariant, judged here from the outside by commands, answers and parameters alone:
- approved offline: the last GENERATE AC asked for a TC, no bit of the TVR is in the terminal's own
  denial codes, nor in its online codes (default codes without a line), the terminal may approve by
  itself, the amount is under the floor limit unless the default codes were asked for, and a card
  whose keys do not lead to a known CA key is never approved;
- approved online: the issuer said 00, the last GENERATE AC asked for a TC and the card gave one;
- every other ending of a sale that the issuer approved is reversed.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posfw.emv import kernel as kernel_module
from posfw.emv.apdu import Response
from posfw.emv.bits import TVR
from posfw.emv.codes import SENTENCES, Code
from posfw.emv.context import Exit
from posfw.emv.effects import (
    Answer,
    CardGone,
    Chosen,
    Effect,
    Fallback,
    Finished,
    OnlineAnswer,
    Request,
    Transmit,
    UnableToGoOnline,
    Verdict,
)
from posfw.emv.kernel import Kernel, Phase, begin, step
from posfw.emv.parameters import CaKey, EmvParameters
from posfw.emv.tags import CARD
from posfw.sim.chip import pki
from posfw.sim.chip.ber import tlv
from posfw.sim.chip.card import ChipCard
from posfw.sim.chip.drive import Counter, parameters
from posfw.sim.chip.faults import FAULTS, Faulty
from posfw.sim.chip.issuer import UNBLOCK, Issuer, Script
from posfw.sim.chip.profile import MASTERCARD, SCHEMES, UNIONPAY, VISA, Profile
from posfw.values.errors import MisuseError
from posfw.values.money import Money

OFFLINE, ONLINE = 5_000, 30_000
Trace = list[tuple[Effect, Answer]]
NO_PIN = replace(VISA, cvm="1F03", velocity=(30, 50), answer_format=2)


def drive(kernel: Kernel, counter: Counter) -> tuple[Finished, Trace, int]:
    """Perform to the end and keep what was said."""
    trace: Trace = []
    while (finished := kernel.finished) is None:
        effect = kernel.effect
        answer = counter.perform(effect)
        trace.append((effect, answer))
        kernel = step(kernel, answer)
        assert len(trace) < 600
    return finished, trace, kernel.apdus


def judge(finished: Finished, trace: Trace, made: EmvParameters, request: Request) -> None:
    """Assert the invariant."""
    asked = [
        (effect.command.p1 & 0xC0, answer)
        for effect, answer in trace
        if isinstance(effect, Transmit) and effect.command.ins == 0xAE
    ]
    issuer = [answer for _, answer in trace if isinstance(answer, OnlineAnswer)]
    unable = [answer for _, answer in trace if isinstance(answer, UnableToGoOnline)]
    host_approved = bool(issuer) and issuer[0].response_code == "00"
    if finished.verdict.approved:
        assert asked
        assert asked[-1][0] == 0x40
        assert finished.code is Code.NONE
        aid = made.aids[0]
        assert not int(finished.tvr) & aid.tac_denial
    else:
        assert finished.code in SENTENCES
        assert finished.reversal == (host_approved or bool(unable and unable[0].maybe_sent))
    if finished.verdict is Verdict.APPROVED_ONLINE:
        assert host_approved
        assert isinstance(asked[-1][1], Response)
    if finished.verdict is Verdict.APPROVED_OFFLINE:
        aid = made.aids[0]
        assert not issuer
        assert not made.online_only
        codes = aid.tac_default if unable or not made.can_go_online else aid.tac_online
        assert not int(finished.tvr) & codes
        if unable:
            assert unable[0].offline_allowed
            assert not unable[0].maybe_sent
        else:
            assert request.amount.minor < aid.floor_minor


def counter_for(
    card: ChipCard, transmit: Callable[[bytes], bytes] | None = None, **changes: Any
) -> Counter:
    fixed: dict[str, Any] = {
        "pins": ["1234"],
        "issuer": Issuer(),
        "scripts": [Script(0x71, [UNBLOCK]), Script(0x72, [UNBLOCK])],
        "protocol": card.protocol,
    }
    return Counter(transmit or card.transmit, card.chance, **(fixed | changes))


def new_card(profile: Profile, protocol: int = 1) -> ChipCard:
    return ChipCard(profile, random.Random(3).randbytes, protocol=protocol)


def test_every_exit_of_every_block_leads_somewhere() -> None:
    flow = kernel_module._FLOW
    assert set(kernel_module._BLOCKS) == set(Phase)
    assert {phase for phase, _ in flow} == set(Phase) - {Phase.COMPLETION}
    assert set(flow.values()) == set(Phase)
    for phase in set(Phase) - {Phase.COMPLETION}:
        assert (phase, Exit.DONE) in flow


def test_an_answer_to_another_question_is_a_misuse(
    make_request: Callable[..., Request],
) -> None:
    kernel = begin(parameters(), make_request())
    for wrong in (Chosen(0), OnlineAnswer("00"), UnableToGoOnline()):
        with pytest.raises(MisuseError):
            step(kernel, wrong)
    end = step(kernel, CardGone())
    with pytest.raises(MisuseError):
        step(end, Response(b"", 0x9000))


def test_a_kernel_is_a_value_that_can_be_stepped_again(
    make_request: Callable[..., Request],
) -> None:
    kernel = begin(parameters(), make_request())
    one = step(kernel, Response(b"", 0x6A82))
    assert step(kernel, Response(b"", 0x6A82)) == one
    assert step(kernel, CardGone()) != one
    assert kernel.apdus == 1


@pytest.mark.parametrize(
    "change", [{"unpredictable": b"123"}, {"chance_percent": 0}, {"chance_percent": 100}]
)
def test_a_request_without_proper_chance_is_a_misuse(
    make_request: Callable[..., Request], change: dict[str, Any]
) -> None:
    with pytest.raises(MisuseError):
        begin(parameters(), make_request(**change))


@pytest.mark.parametrize("profile", SCHEMES, ids=lambda each: each.scheme)
@pytest.mark.parametrize("protocol", [0, 1])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_every_command_ends_in_an_outcome(
    make_request: Callable[..., Request], profile: Profile, protocol: int, fault: str
) -> None:
    made, request = parameters([profile]), make_request()
    _, trace, count = drive(begin(made, request), counter_for(new_card(profile, protocol)))
    total = sum(isinstance(effect, Transmit) for effect, _ in trace)
    assert total == count
    for at in range(total):
        for lasting in (True, False):
            card = new_card(profile, protocol)
            faulty = Faulty(card.transmit, FAULTS[fault], at, lasting)
            finished, trace, apdus = drive(
                begin(made, request), counter_for(card, faulty.transmit)
            )
            judge(finished, trace, made, request)
            assert apdus <= kernel_module.MAX_APDUS + 1


@pytest.mark.parametrize("profile", SCHEMES, ids=lambda each: each.scheme)
def test_a_card_pulled_at_every_command(
    make_request: Callable[..., Request], profile: Profile
) -> None:
    """Before the issuer's word: insert again. After it: reversed. After the last word: stands."""
    made, request = parameters([profile]), make_request()
    _, trace, count = drive(begin(made, request), counter_for(new_card(profile)))
    commands = [effect.command for effect, _ in trace if isinstance(effect, Transmit)]
    last = max(at for at, command in enumerate(commands) if command.ins == 0xAE)
    first = min(at for at, command in enumerate(commands) if command.ins == 0xAE)
    for at in range(count):
        card = new_card(profile)
        faulty = Faulty(card.transmit, FAULTS["pulled"], at)
        finished, trace, _ = drive(begin(made, request), counter_for(card, faulty.transmit))
        judge(finished, trace, made, request)
        if at <= first:
            assert finished.verdict is Verdict.REMOVED
            assert finished.fallback is Fallback.INSERT_AGAIN
            assert not finished.reversal
        elif at <= last:
            assert finished.verdict is Verdict.REMOVED
            assert finished.fallback is Fallback.NONE
            assert finished.reversal
        else:
            assert finished.verdict is Verdict.APPROVED_ONLINE
            assert finished.script_results.hex() == "2000000001" + "1100000001"


@pytest.mark.parametrize("fault", ["endless 61", "endless 6C", "empty", "pulled"])
def test_after_the_last_word_no_fault_takes_an_approval_back(
    make_request: Callable[..., Request], fault: str
) -> None:
    made, request = parameters([NO_PIN]), make_request()
    _, _, count = drive(begin(made, request), counter_for(new_card(NO_PIN)))
    card = new_card(NO_PIN)
    faulty = Faulty(card.transmit, FAULTS[fault], count - 1)
    finished, trace, _ = drive(begin(made, request), counter_for(card, faulty.transmit))
    judge(finished, trace, made, request)
    assert finished.verdict is Verdict.APPROVED_ONLINE
    assert not finished.reversal
    assert TVR.SCRIPT_FAILED_AFTER_FINAL_AC in finished.tvr


@pytest.mark.parametrize("profile", SCHEMES, ids=lambda each: each.scheme)
def test_a_slow_card_is_waited_for_and_one_slower_than_the_wait_is_mute(
    make_request: Callable[..., Request], profile: Profile
) -> None:
    made, request = parameters([profile]), make_request()
    good, _, count = drive(begin(made, request), counter_for(new_card(profile)))

    def ended(fault: str, at: int, *, lasting: bool) -> tuple[Finished, int]:
        card = new_card(profile)
        faulty = Faulty(card.transmit, FAULTS[fault], at, lasting)
        finished, trace, apdus = drive(begin(made, request), counter_for(card, faulty.transmit))
        judge(finished, trace, made, request)
        return finished, apdus

    assert ended("slow", 0, lasting=True) == (good, count)  # every answer just in time
    for at in range(count):
        late, silent = ended("too slow", at, lasting=False), ended("empty", at, lasting=False)
        assert late == silent
        assert late[0].code in (Code.MUTE, Code.NONE)
        assert (late[0].code is Code.NONE) == (late[0].verdict is Verdict.APPROVED_ONLINE)


@pytest.mark.parametrize("profile", SCHEMES, ids=lambda each: each.scheme)
def test_only_a_chip_that_never_spoke_may_be_swiped(
    make_request: Callable[..., Request], profile: Profile
) -> None:
    made, request = parameters([profile]), make_request()
    allowed = []
    for at in range(10):
        card = new_card(profile)
        faulty = Faulty(card.transmit, FAULTS["empty"], at)
        finished, _, _ = drive(begin(made, request), counter_for(card, faulty.transmit))
        assert finished.code is Code.MUTE
        allowed.append(finished.fallback)
    # PSE, two directory reads and the final SELECT come before the card has named itself
    assert allowed == [Fallback.STRIPE] * 4 + [Fallback.NONE] * 6


def test_a_card_that_is_no_payment_card_is_told_in_one_sentence(
    make_request: Callable[..., Request],
) -> None:
    counter = Counter(lambda _: b"\x6d\x00", bytes)
    finished, _, _ = drive(begin(parameters(), make_request()), counter)
    assert finished.code is Code.NO_APPLICATION
    assert all(SENTENCES[finished.code])
    assert finished.fallback is Fallback.NONE


def test_every_code_has_its_sentence_in_three_languages() -> None:
    assert set(SENTENCES) == set(Code) - {Code.NONE}
    for texts in SENTENCES.values():
        assert len(texts) == 3
        assert min(map(len, texts)) > 0


def answers(right: bytes) -> st.SearchStrategy[bytes]:
    """What a hostile card may say instead of the right answer."""
    objects = st.builds(
        tlv,
        st.sampled_from(sorted({*CARD, 0x61, 0xA5, 0x95, 0x9F02, 0x9F33, 0x9F37})),
        st.binary(max_size=40),
    )
    wrapped = st.builds(
        lambda tag, parts: tlv(tag, *parts) + b"\x90\x00",
        st.sampled_from([0x6F, 0x70, 0x77, 0x80]),
        st.lists(objects, max_size=6),
    )
    flipped = st.builds(
        lambda at, bit: bytes(
            byte ^ (bit if place == at % max(1, len(right)) else 0)
            for place, byte in enumerate(right)
        ),
        st.integers(0, 300),
        st.integers(1, 255),
    )
    status = st.integers(0, 0xFFFF).map(lambda sw: right[:-2] + sw.to_bytes(2, "big"))
    return st.one_of(
        st.just(right),
        st.just(right),
        flipped,
        status,
        wrapped,
        st.binary(max_size=258),
        st.just(b""),
    )


@pytest.mark.parametrize("profile", [UNIONPAY, NO_PIN, MASTERCARD], ids=lambda p: p.scheme)
@pytest.mark.parametrize("genuine", [True, False])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_hostile_card_never_gets_more_than_the_terminals_own_rules(
    data: st.DataObject, profile: Profile, genuine: bool
) -> None:
    """`genuine=False`: the card's chain leads to a CA the terminal does not know."""
    minor = data.draw(st.sampled_from([OFFLINE, ONLINE]), "amount")
    request = Request(Money(minor), datetime(2026, 11, 24, tzinfo=UTC), b"1234", 50)
    made = parameters([profile])
    if not genuine:
        made = replace(made, ca_keys=(foreign_key(profile),))
    card = new_card(profile, data.draw(st.sampled_from([0, 1]), "protocol"))
    rate = data.draw(st.sampled_from([1, 3, 8]), "one answer in")
    turn = random.Random(data.draw(st.integers(0, 1000), "seed"))

    def transmit(command: bytes) -> bytes:
        right = card.transmit(command)
        return data.draw(answers(right), "answer") if turn.randrange(rate) == 0 else right

    issuer = Issuer() if data.draw(st.booleans(), "line") else None
    unable = UnableToGoOnline(
        offline_allowed=data.draw(st.booleans()), maybe_sent=data.draw(st.booleans())
    )
    counter = counter_for(card, transmit, issuer=issuer, unable=unable)
    finished, trace, apdus = drive(begin(made, request), counter)
    judge(finished, trace, made, request)
    assert apdus <= kernel_module.MAX_APDUS + 1
    if not genuine:
        assert finished.verdict is not Verdict.APPROVED_OFFLINE


def foreign_key(profile: Profile) -> CaKey:
    """A CA key of the same name that has nothing to do with the card's chain."""
    key = pki.spare("foreign", 1984)
    content = profile.rid + b"\xf0" + key.modulus_bytes + key.exponent_bytes
    digest = hashlib.sha1(content, usedforsecurity=False).digest()
    return CaKey(profile.rid, 0xF0, key.modulus_bytes, key.exponent_bytes, digest)


def test_the_judge_sees_what_it_is_there_for(make_request: Callable[..., Request]) -> None:
    """Controls that must fail: endings that break the invariant."""
    made, request = parameters([NO_PIN]), make_request(OFFLINE)
    good, trace, _ = drive(begin(made, request), counter_for(new_card(NO_PIN)))
    assert good.verdict is Verdict.APPROVED_OFFLINE
    judge(good, trace, made, request)
    denied = replace(made, aids=(replace(made.aids[0], tac_denial=0xFFFFFFFFFF),))
    spoilt = [
        (replace(good, tvr=TVR.DDA_FAILED), made, request),
        (good, replace(made, terminal_type=0x21), request),
        (good, made, make_request(ONLINE)),
        (replace(good, tvr=TVR.DDA_FAILED), denied, request),
        (replace(good, verdict=Verdict.APPROVED_ONLINE), made, request),
        (replace(good, verdict=Verdict.DECLINED_OFFLINE), made, request),
    ]
    for finished, terminal, asked in spoilt:
        with pytest.raises(AssertionError):
            judge(finished, trace, terminal, asked)
