"""手续费: dated fee schedules by card kind with caps, fee and net of a batch, the bank's figure.

Integers only. A rate is in parts per million; a fee is rounded half up to the minor unit, then
capped, then the fixed part is added. A void takes its original's fee back exactly; a refund takes
back the fee of the refunded part only where the schedule says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from posfw.values.errors import ConfigError
from posfw.values.events import Record
from posfw.values.identity import Key
from posfw.values.transaction import Kind, Transaction

__all__ = [
    "CARDS",
    "Bin",
    "Entry",
    "Fee",
    "Rate",
    "Schedule",
    "Summary",
    "entries",
    "parse",
    "summary",
]

CARDS = ("debit", "credit", "foreign", "qr")
UNKNOWN = "unknown"  # no BIN fits: charged by the dearest rate and counted apart
MILLION = 1_000_000
_QR = frozenset({Kind.QR_SALE, Kind.QR_VOID, Kind.QR_REFUND})
_REFUNDS = frozenset({Kind.REFUND, Kind.QR_REFUND})


@dataclass(frozen=True, slots=True)
class Rate:
    """What one card kind costs from a day on.

    Attributes:
        since: first day.
        card: one of CARDS.
        rate_ppm: parts per million of the amount.
        cap_minor: most of the proportional part, 0 for no cap.
        fixed_minor: added to each transaction.
        refund_returns: a refund gives its part of the fee back.
    """

    since: date
    card: str
    rate_ppm: int
    cap_minor: int = 0
    fixed_minor: int = 0
    refund_returns: bool = False

    def of(self, minor: int) -> int:
        """Return the fee of an amount in minor units."""
        share = (minor * self.rate_ppm + MILLION // 2) // MILLION
        if self.cap_minor:
            share = min(share, self.cap_minor)
        return share + self.fixed_minor


@dataclass(frozen=True, slots=True)
class Bin:
    """Leading digits of a card kind."""

    prefix: str
    card: str


@dataclass(frozen=True, slots=True)
class Fee:
    """One transaction's fee, negative where fee comes back."""

    key: str
    card: str
    minor: int
    fee_minor: int


@dataclass(frozen=True, slots=True)
class Summary:
    """A batch's fees.

    Attributes:
        fees: by transaction.
        gross_minor: debits less credits.
        fee_minor: sum of fees.
        by_card: fee by card kind.
        unknown: transactions whose card kind no BIN told.
    """

    fees: tuple[Fee, ...]
    gross_minor: int
    fee_minor: int
    by_card: Mapping[str, int]
    unknown: int

    @property
    def net_minor(self) -> int:
        """What the merchant gets."""
        return self.gross_minor - self.fee_minor


@dataclass(frozen=True, slots=True)
class Entry:
    """Money beside transactions: deposit, service fee, prepayment, bank's fee figure.

    Attributes:
        what: deposit, deposit_back, service, prepaid, prepaid_back or bank_fee.
        minor: amount.
        batch: the batch of a bank_fee, else 0.
    """

    what: str
    minor: int
    day: str
    batch: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Schedule:
    """All rates and BINs of an acquirer."""

    rates: tuple[Rate, ...]
    bins: tuple[Bin, ...]

    def card(self, transaction: Transaction) -> str:
        """Return the card kind: QR by the transaction, else by the longest fitting prefix."""
        intent = transaction.begun.intent
        if intent.kind in _QR:
            return "qr"
        digits = intent.card_masked[:6]
        fitting = [each for each in self.bins if digits.startswith(each.prefix)]
        return max(fitting, key=lambda each: len(each.prefix)).card if fitting else UNKNOWN

    def rate(self, card: str, day: date) -> Rate | None:
        """Return the newest rate of that day; the dearest of all for an unknown card."""
        valid = [each for each in self.rates if each.since <= day]
        if card == UNKNOWN:
            newest = [r for c in CARDS if (r := self.rate(c, day)) is not None]
            return max(newest, key=lambda each: each.rate_ppm, default=None)
        return max((r for r in valid if r.card == card), key=lambda r: r.since, default=None)

    def fees(self, transactions: Iterable[Transaction]) -> tuple[Fee, ...]:
        """Return the fee of each transaction that counts, oldest first, each beside its sale.

        A tip or an adjustment costs what it adds to the fee of its sale: fixed part and cap are
        the sale's, once. A void takes back all of it, at the sale's own rate.
        """
        sales: dict[Key, _Charged] = {}
        found = []
        for transaction in transactions:
            if not transaction.counts:
                continue
            intent = transaction.begun.intent
            sale = sales.get(intent.original) if intent.original else None
            if sale is None:
                fee = self.fee(transaction)
                rate = self.rate(fee.card, intent.at.date())
                sales[transaction.key] = _Charged(fee.card, rate, intent.amount.minor)
            elif intent.kind in _REFUNDS:
                fee = self.fee(transaction)
            else:
                minor = intent.amount.minor * intent.kind.direction
                after = sale.minor + minor
                cost = sale.cost(after) - sale.cost(sale.minor)
                fee = Fee(str(transaction.key), sale.card, minor, cost)
                sale.minor = after
            found.append(fee)
        return tuple(found)

    def fee(self, transaction: Transaction) -> Fee:
        """Return the fee of a transaction for itself, as if it had no sale.

        A void on the same day as its original finds the same rate, so the two cancel exactly.
        """
        intent = transaction.begun.intent
        card, minor = self.card(transaction), intent.amount.minor
        rate = self.rate(card, intent.at.date())
        fee = rate.of(minor) if rate else 0
        if intent.kind.direction < 0:
            fee = -fee
        if intent.kind in _REFUNDS:
            returns = rate is not None and rate.refund_returns
            fee = fee + rate.fixed_minor if returns and rate else 0
        return Fee(str(transaction.key), card, minor * intent.kind.direction, fee)


