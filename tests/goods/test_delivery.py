from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from posfw.goods.delivery import (
    Delivery,
    Discrepancy,
    Problem,
    Status,
    check_move,
    discrepancies,
    fold,
    key_of,
    late,
    pressing,
    sold_for_delivery,
)
from posfw.values.card import EntryMode
from posfw.values.errors import InputError, RefusedError
from posfw.values.events import Plain, Record, Topic
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.transaction import Begun, Intent, Kind, State, Transaction

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
KEY = Key("12345678", 3, 7)


def record(name: str, hours: float = 0, **body: Plain) -> Record:
    at = NOW + timedelta(hours=hours)
    return Record(Topic.DELIVERY, name, at, "01", {"delivery": "DLV-1", **body})


def ordered(**more: bool | str) -> Record:
    due = (NOW + timedelta(hours=24)).isoformat()
    return record("ordered", 0, key=str(KEY), region="广东深圳", due_at=due, **more)


def sale(
    *, state: State = State.APPROVED, refunded: int = 0, voided: bool = False, note: str = "DLV-1"
) -> Transaction:
    intent = Intent(
        kind=Kind.SALE,
        amount=Money(1000),
        entry_mode=EntryMode.SWIPED,
        card_masked="621234******1232",
        card_token=b"t" * 16,
        operator="01",
        at=NOW,
        note=note,
    )
    return Transaction(Begun(KEY, 7, intent), state, refunded=Money(refunded), voided=voided)


def at(status: Status) -> dict[str, Delivery]:
    delivery = fold([ordered()])["DLV-1"]
    return {
        "DLV-1": Delivery(
            delivery.id, delivery.key, delivery.region, delivery.due_at, status=status
        )
    }


def test_a_delivery_goes_its_way() -> None:
    records = [ordered(far=True, urgent=True, courier="顺丰"), record("noticed", 0.5)]
    records += [record("acknowledged", 0.6), record("moved", 1, status="prepared")]
    records += [record("moved", 2, status="sent"), record("moved", 20, status="delivered")]
    found = fold([*records, record("weighed", 21)])["DLV-1"]
    assert (found.status, found.far, found.urgent) == (Status.DELIVERED, True, True)
    assert found.acknowledged
    assert found.noticed_at == NOW + timedelta(minutes=30)
    assert found.delivered_at == found.moved_at == NOW + timedelta(hours=20)
    assert key_of(found) == KEY


def test_records_of_unknown_deliveries_change_nothing() -> None:
    assert fold([record("moved", status="sent"), record("noticed")]) == {}


@pytest.mark.parametrize(("start", "end"), list(product(Status, Status)))
def test_only_the_tables_moves_are_allowed(start: Status, end: Status) -> None:
    allowed = {
        ("ordered", "prepared"),
        ("ordered", "cancelled"),
        ("prepared", "sent"),
        ("prepared", "cancelled"),
        ("sent", "delivered"),
        ("sent", "returned"),
        ("delivered", "returned"),
    }
    if (start.value, end.value) in allowed:
        assert check_move(at(start), "DLV-1", end).status is start
    else:
        with pytest.raises(RefusedError):
            check_move(at(start), "DLV-1", end)


def test_an_unknown_delivery_is_named() -> None:
    with pytest.raises(InputError, match="DLV-9"):
        check_move({}, "DLV-9", Status.SENT)


def test_late_ones_are_listed_urgent_first() -> None:
    assert late(fold([ordered()]), NOW + timedelta(hours=23)) == ()
    late_now = NOW + timedelta(hours=25)
    assert [d.id for d in late(fold([ordered()]), late_now)] == ["DLV-1"]
    arrived = [ordered(), *(record("moved", 30, status=s) for s in ("prepared", "sent"))]
    arrived.append(record("moved", 30, status="delivered"))
    assert len(late(fold(arrived), NOW + timedelta(days=9))) == 1
    urgent = ordered(urgent=True)
    second = Record(Topic.DELIVERY, "ordered", NOW, "", {**urgent.body, "delivery": "DLV-2"})
    assert [d.id for d in late(fold([ordered(), second]), late_now)] == ["DLV-2", "DLV-1"]


@pytest.mark.parametrize(
    ("hours", "moves", "presses"),
    [
        (21.9, (), False),
        (22.1, (), True),
        (22.1, ("prepared",), False),  # packed in time: the courier has until the end
        (24.1, ("prepared", "sent"), True),
        (24.1, ("prepared", "sent", "delivered"), False),
        (24.1, ("cancelled",), False),
    ],
)
def test_what_is_due_soon_and_not_packed_presses_and_so_does_what_is_late(
    hours: float, moves: tuple[str, ...], presses: bool
) -> None:
    found = fold([ordered(), *(record("moved", 1, status=each) for each in moves)])
    assert bool(pressing(found, NOW + timedelta(hours=hours))) is presses


@pytest.mark.parametrize(
    ("status", "transaction", "problem"),
    [
        (Status.DELIVERED, sale(), None),
        (Status.DELIVERED, sale(state=State.DECLINED), Problem.NOT_PAID),
        (Status.SENT, sale(refunded=1000), Problem.REFUND_WITHOUT_RETURN),
        (Status.DELIVERED, sale(voided=True), Problem.REFUND_WITHOUT_RETURN),
        (Status.RETURNED, sale(), Problem.RETURN_WITHOUT_REFUND),
        (Status.RETURNED, sale(refunded=1000), None),
        (Status.RETURNED, sale(state=State.REVERSED), None),
        (Status.CANCELLED, sale(), Problem.PAID_AND_CANCELLED),
        (Status.CANCELLED, sale(voided=True), None),
        (Status.ORDERED, sale(), None),
    ],
)
def test_goods_and_money_are_compared(
    status: Status, transaction: Transaction, problem: Problem | None
) -> None:
    found = discrepancies(at(status), [transaction])
    expected = (Discrepancy(problem, "DLV-1", str(KEY)),) if problem else ()
    assert found == expected


def test_a_sale_for_delivery_without_one_is_listed() -> None:
    assert discrepancies({}, [sale()]) == (Discrepancy(Problem.NO_DELIVERY, "DLV-1", str(KEY)),)
    assert discrepancies({}, [sale(note="table 4")]) == ()
    assert sold_for_delivery([], [sale()]) == {7: False}
    assert sold_for_delivery([ordered()], [sale()]) == {7: True}
    assert sold_for_delivery([ordered()], [sale(note="")]) == {}


def test_sent_without_any_sale_is_not_paid() -> None:
    assert discrepancies(at(Status.SENT), []) == (
        Discrepancy(Problem.NOT_PAID, "DLV-1", str(KEY)),
    )
