"""What must be true, judged by what the world sees and by reading the journal's rows beside it.

Names of the invariants: docs/journal.md. Nothing here uses the terminal's own arithmetic.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from posfw.sim.acquirer import Acquirer
from posfw.uplink.messages import Message, MessageType
from tests.simulation.books import Books

__all__ = ["Oracle", "Place"]

Place = tuple[int, int]  # batch, STAN
TERMINAL: Final = "12345678"
CREDITS: Final = frozenset(
    {
        *("void", "refund", "adjust_down", "completion_void"),
        *("instalment_void", "qr_void", "qr_refund"),
    }
)
NO_MONEY: Final = frozenset({"preauth", "preauth_add", "preauth_void", "balance"})
# Which states a journal may hold for an ending that somebody has seen.
_AFTER: Final = {
    "approved": {"approved"},
    "approved_offline": {"approved"},
    "declined": {"declined"},
    "cancelled": {"cancelled"},
    "unknown": {"reversing", "reversed"},
}


class Oracle:
    """Collects violations.

    Args:
        acquirer: its books and the bank's.
        now: for messages.
    """

    def __init__(self, acquirer: Acquirer, now: Callable[[], datetime]) -> None:
        self._acquirer = acquirer
        self._now = now
        self.violations: list[str] = []
        self.shown: dict[Place, tuple[str, int]] = {}
        self.presses: dict[str, set[Place]] = defaultdict(set)
        self.settled: dict[int, Mapping[str, Any]] = {}
        self.originals: Counter[tuple[Place, str]] = Counter()
        self._counters: dict[int, bytes] = {}
        self._asked: dict[Place, None] = {}
        self._last_entry: tuple[int, bytes] = (0, b"")

    def violates(self, invariant: str, what: str) -> None:
        """Note a violation."""
        self.violations.append(f"{invariant} at {self._now():%d %H:%M:%S}: {what}")

    # --- the line -------------------------------------------------------------------------------

    def sent(self, message: Message, counter: int, data: bytes, books: Books | None) -> None:
        """I7, and commit 1 before the first byte: a message leaves."""
        if self._counters.setdefault(counter, data) != data:
            self.violates("I7", f"key counter {counter} protects two messages")
        if message.type is not MessageType.AUTHORISE:
            return
        place = (message.batch, message.stan)
        if place not in self._asked and self._asked and place < next(reversed(self._asked)):
            self.violates("I7", f"STAN {place} after {next(reversed(self._asked))}")
        self._asked[place] = None
        state = self._state_of(books, place)
        if state is not None and state[0] != "begun":
            self.violates("I4", f"{place} left while the journal says {state[0]}")

    # --- what people see ------------------------------------------------------------------------

    def asking(self, press: str, key: str) -> None:
        """The terminal says which number a key press has."""
        self.presses[press].add(_place(key))

    def ended(
        self, press: str, result: Mapping[str, Any], minor: int, books: Books | None
    ) -> None:
        """I3, I6: a result is shown."""
        if not result.get("key"):
            return
        place, ending = _place(result["key"]), str(result["kind"])
        self.presses[press].add(place)
        before = self.shown.setdefault(place, (ending, minor))
        if before != (ending, minor):
            self.violates("I3", f"{place} was shown {before}, now {ending} {minor}")
        self._durable(place, books)
        if ending == "approved":
            self._authorised(place, minor)
        self._remember(books)

    def _durable(self, place: Place, books: Books | None) -> None:
        ending, minor = self.shown[place]
        row = self._state_of(books, place)
        if row is not None and (row[0] not in _AFTER[ending] or row[1] != minor):
            self.violates("I3", f"{place} is shown {ending} {minor}, the journal says {row}")

    def _authorised(self, place: Place, minor: int) -> None:
        posting = self._acquirer.bank.postings.get((TERMINAL, *place))
        if posting is None or not posting.live or posting.amount != minor:
            self.violates("I6", f"{place} is shown approved {minor}, the bank has {posting}")

    def printed(
        self, place: Place, copy: str, *, duplicate: bool, valid: bool, books: Books | None
    ) -> None:
        """I3, I10: a receipt is on paper."""
        row = self._state_of(books, place)
        if valid and row is not None and row[0] != "approved":
            self.violates("I3", f"a receipt of {place} is out, the journal says {row}")
        if not duplicate:
            self.originals[place, copy] += 1
            if self.originals[place, copy] > 1:
                self.violates("I10", f"a second original of {place}, {copy}")

    def balanced(self, result: Mapping[str, Any], books: Books | None) -> None:
        """I8: a settlement is shown; its totals are the bank's and those of the rows."""
        batch = int(result["batch"])
        if batch in self.settled:
            self.violates("I8", f"batch {batch} was settled twice")
        self.settled[batch] = result["ours"]
        if not result["ok"]:
            self.violates("I8", f"batch {batch} does not balance: {result['differences']}")
        ours = {name: int(result["ours"][name]) for name in result["ours"]}
        bank = self._acquirer.bank.totals(TERMINAL, batch)
        if ours != bank:
            self.violates("I8", f"batch {batch}: shown {ours}, the bank has {bank}")
        if books is None:
            return  # it died with the slip in hand; the restart will tell
        rows = [
            [stan, amount, direction]
            for (number, stan), (amount, direction) in self._counting(books).items()
            if number == batch
        ]
        if rows != self._acquirer.bank.records(TERMINAL, batch):
            self.violates("I8", f"batch {batch}: the rows are not the bank's records")

    # --- restarts and rest ----------------------------------------------------------------------

    def restarted(self, books: Books) -> None:
        """I3, I8, I9: what was shown before is still there."""
        for place in self.shown:
            self._durable(place, books)
        number, mac = self._last_entry
        if number:
            found = books.rows("number, mac", "entry", "number = ?", number)
            if found != [(number, mac)]:
                self.violates("I9", f"entry {number} is gone or another one")
        closed = {batch for (batch,) in books.rows("number", "batch", "closed_at IS NOT NULL")}
        if not closed >= self.settled.keys():
            self.violates("I8", f"settled batches {self.settled.keys() - closed} are open again")
        doubt = books.here("SELECT count(*) FROM txn WHERE state = 'begun'")[0][0]
        if doubt:
            self.violates("I4", f"{doubt} transactions are in doubt after the restart")
        self._remember(books)

    def at_rest(self, books: Books) -> None:
        """I1, I2, I4, I5 once the world is healed and quiet."""
        bank = self._acquirer.bank
        ours = self._counting(books)
        theirs = {
            (batch, stan): (posting.amount, posting.direction)
            for (_, batch, stan), posting in bank.postings.items()
            if posting.live and posting.direction
        }
        for place in sorted(ours.keys() | theirs.keys()):
            if ours.get(place) != theirs.get(place):
                self.violates(
                    "I1",
                    f"{place}: the journal has {ours.get(place)}, the bank {theirs.get(place)}",
                )
        self._closed_batches(books)
        for press, places in self.presses.items():
            if len(theirs.keys() & places) > 1:
                self.violates("I2", f"key press {press} moved money as {places}")
        if bank.counts.get("key_reused"):
            self.violates("I5", "another request came under a used key")
        unknown = self._asked.keys() - set(books.rows("batch, stan", "txn"))
        if unknown:
            self.violates("I9", f"{sorted(unknown)} were sent and are not in the journal")
        states = {state for _, _, state in books.rows("batch, stan, state", "txn")}
        if not states <= {"approved", "declined", "cancelled", "reversed"}:
            self.violates("I4", f"states at rest: {sorted(states)}")

    def _closed_batches(self, books: Books) -> None:
        """I8: every closed batch is the bank's, record by record, whoever settled it."""
        counting = self._counting(books)
        for (batch,) in books.rows("number", "batch", "closed_at IS NOT NULL"):
            rows = [
                [stan, amount, direction]
                for (number, stan), (amount, direction) in counting.items()
                if number == batch
            ]
            if rows != self._acquirer.bank.records(TERMINAL, batch):
                self.violates("I8", f"closed batch {batch} is not the bank's")

    def _remember(self, books: Books | None) -> None:
        if books is None:
            return
        try:
            found = books.here("SELECT number, mac FROM entry ORDER BY number DESC LIMIT 1")
            self._last_entry = found[0] if found else self._last_entry
        except sqlite3.Error:
            return  # a sick disk: the restart will tell

    @staticmethod
    def _state_of(books: Books | None, place: Place) -> tuple[str, int] | None:
        """Return state and amount of a row; None where the journal cannot be asked now."""
        if books is None:
            return None
        try:
            return books.txn(*place)
        except sqlite3.Error:
            return None

    @staticmethod
    def _counting(books: Books) -> dict[Place, tuple[int, int]]:
        rows = books.rows("batch, stan, kind, amount", "txn", "state = 'approved'")
        return {
            (batch, stan): (amount, -1 if kind in CREDITS else 1)
            for batch, stan, kind, amount in sorted(rows)
            if kind not in NO_MONEY
        }


def _place(key: str) -> Place:
    _, batch, stan = key.split("-")
    return int(batch), int(stan)
