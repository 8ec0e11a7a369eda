"""Composes what a print job prints, when it is printed, from the journal as it stands then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from posfw.app.later import lazily, loaded
from posfw.board.site import Site
from posfw.journal.store import Journal
from posfw.ports import Clock
from posfw.settle.totals import Difference
from posfw.values.errors import RefusedError
from posfw.values.identity import parse_key
from posfw.values.money import Money
from posfw.values.printjob import Copy, DocumentKind, DocumentRef, Job
from posfw.values.slip import Merchant
from posfw.values.texts import Texts
from posfw.values.transaction import Transaction

if TYPE_CHECKING:
    from posfw.app import sheets
    from posfw.printer import pattern
    from posfw.sale import receipt
    from posfw.settle import slips
    from posfw.values import document
    from posfw.values.document import Document, Logo
else:
    document = lazily("posfw.values.document")
    pattern = lazily("posfw.printer.pattern")
    receipt = lazily("posfw.sale.receipt")
    sheets = lazily("posfw.app.sheets")
    slips = lazily("posfw.settle.slips")

__all__ = ["SlipComposer", "merchant_of"]


def merchant_of(site: Site, logo: Logo | None = None) -> Merchant:
    """Return who sells, as slips name it."""
    return Merchant(
        name=site.merchant_name,
        number=site.merchant_id,
        terminal=site.terminal_id,
        acquirer=site.acquirer_name,
        header=site.header,
        footer=site.footer,
        coupon=site.coupon,
        logo=logo,
        find_code=True,
    )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SlipComposer:
    """Documents over the journal (ports.Documents); the site file is for the parameter sheet."""

    journal: Journal
    merchant: Merchant
    texts: Texts
    clock: Clock
    dots: int = 384
    site: Site | None = None

    async def compose(self, job: Job) -> Document:
        """Return the finished document of a job.

        Raises:
            RefusedError: PRN-320, the journal has nothing of that name.
        """
        await loaded()
        if job.ref.kind is DocumentKind.RECEIPT:
            return await self._receipt(job)
        if job.ref.kind is DocumentKind.FAULT:
            return await self._fault(job)
        if job.ref.kind is DocumentKind.SETTLEMENT:
            return await self._settlement(job)
        if job.ref.kind is DocumentKind.REPORT:
            return await self._report(job)
        return _test(job.ref, self.dots)

    async def _transaction(self, ref: DocumentRef) -> Transaction:
        found = await self.journal.transaction(parse_key(ref.subject))
        if found is None:
            raise _nothing(ref)
        return found

    async def _receipt(self, job: Job) -> Document:
        transaction = await self._transaction(job.ref)
        named = transaction.begun.intent.original
        original = await self.journal.transaction(named) if named else None
        return receipt.receipt(
            transaction,
            self.merchant,
            self.texts,
            copy=job.copy,
            duplicate=job.duplicate,
            original=original,
            chip=_chip_lines(transaction),
            signature=transaction.chip is None or transaction.chip.signature,
            free_limit=_free_limit(transaction),
        )

    async def _fault(self, job: Job) -> Document:
        transaction = await self._transaction(job.ref)
        codes = [
            code for owed, code in await self.journal.rejected() if owed.key == transaction.key
        ]
        return receipt.fault_slip(
            transaction,
            self.merchant,
            self.texts,
            code=codes[-1] if codes else "",
            at=self.clock.now(),
            duplicate=job.duplicate,
        )

    async def _settlement(self, job: Job) -> Document:
        batch = int(job.ref.subject)
        closed = await self.journal.settled(batch)
        if closed is None:
            raise _nothing(job.ref)
        rejected = await self.journal.rejected()
        settled = slips.Settled(
            batch=batch,
            opened_at=datetime.fromisoformat(str(closed["opened_at"])),
            closed_at=datetime.fromisoformat(str(closed["closed_at"])),
            balanced=bool(closed["balanced"]),
            differences=[Difference(*row) for row in closed["differences"]],  # type: ignore[attr-defined]  # as settle.task wrote it
            rejected=[(owed.key.stan, code) for owed, code in rejected if owed.key.batch == batch],
            head=str(closed.get("head", "")),
        )
        transactions = await self.journal.transactions(batch)
        return slips.settlement_slip(
            settled, transactions, self.merchant, self.texts, duplicate=job.duplicate
        )

    async def _report(self, job: Job) -> Document:
        found = await sheets.compose(
            job.ref.subject, self.journal, self.merchant, self.texts, self.clock, self.site
        )
        if found is not None:
            return found
        letter, number = job.ref.subject[:1], job.ref.subject[1:]
        if letter not in ("X", "Z") or not number.isdigit():
            raise _nothing(job.ref)
        standing = await self.journal.standing()
        return slips.report_slip(
            letter,
            int(number),
            await self.journal.transactions(int(number)),
            self.merchant,
            self.texts,
            opened_at=standing.batch_opened_at if int(number) == standing.batch else None,
            at=self.clock.now(),
            head=await self.journal.head(),
            duplicate=job.duplicate,
        )


def _free_limit(transaction: Transaction) -> Money | None:
    """Return the limit under which neither PIN nor signature was asked for."""
    facts = transaction.chip
    if facts is None or not facts.free_minor:
        return None
    return Money(facts.free_minor, transaction.begun.intent.amount.currency)


def _chip_lines(transaction: Transaction) -> tuple[tuple[str, str], ...]:
    if transaction.chip is None:
        return ()
    from posfw.app.chip_data import slip_lines  # noqa: PLC0415 - only chips load the kernel

    return slip_lines(transaction.chip)


def _nothing(ref: DocumentRef) -> RefusedError:
    return RefusedError(
        f"The journal has no {ref.kind.value} {ref.subject}.",
        code="PRN-320",
        effect="The slip is not printed; the queue goes on.",
        next_step="Check the number.",
    )


def _test(ref: DocumentRef, dots: int) -> Document:
    """Compose a test print: every character class once, and every dot of the head."""
    blocks = (
        document.Title("测试 TEST"),
        document.Text("0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmnopqrstuvwxyz"),
        document.Text("商户存根 持卡人存根 消费 撤销 退货 结算"),
        document.Text("商戶存根 持卡人存根 消費 撤銷 退貨 結算"),
        pattern.dead_dots(dots),
        document.Cut(),
    )
    return document.Document(ref, Copy.SINGLE, blocks)
