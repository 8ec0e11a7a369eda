"""Values to row bytes and back: strict CBOR with short text keys, no card data."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from posfw.codec import cbor
from posfw.journal.sql import Row
from posfw.values.card import EntryMode
from posfw.values.identity import Key
from posfw.values.money import CURRENCIES, Money
from posfw.values.outcome import Answer, DoFirst
from posfw.values.printjob import Copy, DocumentKind, DocumentRef, Job, JobState
from posfw.values.transaction import (
    Begun,
    ChipFacts,
    Conclusion,
    Instalment,
    Intent,
    Kind,
    Owed,
    OwedKind,
    State,
    Transaction,
)

__all__ = [
    "TXN_COLUMNS",
    "answer_of",
    "begun_of",
    "conclusion_bytes",
    "intent_bytes",
    "job_of",
    "owed_of",
    "transaction_of",
]

TXN_COLUMNS = (
    "batch, stan, state, intent, offline, answer, concluded_at, refunded, voided, open_owed,"
    " reason"
)


def intent_bytes(intent: Intent, ksn: int, at: str) -> bytes:
    """Encode commit 1's facts as an array; places are only ever added at the end.

    Arrays take half the time and bytes of maps; docs/journal.md names the places.
    """
    amount, original, tip = intent.amount, intent.original, intent.tip
    return cbor.encode(
        (
            ksn,
            intent.kind,
            amount.minor,
            amount.currency.number,
            intent.entry_mode,
            intent.card_masked,
            intent.card_token,
            intent.operator,
            at,
            intent.expiry,
            intent.note,
            intent.test,
            original and (original.terminal, original.batch, original.stan),
            None if tip is None else tip.minor,
            *_seldom(intent),
        )
    )


def _seldom(intent: Intent) -> tuple[object, ...]:
    """Return the places behind the tip; what has none of them ends with the tip."""
    plan = intent.instalment
    if plan is None and not intent.auth_code and not intent.request:
        return ()
    found = (plan and (plan.plan, plan.periods, plan.fee_minor), intent.auth_code)
    return (*found, intent.request) if intent.request else found


def begun_of(key: Key, data: bytes) -> Begun:
    """Read what `intent_bytes` wrote."""
    ksn, kind, minor, number, mode, masked, token, operator, at, *rest = cbor.decode(data)
    expiry, note, test, original, tip, *seldom = rest
    plan, auth_code, request = (*seldom, "", "", "")[:3] if seldom else (None, "", "")
    currency = CURRENCIES[number]
    intent = Intent(
        kind=Kind(kind),
        amount=Money(minor, currency),
        entry_mode=EntryMode(mode),
        card_masked=masked,
        card_token=token,
        operator=operator,
        at=datetime.fromisoformat(at),
        original=None if original is None else Key(*original),
        tip=None if tip is None else Money(tip, currency),
        expiry=expiry,
        note=note,
        test=test,
        instalment=None if plan is None else Instalment(*plan),
        auth_code=auth_code,
        request=request,
    )
    return Begun(key, ksn, intent)


def conclusion_bytes(conclusion: Conclusion) -> bytes:
    """Encode commit 2's facts as an array: ending, what it owes, reason, the answer, the chip's.

    Without a chip the array ends with the answer.
    """
    answer, chip = conclusion.answer, conclusion.chip
    return cbor.encode(
        (
            conclusion.ending,
            [owed.kind for owed in conclusion.owed],
            conclusion.reason,
            answer
            and (
                answer.response_code,
                answer.auth_code,
                answer.reference,
                answer.host_time,
                answer.issuer_data,
                answer.balance_minor,
                sorted(answer.do_first),
            ),
            *(() if chip is None else (_chip_facts(chip),)),
        )
    )


def _chip_facts(chip: ChipFacts) -> tuple[Any, ...]:
    """Without a waived signature the array ends before it."""
    return (dict(chip.tags), chip.signature, *((chip.free_minor,) if chip.free_minor else ()))


def answer_of(data: bytes) -> Answer | None:
    """Read the answer, if any, of what `conclusion_bytes` wrote."""
    return _answer(cbor.decode(data)[3])


def _concluded(data: bytes) -> tuple[Answer | None, ChipFacts | None]:
    """Read the answer and what the chip left for the slip."""
    _, _, _, answer, *more = cbor.decode(data)
    return _answer(answer), ChipFacts(*more[0]) if more else None


def _answer(answer: Any) -> Answer | None:
    if answer is None:
        return None
    code, auth_code, reference, host_time, issuer_data, balance, flags = answer
    return Answer(
        response_code=code,
        auth_code=auth_code,
        reference=reference,
        host_time=host_time,
        issuer_data=issuer_data,
        balance_minor=balance,
        do_first=frozenset(DoFirst(flag) for flag in flags),
    )


def transaction_of(terminal: str, row: Row) -> Transaction:
    """Read a row of TXN_COLUMNS."""
    batch, stan, state, intent, offline, conclusion, at, refunded, voided, owed, reason = row
    begun = begun_of(Key(terminal, batch, stan), intent)
    answer, chip = (None, None) if conclusion is None else _concluded(conclusion)
    return Transaction(
        begun=begun,
        state=State(state),
        offline=bool(offline),
        answer=answer,
        concluded_at=datetime.fromisoformat(at) if at else None,
        refunded=Money(refunded, begun.intent.amount.currency),
        voided=bool(voided),
        acknowledged=owed == 0,
        reason=reason,
        chip=chip,
    )


def owed_of(terminal: str, row: Row) -> Owed:
    """Read number, kind, batch, stan, reason, sealed, body."""
    number, kind, batch, stan, reason, sealed, body = row
    key = Key(terminal, batch, stan)
    return Owed(number, OwedKind(kind), key, reason, bytes(sealed), bytes(body))


def job_of(row: Row) -> Job:
    """Read number, kind, subject, copy, duplicate, state, band, reason."""
    number, kind, subject, copy, duplicate, state, band, reason = row
    return Job(
        number=number,
        ref=DocumentRef(DocumentKind(kind), subject),
        copy=Copy(copy),
        duplicate=bool(duplicate),
        state=JobState(state),
        band=band,
        reason=reason,
    )
