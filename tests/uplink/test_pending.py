"""Which message goes next: order, one of a transaction at once, silent ones block nobody."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from posfw.uplink.order import SENDING_ORDER, Backoff
from posfw.uplink.pending import Pending
from posfw.values.identity import Key
from posfw.values.transaction import Owed, OwedKind

WINDOW = 8


def owed(number: int, kind: OwedKind = OwedKind.ADVICE, stan: int = 0) -> Owed:
    return Owed(number, kind, Key("T0000001", 1, stan or number))


def pending() -> Pending:
    return Pending(WINDOW, Backoff(1.0, 60.0, 30.0))


def fly(queue: Pending, rows: list[Owed], now: float = 0.0) -> list[Owed]:
    """Send until nothing more may go."""
    sent = []
    while (chosen := queue.choose(rows, now)) is not None:
        queue.send(chosen)
        sent.append(chosen)
    return sent


@given(st.lists(st.sampled_from(OwedKind), max_size=40))
def test_messages_go_by_kind_and_age_and_the_window_is_never_exceeded(
    kinds: list[OwedKind],
) -> None:
    rows = [owed(number, kind) for number, kind in enumerate(kinds, 1)]
    sent = fly(pending(), rows)
    ranks = [(SENDING_ORDER.index(each.kind), each.number) for each in sent]
    assert ranks == sorted(ranks)
    assert len(sent) == min(WINDOW, len(rows))


def test_two_messages_of_one_transaction_never_fly_together() -> None:
    queue = pending()
    first, then = owed(2, OwedKind.SCRIPT_RESULT, stan=9), owed(1, OwedKind.REVERSAL, stan=9)
    assert fly(queue, [then, first]) == [first]
    queue.silent(first, 0.0, 1.0)
    assert fly(queue, [then, first]) == []  # the earlier one is still owed
    assert fly(queue, [then, first], now=1.0) == [first]
    queue.end(first)
    assert fly(queue, [then]) == [then]


def test_any_number_of_silent_messages_leaves_room_for_fresh_ones() -> None:
    queue = pending()
    silent = [owed(number, OwedKind.REVERSAL) for number in range(1, 101)]
    for _ in range(100 // WINDOW + 1):
        for each in fly(queue, silent):
            queue.silent(each, 0.0, 1.0)
    fresh = [owed(number) for number in range(101, 110)]
    queue.reading()
    sent = fly(queue, silent + fresh, now=1000.0)
    assert sum(each in fresh for each in sent) == WINDOW - WINDOW // 4


def test_a_silent_message_waits_longer_each_time_and_a_new_connection_forgets_it() -> None:
    queue, one = pending(), owed(1)
    now, waits = 0.0, []
    for _ in range(9):
        assert fly(queue, [one], now) == [one]
        queue.silent(one, now, 1.0)
        due = queue.deadline()
        assert due is not None
        waits.append(due - now)
        assert queue.choose([one], due - 0.01) is None
        now = due
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    queue.silent(one, now, 1.0)
    queue.restart()
    assert queue.deadline() is None
    assert fly(queue, [one], now) == [one]


def test_a_sale_that_waits_for_it_sends_it_at_once() -> None:
    queue, one = pending(), owed(1, OwedKind.REVERSAL)
    fly(queue, [one])
    queue.silent(one, 0.0, 1.0)
    queue.kick([one])
    assert queue.choose([one], 0.0) == one


def test_an_acquirer_that_cannot_verify_us_pauses_everything_until_its_next_word() -> None:
    queue, one, two, three = pending(), owed(1), owed(2), owed(3)
    queue.send(one)
    queue.send(two)
    queue.refuse(one, 0.0, 1.0)
    assert queue.paused
    assert queue.choose([one, three], 0.9) is None
    assert queue.choose([one, three], 1.0) is not None
    queue.end(two)
    assert not queue.paused


def test_an_ended_message_in_an_old_reading_is_not_sent_again() -> None:
    queue, one = pending(), owed(1)
    assert not queue.send(one)
    queue.end(one)
    assert queue.choose([one], 0.0) is None


def test_a_message_that_was_sent_before_says_so() -> None:
    queue, one = pending(), owed(1)
    assert not queue.send(one)
    queue.silent(one, 0.0, 0.0)
    assert queue.send(one)


def test_what_a_person_ended_is_forgotten() -> None:
    queue, one = pending(), owed(1)
    queue.send(one)
    queue.silent(one, 0.0, 1.0)
    queue.read([])
    assert queue.known == 0
    assert queue.deadline() is None
