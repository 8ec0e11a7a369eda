"""Values to row bytes and back: strict CBOR with short text keys, no card data."""

from __future__ import annotations

from datetime import datetime

from posfw.codec import cbor
from posfw.journal.sql import Row
from posfw.values.card import EntryMode
from posfw.values.document import Copy, DocumentKind, DocumentRef, Job, JobState
from posfw.values.identity import Key
from posfw.values.money import CURRENCIES, Money
from posfw.values.outcome import Answer, DoFirst
from posfw.values.transaction import Begun, Intent, Kind, Owed, OwedKind, State, Transaction

__all__ = [
    "TXN_COLUMNS",
    "answer_bytes",
    "answer_of",
    "intent_bytes",
    "intent_of",
    "job_of",
    "owed_of",
    "transaction_of",
]

TXN_COLUMNS = (
    "batch, stan, state, ksn, intent, offline, answer, concluded_at, refunded, voided,"
    " open_owed, reason"
)


def intent_bytes(intent: Intent) -> bytes:
    """Encode an intent as an array; places are only ever added at the end."""
    original, tip = intent.original, intent.tip
    amount = intent.amount
    return cbor.encode(
        [
            intent.kind.value,
            amount.minor,
            amount.currency.number,
            int(intent.entry_mode),
            intent.card_masked,
            intent.card_token,
            intent.operator,
            intent.at.isoformat(),
            intent.expiry,
            intent.note,
            intent.test,
            None if original is None else [original.terminal, original.batch, original.stan],
            None if tip is None else tip.minor,
        ]
    )


def intent_of(data: bytes) -> Intent:
    """Read what `intent_bytes` wrote."""
    kind, minor, number, mode, masked, token, operator, at, expiry, note, test, original, tip = (
        cbor.decode(data)
    )
    currency = CURRENCIES[number]
    return Intent(
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
    )


def answer_bytes(answer: Answer) -> bytes:
    """Encode an answer as an array; places are only ever added at the end."""
    return cbor.encode(
        [
            answer.response_code,
            answer.auth_code,
            answer.reference,
            answer.host_time,
            answer.issuer_data,
            answer.balance_minor,
            sorted(flag.value for flag in answer.do_first),
        ]
    )


def answer_of(data: bytes) -> Answer:
    """Read what `answer_bytes` wrote."""
    code, auth_code, reference, host_time, issuer_data, balance, flags = cbor.decode(data)
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
    batch, stan, state, ksn, intent, offline, answer, at, refunded, voided, owed, reason = row
    wanted = intent_of(bytes(intent))
    return Transaction(
        begun=Begun(Key(terminal, batch, stan), ksn, wanted),
        state=State(state),
        offline=bool(offline),
        answer=answer_of(bytes(answer)) if answer is not None else None,
        concluded_at=datetime.fromisoformat(at) if at else None,
        refunded=Money(refunded, wanted.amount.currency),
        voided=bool(voided),
        acknowledged=owed == 0,
        reason=reason,
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
