"""Reading the journal for people: the newest entries, one transaction's whole life, the chain.

The same functions serve the running terminal and a file that nobody runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from posfw.codec import cbor
from posfw.journal import chain
from posfw.journal.checking import verify
from posfw.journal.owed import read as read_owed
from posfw.journal.rows import answer_of, begun_of
from posfw.journal.sales import transaction
from posfw.journal.sql import Row, Sql, marked, older, one
from posfw.values.errors import RefusedError
from posfw.values.identity import Key
from posfw.values.transaction import Transaction

__all__ = ["batch_numbers", "exported", "head", "life", "position", "tail", "verify"]

_ENTRY: Final = "number, topic, name, at, operator, batch, stan, body"
MAX_TAIL: Final = 1_000


def head(sql: Sql) -> str:
    """Return the chain head's short code."""
    (code,) = one(sql("SELECT head FROM chain"))
    return chain.short_code(bytes(code))


def position(sql: Sql) -> dict[str, int]:
    """Return how far the journal has come: last entry, last DUKPT counter, next STAN."""
    (entry,) = one(sql("SELECT coalesce(max(number), 0) FROM entry"))
    counters: dict[str, int] = {n: v for n, v in sql("SELECT name, value FROM counter")}  # noqa: C416 - rows are sequences
    return {"entry": entry, "ksn": counters["ksn"], "stan": counters["stan"]}


def tail(sql: Sql, terminal: str, limit: int, after: int = 0) -> list[dict[str, Any]]:
    """Return the newest entries, oldest first; with `after`, only those with greater numbers."""
    limit, through = min(limit, MAX_TAIL), marked(sql).through
    query = f"SELECT {_ENTRY} FROM entry WHERE number > ? ORDER BY number DESC LIMIT ?"  # noqa: S608 - constant columns
    rows = sql(query, (max(after, through), limit))
    if len(rows) < limit and after < through:
        query = query.replace("number > ?", "number > ? AND number <= ?")
        rows += older(sql, query, (after, through, limit - len(rows)))
    return [_entry(terminal, row) for row in reversed(rows)]


def life(sql: Sql, key: Key) -> dict[str, Any]:
    """Return one transaction as it stands and everything that ever happened to it, with times.

    Raises:
        RefusedError: there is no such transaction.
    """
    found = transaction(sql, key)
    if found is None:
        raise RefusedError(
            f"There is no transaction {key}.", code="SAL-301", next_step="Check the number."
        )
    place, through = (key.batch, key.stan), marked(sql).through
    query = f"SELECT {_ENTRY} FROM entry WHERE batch = ? AND stan = ? AND stan > 0"  # noqa: S608 - constant columns
    entries = older(sql, f"{query} AND number <= ? ORDER BY number", (*place, through))
    entries += sql(f"{query} AND number > ? ORDER BY number", (*place, through))
    query = (
        "SELECT number, copy, duplicate, state, reason FROM job"
        " WHERE kind = 'receipt' AND subject = ? ORDER BY number"
    )
    prints = {row[0]: row for ask in (partial(older, sql), sql) for row in ask(query, (str(key),))}
    columns = ("job", "copy", "duplicate", "state", "reason")
    return {
        **exported(found),
        "life": [_entry(key.terminal, row) for row in entries],
        "prints": [dict(zip(columns, row, strict=True)) for row in prints.values()],
        "owed": [o.kind.value for o in read_owed(sql, key.terminal, -1, 0) if o.key == key],
    }


def batch_numbers(sql: Sql) -> list[int]:
    """Return every batch there is, oldest first, the open one last."""
    query = "SELECT sequence, number FROM batch"
    found: dict[int, int] = {sequence: number for sequence, number in older(sql, query)}  # noqa: C416 - rows are sequences
    found |= {sequence: number for sequence, number in sql(query)}  # noqa: C416
    return [number for _, number in sorted(found.items())]


def exported(transaction: Transaction) -> dict[str, Any]:
    """Return a transaction as plain facts: integer minor units beside the currency's code."""
    begun, answer = transaction.begun, transaction.answer
    intent, plan = begun.intent, begun.intent.instalment
    return {
        "key": str(begun.key),
        "terminal": begun.key.terminal,
        "batch": begun.key.batch,
        "stan": begun.key.stan,
        "at": intent.at.isoformat(),
        "kind": intent.kind.value,
        "amount_minor": intent.amount.minor,
        "currency": intent.amount.currency.code,
        "state": transaction.state.value,
        "card": intent.card_masked,
        "entry_mode": intent.entry_mode.name.lower(),
        "reference": answer.reference if answer else "",
        "auth_code": intent.auth_code or (answer.auth_code if answer else ""),
        "response_code": answer.response_code if answer else "",
        "operator": intent.operator,
        "offline": transaction.offline,
        "voided": transaction.voided,
        "refunded_minor": transaction.refunded.minor,
        "original": str(intent.original) if intent.original else "",
        "tip_minor": intent.tip.minor if intent.tip else 0,
        "instalment": f"{plan.plan} {plan.periods}" if plan else "",
        "instalment_fee_minor": plan.fee_minor if plan else 0,
        "note": intent.note,
        "test": intent.test,
        "concluded_at": _iso(transaction.concluded_at),
        "reason": transaction.reason,
    }


def _iso(at: datetime | None) -> str:
    return at.isoformat() if at else ""


def _entry(terminal: str, row: Row) -> dict[str, Any]:
    number, topic, name, at, operator, batch, stan, body = row
    key = str(Key(terminal, batch, stan)) if stan else ""
    facts = dict(_facts(topic, name, Key(terminal, batch, stan) if stan else None, bytes(body)))
    return {
        "number": number,
        "at": at,
        "topic": topic,
        "name": name,
        "operator": operator,
        "key": key,
        **facts,
    }


def _facts(topic: str, name: str, key: Key | None, body: bytes) -> Iterator[tuple[str, Any]]:
    """Yield what an entry says, as plain values."""
    if topic == "money" and name == "begun" and key is not None:
        begun = begun_of(key, body)
        yield "kind", begun.intent.kind.value
        yield "amount", str(begun.intent.amount)
        yield "card", begun.intent.card_masked
        yield "counter", begun.ksn_counter
    elif topic == "money" and name == "concluded":
        ending, owed, reason, _ = cbor.decode(body)
        answer = answer_of(body)
        yield "ending", ending
        yield "owed", owed
        yield "reason", reason
        yield "response_code", answer.response_code if answer else ""
    else:
        yield "body", _plain(cbor.decode(body))


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold: bytes as hexadecimal digits."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value
