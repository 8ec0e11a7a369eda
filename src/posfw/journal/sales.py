"""Commits 1 and 2 and what is read of transactions; each function is one SQL transaction."""

from __future__ import annotations

from datetime import datetime

from posfw.crypto.dukpt import next_counter
from posfw.journal import jobs
from posfw.journal.archive import TXN
from posfw.journal.rows import (
    TXN_COLUMNS,
    begun_of,
    conclusion_bytes,
    intent_bytes,
    transaction_of,
)
from posfw.journal.sql import Sql, append_entry, append_row, older, one
from posfw.values.errors import MisuseError, RefusedError
from posfw.values.identity import Key, following
from posfw.values.transaction import (
    Begun,
    Conclusion,
    Ending,
    Intent,
    Kind,
    OwedKind,
    Standing,
    State,
    Stored,
    Transaction,
)

__all__ = [
    "begin",
    "catch_up",
    "conclude",
    "in_doubt",
    "open_batch",
    "requests",
    "reserve",
    "standing",
    "stored",
    "transaction",
]

# Without these rows nothing would ever end the doubt, or tell the acquirer of the sale.
_NEEDS = {Ending.UNKNOWN: OwedKind.REVERSAL, Ending.APPROVED_OFFLINE: OwedKind.ADVICE}
_ONE = f"SELECT {TXN_COLUMNS} FROM txn WHERE batch = ? AND stan = ?"  # noqa: S608 - constant columns
RANK = {kind: rank for rank, kind in enumerate(OwedKind)}
RECENT = 2_000  # transactions in which a request is looked for: some days of a busy shop
_REFUNDS = (Kind.REFUND, Kind.QR_REFUND)
_TOUCHES_ORIGINAL = frozenset(k.value for k in Kind if k.undoes_original or k in _REFUNDS)


def open_batch(sql: Sql) -> tuple[int, bool, str]:
    """Return number, frozen and opening time of the open batch."""
    kept = sql.kept
    if kept.batch is None:
        number, frozen, opened_at = one(
            sql("SELECT number, frozen, opened_at FROM batch WHERE closed_at IS NULL")
        )
        kept.batch = (number, bool(frozen), opened_at)
    return kept.batch


def reserve(sql: Sql, count: int) -> int:
    """Reserve `count` DUKPT counters and return the first."""
    first = value = next_counter(_last_ksn(sql))
    for _ in range(count - 1):
        value = next_counter(value)
    sql("UPDATE counter SET value = ? WHERE name = 'ksn'", (value,))
    sql.kept.ksn = value
    return first


def _last_ksn(sql: Sql) -> int:
    kept = sql.kept
    if kept.ksn is None:
        (kept.ksn,) = one(sql("SELECT value FROM counter WHERE name = 'ksn'"))
    return kept.ksn


def _next_stan(sql: Sql) -> int:
    kept = sql.kept
    if kept.stan is None:
        (kept.stan,) = one(sql("SELECT value FROM counter WHERE name = 'stan'"))
    return kept.stan


def catch_up(sql: Sql, stan: int, ksn: int, at: datetime) -> bool:
    """Go on after the last STAN and DUKPT counter that the acquirer has seen, if it is ahead."""
    if ksn <= _last_ksn(sql):
        return False
    kept = sql.kept
    kept.stan, kept.ksn = following(stan), ksn
    sql("REPLACE INTO counter VALUES ('stan', ?), ('ksn', ?)", (kept.stan, ksn))
    append_entry(sql, "system", "caught_up", at, {"stan": stan, "ksn": ksn})
    return True


