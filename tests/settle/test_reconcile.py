from __future__ import annotations

from datetime import UTC, datetime

import pytest

from posfw.settle.reconcile import (
    Finding,
    Tick,
    Verdict,
    check_tick,
    sheet,
    ticks,
)
from posfw.settle.totals import Difference, compare
from posfw.values.card import EntryMode
from posfw.values.errors import InputError, RefusedError
from posfw.values.events import Plain, Record, Topic
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.transaction import Begun, Intent, Kind, State, Transaction

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def transaction(stan: int, minor: int, kind: Kind = Kind.SALE) -> Transaction:
    intent = Intent(
        kind=kind,
        amount=Money(minor),
        entry_mode=EntryMode.SWIPED,
        card_masked="621234******1232",
        card_token=b"t" * 16,
        operator="01",
        at=NOW,
    )
    return Transaction(Begun(Key("T0000001", 3, stan), stan, intent), State.APPROVED)


OURS = [transaction(1, 1000), transaction(2, 500), transaction(3, 200, Kind.REFUND)]


def test_agreement_accepts_by_itself() -> None:
    found = sheet(3, OURS, ())
    assert {line.verdict for line in found.lines} == {Verdict.ACCEPTED}
    assert found.funded_minor == 1300
    assert not found.open


def test_each_way_to_differ_has_its_name_and_waits_for_a_person() -> None:
    bank = [[1, 999, 1], [3, 200, -1], [3, 200, -1], [9, 700, 1]]
    found = sheet(3, OURS, compare(OURS, bank))
    assert {line.stan: line.findings for line in found.lines} == {
        1: (Finding.AMOUNT,),
        2: (Finding.ONLY_OURS,),
        3: (Finding.TWICE_AT_BANK,),
        9: (Finding.ONLY_BANK,),
    }
    assert [line.stan for line in found.open] == [1, 2, 3, 9]
    assert found.funded_minor == 0


def test_a_missing_slip_or_delivery_is_shown_and_does_not_stop_the_money() -> None:
    found = sheet(3, OURS, (), slips=frozenset({1, 3}), deliveries={1: False, 2: True})
    assert {line.stan: line.findings for line in found.lines} == {
        1: (Finding.NO_DELIVERY,),
        2: (Finding.NO_SLIP,),
        3: (),
    }
    assert not found.open


def test_the_last_tick_stands_and_every_tick_is_kept() -> None:
    made = [Tick(2, Verdict.HELD, "01", "asked the bank"), Tick(2, Verdict.ACCEPTED, "00")]
    found = sheet(3, OURS, [Difference(2, 500, None)], made)
    line = found.lines[1]
    assert (line.verdict, len(line.ticks)) == (Verdict.ACCEPTED, 2)
    assert found.funded_minor == 1300


def test_ticks_are_read_for_their_batch_only() -> None:
    def tick(batch: int) -> Record:
        body: dict[str, Plain] = {"batch": batch, "stan": 2, "verdict": "hold", "reason": "why"}
        return Record(Topic.SETTLEMENT, "ticked", NOW, "01", body)

    closed = Record(Topic.SETTLEMENT, "closed", NOW, "", {"batch": 3})
    assert ticks([closed, tick(3), tick(4)], 3) == (Tick(2, Verdict.HELD, "01", "why"),)


@pytest.mark.parametrize(
    ("stan", "verdict", "reason", "error"),
    [
        (44, Verdict.ACCEPTED, "", InputError),
        (1, Verdict.OPEN, "", InputError),
        (1, Verdict.HELD, " ", InputError),
        (1, Verdict.CLEARED, "no", InputError),
        (9, Verdict.ACCEPTED, "", RefusedError),
    ],
)
def test_wrong_ticks_are_refused(
    stan: int, verdict: Verdict, reason: str, error: type[Exception]
) -> None:
    found = sheet(3, OURS, [Difference(9, None, 700)])
    with pytest.raises(error):
        check_tick(found, stan, verdict, reason)


def test_cleared_stays_cleared() -> None:
    made = [Tick(9, Verdict.CLEARED, "00", "bank confirmed by letter")]
    found = sheet(3, OURS, [Difference(9, None, 700)], made)
    with pytest.raises(RefusedError):
        check_tick(found, 9, Verdict.HELD, "again")
    assert check_tick(found, 1, Verdict.HELD, "look at it").stan == 1
