"""What a disk may hold after a power cut: a model of files over a recorded trace.

Durable is what a sync confirmed. Of the rest a cut may keep nothing, everything, any subset of the
writes in any order, or parts of writes torn at 512-byte sectors; a file that was made may be
missing, an unlinked one may be back until its directory was synced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from random import Random
from typing import Final

from tests.power.vfs import Event

__all__ = ["Disk", "Fate", "Files", "Image"]

SECTOR_BYTES: Final = 512
Files = dict[str, bytes]


class Fate(Enum):
    """What becomes of what was not yet synced."""

    LOST = auto()
    KEPT = auto()
    REORDERED = auto()  # any whole writes, the others lost: later ones without earlier ones
    TORN = auto()  # any sectors of any writes


@dataclass(frozen=True, slots=True)
class Image:
    """One disk after a cut; `name` is equal for equal disks of one trace."""

    files: Files
    name: tuple[object, ...]


@dataclass(slots=True)
class Disk:
    """The disk while a trace is played; `feed` advances it, `cut` says what may be left.

    Attributes:
        durable: what survives for sure.
        pending: unsynced operations of each file, in order.
        gone: unlinked files whose directory is not synced.
        moved: renames whose directory is not synced, by the old name.
    """

    durable: dict[str, bytearray] = field(default_factory=dict)
    pending: dict[str, list[Event]] = field(default_factory=dict)
    gone: dict[str, bytearray] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    fresh: set[str] = field(default_factory=set)
    version: int = 0

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Disk:
        """Start from files that are all durable."""
        return cls({name: bytearray(content) for name, content in files.items()})

    @property
    def settled(self) -> bool:
        """Whether everything is synced that ever will be (a journal's anchor is not)."""
        return not (
            self.gone
            or self.moved
            or any(waiting for name, waiting in self.pending.items() if not _loose(name))
        )

    def feed(self, event: Event) -> None:
        """Advance by one event."""
        kind = event[0]
        if kind == "ext":
            return
        if kind == "folder":
            self._directory_synced()
            return
        name = event[1]
        if kind in ("write", "trunc"):
            self.pending.setdefault(name, []).append(event)
        elif kind == "open":
            self._opened(name, made=event[2])
        elif kind == "sync":
            self._synced(name)
        elif kind == "rename":
            self._renamed(name, event[2])
        else:
            self._deleted(name, directory_synced=event[2])

    def _opened(self, name: str, *, made: bool) -> None:
        if made:
            self.gone.pop(name, None)
            self.pending.setdefault(name, []).append(("made", name))
        if name.endswith(("-wal", "-journal")):
            self.fresh.add(name)

    def _synced(self, name: str) -> None:
        operations = self.pending.pop(name, [])
        for operation in operations:
            apply(self.durable, operation)
        if name in self.fresh:
            # unixSync also syncs the directory at the first sync of a new WAL or rollback
            # journal (SQLite, os_unix.c); without this rule WAL with FULL seems to lose commits.
            self.fresh.discard(name)
            self._directory_synced()
        if operations:
            self.version += 1

    def _renamed(self, name: str, to: str) -> None:
        """A renamed file has its old name or its new one until the directory is synced.

        Only onto names that are free, as the journal does it.
        """
        if to in self.durable or self.pending.get(to):
            raise NotImplementedError(f"{name} is renamed onto {to}, which is not modelled")
        self.moved[name] = to

    def _directory_synced(self) -> None:
        self.gone.clear()
        for operations in self.pending.values():
            if operations and operations[0][0] == "made":
                apply(self.durable, operations.pop(0))
                self.version += 1
        for name, to in self.moved.items():
            self.durable[to] = self.durable.pop(name)
            unsynced = self.pending.pop(name, [])
            self.pending[to] = [(kind, to, *rest) for kind, _, *rest in unsynced]
        self.version += len(self.moved)
        self.moved.clear()

    def _deleted(self, name: str, *, directory_synced: bool) -> None:
        self.pending.pop(name, None)
        self.fresh.discard(name)
        content = self.durable.pop(name, None)
        if directory_synced:
            self._directory_synced()
        elif content is not None:
            self.gone[name] = content
        self.version += 1

    def cut(self, fate: Fate, chance: Random) -> Image:
        """Return one disk that a cut now may leave."""
        chosen = [name for name in self.gone if _back(fate, chance)]
        pieces = [
            piece
            for operations in self.pending.values()
            for number, operation in enumerate(operations)
            for piece in _pieces(operation, number, fate, chance)
        ]
        files = {name: bytes(content) for name, content in self.durable.items()}
        files |= {name: bytes(self.gone[name]) for name in chosen if name not in files}
        touched = {name: bytearray(files.get(name, b"")) for name in {p[0][1] for p in pieces}}
        for operation, _ in pieces:
            apply(touched, operation)
        files |= {name: bytes(content) for name, content in touched.items()}
        moved = [name for name in self.moved if name in files and not _back(fate, chance)]
        for name in moved:
            files[self.moved[name]] = files.pop(name)
        marks = tuple((operation[1], mark) for operation, mark in pieces)
        return Image(files, (self.version, (*chosen, *moved), marks))


def _loose(name: str) -> bool:
    return name.endswith(".anchor")


def _back(fate: Fate, chance: Random) -> bool:
    """Say whether an unsynced unlink or rename is undone: losing it brings the file back."""
    return {Fate.LOST: True, Fate.KEPT: False}.get(fate, chance.random() < 0.5)


def _pieces(
    operation: Event, number: int, fate: Fate, chance: Random
) -> Iterator[tuple[Event, object]]:
    """Yield the parts of an operation that reached the disk, each with a mark naming it."""
    if fate is Fate.KEPT or (fate is not Fate.LOST and chance.random() < 0.5):
        yield operation, number
    elif fate is Fate.TORN and operation[0] == "write":
        _, name, offset, data = operation
        for start, end in _sectors(offset, len(data)):
            if chance.random() < 0.5:
                part = data[start - offset : end - offset]
                yield ("write", name, start, part), (number, start)


def _sectors(offset: int, size: int) -> Sequence[tuple[int, int]]:
    """Return [start, end) of every sector that a write touches, cut to the write."""
    first = offset - offset % SECTOR_BYTES
    return [
        (max(offset, at), min(offset + size, at + SECTOR_BYTES))
        for at in range(first, offset + size, SECTOR_BYTES)
    ]


def apply(files: dict[str, bytearray], operation: Event) -> None:
    """Perform one operation on contents."""
    content = files.setdefault(operation[1], bytearray())
    if operation[0] == "trunc":
        size = operation[2]
        del content[size:]
        content.extend(bytes(size - len(content)))
    elif operation[0] == "write":
        _, _, offset, data = operation
        content.extend(bytes(max(0, offset - len(content))))
        content[offset : offset + len(data)] = data
