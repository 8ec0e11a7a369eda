"""What people, printer and acquirer had seen of a terminal, and whether its disk agrees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

__all__ = ["Asked", "Event", "Found", "Paper", "Place", "Reached", "Ready", "Settled", "Shown",
    "World", "violations"]  # fmt: skip

Place = tuple[int, int]  # batch, STAN


@dataclass(frozen=True, slots=True)
class Ready:
    """The terminal said that it is ready: its journal is there."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A request reached the acquirer: its DUKPT counter, and the journal's entry that it names."""

    counter: int
    entry: int = 0
    code: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request about a transaction reached the acquirer: authorise, reversal or advice."""

    place: Place
    what: str


@dataclass(frozen=True, slots=True)
class Shown:
    """The terminal printed how a transaction ended."""

    place: Place
    ending: str
    minor: int


@dataclass(frozen=True, slots=True)
class Settled:
    """The terminal printed that a batch is settled."""

    batch: int
    balanced: bool


@dataclass(frozen=True, slots=True)
class Paper:
    """A whole receipt was cut off."""

    stan: int
    minor: int
    copy: str


Event = Ready | Reached | Asked | Shown | Settled | Paper

_BEGUN: Final = frozenset(
    {"begun", "approved", "declined", "cancelled", "reversing", "reversed", "cleared"}
)
_UNDONE: Final = frozenset({"reversing", "reversed"})
_AFTER_ASKED: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {"authorise": _BEGUN, "reversal": _UNDONE, "advice": frozenset({"approved"})}
)
_AFTER_SHOWN: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "approved": frozenset({"approved"}),
        "approved_offline": frozenset({"approved"}),
        "declined": frozenset({"declined"}),
        "cancelled": frozenset({"cancelled"}),
        "unknown": _UNDONE,
    }
)


@dataclass(slots=True)
class World:
    """Fold of events up to a cut.

    Attributes:
        ready: the journal must be there.
        asked: what reached the acquirer about each key.
        shown: ending and amount of each key.
        settled: batches that were shown closed.
        papers: receipts that people hold.
        counter: the highest DUKPT counter that left.
        codes: short codes that were told outside, by number of the entry.
    """

    ready: bool = False
    asked: set[tuple[Place, str]] = field(default_factory=set)
    shown: dict[Place, tuple[str, int]] = field(default_factory=dict)
    settled: set[int] = field(default_factory=set)
    papers: set[Paper] = field(default_factory=set)
    counter: int = 0
    codes: dict[int, str] = field(default_factory=dict)

    def feed(self, event: Event) -> None:
        """Advance by one event."""
        match event:
            case Ready():
                self.ready = True
            case Reached(counter, entry, code):
                self.counter = max(self.counter, counter)
                if entry:
                    self.codes[entry] = code
            case Asked(place, what):
                self.asked.add((place, what))
            case Shown(place, ending, minor):
                self.shown[place] = (ending, minor)
            case Settled(batch):
                self.settled.add(batch)
            case Paper():
                self.papers.add(event)

    @property
    def relies(self) -> bool:
        """Whether anybody relies on a journal."""
        return self.ready or bool(self.asked or self.codes)


@dataclass(frozen=True, slots=True)
class Found:
    """What a disk held after a cut.

    Attributes:
        unmountable: why its file system is not whole after its journal was replayed, "" if it is.
        fault: why the terminal's journal did not open, "" if it did.
        missing: there is no journal.
        bad_entry: the chain's first missing or changed entry, with the codes told outside.
        rows: state and amount by key.
        closed: batches that are.
        counter: the DUKPT counter reserved last.
        queued: transaction keys whose receipts nobody began to print, by copy.
    """

    unmountable: str = ""
    fault: str = ""
    missing: bool = False
    bad_entry: int | None = None
    rows: Mapping[Place, tuple[str, int]] = field(default_factory=dict)
    closed: frozenset[int] = frozenset()
    counter: int = 0
    queued: frozenset[tuple[int, str]] = frozenset()


def violations(found: Found, world: World) -> list[str]:
    """Return what somebody relied on and the disk does not hold; empty if it holds everything."""
    if found.unmountable:
        return []  # counted by itself
    if found.missing:
        return ["there is no journal"] if world.relies else []
    if found.fault:
        return [found.fault]
    return [*_seen(found, world), *_paper(found, world.papers)]


def _seen(found: Found, world: World) -> Iterator[str]:
    if found.bad_entry is not None:
        yield f"the chain ends or breaks at entry {found.bad_entry}"
    if found.counter < world.counter:
        yield f"counter {world.counter} left, {found.counter} is reserved"
    for place, what in sorted(world.asked):
        state = found.rows.get(place, ("missing", 0))[0]
        if state not in _AFTER_ASKED[what]:
            yield f"{what} of {place} left, it is {state}"
    for place, (ending, minor) in sorted(world.shown.items()):
        state, amount = found.rows.get(place, ("missing", 0))
        if state not in _AFTER_SHOWN[ending] or amount != minor:
            yield f"{place} was shown {ending} {minor}, is {state} {amount}"
    for batch in sorted(world.settled - found.closed):
        yield f"batch {batch} was shown settled and is open"


def _paper(found: Found, papers: Iterable[Paper]) -> Iterator[str]:
    approved = {(place[1], row[1]) for place, row in found.rows.items() if row[0] == "approved"}
    for paper in papers:
        if (paper.stan, paper.minor) not in approved:
            yield f"a receipt of {paper.stan} over {paper.minor} was given"
        if (paper.stan, paper.copy) in found.queued:
            yield f"the receipt of {paper.stan} would be printed again"
