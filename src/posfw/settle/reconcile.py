"""对账: journal, bank, slips and deliveries record by record, and the tick list over them.

Nothing is ever removed: a tick is one more record, and the last one says how a line stands. Lines
on which journal and bank agree are accepted by themselves; every other waits for a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from posfw.settle.totals import Difference
from posfw.values.errors import InputError, RefusedError
from posfw.values.events import Record
from posfw.values.transaction import Transaction

__all__ = ["Finding", "Line", "Sheet", "Tick", "Verdict", "check_tick", "sheet", "ticks"]


class Verdict(StrEnum):
    """What a person, or agreement, has said about one line."""

    ACCEPTED = "accept"  # 勾选: genuine and valid, belongs to what is funded
    HELD = "hold"  # disputed, with a reason
    CLEARED = "clear"  # 手工清账: ended by a supervisor with a reason
    OPEN = "open"  # nobody has looked yet


class Finding(StrEnum):
    """What differs on a line."""

    ONLY_OURS = "only_ours"
    ONLY_BANK = "only_bank"
    AMOUNT = "amount"
    TWICE_AT_BANK = "twice_at_bank"
    NO_SLIP = "no_slip"
    NO_DELIVERY = "no_delivery"


@dataclass(frozen=True, slots=True)
class Tick:
    """One decision of a person."""

    stan: int
    verdict: Verdict
    operator: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One STAN of the batch.

    Attributes:
        ours_minor: in the journal, credits negative; None if it is not there.
        theirs_minor: at the bank.
        findings: what differs; empty on agreement.
        verdict: how it stands.
        ticks: every decision, oldest first.
    """

    stan: int
    ours_minor: int | None
    theirs_minor: int | None
    findings: tuple[Finding, ...]
    verdict: Verdict
    ticks: tuple[Tick, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """A batch's tick list."""

    batch: int
    lines: tuple[Line, ...]

    @property
    def funded_minor(self) -> int:
        """What is submitted for funding: the accepted lines at our amount, credits taken off."""
        return sum(line.ours_minor or 0 for line in self.lines if line.verdict is Verdict.ACCEPTED)

    @property
    def open(self) -> tuple[Line, ...]:
        """Lines on which nobody has decided."""
        return tuple(line for line in self.lines if line.verdict is Verdict.OPEN)


def sheet(
    batch: int,
    transactions: Iterable[Transaction],
    differences: Iterable[Difference],
    made: Iterable[Tick] = (),
    *,
    slips: frozenset[int] | None = None,
    deliveries: Mapping[int, bool] | None = None,
) -> Sheet:
    """Join the sources of a settled batch.

    Args:
        batch: its number.
        transactions: the journal's.
        differences: between journal and bank, as the settlement recorded them.
        made: decisions of people, oldest first.
        slips: STANs with a printed slip; None if paper is not compared.
        deliveries: for STANs that were sold for delivery, whether a delivery is on record.
    """
    ours = {
        t.key.stan: t.begun.intent.amount.minor * t.begun.intent.kind.direction
        for t in transactions
        if t.counts
    }
    unequal: dict[int, list[Difference]] = {}
    for difference in differences:
        unequal.setdefault(difference.stan, []).append(difference)
    decided: dict[int, list[Tick]] = {}
    for tick in made:
        decided.setdefault(tick.stan, []).append(tick)
    lines = []
    for stan in sorted(ours.keys() | unequal.keys()):
        found = [_finding(each, ours.get(stan)) for each in unequal.get(stan, ())]
        if slips is not None and stan in ours and stan not in slips:
            found.append(Finding.NO_SLIP)
        if deliveries is not None and deliveries.get(stan) is False:
            found.append(Finding.NO_DELIVERY)
        theirs = unequal[stan][0].theirs_minor if stan in unequal else ours[stan]
        said = tuple(decided.get(stan, ()))
        lines.append(Line(stan, ours.get(stan), theirs, tuple(found), _stands(found, said), said))
    return Sheet(batch, tuple(lines))


def ticks(records: Iterable[Record], batch: int) -> tuple[Tick, ...]:
    """Return the decisions about a batch from the SETTLEMENT topic."""
    return tuple(
        Tick(
            _int(record.body["stan"]),
            Verdict(str(record.body["verdict"])),
            record.operator,
            str(record.body.get("reason", "")),
        )
        for record in records
        if record.name == "ticked" and record.body.get("batch") == batch
    )


def check_tick(found: Sheet, stan: int, verdict: Verdict, reason: str) -> Line:
    """Check a decision before it is recorded; return the line.

    Raises:
        InputError: no such line, or a reason is missing.
        RefusedError: what is not in the journal cannot be accepted, and cleared stays cleared.
    """
    line = next((line for line in found.lines if line.stan == stan), None)
    if line is None:
        raise InputError(f"Batch {found.batch} has no record {stan}.", code="SET-130")
    if verdict is Verdict.OPEN:
        raise InputError("A decision is accept, hold or clear.", code="SET-131")
    if verdict in (Verdict.HELD, Verdict.CLEARED) and len(reason.strip()) < 3:
        raise InputError("Holding and clearing need a reason.", code="SET-132")
    if line.verdict is Verdict.CLEARED:
        raise RefusedError(f"Record {stan} is cleared already.", code="SET-133")
    if verdict is Verdict.ACCEPTED and line.ours_minor is None:
        raise RefusedError(
            f"Record {stan} is not in this terminal's journal.",
            code="SET-134",
            next_step="Hold it with a reason and call the acquirer.",
        )
    return line


def _finding(difference: Difference, ours: int | None) -> Finding:
    if difference.theirs_minor is None:
        return Finding.ONLY_OURS
    if ours is None:
        return Finding.ONLY_BANK
    return Finding.TWICE_AT_BANK if difference.theirs_minor == 2 * ours else Finding.AMOUNT


def _stands(found: list[Finding], said: tuple[Tick, ...]) -> Verdict:
    if said:
        return said[-1].verdict
    # A missing slip or delivery is shown and does not stop the money.
    money = any(f not in (Finding.NO_SLIP, Finding.NO_DELIVERY) for f in found)
    return Verdict.OPEN if money else Verdict.ACCEPTED


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
