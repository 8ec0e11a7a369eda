"""Adds up what is on paper: receipts read back from their dots, one line of books for each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from posfw.sim.paper import Slip
from posfw.sim.reading import SlipReader

__all__ = ["Receipt", "SlipBook", "receipts"]

_HEAD = re.compile("签购单|SALES SLIP")
_SETTLEMENT = re.compile("结算单")
_REPORT = re.compile(r"([XZ])报表")
_TESTING = re.compile("TESTING")
_DUPLICATE = re.compile("DUPLICATE")
_COPY = re.compile("(MERCHANT|CARDHOLDER) COPY")
_VOUCHER = re.compile(r"^凭证号/VOUCHER NO\.\s+(\d{6})$")
# A long amount stands alone on the line below its label.
_AMOUNT = re.compile(r"^金额/AMOUNT\s+RMB\s+(-?)([\d,]+)\.(\d\d)$", re.MULTILINE)
# What is only held moves no money, whatever amount its slip bears.
_HELD = re.compile(r"/(ADD )?PRE-AUTH( VOID)?$")
_BALANCED = re.compile("对账平/BALANCED")


@dataclass(slots=True)
class Receipt:
    """One receipt as its paper says; `amount_minor` is None until the amount has been read."""

    copy: str = ""
    stan: int = 0
    amount_minor: int | None = None
    duplicate: bool = False
    testing: bool = False
    held: bool = False

    @property
    def whole(self) -> bool:
        """Whether it came as far as its amount."""
        return bool(self.copy and self.stan) and self.amount_minor is not None


@dataclass(slots=True)
class SlipBook:
    """All paper of a day.

    Attributes:
        receipts: whole ones, in order.
        broken: begun and not finished.
        settlements: whether each settlement slip says that it balanced.
        reports: letters of the X and Z reports, in order.
    """

    receipts: list[Receipt] = field(default_factory=list)
    broken: int = 0
    settlements: list[bool] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, slips: Iterable[Slip], reader: SlipReader) -> SlipBook:
        """Read every slip; a half one may hang above a whole one on the same paper."""
        book = cls()
        for slip in slips:
            lines = reader.lines([row.bits for row in slip.rows])
            if any(_SETTLEMENT.search(line) for line in lines):
                book.settlements.append(any(_BALANCED.search(line) for line in lines))
                continue
            book.reports += [told[1] for line in lines if (told := _REPORT.search(line))]
            found = receipts(lines)
            book.receipts += [receipt for receipt in found if receipt.whole]
            book.broken += sum(not receipt.whole for receipt in found)
        return book

    @property
    def reprinted(self) -> int:
        """Receipts that bear 重打印/DUPLICATE."""
        return sum(receipt.duplicate for receipt in self.receipts)

    def problems(self) -> list[str]:
        """Return what paper must never say: a copy twice without a mark, two amounts for one."""
        found = []
        seen: set[tuple[int, str]] = set()
        amounts: dict[int, int | None] = {}
        for receipt in self.receipts:
            place = (receipt.stan, receipt.copy)
            if place in seen and not receipt.duplicate:
                found.append(f"voucher {receipt.stan} was printed twice without a mark")
            seen.add(place)
            if amounts.setdefault(receipt.stan, receipt.amount_minor) != receipt.amount_minor:
                found.append(f"voucher {receipt.stan} was printed with two amounts")
        return found

    def totals(self) -> dict[str, int]:
        """Return count and sum of the vouchers with a merchant's copy; credits are negative."""
        moved = [r for r in self.receipts if r.copy == "MERCHANT" and not r.held]
        amounts = {r.stan: r.amount_minor or 0 for r in moved}
        debits = [minor for minor in amounts.values() if minor >= 0]
        credits_ = [-minor for minor in amounts.values() if minor < 0]
        return {
            "debit_count": len(debits),
            "debit_minor": sum(debits),
            "credit_count": len(credits_),
            "credit_minor": sum(credits_),
        }


def receipts(lines: Sequence[str]) -> list[Receipt]:
    """Return the receipts among the lines of one paper, half ones too."""
    found: list[Receipt] = []
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if _HEAD.search(line):
            found.append(Receipt())
        if not found:
            continue
        receipt = found[-1]
        receipt.testing = receipt.testing or _TESTING.search(line) is not None
        receipt.duplicate = receipt.duplicate or _DUPLICATE.search(line) is not None
        if copy := _COPY.search(line):
            receipt.copy = copy[1]
        receipt.held = receipt.held or _HELD.search(line) is not None
        if voucher := _VOUCHER.match(line):
            receipt.stan = int(voucher[1])
        if amount := _AMOUNT.match(line) or _AMOUNT.match(f"{line}\n{below}"):
            minor = int(amount[2].replace(",", "") + amount[3])
            receipt.amount_minor = -minor if amount[1] else minor
    return found
