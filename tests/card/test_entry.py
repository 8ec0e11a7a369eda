"""Every step of a card's way in, and what the table as a whole must never allow."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.card import codes
from posfw.card.entry import FINAL, TABLE, Event, Prompt, State, Step, advance, chip_of, event_of
from posfw.card.rules import Chip
from posfw.values.card import CardNumber, CardRead, EntryMode

E, P, S = Event, Prompt, State
NUMBER = CardNumber("6212345678901232")


def walk(*events: Event) -> list[Prompt | None]:
    state, said = State.PRESENT, []
    for event in events:
        step = advance(state, event)
        state = step.state
        said.append(step.prompt)
    assert state in FINAL
    return said


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([E.STRIPE_CARD, E.FINISHED], [None, None]),
        ([E.TAPPED, E.FINISHED], [P.REMOVE, None]),
        (
            [E.INSERTED, E.CHIP_READ, E.FINISHED, E.LEFT_IN, E.PULLED],
            [P.LEAVE, P.LEAVE, P.REMOVE, P.REMOVE, None],
        ),
        (
            [E.CHIP_CARD, E.INSERTED, E.CHIP_READ, E.FINISHED, E.PULLED],
            [P.INSERT, P.LEAVE, P.LEAVE, P.REMOVE, None],
        ),
        (
            [E.INSERTED, E.PULLED, E.INSERTED, E.CHIP_READ, E.FINISHED, E.PULLED],
            [P.LEAVE, P.TOO_EARLY, P.LEAVE, P.LEAVE, P.REMOVE, None],
        ),
        (
            [E.INSERTED, E.CHIP_MUTE, E.CHIP_CARD, E.FINISHED],
            [P.LEAVE, P.SWIPE_INSTEAD, None, None],
        ),
        ([E.INSERTED, E.CHIP_REFUSED, E.PULLED], [P.LEAVE, P.REMOVE, None]),
        ([E.TAP_FAILED, E.TAPPED, E.FINISHED], [P.TAP_AGAIN, P.REMOVE, None]),
        ([E.SEVERAL_CARDS, E.TAPPED, E.FINISHED], [P.ONE_CARD, P.REMOVE, None]),
        ([E.TAP_NOT_POSSIBLE, E.INSERTED, E.CHIP_READ, E.FINISHED, E.PULLED],
         [P.INSERT, P.LEAVE, P.LEAVE, P.REMOVE, None]),
        ([E.INSERTED, E.CHIP_READ, E.PULLED, E.FINISHED], [P.LEAVE, P.LEAVE, None, None]),
        ([E.CANCEL, E.CONFIRMED], [P.CANCELLING, None]),
        (
            [E.INSERTED, E.CANCEL, E.CONFIRMED, E.PULLED],
            [P.LEAVE, P.CANCELLING, P.REMOVE, None],
        ),
        ([E.INSERTED, E.CANCEL, E.PULLED, E.CONFIRMED],
         [P.LEAVE, P.CANCELLING, P.CANCELLING, None]),
        ([E.TIMEOUT], [None]),
    ],
)  # fmt: skip
def test_situations_say_the_right_thing_at_the_right_moment(
    events: list[Event], said: list[Prompt | None]
) -> None:
    assert walk(*events) == said


def test_a_swiped_chip_card_is_taken_only_after_a_mute_chip() -> None:
    into_taken = {
        state for state in State for event, step in TABLE[state].items()
        if event is Event.CHIP_CARD and step.state is State.TAKEN
    }  # fmt: skip
    into_fallback = {
        event for state in State for event, step in TABLE[state].items()
        if step.state is State.FALLBACK and state is not State.FALLBACK
    }  # fmt: skip
    assert into_taken == {State.FALLBACK}
    assert into_fallback == {Event.CHIP_MUTE}


@pytest.mark.parametrize("state", State)
def test_a_swipe_is_a_fallback_only_where_the_chip_was_mute(state: State) -> None:
    assert (chip_of(state) is Chip.NO_ANSWER) is (state is State.FALLBACK)


@pytest.mark.parametrize("state", [s for s in State if s not in FINAL])
def test_every_state_leads_to_an_end_and_is_reached(state: State) -> None:
    def reach(start: State) -> set[State]:
        seen, waiting = {start}, deque([start])
        while waiting:
            for step in TABLE[waiting.popleft()].values():
                if step.state not in seen:
                    seen.add(step.state)
                    waiting.append(step.state)
        return seen

    assert reach(state) & FINAL
    assert state in reach(State.PRESENT)


@pytest.mark.parametrize("state", FINAL)
def test_an_end_is_an_end(state: State) -> None:
    assert {advance(state, event) for event in Event} == {Step(state)}


@given(st.lists(st.sampled_from(list(Event)), max_size=30))
def test_a_card_that_is_in_is_asked_out_before_the_end(events: list[Event]) -> None:
    state, inside = State.PRESENT, False
    for event in events:
        step = advance(state, event)
        if event is Event.INSERTED and step.state in {State.READING, State.CANCELLING_IN}:
            inside = True
        if event is Event.PULLED or step.state is State.FALLBACK:
            inside = False  # the prompt of a fall-back says to take it out
        ended_alone = step.state in FINAL and state not in {State.REMOVE, *FINAL}
        assert not (inside and ended_alone)
        if step.state in FINAL:
            inside = False
        state = step.state


def test_every_prompt_is_said_once_and_used() -> None:
    used = {step.prompt for rows in TABLE.values() for step in rows.values()}
    assert set(Prompt) - used == {Prompt.PRESENT}  # what the screen says before anything happens
    assert len({prompt.value for prompt in Prompt}) == len(Prompt)


def read(mode: EntryMode, service_code: str = "120") -> CardRead:
    return CardRead(number=NUMBER, entry_mode=mode, service_code=service_code)


@pytest.mark.parametrize(
    ("outcome", "event"),
    [
        (read(EntryMode.SWIPED), E.STRIPE_CARD),
        (read(EntryMode.SWIPED, "220"), E.CHIP_CARD),
        (read(EntryMode.CONTACTLESS, "220"), E.TAPPED),
        (read(EntryMode.CHIP, "220"), E.CHIP_READ),
        (codes.CHIP_MUTE, E.CHIP_MUTE),
        (codes.TRY_AGAIN, E.TAP_FAILED),
        (codes.NO_CARD, E.TIMEOUT),
        (codes.READER_GONE, None),
        (codes.ENCRYPTED, None),
        (codes.MISMATCH, None),
    ],
)
def test_a_readers_outcome_is_an_event(outcome: CardRead | str, event: Event | None) -> None:
    assert event_of(outcome) is event