def begin(sql: Sql, terminal: str, intent: Intent) -> Begun:
    """Commit 1.

    Raises:
        RefusedError: the batch is frozen for settlement.
    """
    batch, frozen, _ = open_batch(sql)
    if frozen:
        raise RefusedError("Settlement is under way.", code="SET-101", next_step="posfw settle")
    kept = sql.kept
    # A STAN comes back after 999,999 others, so never in one batch: the primary key would say.
    stan = _next_stan(sql)
    ksn = next_counter(_last_ksn(sql))
    kept.stan, kept.ksn = following(stan), ksn
    write = sql.write
    write("REPLACE INTO counter VALUES ('stan', ?), ('ksn', ?)", (kept.stan, ksn))
    at = intent.at.isoformat()
    kind = intent.kind.value
    data = intent_bytes(intent, ksn, at)
    write(
        "INSERT INTO txn (batch, stan, state, ksn, kind, amount, intent)"
        " VALUES (?, ?, 'begun', ?, ?, ?, ?)",
        (batch, stan, ksn, kind, intent.amount.minor, data),
    )
    append_row(sql, ("money", "begun", at, intent.operator, batch, stan, data))
    kept.begun[batch, stan] = (kind, intent.amount.minor)
    return Begun(Key(terminal, batch, stan), ksn, intent)


def requests(sql: Sql, terminal: str) -> dict[str, Key]:
    """Return the newest transactions that were asked for by an id, by their requests."""
    query = "SELECT batch, stan, intent FROM txn ORDER BY ksn DESC LIMIT ?"
    found: dict[str, Key] = {}
    for batch, stan, intent in reversed(sql(query, (RECENT,))):
        key = Key(terminal, batch, stan)
        request = begun_of(key, bytes(intent)).intent.request
        if request:
            found[request] = key
    return found


def conclude(sql: Sql, conclusion: Conclusion) -> None:
    """Commit 2.

    Raises:
        MisuseError: unknown key, or already concluded.
    """
    key, ending, at = conclusion.key, conclusion.ending, conclusion.at.isoformat()
    needed = _NEEDS.get(ending)
    if needed is not None and needed not in [owed.kind for owed in conclusion.owed]:
        raise MisuseError(f"{key} ends as {ending.value} and owes no {needed.value}.")
    state = ending.state
    data = conclusion_bytes(conclusion)
    written = sql.write(
        "UPDATE txn SET state = ?, offline = ?, answer = ?, concluded_at = ?, open_owed = ?,"
        " reason = ? WHERE batch = ? AND stan = ? AND state = 'begun'",
        (
            state.value,
            ending is Ending.APPROVED_OFFLINE,
            data,
            at,
            len(conclusion.owed),
            conclusion.reason,
            key.batch,
            key.stan,
        ),
    )
    if written.rowcount != 1:
        raise MisuseError(f"{key} is not open for a conclusion.")
    number = (key.batch, key.stan)
    kind, amount = sql.kept.begun.get(number) or _begun(sql, key)
    sql.kept.begun.pop(number, None)
    if conclusion.owed:
        _owe(sql, conclusion, amount)
    if state is State.APPROVED:
        if kind in _TOUCHES_ORIGINAL:
            _touch_original(sql, key, Kind(kind), amount)
        if conclusion.copies:
            jobs.queue_receipts(sql, str(key), conclusion.copies)
    append_row(sql, ("money", "concluded", at, "", key.batch, key.stan, data))


def _begun(sql: Sql, key: Key) -> tuple[str, int]:
    kind, amount = one(
        sql("SELECT kind, amount FROM txn WHERE batch = ? AND stan = ?", (key.batch, key.stan))
    )
    return kind, amount


def _owe(sql: Sql, conclusion: Conclusion, amount: int) -> None:
    for owed in conclusion.owed:
        sql(
            "INSERT INTO owed (rank, kind, batch, stan, reason, sealed, body, amount, since)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                RANK[owed.kind],
                owed.kind.value,
                owed.key.batch,
                owed.key.stan,
                owed.reason,
                owed.sealed,
                owed.body,
                amount,
                conclusion.at.isoformat(),
            ),
        )


