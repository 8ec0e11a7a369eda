from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posfw.activate.acceptance import Round
from posfw.activate.machine import MOVES, Gates, State, Step, check, fold
from posfw.activate.profile import Paper
from posfw.values.errors import RefusedError
from posfw.values.events import Plain, Record, Topic

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
GATES = Gates(papers=(Paper("id", "证", "id"),), round_kinds=frozenset({"sale"}), rounds=1)
ROUND = asdict(Round(1, "sale", 100, True, 5))
# One way from a blank terminal to live sales, each step with what its record holds.
WAY: tuple[tuple[Step, Mapping[str, Plain]], ...] = (
    (Step.PROFILE, {"profile": "unionpay"}),
    (Step.CHECKED, {"passed": True}),
    (Step.PAPER, {"paper": "id", "reference": "A1"}),
    (Step.APPLIED, {"application": {"account_name": "x"}}),
    (Step.ISSUED, {"terminal": "12345678", "merchant": "8" * 15, "card": "C1"}),
    (Step.EXPORTED, {"digest": b"r" * 32}),
    (Step.SUBMITTED, {"digest": b"r" * 32}),
    (Step.ANSWERED, {"digest": b"a" * 32}),
    (Step.CONFIRMED, {}),
    (Step.PROVISIONED, {}),
    (Step.ROUND, ROUND),
    (Step.ACCEPTED, {}),
    (Step.ACTIVATED, {}),
)


def record(step: Step, body: Mapping[str, Plain], hours: int = 0) -> Record:
    return Record(Topic.ACTIVATION, step.value, NOW + timedelta(hours=hours), "99", body)


RECORDS = [record(step, body, hours) for hours, (step, body) in enumerate(WAY)]
BODIES = dict(WAY) | {
    Step.MISMATCHED: {"codes": ["ACT-202"]},
    Step.ROUNDS_RESTARTED: {},
    Step.SUSPENDED: {"reason": "x"},
    Step.RESUMED: {},
    Step.REPLACED: {"reason": "x"},
    Step.REOPENED: {"reason": "x"},
}


def test_the_way_passes_every_gate_and_ends_in_live_sales() -> None:
    for number, (step, _) in enumerate(WAY):
        check(fold(RECORDS[:number]), step, GATES)
    done = fold(RECORDS)
    assert done.state is State.ACTIVE
    assert done.state.may_sell
    assert done.since == RECORDS[-1].at


def test_only_active_sells_and_nothing_leaves_before_the_banks_information() -> None:
    assert [state for state in State if state.may_sell] == [State.ACTIVE]
    silent = {State.FACTORY, State.APPLIED, State.SUSPENDED, State.REPLACED}
    assert {state for state in State if not state.may_talk} == silent


@pytest.mark.parametrize("cut", range(len(WAY) + 1))
def test_after_a_power_cut_at_any_record_the_next_step_is_the_one_that_was_cut(cut: int) -> None:
    records = list(RECORDS[:cut])
    for step, body in WAY[cut:]:
        check(fold(records), step, GATES)
        records.append(record(step, body))
    assert fold(records).state is State.ACTIVE


@pytest.mark.parametrize("left_out", [Step.PROFILE, Step.CHECKED, Step.PAPER])
def test_no_application_without_acquirer_check_and_papers(left_out: Step) -> None:
    records = [r for r in RECORDS[:3] if r.name != left_out.value]
    with pytest.raises(RefusedError):
        check(fold(records), Step.APPLIED, GATES)


def test_a_failed_check_or_default_passwords_stop_the_application() -> None:
    failed = [*RECORDS[:3], record(Step.CHECKED, {"passed": False})]
    with pytest.raises(RefusedError, match="check"):
        check(fold(failed), Step.APPLIED, GATES)
    with pytest.raises(RefusedError, match="99"):
        check(fold(RECORDS[:3]), Step.APPLIED, replace(GATES, defaults_left=("99",)))
    with pytest.raises(RefusedError, match="01"):
        check(fold(RECORDS[:-1]), Step.ACTIVATED, replace(GATES, defaults_left=("01",)))


def test_an_answer_without_a_person_does_not_provision() -> None:
    with pytest.raises(RefusedError, match="confirm"):
        check(fold(RECORDS[:8]), Step.PROVISIONED, GATES)


def test_a_mismatch_changes_nothing() -> None:
    before = fold(RECORDS[:7])
    assert fold([*RECORDS[:7], record(Step.MISMATCHED, {"codes": []})]) == before


def test_a_new_file_makes_the_old_answer_worthless() -> None:
    again = fold([*RECORDS[:9], record(Step.EXPORTED, {"digest": b"z" * 32})])
    assert (again.answer_digest, again.confirmed) == (b"", False)
    assert b"a" * 32 in again.used_answers


def test_a_failed_round_stops_until_the_run_is_restarted() -> None:
    bad = record(Step.ROUND, {**ROUND, "passed": False})
    with pytest.raises(RefusedError, match="without a failure"):
        check(fold([*RECORDS[:11], bad]), Step.ACCEPTED, GATES)
    again = [*RECORDS[:11], bad, record(Step.ROUNDS_RESTARTED, {}), RECORDS[10]]
    check(fold(again), Step.ACCEPTED, GATES)


def test_a_missing_kind_of_round_is_named() -> None:
    gates = replace(GATES, round_kinds=frozenset({"sale", "void"}))
    with pytest.raises(RefusedError, match="void"):
        check(fold(RECORDS[:11]), Step.ACCEPTED, gates)


def test_unsettled_records_hold_back_going_live_and_a_change_of_acquirer() -> None:
    gates = replace(GATES, unsettled=3)
    for step, records in ((Step.ACTIVATED, RECORDS[:-1]), (Step.REOPENED, RECORDS)):
        with pytest.raises(RefusedError, match="settle"):
            check(fold(records), step, gates)


def test_suspended_sells_nothing_and_comes_back() -> None:
    held = [*RECORDS, record(Step.SUSPENDED, {"reason": "x"})]
    assert not fold(held).state.may_sell
    assert fold([*held, record(Step.RESUMED, {})]).state is State.ACTIVE


def test_reactivation_begins_anew_and_remembers_used_answers() -> None:
    again = fold([*RECORDS, record(Step.REOPENED, {"reason": "repair"})])
    assert (again.state, again.epoch, again.profile) == (State.FACTORY, 1, "")
    assert again.used_answers == frozenset({b"a" * 32})
    assert fold([*RECORDS, record(Step.REOPENED, {}), *RECORDS]).state is State.ACTIVE


def test_replaced_is_the_end_but_for_a_new_beginning() -> None:
    gone = fold([*RECORDS, record(Step.REPLACED, {"reason": "x"})])
    allowed = [step for step in Step if gone.state in MOVES[step]]
    assert allowed == [Step.REOPENED]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(list(Step)), max_size=40))
def test_no_order_of_checked_steps_sells_without_the_whole_way(steps: list[Step]) -> None:
    records: list[Record] = []
    for step in steps:
        try:
            check(fold(records), step, GATES)
        except RefusedError:
            continue
        records.append(record(step, BODIES[step]))
    if fold(records).state.may_sell:
        names = {r.name for r in records}
        assert names >= {step.value for step, _ in WAY}


def test_a_record_of_a_later_version_changes_nothing() -> None:
    later = Record(Topic.ACTIVATION, "attested", NOW, "", {})
    assert fold([*RECORDS, later]) == fold(RECORDS)
