from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from posfw.printer.queue import WINDOW, Progress


def sent(progress: Progress, count: int) -> Progress:
    for _ in range(count):
        assert progress.may_send
        progress = progress.handed_over()
    return progress


def test_only_a_few_strips_are_unproved_at_a_time() -> None:
    assert not sent(Progress.begin(10, 5, keeps=True), WINDOW).may_send
    assert not sent(Progress.begin(10, 5, keeps=False), 1).may_send


def test_an_answer_proves_a_strip_and_a_count_never_more_than_was_sent() -> None:
    progress = sent(Progress.begin(10, 5, keeps=True), 2)
    assert progress.heard(6).done == 1
    assert progress.heard(9).done == 2
    assert progress.heard(5).done == 0


def test_a_slip_is_finished_when_all_is_proved() -> None:
    progress = sent(Progress.begin(2, 0, keeps=True), 2)
    assert not progress.may_send
    assert not progress.finished
    assert progress.heard(2).finished
    assert progress.proved().finished


@given(st.integers(0, 5), st.integers(0, WINDOW), st.data())
def test_after_recovery_exactly_the_unanswered_strips_are_sent_again(
    before: int, unproved: int, data: st.DataObject
) -> None:
    kept = data.draw(st.integers(0, unproved))
    progress = Progress.begin(20, 100, keeps=True)
    for n in range(before):
        progress = sent(progress, 1).heard(101 + n)
    progress = sent(progress, unproved)
    answered = 100 + before + kept + progress.fences_to_recover
    again = progress.recovered(answered, loses=False)
    assert (again.done, again.sent) == (before + kept, before + kept)
    # From here on counting goes on as if nothing had been.
    assert sent(again, 1).heard(answered + 1).done == before + kept + 1
    lost = progress.recovered(answered, loses=True)
    assert (lost.done, lost.sent) == (before, before)
    assert sent(lost, 1).heard(answered + 1).done == before + 1
