"""配送: deliveries tied to sales, from packing to return, reconciled with payments and refunds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from posfw.values.errors import InputError, RefusedError
from posfw.values.events import Record
from posfw.values.identity import Key
from posfw.values.transaction import Kind, State, Transaction

__all__ = [
    "Delivery",
    "Discrepancy",
    "Problem",
    "Status",
    "check_move",
    "discrepancies",
    "fold",
    "late",
    "pressing",
    "sold_for_delivery",
]

PREFIX = "DLV-"  # a sale whose note begins so names its delivery


class Status(StrEnum):
    """Where the goods are."""

    ORDERED = "ordered"  # paid or to be paid, not packed
    PREPARED = "prepared"  # 备货 packed
    SENT = "sent"  # handed to the courier
    DELIVERED = "delivered"
    RETURNED = "returned"
    CANCELLED = "cancelled"  # never left


_OPEN = (Status.ORDERED, Status.PREPARED, Status.SENT)
SOON = timedelta(hours=2)  # to pack and to hand over
_MOVES: Mapping[Status, frozenset[Status]] = {
    Status.ORDERED: frozenset({Status.PREPARED, Status.CANCELLED}),
    Status.PREPARED: frozenset({Status.SENT, Status.CANCELLED}),
    Status.SENT: frozenset({Status.DELIVERED, Status.RETURNED}),
    Status.DELIVERED: frozenset({Status.RETURNED}),
    Status.RETURNED: frozenset(),
    Status.CANCELLED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery as it stands.

    Attributes:
        id: `DLV-` and what the merchant calls it.
        key: the sale's key as text.
        region: province and city; `far` marks another province or city (跨省、跨市).
        due_at: promised.
        urgent: to be packed first.
        courier: who carries it.
        noticed_at: when packers and courier were told, and `acknowledged` that they said so.
        moved_at: when this status began.
    """

    id: str
    key: str
    region: str
    due_at: datetime
    far: bool = False
    urgent: bool = False
    courier: str = ""
    status: Status = Status.ORDERED
    noticed_at: datetime | None = None
    acknowledged: bool = False
    moved_at: datetime | None = None
    delivered_at: datetime | None = None


class Problem(StrEnum):
    """How goods and money disagree."""

    NOT_PAID = "not_paid"  # sent or delivered, and the sale is not approved
    REFUND_WITHOUT_RETURN = "refund_without_return"
    RETURN_WITHOUT_REFUND = "return_without_refund"
    PAID_AND_CANCELLED = "paid_and_cancelled"
    NO_DELIVERY = "no_delivery"  # sold for delivery, none on record


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One disagreement, for a person."""

    problem: Problem
    delivery: str
    key: str


def fold(records: Iterable[Record]) -> Mapping[str, Delivery]:
    """Return the deliveries by id after these records of the DELIVERY topic."""
    found: dict[str, Delivery] = {}
    for record in records:
        body = record.body
        id_ = str(body.get("delivery", ""))
        if record.name == "ordered":
            found[id_] = Delivery(
                id=id_,
                key=str(body["key"]),
                region=str(body["region"]),
                due_at=datetime.fromisoformat(str(body["due_at"])),
                far=bool(body.get("far")),
                urgent=bool(body.get("urgent")),
                courier=str(body.get("courier", "")),
                moved_at=record.at,
            )
        elif id_ in found and record.name == "moved":
            status = Status(str(body["status"]))
            arrived = record.at if status is Status.DELIVERED else found[id_].delivered_at
            found[id_] = replace(
                found[id_], status=status, moved_at=record.at, delivered_at=arrived
            )
        elif id_ in found and record.name == "noticed":
            found[id_] = replace(found[id_], noticed_at=record.at)
        elif id_ in found and record.name == "acknowledged":
            found[id_] = replace(found[id_], acknowledged=True)
    return found


def check_move(found: Mapping[str, Delivery], id_: str, status: Status) -> Delivery:
    """Check that a delivery may go on so; return it.

    Raises:
        InputError: there is no such delivery.
        RefusedError: not from where it is.
    """
    if id_ not in found:
        raise InputError(f"There is no delivery {id_[:30]!r}.", code="GDS-210")
    delivery = found[id_]
    if status not in _MOVES[delivery.status]:
        raise RefusedError(
            f"{id_} is {delivery.status.value}; it cannot become {status.value}.", code="GDS-111"
        )
    return delivery


def late(found: Mapping[str, Delivery], now: datetime) -> tuple[Delivery, ...]:
    """Return what should have arrived or did so too late: urgent first, then the longest due."""
    behind = [
        each
        for each in found.values()
        if (each.status in _OPEN and each.due_at < now)
        or (each.delivered_at is not None and each.delivered_at > each.due_at)
    ]
    return tuple(sorted(behind, key=lambda each: (not each.urgent, each.due_at)))


def pressing(found: Mapping[str, Delivery], now: datetime) -> tuple[Delivery, ...]:
    """Return what somebody should see to now: open and late, or due soon and not packed (S48)."""
    open_ = [each for each in found.values() if each.status in _OPEN]
    due = [
        each
        for each in open_
        if each.due_at < now or (each.status is Status.ORDERED and each.due_at < now + SOON)
    ]
    return tuple(sorted(due, key=lambda each: (not each.urgent, each.due_at)))


def discrepancies(
    found: Mapping[str, Delivery], transactions: Iterable[Transaction]
) -> tuple[Discrepancy, ...]:
    """Compare goods with money (S49, S50): the sales that deliveries name, and their refunds."""
    every = {str(t.key): t for t in transactions}
    problems = []
    for delivery in found.values():
        sale = every.get(delivery.key)
        paid = sale is not None and sale.state is State.APPROVED and not sale.voided
        back = sale is not None and (sale.voided or bool(sale.refunded))
        problem = _problem(delivery.status, paid=paid, back=back)
        if problem is not None:
            problems.append(Discrepancy(problem, delivery.id, delivery.key))
    problems += [
        Discrepancy(Problem.NO_DELIVERY, t.begun.intent.note, key)
        for key, t in every.items()
        if _for_delivery(t) and t.begun.intent.note not in found
    ]
    return tuple(problems)


def sold_for_delivery(
    records: Iterable[Record], transactions: Iterable[Transaction]
) -> Mapping[int, bool]:
    """Return for each STAN sold for delivery whether that delivery is on record."""
    found = fold(records)
    return {t.key.stan: t.begun.intent.note in found for t in transactions if _for_delivery(t)}


def key_of(delivery: Delivery) -> Key:
    """Return the sale's key."""
    terminal, batch, stan = delivery.key.split("-")
    return Key(terminal, int(batch), int(stan))


def _for_delivery(transaction: Transaction) -> bool:
    intent = transaction.begun.intent
    return transaction.counts and intent.kind is Kind.SALE and intent.note.startswith(PREFIX)


def _problem(status: Status, *, paid: bool, back: bool) -> Problem | None:
    if status in (Status.SENT, Status.DELIVERED):
        if back:
            return Problem.REFUND_WITHOUT_RETURN
        return None if paid else Problem.NOT_PAID
    if status is Status.RETURNED and paid and not back:
        return Problem.RETURN_WITHOUT_REFUND
    if status is Status.CANCELLED and paid and not back:
        return Problem.PAID_AND_CANCELLED
    return None
