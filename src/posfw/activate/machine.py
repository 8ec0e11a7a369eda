"""Activation: from a blank terminal to one that may sell, folded from the ACTIVATION topic.

One record is one step; what is not recorded has not happened, so a power cut at any step is
answered by doing that step again. A re-activation (复机) starts a new round over the old records.

    FACTORY ─applied→ APPLIED ─issued→ ISSUED ─provisioned→ PROVISIONED ─accepted→ TESTED
    TESTED ─activated→ ACTIVE ⇄ SUSPENDED;  any ─replaced→ REPLACED;  any ─reopened→ FACTORY
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from posfw.activate.acceptance import Round, passed
from posfw.activate.profile import Paper
from posfw.values.errors import MisuseError, RefusedError
from posfw.values.events import Record

__all__ = ["MOVES", "Activation", "Gates", "State", "Step", "check", "fold"]


class State(StrEnum):
    """Where a terminal stands (payments page, section 10)."""

    FACTORY = "factory"  # no bank has heard of it
    APPLIED = "applied"  # 已申请: papers handed in; it waits for the bank's information
    ISSUED = "issued"  # 已下发: activation card, terminal and merchant number are here
    PROVISIONED = "provisioned"  # the bank's answer fits, keys and parameters are loaded
    TESTED = "tested"  # every acceptance round passed
    ACTIVE = "active"  # live sales
    SUSPENDED = "suspended"
    REPLACED = "replaced"  # another terminal has taken its place

    @property
    def may_sell(self) -> bool:
        """Whether live sales are taken."""
        return self is State.ACTIVE

    @property
    def may_talk(self) -> bool:
        """Whether anything may leave for the acquirer (S10: nothing before its information)."""
        return self in _TALKING

    @property
    def may_test(self) -> bool:
        """Whether marked test transactions are taken."""
        return self in (State.PROVISIONED, State.TESTED)


_TALKING = frozenset({State.ISSUED, State.PROVISIONED, State.TESTED, State.ACTIVE})


class Step(StrEnum):
    """Names of records in the ACTIVATION topic."""

    PROFILE = "profile_chosen"
    CHECKED = "checked"  # hardware and stability
    PAPER = "paper"
    APPLIED = "applied"
    ISSUED = "issued"
    EXPORTED = "exported"
    SUBMITTED = "submitted"
    ANSWERED = "answered"  # the bank's answer fits
    MISMATCHED = "mismatched"  # it does not: kept, changes nothing
    CONFIRMED = "confirmed"  # a person compared it too (S77)
    PROVISIONED = "provisioned"
    ROUND = "round"
    ROUNDS_RESTARTED = "rounds_restarted"
    ACCEPTED = "accepted"
    ACTIVATED = "activated"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    REPLACED = "replaced"
    REOPENED = "reopened"


@dataclass(frozen=True, slots=True)
class Activation:
    """What the records say.

    Attributes:
        state: where it stands.
        epoch: how often it was activated before, 0 for the first time.
        since: when this state began.
        profile: chosen acquirer.
        check_passed: the newest hardware and stability check passed.
        papers: references by paper id.
        application: what was applied for.
        terminal, merchant, card: what the bank issued.
        request_digest: SHA-256 of the newest exported activation file.
        submitted: digest of the file that was handed in.
        answer_digest: SHA-256 of the bank's answer that fitted.
        confirmed: a person has compared it.
        used_answers: digests of every answer taken, in every epoch: none is taken twice.
        rounds: acceptance rounds since the last restart.
    """

    state: State = State.FACTORY
    epoch: int = 0
    since: datetime | None = None
    profile: str = ""
    check_passed: bool = False
    papers: Mapping[str, str] = field(default_factory=dict)
    application: Mapping[str, Any] = field(default_factory=dict)
    terminal: str = ""
    merchant: str = ""
    card: str = ""
    request_digest: bytes = b""
    submitted: bytes = b""
    answer_digest: bytes = b""
    confirmed: bool = False
    used_answers: frozenset[bytes] = frozenset()
    rounds: tuple[Round, ...] = ()


@dataclass(frozen=True, slots=True)
class Gates:
    """Facts from outside that a step waits for.

    Attributes:
        papers: what the chosen profile asks for.
        defaults_left: operators whose default password still stands.
        round_kinds: kinds of acceptance rounds that must have passed.
        rounds: how many must have passed in a row.
        unsettled: records in the open batch: a change of acquirer waits for their settlement.
    """

    papers: tuple[Paper, ...] = ()
    defaults_left: tuple[str, ...] = ()
    round_kinds: frozenset[str] = frozenset()
    rounds: int = 0
    unsettled: int = 0


_BEFORE_APPLIED = {State.FACTORY: State.FACTORY}
_ISSUED = {State.ISSUED: State.ISSUED}
_TESTING = {State.PROVISIONED: State.PROVISIONED}
# Which step is allowed in which state, and where it leads.
MOVES: Mapping[Step, Mapping[State, State]] = {
    Step.PROFILE: _BEFORE_APPLIED,
    Step.CHECKED: {state: state for state in State if state is not State.REPLACED},
    Step.PAPER: {State.FACTORY: State.FACTORY, State.APPLIED: State.APPLIED},
    Step.APPLIED: {State.FACTORY: State.APPLIED},
    Step.ISSUED: {State.APPLIED: State.ISSUED, State.ISSUED: State.ISSUED},
    Step.EXPORTED: _ISSUED,
    Step.SUBMITTED: _ISSUED,
    Step.ANSWERED: _ISSUED,
    Step.MISMATCHED: _ISSUED,
    Step.CONFIRMED: _ISSUED,
    Step.PROVISIONED: {State.ISSUED: State.PROVISIONED},
    Step.ROUND: _TESTING,
    Step.ROUNDS_RESTARTED: _TESTING,
    Step.ACCEPTED: {State.PROVISIONED: State.TESTED},
    Step.ACTIVATED: {State.TESTED: State.ACTIVE},
    Step.SUSPENDED: {State.ACTIVE: State.SUSPENDED},
    Step.RESUMED: {State.SUSPENDED: State.ACTIVE},
    Step.REPLACED: {state: State.REPLACED for state in State if state is not State.REPLACED},
    Step.REOPENED: {state: State.FACTORY for state in State if state is not State.FACTORY},
}


def fold(records: Iterable[Record]) -> Activation:
    """Return the activation after these records; steps that no table allows change nothing."""
    activation = Activation()
    for record in records:
        try:
            step = Step(record.name)
        except ValueError:
            continue  # of a later version
        following = MOVES[step].get(activation.state)
        if following is not None:
            activation = _apply(activation, step, following, record)
    return activation


def check(activation: Activation, step: Step, gates: Gates) -> None:
    """Check that a step may be recorded now.

    Raises:
        RefusedError: not in this state, or something it waits for is missing.
    """
    if activation.state not in MOVES[step]:
        raise RefusedError(
            f"{step.value} is not possible while the terminal is {activation.state.value}.",
            code="ACT-110",
            next_step="See what comes next: posfw activate status",
        )
    gate = _GATES.get(step)
    missing = gate(activation, gates) if gate else ""
    if missing:
        raise RefusedError(missing, code="ACT-111", next_step="posfw activate status")


def _apply(was: Activation, step: Step, following: State, record: Record) -> Activation:
    change = _CHANGES.get(step)
    now = replace(was, **change(was, record.body)) if change else was
    if following is was.state:
        return now
    return replace(now, state=following, since=record.at)


def _reopened(was: Activation, _: Mapping[str, Any]) -> dict[str, Any]:
    """Everything of this round is forgotten by the state; the records stay where they are."""
    fresh = Activation(epoch=was.epoch + 1, used_answers=was.used_answers)
    return {name: getattr(fresh, name) for name in Activation.__slots__}


def _issued(_: Activation, body: Mapping[str, Any]) -> dict[str, Any]:
    """Corrected numbers make an older activation file and its answer worthless."""
    return {
        "terminal": body["terminal"],
        "merchant": body["merchant"],
        "card": body["card"],
        "request_digest": b"",
        "submitted": b"",
        "answer_digest": b"",
        "confirmed": False,
    }


def _exported(_: Activation, body: Mapping[str, Any]) -> dict[str, Any]:
    return {"request_digest": body["digest"], "answer_digest": b"", "confirmed": False}


def _answered(was: Activation, body: Mapping[str, Any]) -> dict[str, Any]:
    digest = body["digest"]
    return {
        "answer_digest": digest,
        "confirmed": False,
        "used_answers": was.used_answers | {digest},
    }


_CHANGES: Mapping[Step, Callable[[Activation, Mapping[str, Any]], dict[str, Any]]] = {
    Step.PROFILE: lambda _, body: {"profile": body["profile"], "papers": {}},
    Step.CHECKED: lambda _, body: {"check_passed": body["passed"]},
    Step.PAPER: lambda was, body: {"papers": {**was.papers, body["paper"]: body["reference"]}},
    Step.APPLIED: lambda _, body: {"application": body["application"]},
    Step.ISSUED: _issued,
    Step.EXPORTED: _exported,
    Step.SUBMITTED: lambda _, body: {"submitted": body["digest"]},
    Step.ANSWERED: _answered,
    Step.CONFIRMED: lambda _, __: {"confirmed": True},
    Step.PROVISIONED: lambda _, __: {"rounds": ()},
    Step.ROUND: lambda was, body: {"rounds": (*was.rounds, Round.from_body(body))},
    Step.ROUNDS_RESTARTED: lambda _, __: {"rounds": ()},
    Step.REOPENED: _reopened,
}


def _may_apply(was: Activation, gates: Gates) -> str:
    if not was.profile:
        return "No acquirer is chosen: posfw activate profile NAME"
    if not was.check_passed:
        return "The hardware check has not passed: posfw activate check"
    missing = [p.id for p in gates.papers if p.required and p.id not in was.papers]
    if missing:
        return f"Papers are missing: {', '.join(missing)}"
    if gates.defaults_left:
        return f"Default passwords still stand: {', '.join(gates.defaults_left)}"
    return ""


def _may_be_submitted(was: Activation, _: Gates) -> str:
    return "" if was.request_digest else "There is no activation file: posfw activate export"


def _may_be_confirmed(was: Activation, _: Gates) -> str:
    return "" if was.answer_digest else "The bank's answer is not here: posfw activate import"


def _may_provision(was: Activation, _: Gates) -> str:
    if not was.check_passed:
        return "The hardware check has not passed: posfw activate check"
    return "" if was.confirmed else "Nobody has compared the bank's answer: posfw activate confirm"


def _may_accept(was: Activation, gates: Gates) -> str:
    done = {r.kind for r in was.rounds if r.passed}
    missing = sorted(gates.round_kinds - done)
    if missing:
        return f"Rounds are missing: {', '.join(missing)}"
    if len(was.rounds) < gates.rounds or not passed(was.rounds):
        return f"{gates.rounds} rounds must pass without a failure: posfw activate test"
    return ""


def _may_go_live(was: Activation, gates: Gates) -> str:
    if gates.defaults_left:
        return f"Default passwords still stand: {', '.join(gates.defaults_left)}"
    if gates.unsettled:
        return "The test batch is not settled: posfw settle"
    return "" if was.check_passed else "The hardware check has not passed: posfw activate check"


def _may_reopen(_: Activation, gates: Gates) -> str:
    return "The open batch is not settled: posfw settle" if gates.unsettled else ""


_GATES: Mapping[Step, Callable[[Activation, Gates], str]] = {
    Step.APPLIED: _may_apply,
    Step.SUBMITTED: _may_be_submitted,
    Step.ANSWERED: _may_be_submitted,
    Step.CONFIRMED: _may_be_confirmed,
    Step.PROVISIONED: _may_provision,
    Step.ACCEPTED: _may_accept,
    Step.ACTIVATED: _may_go_live,
    Step.REOPENED: _may_reopen,
    Step.REPLACED: _may_reopen,
}

if set(MOVES) != set(Step):  # a step without a row could be recorded and never take effect
    raise MisuseError("A step of the activation has no row in MOVES.")
