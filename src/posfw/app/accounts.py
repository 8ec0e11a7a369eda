"""What an accountant asks: fees, the bank's figures, entries, exports, the picture of a day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import anyio
import anyio.to_thread

from posfw.app.verbs import Body, Progress, Verb, operator_of, text_of
from posfw.journal.store import Journal
from posfw.ports import Clock
from posfw.settle import chart, fees, statement
from posfw.settle.totals import totals
from posfw.values.errors import CodecError, InputError
from posfw.values.events import Plain, Record, Topic
from posfw.values.transaction import Transaction

__all__ = ["Accounts"]

NEWEST = 1_000
ENTRIES = ("deposit", "deposit_back", "service", "prepaid", "prepaid_back", "bank_fee")


@dataclass(frozen=True, slots=True)
class Accounts:
    """Verbs over batches and fees.

    Attributes:
        journal: transactions and entries.
        clock: local time.
        schedule: rates of the chosen acquirer.
        merchant: merchant number for exports.
        prepaid_minor, prepaid_turnover_minor: what comes back after which turnover; 0 for none.
    """

    journal: Journal
    clock: Clock
    schedule: fees.Schedule
    merchant: str
    prepaid_minor: int = 0
    prepaid_turnover_minor: int = 0

    def verbs(self) -> Mapping[str, Verb]:
        """Return the accountant's verbs."""
        return {
            "fees": self._fees,
            "fee_entry": self._entry,
            "turnover": self._turnover,
            "export": self._export,
            "day_picture": self._picture,
        }

    async def _every(self, batch: int | None) -> list[Transaction]:
        """Return a batch's transactions, or all there are, oldest first."""
        if batch is not None:
            return list(await self.journal.transactions(batch))
        closed = [entry["batch"] for entry in await self.journal.batches(NEWEST)]
        found: list[Transaction] = []
        for number in reversed(closed):
            if isinstance(number, int):
                found += await self.journal.transactions(number)
        return [*found, *await self.journal.transactions()]

    async def _fees(self, body: Body, _: Progress) -> Body:
        """Fee and net of a batch (the open one without `batch`), beside the bank's figure."""
        batch = body.get("batch")
        if batch is not None and type(batch) is not int:
            raise CodecError("`batch` must be a number.")
        number = batch if batch is not None else (await self.journal.standing()).batch
        found = fees.summary(self.schedule, await self.journal.transactions(number))
        made = fees.entries(await self.journal.read(Topic.SETTLEMENT))
        told = [each.minor for each in made if each.what == "bank_fee" and each.batch == number]
        bank = told[-1] if told else None
        return {
            "ok": bank is None or bank == found.fee_minor,
            "batch": number,
            "gross_minor": found.gross_minor,
            "fee_minor": found.fee_minor,
            "net_minor": found.net_minor,
            "by_card": dict(found.by_card),
            "unknown_cards": found.unknown,
            "bank_fee_minor": bank,
            "difference_minor": None if bank is None else bank - found.fee_minor,
            "fees": [asdict(fee) for fee in found.fees],
            "entries": [asdict(each) for each in made if each.what != "bank_fee"],
        }

    async def _entry(self, body: Body, _: Progress) -> Body:
        """Note a deposit, a service fee, a prepayment, or the bank's fee figure of a batch."""
        what, minor, batch = text_of(body, "what"), body.get("minor"), body.get("batch", 0)
        if what not in ENTRIES:
            raise InputError(f"An entry is one of {', '.join(ENTRIES)}.", code="SET-140")
        if type(minor) is not int or type(batch) is not int:
            raise CodecError("`minor` and `batch` are whole numbers.")
        if what == "bank_fee" and batch < 1:
            raise InputError("The bank's fee belongs to a batch.", code="SET-141")
        if minor < 0 and what != "bank_fee":
            raise InputError("An entry is not negative.", code="SET-142")
        fields: dict[str, Plain] = {
            "what": what,
            "minor": minor,
            "batch": batch,
            "note": str(body.get("note", ""))[:80],
        }
        operator = operator_of(body, "00")
        record = Record(Topic.SETTLEMENT, "fee_entry", self.clock.now(), operator, fields)
        await self.journal.append(record)
        return {"ok": True, **fields}

    async def _turnover(self, _: Body, __: Progress) -> Body:
        """营业额: debits less credits without acceptance, and what a prepayment waits for."""
        tests = trials(await self.journal.read(Topic.ACTIVATION))
        done = 0
        for closed in await self.journal.batches(NEWEST):
            at = datetime.fromisoformat(str(closed["closed_at"]))
            if not any(begun <= at <= ended for begun, ended in tests):
                done += _number(closed.get("debit_minor")) - _number(closed.get("credit_minor"))
        sums = totals(t for t in await self.journal.transactions() if not t.begun.intent.test)
        done += sums.debit_minor - sums.credit_minor
        made = fees.entries(await self.journal.read(Topic.SETTLEMENT))
        paid = sum(each.minor for each in made if each.what == "prepaid")
        back = sum(each.minor for each in made if each.what == "prepaid_back")
        wanted = self.prepaid_turnover_minor
        return {
            "ok": True,
            "turnover_minor": done,
            "prepaid_minor": paid,
            "prepaid_back_minor": back,
            "agreed_minor": self.prepaid_minor,
            "wanted_minor": wanted,
            "left_minor": max(0, wanted - done),
            "due_back_minor": paid - back if wanted and done >= wanted else 0,
        }

    async def _rows(self, body: Body) -> tuple[statement.Row, ...]:
        batch = body.get("batch")
        wanted = statement.Wanted(
            first=_day(body, "from"),
            last=_day(body, "to"),
            batch=batch if type(batch) is int else None,
            operator=str(body.get("by", "")),
            kind=str(body.get("kind", "")),
            approved_only=bool(body.get("approved_only")),
        )
        return statement.rows(
            await self._every(wanted.batch), wanted, self.schedule, self.merchant
        )

    async def _export(self, body: Body, _: Progress) -> Body:
        """Write rows to a file on this terminal; an existing file is not overwritten."""
        form = text_of(body, "format")
        if form not in statement.FORMATS:
            known = ", ".join(statement.FORMATS)
            raise InputError(f"An export is one of {known}.", code="SET-143")
        found = await self._rows(body)
        data = await anyio.to_thread.run_sync(statement.FORMATS[form], found)
        return {"ok": True, "rows": len(found), **await _write(text_of(body, "path"), data)}

    async def _picture(self, body: Body, _: Progress) -> Body:
        """Write the PNG of a day (today)."""
        day = _day(body, "day") or self.clock.now().date()
        found = await self._rows({"from": day.isoformat(), "to": day.isoformat()})
        title = f"{day.isoformat()}  {self.merchant}"
        data = await anyio.to_thread.run_sync(chart.day_report, found, title)
        return {"ok": True, "rows": len(found), **await _write(text_of(body, "path"), data)}


def trials(records: Iterable[Record]) -> list[tuple[datetime, datetime]]:
    """Return the times of acceptance, from loading the parameters to going live."""
    found: list[tuple[datetime, datetime]] = []
    begun: datetime | None = None
    for record in records:
        if record.name == "provisioned":
            begun = record.at
        elif record.name == "activated" and begun is not None:
            found.append((begun, record.at))
            begun = None
    if begun is not None:
        found.append((begun, datetime.max.replace(tzinfo=begun.tzinfo)))
    return found


def _number(value: object) -> int:
    return value if type(value) is int else 0


def _day(body: Body, name: str) -> date | None:
    text: Any = body.get(name)
    if not text:
        return None
    try:
        return date.fromisoformat(str(text))
    except ValueError as error:
        raise InputError(f"`{name}` is a day such as 2026-03-02.", code="SET-144") from error


async def _write(name: str, data: bytes) -> dict[str, Any]:
    path = anyio.Path(name)
    try:
        async with await path.open("xb") as file:
            await file.write(data)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.", code="SET-145") from error
    return {"path": name, "bytes": len(data)}
