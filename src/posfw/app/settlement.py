"""The evening: settlement under one lock, reports, tick list, what presses for a settlement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import anyio

from posfw.app.later import lazily
from posfw.app.operators import Operators
from posfw.app.verbs import Body, Progress, Verb, operator_of, text_of
from posfw.journal.store import Journal
from posfw.ports import Acquirer, Clock
from posfw.sale.limits import Refusal
from posfw.settle.schedule import Escalation, Level, Plan, Schedule, notices
from posfw.settle.task import SettlementResult, keep_time, settle
from posfw.settle.totals import MAX_COUNT, Difference, totals
from posfw.staff.operators import Action
from posfw.values.errors import CodecError, InputError, LinkError, RefusedError
from posfw.values.events import Record, Topic
from posfw.values.identity import parse_key
from posfw.values.money import CURRENCIES, MAX_MINOR, Money
from posfw.values.printjob import JobState
from posfw.values.transaction import Standing

if TYPE_CHECKING:
    from posfw.goods import delivery
    from posfw.settle import reconcile, reports
else:
    delivery = lazily("posfw.goods.delivery")
    reconcile = lazily("posfw.settle.reconcile")
    reports = lazily("posfw.settle.reports")

__all__ = ["Settlement"]

NEWEST = 1_000  # closed batches that reports reach back to: years of evenings


async def _nothing_else() -> None:
    return


@dataclass(slots=True, eq=False, repr=False)
class Settlement:
    """Settlement and everything people ask about batches.

    Attributes:
        journal: batches, records, print jobs.
        acquirer: the line.
        operators: approvals for clearing by hand.
        clock: local time.
        schedule: the daily run; None where people settle by hand only.
        escalation: when to warn and to refuse sales.
        sign_off: sign off after a settlement (签退), by parameter.
        tell: shows the schedule's phase: warning, run, failure.
        after: what else is done once a batch is settled, by hand or by the clock.
        phase: what the schedule said last, "" before it said anything or without one.
        trouble: why the last run by the clock failed, "" if it did not.
        largest_minor: no sale is larger (Limits.per_transaction_minor).
    """

    journal: Journal
    acquirer: Acquirer
    operators: Operators
    clock: Clock
    schedule: Schedule | None = field(default_factory=Schedule)
    escalation: Escalation = field(default_factory=Escalation)
    sign_off: bool = False
    tell: Callable[[Plan, str], None] = lambda _, __: None
    largest_minor: int = 5_000_000
    after: Callable[[], Awaitable[None]] = _nothing_else
    phase: str = ""
    trouble: str = ""
    _gate: anyio.Lock = field(default_factory=anyio.Lock)
    _known: tuple[int, int, int] = (0, 0, 0)  # batch, next STAN, debits in minor units

    def verbs(self) -> Mapping[str, Verb]:
        """Return the verbs about batches; `settle` itself stays the cashier's and calls `run`."""
        return {
            "report": self._report,
            "settlements": self._settlements,
            "settlement_plan": self._plan,
            "reconcile": self._reconcile,
            "tick": self._tick,
        }

    async def run(self) -> Mapping[str, Any]:
        """Settle the open batch, once at a time.

        Raises:
            RefusedError: another settlement is under way, something is owed, the acquirer refused.
            LinkError: the acquirer did not answer; the settlement is resumed by the next call.
        """
        if self._gate.locked():
            # Waiting here would settle the next, empty batch right after this one.
            raise RefusedError("A settlement is under way.", code="SET-124")
        async with self._gate:
            result = await settle(self.journal, self.acquirer, self.journal, self.clock)
            await self.after()
            if self.sign_off:
                await self._sign_off()
        rows = reports.report(result.batch, await self.journal.transactions(result.batch))
        kinds = [asdict(line) for line in rows.kinds]
        shown = [*_lines(result), *(_kind_line(line) for line in rows.kinds)]
        return {"ok": result.balanced, **asdict(result), "kinds": kinds, "lines": shown}

    async def keep_time(self) -> None:
        """Settle by the schedule until cancelled; start it in the root task group."""
        if self.schedule is not None:
            await keep_time(self._look, lambda _: self.run(), self._show)

    def _show(self, plan: Plan, trouble: str) -> None:
        self.phase, self.trouble = plan.phase.value, trouble
        self.tell(plan, trouble)

    async def refusal(self, amount: Money) -> Refusal | None:
        """Return why no sale may begin: the batch is too old, too full, or its sum too large."""
        standing = await self.journal.standing()
        debit_minor = await self._debit_bound(standing, amount)
        if debit_minor + amount.minor > MAX_MINOR or standing.records >= MAX_COUNT:
            return Refusal("SET-106", "The batch's totals are full.", "Settle first: posfw settle")
        for notice in notices(self.escalation, standing, debit_minor, self.clock.now()):
            if notice.level is Level.REFUSE:
                return Refusal(notice.code, notice.text, "Settle first: posfw settle")
        return None

    async def _debit_bound(self, standing: Standing, amount: Money) -> int:
        """Return the open batch's debits, or a bound of them that is still below every limit.

        Adding up 450 records costs 9 ms on a host and a sale waits for it, so it is done again
        only when the sales since could have reached a limit.
        """
        batch, stan, debit_minor = self._known
        since = standing.next_stan - stan
        bound = debit_minor + since * self.largest_minor
        limit = min(self.escalation.refuse_minor, MAX_MINOR - amount.minor)
        if batch == standing.batch and since >= 0 and bound < limit:
            return bound
        found = totals(await self.journal.transactions()).debit_minor
        self._known = (standing.batch, standing.next_stan, found)
        return found

    async def sheet(self, batch: int) -> reconcile.Sheet:
        """Return the tick list of a closed batch.

        Raises:
            InputError: no such closed batch.
        """
        closed = await self._closed(batch)
        found = [Difference(*row) for row in closed.get("differences", ())]
        made = reconcile.ticks(await self.journal.read(Topic.SETTLEMENT), batch)
        transactions = await self.journal.transactions(batch)
        deliveries = await self.journal.read(Topic.DELIVERY)
        return reconcile.sheet(
            batch,
            transactions,
            found,
            made,
            slips=await self._printed(batch),
            deliveries=delivery.sold_for_delivery(deliveries, transactions),
        )

    async def report(self, batch: int | None) -> reports.Report:
        """Return the X of the open batch (None) or the Z of a closed one.

        Raises:
            InputError: no such closed batch.
        """
        standing = await self.journal.standing()
        if batch is None or batch == standing.batch:
            rows = await self.journal.transactions()
            return reports.report(standing.batch, rows, opened_at=standing.batch_opened_at)
        closed = await self._closed(batch)
        return reports.report(
            batch,
            await self.journal.transactions(batch),
            opened_at=datetime.fromisoformat(str(closed["opened_at"])),
            closed_at=datetime.fromisoformat(str(closed["closed_at"])),
        )

    async def _look(self) -> tuple[Plan, float]:
        schedule = self.schedule or Schedule()
        now = self.clock.now()
        standing = await self.journal.standing()
        plan = schedule.plan(standing.batch_opened_at or now, now)
        return plan, schedule.sleep_s(plan, now)

    async def _sign_off(self) -> None:
        """签退: durable here first; the acquirer is told, its silence does not matter."""
        await self.journal.append(Record(Topic.SESSION, "signed_off", self.clock.now()))
        try:
            await self.acquirer.call("sign_off", {})
        except LinkError:
            return  # the next sign-on tells the acquirer the same

    async def _closed(self, batch: int) -> Mapping[str, Any]:
        closed = await self.journal.settled(batch)
        if closed is None:
            raise InputError(f"There is no closed batch {batch}.", code="SET-135")
        return closed

    async def _printed(self, batch: int) -> frozenset[int]:
        """Return the STANs of a batch with a finished receipt."""
        receipts = await self.journal.receipts(batch)
        return frozenset(
            parse_key(job.ref.subject).stan for job in receipts if job.state is JobState.DONE
        )

    async def _report(self, body: Body, _: Progress) -> Body:
        wanted = _batch(body) if "batch" in body else None
        return {"ok": True, **(await self.report(wanted)).body()}

    async def _settlements(self, _: Body, __: Progress) -> Body:
        rows = [
            {
                "batch": closed["batch"],
                "closed_at": closed["closed_at"],
                "balanced": closed.get("balanced"),
                "debit_minor": closed.get("debit_minor"),
                "credit_minor": closed.get("credit_minor"),
                "differences": len(closed.get("differences", ())),  # type: ignore[arg-type]  # written by settle as a list
            }
            for closed in await self.journal.batches(NEWEST)
        ]
        return {"ok": True, "settlements": rows}

    async def _plan(self, _: Body, __: Progress) -> Body:
        plan, _seconds = await self._look()
        standing = await self.journal.standing()
        sums = totals(await self.journal.transactions())
        found = notices(self.escalation, standing, sums.debit_minor, self.clock.now())
        return {
            "ok": True,
            "phase": plan.phase.value if self.schedule else "by_hand",
            "at": plan.at.isoformat() if self.schedule else "",
            "notices": [asdict(notice) for notice in found],
        }

    async def _reconcile(self, body: Body, _: Progress) -> Body:
        found = await self.sheet(_batch(body))
        shown = found.lines if body.get("all") else [x for x in found.lines if x.findings]
        return {
            "ok": not found.open,
            "batch": found.batch,
            "records": len(found.lines),
            "open": len(found.open),
            "funded_minor": found.funded_minor,
            "ticked": {
                verdict.value: {
                    "count": sum(line.verdict is verdict for line in found.lines),
                    "minor": sum(x.ours_minor or 0 for x in found.lines if x.verdict is verdict),
                }
                for verdict in reconcile.Verdict
            },
            "submitted_minor": await self._submitted_minor(found.batch),
            "differences": [
                {
                    "stan": line.stan,
                    "ours_minor": line.ours_minor,
                    "theirs_minor": line.theirs_minor,
                    "findings": [finding.value for finding in line.findings],
                    "verdict": line.verdict.value,
                    "ticks": [asdict(tick) for tick in line.ticks],
                }
                for line in shown
            ],
        }

    async def _submitted_minor(self, batch: int) -> int:
        """Return what the settlement told the acquirer: debits less credits."""
        closed = await self._closed(batch)
        told = (closed.get("debit_minor"), closed.get("credit_minor"))
        debit, credit = (each if type(each) is int else 0 for each in told)
        return debit - credit

    async def _tick(self, body: Body, _: Progress) -> Body:
        """勾选: one record is accepted, held with a reason, or cleared by a supervisor."""
        batch, stan = _batch(body), body.get("stan")
        reason = str(body.get("reason", ""))[:200]
        if type(stan) is not int:
            raise CodecError("`stan` must be a number.")
        try:
            verdict = reconcile.Verdict(text_of(body, "verdict"))
        except ValueError as error:
            raise CodecError("`verdict` is accept, hold or clear.") from error
        reconcile.check_tick(await self.sheet(batch), stan, verdict, reason)
        operator = operator_of(body, "01")
        if verdict is reconcile.Verdict.CLEARED:
            subject = f"{batch:06d}-{stan:06d}"
            operator = (await self.operators.approve(body, Action.CLEAR, subject)).operator
        said = {"batch": batch, "stan": stan, "verdict": verdict.value, "reason": reason}
        await self.journal.append(
            Record(Topic.SETTLEMENT, "ticked", self.clock.now(), operator, said)
        )
        found = await self.sheet(batch)
        return {"ok": True, "open": len(found.open), "funded_minor": found.funded_minor}


def _batch(body: Body) -> int:
    batch = body.get("batch")
    if type(batch) is not int:
        raise CodecError("`batch` must be a number.")
    return batch


def _kind_line(line: reports.Line) -> str:
    currency = next(each for each in CURRENCIES.values() if each.code == line.currency)
    sign = "-" if line.minor < 0 else ""
    amount = Money(abs(line.minor), currency)
    return f"  {line.currency} {line.heading:18} {line.count:4}  {sign}{amount}"


def _lines(result: SettlementResult) -> list[str]:
    ours = result.ours
    told = "对账平 / balanced" if result.balanced else "对账不平 / NOT balanced"
    return [
        f"结算 / Settlement  {result.batch:06d}: {told}",
        f"借记 / debit   {ours.debit_count:4}  {Money(ours.debit_minor)}",
        f"贷记 / credit  {ours.credit_count:4}  {Money(ours.credit_minor)}",
        *(
            f"凭证 {each.stan:06d}: ours {each.ours_minor}, bank {each.theirs_minor}"
            for each in result.differences
        ),
        f"批次 / Next batch  {result.next_batch:06d}",
    ]
