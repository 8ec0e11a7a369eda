"""How a card comes in, step by step, and what the screen says: a table, nothing else.

    PRESENT ─ swipe, tap ────────────────────────────────→ TAKEN ─ finished → DONE
       │ └── a chip was swiped, or tap not possible → INSERT
       └ inserted → READING ─ read → CARD_IN ─ finished → REMOVE ─ pulled → DONE
                       ├ no answer → FALLBACK ─ swipe → TAKEN      (the only way to a fall-back)
                       ├ refused → REMOVE
                       └ pulled too early → INSERT

Cancelling takes two phases: CANCELLING until the device confirms; a card that is in is asked out.
What a state has no row for changes nothing. Whether a card may be used is not decided here but in
`rules`: `chip_of` says what became of the chip before a swipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from posfw.card import codes
from posfw.card.rules import Chip
from posfw.values.card import CardRead, EntryMode
from posfw.values.texts import mark

__all__ = ["FINAL", "Event", "Prompt", "State", "Step", "advance", "chip_of", "event_of"]


class State(Enum):
    """Where the card is."""

    PRESENT = "present"
    INSERT = "insert"
    READING = "reading"
    FALLBACK = "fallback"
    CARD_IN = "card_in"
    TAKEN = "taken"
    REMOVE = "remove"
    CANCELLING = "cancelling"
    CANCELLING_IN = "cancelling_in"
    DONE = "done"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


class Event(Enum):
    """What happens."""

    STRIPE_CARD = "stripe_card"  # swiped, no chip in it
    CHIP_CARD = "chip_card"  # swiped, the stripe says that it has a chip
    BAD_SWIPE = "bad_swipe"
    TAPPED = "tapped"
    TAP_FAILED = "tap_failed"
    TAP_NOT_POSSIBLE = "tap_not_possible"
    SEVERAL_CARDS = "several_cards"
    INSERTED = "inserted"
    CHIP_READ = "chip_read"
    CHIP_MUTE = "chip_mute"
    CHIP_REFUSED = "chip_refused"
    PULLED = "pulled"
    LEFT_IN = "left_in"  # nobody took it for a while
    FINISHED = "finished"  # the transaction has ended, however
    CANCEL = "cancel"
    CONFIRMED = "confirmed"  # the device has stopped
    TIMEOUT = "timeout"


class Prompt(Enum):
    """Sentences for the customer; `value` is the key of the catalogues."""

    PRESENT = mark("Tap, insert or swipe the card")
    INSERT = mark("Insert the card")
    LEAVE = mark("Reading: leave the card in")
    TOO_EARLY = mark("Removed too early: insert the card again")
    SWIPE_INSTEAD = mark("The chip does not answer: take the card out and swipe it")
    TAP_AGAIN = mark("Tap again and hold the card still")
    SWIPE_AGAIN = mark("Swipe again")
    ONE_CARD = mark("Present one card only")
    REMOVE = mark("Remove the card")
    CANCELLING = mark("Cancelling…")


@dataclass(frozen=True, slots=True)
class Step:
    """The next state, and what the screen says then; None leaves the screen as it is."""

    state: State
    prompt: Prompt | None = None


FINAL: Final = frozenset({State.DONE, State.CANCELLED, State.TIMED_OUT})

_S, _E, _P = State, Event, Prompt
_STOPS: Final[Mapping[Event, Step]] = {
    _E.CANCEL: Step(_S.CANCELLING, _P.CANCELLING),
    _E.TIMEOUT: Step(_S.TIMED_OUT),
}
_OPEN: Final[Mapping[Event, Step]] = {
    **_STOPS,
    _E.STRIPE_CARD: Step(_S.TAKEN),
    _E.CHIP_CARD: Step(_S.INSERT, _P.INSERT),
    _E.TAPPED: Step(_S.TAKEN, _P.REMOVE),
    _E.TAP_NOT_POSSIBLE: Step(_S.INSERT, _P.INSERT),
    _E.INSERTED: Step(_S.READING, _P.LEAVE),
    # A reader that reports no insertion of its own says at once how it ended.
    _E.CHIP_READ: Step(_S.CARD_IN, _P.LEAVE),
    _E.CHIP_MUTE: Step(_S.FALLBACK, _P.SWIPE_INSTEAD),
    _E.CHIP_REFUSED: Step(_S.TAKEN, _P.REMOVE),
}


def _again(state: State) -> Mapping[Event, Step]:
    return {
        _E.BAD_SWIPE: Step(state, _P.SWIPE_AGAIN),
        _E.TAP_FAILED: Step(state, _P.TAP_AGAIN),
        _E.SEVERAL_CARDS: Step(state, _P.ONE_CARD),
    }


TABLE: Final[Mapping[State, Mapping[Event, Step]]] = MappingProxyType(
    {
        _S.PRESENT: {**_OPEN, **_again(_S.PRESENT)},
        _S.INSERT: {**_OPEN, **_again(_S.INSERT)},
        _S.FALLBACK: {**_OPEN, **_again(_S.FALLBACK), _E.CHIP_CARD: Step(_S.TAKEN)},
        _S.READING: {
            _E.CHIP_READ: Step(_S.CARD_IN, _P.LEAVE),
            _E.CHIP_MUTE: Step(_S.FALLBACK, _P.SWIPE_INSTEAD),
            _E.CHIP_REFUSED: Step(_S.REMOVE, _P.REMOVE),
            _E.PULLED: Step(_S.INSERT, _P.TOO_EARLY),
            _E.FINISHED: Step(_S.REMOVE, _P.REMOVE),
            _E.CANCEL: Step(_S.CANCELLING_IN, _P.CANCELLING),
            _E.TIMEOUT: Step(_S.REMOVE, _P.REMOVE),
        },
        _S.CARD_IN: {
            # With a sale under way the kernel ends it (torn): nothing is left to ask for here.
            _E.PULLED: Step(_S.TAKEN),
            _E.FINISHED: Step(_S.REMOVE, _P.REMOVE),
        },
        _S.TAKEN: {_E.FINISHED: Step(_S.DONE)},
        _S.REMOVE: {
            _E.PULLED: Step(_S.DONE),
            _E.LEFT_IN: Step(_S.REMOVE, _P.REMOVE),
            _E.TIMEOUT: Step(_S.DONE),  # readers without a word about removal
        },
        _S.CANCELLING: {
            _E.CONFIRMED: Step(_S.CANCELLED),
            _E.INSERTED: Step(_S.CANCELLING_IN, _P.CANCELLING),
        },
        _S.CANCELLING_IN: {
            _E.CONFIRMED: Step(_S.REMOVE, _P.REMOVE),
            _E.PULLED: Step(_S.CANCELLING, _P.CANCELLING),
        },
        _S.DONE: {},
        _S.CANCELLED: {},
        _S.TIMED_OUT: {},
    }
)


def advance(state: State, event: Event) -> Step:
    """Return the next step; an event without a row changes nothing and says nothing."""
    return TABLE[state].get(event, Step(state))


def chip_of(state: State) -> Chip:
    """Say what became of the chip, for `rules.admit` of a swipe in this state."""
    return _CHIPS.get(state, Chip.REFUSED)


_CHIPS: Final[Mapping[State, Chip]] = MappingProxyType(
    {
        State.PRESENT: Chip.NOT_TRIED,
        State.INSERT: Chip.NOT_TRIED,
        State.FALLBACK: Chip.NO_ANSWER,
    }
)

_BY_CODE: Final[Mapping[str, Event]] = MappingProxyType(
    {
        codes.NO_CARD: Event.TIMEOUT,
        codes.CANCELLED: Event.CONFIRMED,
        codes.BAD_TRACK: Event.BAD_SWIPE,
        codes.UNUSABLE: Event.BAD_SWIPE,
        codes.HALF_LINE: Event.BAD_SWIPE,
        codes.TRY_AGAIN: Event.TAP_FAILED,
        codes.OTHER_WAY: Event.TAP_NOT_POSSIBLE,
        codes.SEVERAL_CARDS: Event.SEVERAL_CARDS,
        codes.CHIP_MUTE: Event.CHIP_MUTE,
        codes.CARD_REFUSED: Event.CHIP_REFUSED,
    }
)


def event_of(read: CardRead | str) -> Event | None:
    """Return what a reader's outcome means here; None where it is the reader that failed."""
    if isinstance(read, str):
        return _BY_CODE.get(read)
    if read.entry_mode is EntryMode.CONTACTLESS:
        return Event.TAPPED
    if read.entry_mode is EntryMode.CHIP:
        return Event.CHIP_READ
    return Event.CHIP_CARD if read.has_chip else Event.STRIPE_CARD