def _touch_original(sql: Sql, key: Key, kind: Kind, amount: int) -> None:
    row = one(sql(_ONE, (key.batch, key.stan)))
    original = transaction_of(key.terminal, row).begun.intent.original
    if original is None:
        raise MisuseError(f"{key} names no original.")
    change = "voided = 1" if kind.undoes_original else "refunded = refunded + ?"
    values = () if kind.undoes_original else (amount,)
    update = f"UPDATE txn SET {change} WHERE batch = ? AND stan = ? RETURNING stan"  # noqa: S608 - one of two constants
    place = (original.batch, original.stan)
    if not sql(update, (*values, *place)) and not (
        _recalled(sql, place) and sql(update, (*values, *place))
    ):
        raise MisuseError(f"{key} names {original}, which is not in the journal.")


def _recalled(sql: Sql, place: tuple[int, int]) -> bool:
    """Take an archived transaction back into the journal, where it can change."""
    rows = older(sql, f"SELECT {TXN} FROM txn WHERE batch = ? AND stan = ?", place)  # noqa: S608 - constant columns
    for row in rows:
        sql.write(f"INSERT INTO txn ({TXN}) VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 - constant columns
    return bool(rows)


def transaction(sql: Sql, key: Key) -> Transaction | None:
    """Return one transaction, wherever it lies."""
    rows = sql(_ONE, (key.batch, key.stan)) or older(sql, _ONE, (key.batch, key.stan))
    return transaction_of(key.terminal, rows[0]) if rows else None


def in_doubt(sql: Sql, terminal: str) -> list[Transaction]:
    """Return what was begun and not concluded, oldest first."""
    rows = sql(f"SELECT {TXN_COLUMNS} FROM txn WHERE state = 'begun' ORDER BY ksn")  # noqa: S608 - constant columns
    return [transaction_of(terminal, row) for row in rows]


def standing(sql: Sql) -> Standing:
    """Return what limits are checked against."""
    batch, frozen, opened_at = open_batch(sql)
    next_stan = _next_stan(sql)
    (records,) = one(
        sql("SELECT count(*) FROM txn WHERE batch = ? AND state = 'approved'", (batch,))
    )
    (doubt,) = one(sql("SELECT count(*) FROM txn WHERE state = 'begun'"))
    (reversals,) = one(sql("SELECT count(*) FROM owed WHERE kind = 'reversal' AND rejected = ''"))
    stored, total, oldest = one(
        sql(
            "SELECT count(*), coalesce(sum(amount), 0), min(since) FROM owed"
            " WHERE kind = 'advice' AND rejected = ''"
        )
    )
    (rejected,) = one(sql("SELECT count(*) FROM owed WHERE rejected <> ''"))
    (unknown,) = one(
        sql("SELECT count(*) FROM job WHERE state NOT IN ('done', 'void') AND state = 'unknown'")
    )
    session = sql(
        "SELECT name FROM entry WHERE topic = 'session' AND topic <> 'money'"
        " AND name IN ('signed_on', 'signed_off') ORDER BY number DESC LIMIT 1"
    )
    return Standing(
        batch=batch,
        next_stan=next_stan,
        records=records,
        in_doubt=doubt,
        reversals=reversals,
        offline_count=stored,
        offline_sum=total,
        offline_oldest_at=datetime.fromisoformat(oldest) if oldest else None,
        batch_opened_at=datetime.fromisoformat(opened_at),
        settling=frozen,
        signed_on=bool(session) and session[0][0] == "signed_on",
        rejected=rejected,
        unknown_prints=unknown,
    )


def stored(sql: Sql, card_token: bytes) -> Stored:
    """Return what the card of this token has bought without a line and is still unsent.

    The token is a keyed 16-byte code that stands as it is inside the intent's bytes: a second
    column with it would be one more place that links purchases of one card. Unsent advices are
    few (OfflinePolicy.count), so looking through them takes no index.
    """
    if not card_token:
        return Stored()  # no bytes are inside every intent
    count, total = one(
        sql(
            "SELECT count(*), coalesce(sum(owed.amount), 0) FROM owed JOIN txn USING (batch, stan)"
            " WHERE owed.kind = 'advice' AND owed.rejected = '' AND instr(txn.intent, ?) > 0",
            (card_token,),
        )
    )
    return Stored(count, total)
