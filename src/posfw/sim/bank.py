"""The simulated bank: its own books with its own arithmetic, so that it can judge the terminal's.

The last two digits of an amount are the answer (51 insufficient funds, 05 do not honour, …) where
they are a known decline; every other amount is approved. It remembers every key it has seen: a
repeat gets the stored answer, a reversal also blocks a request that comes after it.

Whoever scans a code to pay takes a while (`Bank.pays_after`); so does a payer whose own code was
scanned where the cents are 09: a password is being typed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from posfw.values.card import mask

__all__ = ["Bank", "Place", "Posting", "Verdict"]

DECLINES = frozenset(
    {"05", "14", "33", "36", "38", "41", "43", "51", "54", "55", "57", "61", "62", "91"}
)
Place = tuple[str, int, int]  # terminal, batch, STAN
UNDOING = frozenset({"void", "preauth_void", "completion_void", "instalment_void", "qr_void"})
REFUNDS = frozenset({"refund", "qr_refund"})
CREDITS = frozenset(
    {"void", "refund", "adjust_down", "completion_void", "instalment_void", "qr_void", "qr_refund"}
)
# What makes its original larger or smaller.
CHANGES = {"preauth_add": 1, "tip": 1, "adjust": 1, "adjust_down": -1}
COMPLETING = frozenset({"completion", "completion_advice"})
NAMING = UNDOING | REFUNDS | COMPLETING | CHANGES.keys()
COMPLETION_PERCENT = 115
TYPES_A_PASSWORD = 9  # cents
CLOSED = "17"  # ISO 8583: customer cancellation
WAITING = "09"  # request in progress
NO_MONEY = frozenset({"balance", "preauth", "preauth_add", "preauth_void"})


@dataclass(slots=True)
class Posting:
    """Money that the bank has moved for one key."""

    kind: str
    amount: int
    card: str
    original: Place | None = None
    live: bool = True
    refunded: int = 0
    voided: bool = False
    completed: bool = False

    @property
    def direction(self) -> int:
        """+1 from the card, -1 back to it, 0 none."""
        if self.kind in NO_MONEY:
            return 0
        return -1 if self.kind in CREDITS else 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the bank says to one request."""

    code: str
    auth_code: str = ""
    reference: str = ""


@dataclass(slots=True)
class Payer:
    """Somebody with a telephone who has not decided."""

    amount: int
    card: str
    asked: int = 0


