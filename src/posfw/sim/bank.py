"""The simulated bank: its own books with its own arithmetic, so that it can judge the terminal's.

The last two digits of an amount are the answer (51 insufficient funds, 05 do not honour, …) where
they are a known decline; every other amount is approved. It remembers every key it has seen: a
repeat gets the stored answer, a reversal also blocks a request that comes after it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from posfw.values.card import mask

__all__ = ["Bank", "Posting", "Verdict"]

DECLINES = frozenset(
    {"05", "14", "33", "36", "38", "41", "43", "51", "54", "55", "57", "61", "62", "91"}
)
Place = tuple[str, int, int]  # terminal, batch, STAN
UNDOING = frozenset({"void", "preauth_void", "completion_void", "instalment_void", "qr_void"})
CREDITS = frozenset(
    {"void", "refund", "completion_void", "instalment_void", "qr_void", "qr_refund"}
)
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
class Bank:
    """Books of one bank for any number of terminals."""

    postings: dict[Place, Posting] = field(default_factory=dict)
    answers: dict[Place, Verdict] = field(default_factory=dict)
    reversed: set[Place] = field(default_factory=set)
    asked: dict[Place, tuple[str, int, Place | None]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    _sequence: int = 0

    def authorise(
        self, place: Place, *, kind: str, amount: int, card: str, original: Place | None = None
    ) -> Verdict:
        """Decide one request; the same key always gets the same answer."""
        if place in self.reversed:
            return self._count(Verdict("12"), "after_reversal")
        if place in self.answers:
            return self._repeat(place, (kind, amount, original))
        code = self._decide(kind, amount, original)
        verdict = self._verdict(code)
        self.answers[place] = verdict
        self.asked[place] = (kind, amount, original)
        if code == "00":
            self._post(place, Posting(kind, amount, mask(card), original))
        return self._count(verdict, f"code_{code}")

    def advise(self, place: Place, *, kind: str, amount: int, card: str) -> Verdict:
        """Post what the terminal has approved by itself; 94 for a repeat."""
        if place in self.reversed:
            return self._count(Verdict("12"), "after_reversal")
        if place in self.postings:
            return self._count(Verdict("94"), "advice_repeated")
        if place in self.answers:
            return self._count(Verdict("12"), "advice_of_declined")
        self._post(place, Posting(kind, amount, mask(card)))
        self.answers[place] = self._verdict("00")
        return self._count(self.answers[place], "advised")

    def reverse(self, place: Place) -> Verdict:
        """Undo a key, also one that was never seen: it is remembered."""
        posting = self.postings.get(place)
        known = place in self.answers
        if any(other.live and other.original == place for other in self.postings.values()):
            # Undoing what a void or refund has already given back would give it back twice.
            return self._count(Verdict("40"), "reversal_of_used_original")
        if posting is not None and posting.live:
            posting.live = False
            self._touch_original(posting, undo=True)
        self.reversed.add(place)
        return self._count(Verdict("00" if known else "25"), "reversed")

    def inquire(self, place: Place) -> tuple[str, Verdict]:
        """Return how a key stands: approved, declined, reversed or not_found."""
        if place in self.reversed:
            return "reversed", Verdict("00")
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
        if kind not in UNDOING and kind not in CREDITS:
            code = f"{amount % 100:02d}"
            return code if code in DECLINES else "00"
        posting = self.postings.get(original) if original else None
        if posting is None or not posting.live or posting.voided:
            return "25"
        if kind in UNDOING:
            return (
                "00" if self._held(original, posting) == amount and not posting.refunded else "12"
            )
        return "00" if posting.refunded + amount <= posting.amount else "61"

    def _held(self, place: Place | None, posting: Posting) -> int:
        """Return a posting's amount, with what was added to an authorisation."""
        added = [
            other.amount
            for other in self.postings.values()
            if other.kind == "preauth_add" and other.live and other.original == place
        ]
        return posting.amount + sum(added)

    def _post(self, place: Place, posting: Posting) -> None:
        self.postings[place] = posting
        self._touch_original(posting, undo=False)

    def _touch_original(self, posting: Posting, *, undo: bool) -> None:
        """A refund uses up its original, a void takes it whole; undoing them gives it back."""
        original = self.postings.get(posting.original) if posting.original else None
        if original is None or posting.kind == "preauth_add":
            return
        if posting.kind in UNDOING:
            original.voided = not undo
        else:
            original.refunded += -posting.amount if undo else posting.amount

    def _verdict(self, code: str) -> Verdict:
        self._sequence += 1
        auth = f"{self._sequence * 7919 % 1_000_000:06d}" if code == "00" else ""
        return Verdict(code, auth, f"{self._sequence:012d}")

    def _count(self, verdict: Verdict, what: str) -> Verdict:
        self.counts[what] = self.counts.get(what, 0) + 1
        return verdict
