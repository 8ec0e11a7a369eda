"""Which owed messages go now. Each has its own attempts and its own wait; none blocks another.

Nothing here is money: rows are the journal's, this only remembers what is on the line and what has
been silent, and forgets it all when the process ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from posfw.uplink.order import SENDING_ORDER, Backoff
from posfw.values.identity import Key
from posfw.values.transaction import Owed

__all__ = ["Pending"]

_RANK = {kind: rank for rank, kind in enumerate(SENDING_ORDER)}


@dataclass(frozen=True, slots=True)
class _Parked:
    waits: Backoff
    until: float  # monotonic seconds


@dataclass(slots=True)
class Pending:
    """What is on the line and what waits for its next attempt.

    Attributes:
        window: messages on the line at once.
        fresh: the waits of a message that was never silent.
    """

    window: int
    fresh: Backoff
    _flying: dict[int, Owed] = field(default_factory=dict)
    _parked: dict[int, _Parked] = field(default_factory=dict)
    _sent: set[int] = field(default_factory=set)
    _ended: set[int] = field(default_factory=set)
    _paused_until: float = 0.0
    _paused: _Parked | None = None

    @property
    def known(self) -> int:
        """How many rows may be passed over when the next ones are read."""
        return len(self._flying) + len(self._parked)

    @property
    def paused(self) -> bool:
        """Whether the acquirer could not verify us and nothing was acknowledged since."""
        return self._paused is not None

    def reading(self) -> None:
        """The rows are read again from now on: what has ended is not among them any more."""
        self._ended.clear()

    def read(self, rows: Iterable[Owed]) -> None:
        """These are all that is owed: forget what a person has ended meanwhile."""
        owed = {each.number for each in rows}
        self._parked = {number: each for number, each in self._parked.items() if number in owed}

    def choose(self, rows: Iterable[Owed], now: float) -> Owed | None:
        """Return the row to send next, or None.

        In sending order; never two of one transaction at once, so that its order holds. Messages
        that were silent before get a quarter of the window: they cannot keep fresh ones waiting.
        """
        if len(self._flying) >= self.window or now < self._paused_until:
            return None
        again = sum(number in self._parked for number in self._flying)
        busy: set[Key] = {owed.key for owed in self._flying.values()}
        for owed in sorted(rows, key=lambda one: (_RANK[one.kind], one.number)):
            if owed.number in self._ended or owed.number in self._flying or owed.key in busy:
                continue
            busy.add(owed.key)  # what comes later for this transaction waits for this one
            parked = self._parked.get(owed.number)
            if parked is None or (now >= parked.until and again < max(1, self.window // 4)):
                return owed
        return None

    def send(self, owed: Owed) -> bool:
        """Note that it goes on the line; return whether it may have been sent before."""
        self._flying[owed.number] = owed
        repeated = owed.number in self._sent
        self._sent.add(owed.number)
        return repeated

    def end(self, owed: Owed) -> None:
        """Note the acquirer's word."""
        self._ended.add(owed.number)
        self._flying.pop(owed.number, None)
        self._parked.pop(owed.number, None)
        self._sent.discard(owed.number)
        self._paused, self._paused_until = None, 0.0

    def silent(self, owed: Owed, now: float, chance: float) -> None:
        """Note that no answer came: it waits for `chance` (0..1) of its own, doubled ceiling."""
        self._flying.pop(owed.number, None)
        self._parked[owed.number] = self._next(self._parked.get(owed.number), now, chance)

    def refuse(self, owed: Owed, now: float, chance: float) -> None:
        """Note that the acquirer could not verify us: everything waits, the message stays."""
        self.silent(owed, now, chance)
        self._paused = self._next(self._paused, now, chance)
        self._paused_until = self._paused.until

    def kick(self, rows: Iterable[Owed]) -> None:
        """Let these go at once, whatever they wait for: a sale waits for them."""
        for owed in rows:
            parked = self._parked.get(owed.number)
            if parked is not None:
                self._parked[owed.number] = _Parked(parked.waits, 0.0)
        self._paused, self._paused_until = None, 0.0

    def restart(self) -> None:
        """A new connection: nothing is on the line and every message may go."""
        self._flying.clear()
        self._parked.clear()
        self._paused, self._paused_until = None, 0.0

    def deadline(self) -> float | None:
        """Return when the next waiting message may go, or None."""
        times = [max(each.until, self._paused_until) for each in self._parked.values()]
        return min(times, default=None)

    def _next(self, before: _Parked | None, now: float, chance: float) -> _Parked:
        waits = (before.waits if before else self.fresh).after(0.0)
        return _Parked(waits, now + chance * waits.ceiling_s)
