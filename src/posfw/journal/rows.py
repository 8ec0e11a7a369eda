"""Values to row bytes and back: strict CBOR with short text keys, no card data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

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
    "intent_bytes",
    "job_of",
    "owed_of",
    "transaction_of",
]

TXN_COLUMNS = (
    "batch, stan, state, ksn, intent, offline, answer, concluded_at, refunded, voided,"
    " open_owed, reason"
)


def intent_bytes(intent: Intent) -> bytes:
    """Encode an intent."""
    original = intent.original
    body: dict[str, Any] = {
        "k": intent.kind.value,
        "a": intent.amount.minor,
        "c": intent.amount.currency.number,
        "e": int(intent.entry_mode),
        "m": intent.card_masked,
        "t": intent.card_token,
        "o": intent.operator,
        "at": intent.at.isoformat(),
    }
    optional: dict[str, Any] = {
        "or": [original.terminal, original.batch, original.stan] if original else None,
        "tip": intent.tip.minor if intent.tip else None,
        "x": intent.expiry or None,
        "n": intent.note or None,
        "test": intent.test or None,
    }
    return cbor.encode(body | {k: v for k, v in optional.items() if v is not None})


def _intent(data: bytes) -> Intent:
    body = cbor.decode(data)
    currency = CURRENCIES[body["c"]]
    return Intent(
        kind=Kind(body["k"]),
        amount=Money(body["a"], currency),
        entry_mode=EntryMode(body["e"]),
        card_masked=body["m"],
        card_token=body["t"],
        operator=body["o"],
        at=datetime.fromisoformat(body["at"]),
        original=Key(*body["or"]) if "or" in body else None,
        tip=Money(body["tip"], currency) if "tip" in body else None,
        expiry=body.get("x", ""),
        note=body.get("n", ""),
        test=body.get("test", False),
    )


def answer_bytes(answer: Answer) -> bytes:
    """Encode an answer."""
    body: dict[str, Any] = {
        "rc": answer.response_code,
        "ac": answer.auth_code or None,
        "rrn": answer.reference or None,
        "ht": answer.host_time or None,
        "id": answer.issuer_data or None,
        "b": answer.balance_minor,
        "df": sorted(flag.value for flag in answer.do_first) or None,
    }
    return cbor.encode({k: v for k, v in body.items() if v is not None})


def _answer(data: bytes) -> Answer:
    body: Mapping[str, Any] = cbor.decode(data)
    return Answer(
        response_code=body["rc"],
        auth_code=body.get("ac", ""),
        reference=body.get("rrn", ""),
        host_time=body.get("ht", ""),
        issuer_data=body.get("id", b""),
        balance_minor=body.get("b"),
        do_first=frozenset(DoFirst(flag) for flag in body.get("df", ())),
    )


def transaction_of(terminal: str, row: Row) -> Transaction:
    """Read a row of TXN_COLUMNS."""
    batch, stan, state, ksn, intent, offline, answer, at, refunded, voided, owed, reason = row
    wanted = _intent(intent)
    return Transaction(
        begun=Begun(Key(terminal, batch, stan), ksn, wanted),
        state=State(state),
        offline=bool(offline),
        answer=_answer(answer) if answer is not None else None,
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