@dataclass(slots=True)
class Bank:
    """Books of one bank for any number of terminals.

    Attributes:
        pays_after: a payer has paid when this many inquiries have come; None never, until `pay`.
    """

    postings: dict[Place, Posting] = field(default_factory=dict)
    answers: dict[Place, Verdict] = field(default_factory=dict)
    reversed: set[Place] = field(default_factory=set)
    asked: dict[Place, tuple[str, int, Place | None]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    waiting: dict[Place, Payer] = field(default_factory=dict)
    closed: set[Place] = field(default_factory=set)
    pays_after: int | None = 2
    _sequence: int = 0

    def authorise(
        self, place: Place, *, kind: str, amount: int, card: str, original: Place | None = None
    ) -> Verdict:
        """Decide one request; the same key always gets the same answer."""
        if place in self.reversed:
            return self._count(Verdict("12"), "after_reversal")
        if place in self.closed:
            return self._count(Verdict(CLOSED), "after_close")
        if place in self.answers:
            return self._repeat(place, (kind, amount, original))
        if kind == "qr_sale" and (not card or amount % 100 == TYPES_A_PASSWORD):
            self.waiting.setdefault(place, Payer(amount, card))
            self.asked[place] = (kind, amount, original)
            return self._count(Verdict(WAITING), "waiting")
        code = self._decide(kind, amount, original)
        verdict = self._verdict(code)
        self.answers[place] = verdict
        self.asked[place] = (kind, amount, original)
        if code == "00":
            self._post(place, Posting(kind, amount, mask(card), original))
        return self._count(verdict, f"code_{code}")

    def pay(self, place: Place) -> Verdict:
        """Let whoever has the code pay; the cents decide as for a card.

        Raises:
            KeyError: nobody pays under this key now.
        """
        payer = self.waiting.pop(place)
        code = self._decide("qr_sale", payer.amount, None)
        self.answers[place] = self._verdict(code)
        if code == "00":
            self._post(place, Posting("qr_sale", payer.amount, mask(payer.card)))
        return self._count(self.answers[place], f"code_{code}")

    def close(self, place: Place) -> tuple[str, Verdict]:
        """Take no payment under this key any more, seen or not; return how it stands then."""
        if place in self.reversed or place in self.answers:
            return self.inquire(place)
        self.waiting.pop(place, None)
        self.closed.add(place)
        self.answers[place] = Verdict(CLOSED)
        return "declined", self._count(self.answers[place], "closed")

    def advise(
        self, place: Place, *, kind: str, amount: int, card: str, original: Place | None = None
    ) -> Verdict:
        """Post what the terminal has approved by itself; 94 for a repeat."""
        if place in self.reversed:
            return self._count(Verdict("12"), "after_reversal")
        if place in self.postings:
            return self._count(Verdict("94"), "advice_repeated")
        if place in self.answers:
            return self._count(Verdict("12"), "advice_of_declined")
        if kind in NAMING and (code := self._decide(kind, amount, original)) != "00":
            return self._count(Verdict(code), "advice_refused")
        self._post(place, Posting(kind, amount, mask(card), original))
        self.answers[place] = self._verdict("00")
        return self._count(self.answers[place], "advised")

    def reverse(self, place: Place) -> Verdict:
        """Undo a key, also one that was never seen: it is remembered."""
        posting = self.postings.get(place)
        known = place in self.answers or place in self.waiting
        if any(other.live and other.original == place for other in self.postings.values()):
            # Undoing what a void or refund has already given back would give it back twice.
            return self._count(Verdict("40"), "reversal_of_used_original")
        if posting is not None and posting.live:
            posting.live = False
            self._touch_original(posting, undo=True)
        self.waiting.pop(place, None)
        self.reversed.add(place)
        return self._count(Verdict("00" if known else "25"), "reversed")

    def inquire(self, place: Place) -> tuple[str, Verdict]:
        """Return how a key stands: approved, declined, reversed, waiting or not_found."""
        if place in self.reversed:
            return "reversed", Verdict("00")
        payer = self.waiting.get(place)
        if payer is not None:
            payer.asked += 1
            if self.pays_after is None or payer.asked < self.pays_after:
                return "waiting", Verdict(WAITING)
            self.pay(place)
        verdict = self.answers.get(place)
        if verdict is None:
            return "not_found", Verdict("25")
        return ("approved" if verdict.code == "00" else "declined"), verdict

    def totals(self, terminal: str, batch: int) -> dict[str, int]:
        """Return debit and credit count and sum of a batch's live postings."""
        sums = {"debit_count": 0, "debit_minor": 0, "credit_count": 0, "credit_minor": 0}
        for (owner, number, _), posting in self.postings.items():
            if (owner, number) != (terminal, batch) or not posting.live or not posting.direction:
                continue
            side = "debit" if posting.direction > 0 else "credit"
            sums[f"{side}_count"] += 1
            sums[f"{side}_minor"] += posting.amount
        return sums

    def records(self, terminal: str, batch: int) -> list[list[int]]:
        """Return [STAN, amount, direction] of a batch's live postings, by STAN."""
        return sorted(
            [stan, posting.amount, posting.direction]
            for (owner, number, stan), posting in self.postings.items()
            if (owner, number) == (terminal, batch) and posting.live and posting.direction
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the books, JSON-able, card numbers masked."""
        return {
            "postings": [
                {
                    "terminal": terminal,
                    "batch": batch,
                    "stan": stan,
                    "kind": posting.kind,
                    "amount_minor": posting.amount,
                    "direction": posting.direction,
                    "live": posting.live,
                    "card": posting.card,
                }
                for (terminal, batch, stan), posting in sorted(self.postings.items())
            ],
            "reversed": sorted(list(place) for place in self.reversed),
            "counts": dict(sorted(self.counts.items())),
        }

    def _repeat(self, place: Place, asked: tuple[str, int, Place | None]) -> Verdict:
        """A repeat is the same request; another one under a used key is a terminal's defect."""
        if self.asked.get(place) != asked:
            return self._count(Verdict("94"), "key_reused")
        return self._count(self.answers[place], "repeated")

    def _decide(self, kind: str, amount: int, original: Place | None) -> str:
        if kind not in NAMING:
            code = f"{amount % 100:02d}"
            return code if code in DECLINES else "00"
        posting = self.postings.get(original) if original else None
        if posting is None or not posting.live or posting.voided:
            return "25"
        held = self._held(original, posting)
        if kind in UNDOING:
            used = posting.refunded or posting.completed
            return "00" if held == amount and not used else "12"
        if posting.completed or (kind in CHANGES and posting.refunded):
            return "12"
        if kind in REFUNDS:
            return "00" if posting.refunded + amount <= held else "61"
        if kind in COMPLETING:
            return "00" if amount * 100 <= held * COMPLETION_PERCENT else "61"
        return "00"

    def _held(self, place: Place | None, posting: Posting) -> int:
        """Return a posting's amount with what has changed it since."""
        changes = [
            other.amount * CHANGES[other.kind]
            for other in self.postings.values()
            if other.kind in CHANGES and other.live and other.original == place
        ]
        return posting.amount + sum(changes)

    def _post(self, place: Place, posting: Posting) -> None:
        self.postings[place] = posting
        self._touch_original(posting, undo=False)

    def _touch_original(self, posting: Posting, *, undo: bool) -> None:
        """A refund uses up its original, a void takes it whole; undoing them gives it back."""
        original = self.postings.get(posting.original) if posting.original else None
        if original is None:
            return
        if posting.kind in UNDOING:
            original.voided = not undo
            held = self.postings.get(original.original) if original.original else None
            if held is not None and original.kind in COMPLETING:
                held.completed = undo  # an authorisation whose completion is gone is open again
        elif posting.kind in COMPLETING:
            original.completed = not undo
        elif posting.kind in REFUNDS:
            original.refunded += -posting.amount if undo else posting.amount

    def _verdict(self, code: str) -> Verdict:
        self._sequence += 1
        auth = f"{self._sequence * 7919 % 1_000_000:06d}" if code == "00" else ""
        return Verdict(code, auth, f"{self._sequence:012d}")

    def _count(self, verdict: Verdict, what: str) -> Verdict:
        self.counts[what] = self.counts.get(what, 0) + 1
        return verdict
