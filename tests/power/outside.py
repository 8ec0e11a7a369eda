"""What the world knows at a cut, and whether a terminal that has come back agrees with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from posfw.uplink.messages import MessageType
from tests.power.around import TERMINAL, Books, Sent
from tests.power.vfs import Event

__all__ = ["KINDS", "Outside", "Restarted", "violations"]

Place = tuple[int, int]  # batch, STAN
Paper = tuple[str, str, str]  # kind, subject, copy
KINDS: Final = ("lost", "doubled", "corrupt", "reused", "shown_not_durable")

# Which states a journal may hold for an ending that somebody has seen.
_AFTER: Final = {
    "approved": {"approved"},
    "approved_offline": {"approved"},
    "declined": {"declined"},
    "cancelled": {"cancelled"},
    "unknown": {"reversing", "reversed"},
}


@dataclass(slots=True)
class Outside:
    """Fold of a trace's outside effects up to a cut.

    Attributes:
        commits: values of the journal's content after each commit, oldest first.
        last: number and code of the last entry that the terminal could rely on.
        shown: ending and amount by key, as the cashier saw them.
        papers: originals that came out of the printer.
        settled: batches whose settlement was shown.
        asked: keys that left in an authorisation request.
        counter: the highest DUKPT counter that left.
        flying: messages that left and have not arrived.
        books: the bank's and acquirer's.
        books_version: changes with every change of the books.
        messages: how many have left.
    """

    commits: list[int] = field(default_factory=list)
    last: tuple[int, bytes] = (0, b"")
    shown: dict[Place, tuple[str, int]] = field(default_factory=dict)
    papers: Counter[Paper] = field(default_factory=Counter)
    settled: set[int] = field(default_factory=set)
    asked: set[Place] = field(default_factory=set)
    counter: int = 0
    flying: dict[int, Sent] = field(default_factory=dict)
    books: Books = field(default_factory=Books)
    books_version: int = 0
    messages: int = 0

    def copied(self) -> Outside:
        """Return the same world, to be advanced by itself."""
        return replace(
            self,
            commits=list(self.commits),
            shown=dict(self.shown),
            papers=Counter(self.papers),
            settled=set(self.settled),
            asked=set(self.asked),
            flying=dict(self.flying),
        )

    def feed(self, event: Event) -> None:
        """Advance by one event; what is not an outside effect changes nothing."""
        if event[0] != "ext":
            return
        match event[1:]:
            case ("opened" | "committed", content, *last):
                self.commits.append(content)
                self.last = (last[0], last[1]) if last else self.last
            case ("shown", place, ending, minor):
                self.shown[place] = (ending, minor)
            case ("paper", _, kind, subject, copy, duplicate):
                self.papers[(kind, subject, copy)] += not duplicate
            case ("settled", batch, _):
                self.settled.add(batch)
            case ("sent", sent):
                self._sent(sent)
            case ("arrived" | "lost", number, *books):
                self._landed(number, *books)

    def _landed(self, number: int, books: Books | None = None) -> None:
        self.flying.pop(number, None)
        if books is not None:
            self.books = books
            self.books_version += 1

    def _sent(self, sent: Sent) -> None:
        self.messages += 1
        self.counter = max(self.counter, sent.counter)
        self.flying[sent.number] = sent
        if sent.type is MessageType.AUTHORISE:
            self.asked.add(sent.place)


@dataclass(frozen=True, slots=True)
class Restarted:
    """How a terminal came back from a cut, after ten quiet minutes, one sale and some paper.

    Attributes:
        fault: why it did not come back, "" if it did.
        opened: value of the journal's content when it was opened, before anything was ended.
        bad_entry: the chain's first bad entry, or None.
        codes: code of every entry, oldest first.
        rows: state, amount, direction (0 if it does not count) by key.
        closed: batches closed.
        quiet: nothing was owed, refused or in doubt at the end.
        messages: what left since the cut.
        papers: originals printed since the cut.
        books: the bank's and acquirer's at the end.
    """

    fault: str = ""
    opened: int = 0
    bad_entry: int | None = None
    codes: tuple[bytes, ...] = ()
    rows: dict[Place, tuple[str, int, int]] = field(default_factory=dict)
    closed: frozenset[int] = frozenset()
    quiet: bool = True
    messages: tuple[Sent, ...] = ()
    papers: tuple[Paper, ...] = ()
    books: Books = field(default_factory=Books)


def violations(after: Restarted, outside: Outside, following: int | None) -> dict[str, str]:
    """Return each kind of violation found, with what was found first.

    Args:
        after: the terminal that came back.
        outside: the world at the cut.
        following: the content after the commit that was under way at the cut, if any was.
    """
    if after.fault:
        return {"corrupt": after.fault}
    found: dict[str, str] = {}
    for kind, what in (
        *_content(after, outside, following),
        *_seen(after, outside),
        *_money(after, outside),
        *_numbers(after, outside),
    ):
        found.setdefault(kind, what)
    return found


def _content(
    after: Restarted, outside: Outside, following: int | None
) -> Iterable[tuple[str, str]]:
    """The image held exactly what the last commit left, or what the one under way would."""
    commits = outside.commits
    if after.bad_entry is not None:
        yield "corrupt", f"the chain breaks at entry {after.bad_entry}"
    if commits and after.opened not in (commits[-1], following):
        older = after.opened in commits
        yield "lost" if older else "corrupt", "the journal opened with another content"
    number, code = outside.last
    if number and (len(after.codes) < number or after.codes[number - 1] != code):
        yield "lost", f"entry {number} is gone or another one"


def _seen(after: Restarted, outside: Outside) -> Iterable[tuple[str, str]]:
    """I3, I6, I8, I10: what people saw or hold is in the journal, and is not given twice."""
    for place, (ending, minor) in outside.shown.items():
        state, amount, _ = after.rows.get(place, ("missing", 0, 0))
        if state not in _AFTER[ending] or amount != minor:
            yield "shown_not_durable", f"{place} was shown {ending} {minor}, is {state} {amount}"
    for kind, subject, _ in outside.papers:
        if kind == "receipt" and after.rows.get(_place(subject), ("", 0, 0))[0] != "approved":
            yield "shown_not_durable", f"a receipt of {subject} was given"
    for batch in outside.settled - after.closed:
        yield "shown_not_durable", f"batch {batch} was shown settled"
    for paper, times in (outside.papers + Counter(after.papers)).items():
        if times > 1:
            yield "doubled", f"{times} originals of {paper}"


def _money(after: Restarted, outside: Outside) -> Iterable[tuple[str, str]]:
    """I1, I2, I4, I5: at rest the bank's live postings are the approved rows."""
    bank = after.books.bank
    ours = {place: row[1:] for place, row in after.rows.items() if row[2]}
    theirs = {
        (batch, stan): (posting.amount, posting.direction)
        for (owner, batch, stan), posting in bank.postings.items()
        if owner == TERMINAL and posting.live and posting.direction
    }
    for place in ours.keys() | theirs.keys():
        if place not in theirs:
            yield "lost", f"{place} is approved and the bank has no posting"
        elif ours.get(place) != theirs[place]:
            yield (
                "doubled",
                f"{place}: the bank has {theirs[place]}, the journal {ours.get(place)}",
            )
    for place in outside.asked - after.rows.keys():
        yield "lost", f"{place} was sent and is not in the journal"
    if bank.counts.get("key_reused"):
        yield "reused", "another request came under a used key"
    if not after.quiet:
        yield "lost", "something stayed owed, refused or in doubt"


def _numbers(after: Restarted, outside: Outside) -> Iterable[tuple[str, str]]:
    """I7: no STAN and no DUKPT counter that left before the cut is used again."""
    digests: dict[int, bytes] = {}
    for sent in after.messages:
        if sent.counter <= outside.counter:
            yield "reused", f"counter {sent.counter} left before"
        if digests.setdefault(sent.counter, sent.data) != sent.data:
            yield "reused", f"counter {sent.counter} protects two messages"
        if sent.type is MessageType.AUTHORISE and sent.place <= max(outside.asked, default=(0, 0)):
            yield "reused", f"STAN {sent.place} left before"


def _place(subject: str) -> Place:
    _, batch, stan = subject.split("-")
    return int(batch), int(stan)