@dataclass(slots=True)
class _Charged:
    """What a sale has taken so far, and the rate that it began with."""

    card: str
    rate: Rate | None
    minor: int

    def cost(self, minor: int) -> int:
        """Return the fee of so much; nothing taken costs nothing, not even the fixed part."""
        return self.rate.of(minor) if self.rate and minor > 0 else 0


def parse(
    fees: Sequence[Mapping[str, Any]], bins: Sequence[Mapping[str, Any]], *, source: str
) -> Schedule:
    """Read a profile's `[[fees]]` and `[[bins]]`.

    Raises:
        ConfigError: every mistake at once.
    """
    faults: list[str] = []
    for number, row in enumerate(fees, 1):
        faults += [f"{source}: fees[{number}]: {fault}" for fault in _rate_faults(row)]
    for number, row in enumerate(bins, 1):
        if set(row) != {"prefix", "card"} or row["card"] not in CARDS:
            faults.append(f"{source}: bins[{number}]: needs a prefix and a card of {CARDS}")
        elif not (str(row["prefix"]).isdigit() and 1 <= len(row["prefix"]) <= 6):
            faults.append(f"{source}: bins[{number}]: a prefix has 1 to 6 digits")
    if faults:
        raise ConfigError("\n".join(faults), code="CFG-031")
    rates = tuple(
        Rate(
            row["from"],
            row["card"],
            row["rate_ppm"],
            row.get("cap_minor", 0),
            row.get("fixed_minor", 0),
            refund_returns=row.get("refund_returns", False),
        )
        for row in fees
    )
    return Schedule(rates, tuple(Bin(row["prefix"], row["card"]) for row in bins))


def summary(schedule: Schedule, transactions: Iterable[Transaction]) -> Summary:
    """Return the fees of what counts."""
    fees = schedule.fees(transactions)
    by_card: dict[str, int] = {}
    for fee in fees:
        by_card[fee.card] = by_card.get(fee.card, 0) + fee.fee_minor
    return Summary(
        fees=fees,
        gross_minor=sum(fee.minor for fee in fees),
        fee_minor=sum(fee.fee_minor for fee in fees),
        by_card=by_card,
        unknown=sum(fee.card == UNKNOWN for fee in fees),
    )


def entries(records: Iterable[Record]) -> tuple[Entry, ...]:
    """Return deposits, service fees and the bank's figures from the SETTLEMENT topic."""
    found = []
    for record in records:
        if record.name == "fee_entry":
            minor, batch = record.body["minor"], record.body.get("batch", 0)
            found.append(
                Entry(
                    what=str(record.body["what"]),
                    minor=minor if isinstance(minor, int) else 0,
                    day=f"{record.at:%Y-%m-%d}",
                    batch=batch if isinstance(batch, int) else 0,
                    note=str(record.body.get("note", "")),
                )
            )
    return tuple(found)


def _rate_faults(row: Mapping[str, Any]) -> list[str]:
    known = {"from", "card", "rate_ppm", "cap_minor", "fixed_minor", "refund_returns"}
    faults = [f"{name!r} is not known here" for name in row.keys() - known]
    if type(row.get("from")) is not date:
        faults.append("`from` is a date")
    if row.get("card") not in CARDS:
        faults.append(f"`card` is one of {', '.join(CARDS)}")
    for name in ("rate_ppm", "cap_minor", "fixed_minor"):
        value = row.get(name, 0 if name != "rate_ppm" else None)
        if type(value) is not int or value < 0 or (name == "rate_ppm" and value > MILLION):
            faults.append(f"`{name}` is a whole number that is not negative")
    return sorted(faults)
