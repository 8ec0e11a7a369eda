"""Whoever holds the file, its running key and an older copy of it cannot alter it unnoticed."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Final

import anyio
import pytest

from posfw.journal import chain, reading
from posfw.journal.chain import Link
from posfw.journal.sql import content_of
from posfw.journal.task import look
from posfw.values.errors import JournalError
from posfw.values.events import Record, Topic
from tests.journal.fakes import KEY, NOW, SALE, approved, opened, unknown

pytestmark = pytest.mark.may_block

TAMPERINGS: Final = 10_000
SALES: Final = 12
REST: Final = "topic, name, at, operator, batch, stan, body, mac"


@dataclass(frozen=True, slots=True)
class Held:
    """What lies in the file: entries, code of the last one, key of the next one."""

    links: tuple[Link, ...]
    head: bytes
    running: bytes

    def first_bad(self, witnesses: dict[int, str]) -> int | None:
        start = chain.next_key(KEY)
        return chain.first_bad(start, self.links, self.head, self.running, witnesses)

    def at(self, count: int) -> Held:
        """The file as it was after `count` entries: its owner had their key then, not now."""
        key = chain.next_key(KEY)
        for _ in range(count):
            key = chain.next_key(key)
        return Held(self.links[:count], self.links[count - 1].mac, key)


Tampering = Callable[[Held, Random], tuple[Held, int]]  # and the entry that must be named


def _at(held: Held, chance: Random) -> int:
    return chance.randrange(len(held.links))


def _with(held: Held, place: int, link: Link) -> Held:
    links = list(held.links)
    links[place] = link
    return replace(held, links=tuple(links))


def _flipped(data: bytes, chance: Random) -> bytes:
    place = chance.randrange(len(data) * 8)
    changed = bytearray(data)
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


def flip(held: Held, chance: Random) -> tuple[Held, int]:
    what, place = chance.randrange(4), _at(held, chance)
    link, last = held.links[place], len(held.links) + 1
    if what == 0:
        return _with(held, place, replace(link, content=_flipped(link.content, chance))), place + 1
    if what == 1:
        return _with(held, place, replace(link, mac=_flipped(link.mac, chance))), place + 1
    if what == 2:
        return replace(held, head=_flipped(held.head, chance)), last
    return replace(held, running=_flipped(held.running, chance)), last


def drop(held: Held, chance: Random) -> tuple[Held, int]:
    place = _at(held, chance)
    links = [*held.links[:place], *held.links[place + 1 :]]
    if chance.random() < 0.5:
        links = _renumbered(links)
    return replace(held, links=tuple(links)), place + 1


def swap(held: Held, chance: Random) -> tuple[Held, int]:
    first, second = sorted(chance.sample(range(len(held.links)), 2))
    links = list(held.links)
    links[first], links[second] = links[second], links[first]
    if chance.random() < 0.5:
        links = _renumbered(links)
    return replace(held, links=tuple(links)), first + 1


def insert(held: Held, chance: Random) -> tuple[Held, int]:
    place, copied = _at(held, chance), chance.choice(held.links)
    content = copied.content if chance.random() < 0.5 else chance.randbytes(60)
    forged = Link(0, content, chain.seal(held.running, held.head, content))
    links = _renumbered([*held.links[:place], forged, *held.links[place:]])
    if chance.random() < 0.3:  # numbers below the first are entries too
        place = 0
        links = [replace(forged, number=-chance.randrange(5)), *held.links]
    return replace(held, links=tuple(links)), place + 1


def truncate(held: Held, chance: Random) -> tuple[Held, int]:
    """The end is gone and the head is the new last entry's: only the running key tells."""
    left = chance.randrange(1, len(held.links))
    cut = replace(held, links=held.links[:left], head=held.links[left - 1].mac)
    if chance.random() < 0.5:
        cut = replace(cut, running=chain.next_key(cut.running))
    return cut, left + 1


def roll_back(held: Held, chance: Random) -> tuple[Held, int]:
    """A whole older copy, true in itself: only a code that was told outside tells."""
    left = chance.randrange(1, WITNESS)
    return held.at(left), left + 1


def re_seal(held: Held, chance: Random) -> tuple[Held, int]:
    """Change one entry and seal it and all later ones anew, with the key that is in the file."""
    place, key = _at(held, chance), held.running
    for _ in range(chance.randrange(3)):
        key = chain.next_key(key)
    previous = held.links[place - 1].mac if place else chain.GENESIS
    links = list(held.links)
    for number in range(place, len(links)):
        content = links[number].content
        content = _flipped(content, chance) if number == place else content
        previous = chain.seal(key, previous, content)
        links[number], key = Link(number + 1, content, previous), chain.next_key(key)
    return Held(tuple(links), previous, key), place + 1


def _renumbered(links: list[Link]) -> list[Link]:
    return [replace(link, number=number) for number, link in enumerate(links, start=1)]


KINDS: Final[tuple[Tampering, ...]] = (flip, drop, swap, insert, truncate, roll_back, re_seal)
WITNESS: Final = 2 * SALES  # the entry whose code the last settlement slip bears


async def _trade(folder: Path) -> None:
    async with opened(folder) as journal:
        for number in range(SALES):
            conclusion = unknown if number % 4 == 3 else approved
            await journal.conclude(conclusion(await journal.begin(SALE)))
            await journal.append(Record(Topic.UPKEEP, "cleaned", NOW, "01", {"n": number}))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sealed")
    anyio.run(_trade, folder)
    return folder / "journal.db"


@pytest.fixture(scope="module")
def held(file: Path) -> Held:
    raw = sqlite3.connect(file)
    rows = raw.execute(f"SELECT number, {REST} FROM entry ORDER BY number").fetchall()
    running, head = raw.execute("SELECT key, head FROM chain").fetchone()
    raw.close()
    return Held(tuple(Link(row[0], content_of(row), row[8]) for row in rows), head, running)


def test_ten_thousand_tamperings_are_detected_and_the_first_bad_entry_is_named(
    held: Held,
) -> None:
    chance = Random(3)
    told = {WITNESS: chain.short_code(held.links[WITNESS - 1].mac)}
    assert len(held.links) == 3 * SALES
    assert held.first_bad(told) is None
    for number in range(TAMPERINGS):
        kind = KINDS[number % len(KINDS)]
        tampered, bad = kind(held, chance)
        assert tampered != held
        assert tampered.first_bad(told) == bad, f"{kind.__name__} {number}"


def test_an_older_copy_is_true_in_itself(held: Held) -> None:
    """Why codes are told outside at all."""
    older = held.at(WITNESS - 1)
    assert older.first_bad({}) is None
    assert older.first_bad({WITNESS: chain.short_code(held.links[WITNESS - 1].mac)}) == WITNESS


def test_a_witness_that_never_was_is_a_difference(held: Held) -> None:
    assert held.first_bad({5: "00000000"}) == 5


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_journal_itself_notices(
    kind: Tampering, held: Held, file: Path, tmp_path: Path
) -> None:
    chance = Random(7)
    told = {WITNESS: chain.short_code(held.links[WITNESS - 1].mac)}
    for number in range(6):
        copy = tmp_path / f"{number}.db"
        shutil.copy(file, copy)
        tampered = kind(held, chance)[0]
        if sorted(tampered.links, key=lambda link: link.number) == list(held.links):
            tampered = drop(tampered, chance)[0]  # rows have no order but their numbers
        _store(copy, held, tampered)
        try:
            with look(copy) as run:
                assert run(reading.verify, KEY, told) is not None
        except (JournalError, sqlite3.Error):
            continue  # so damaged that it is refused before its chain is read


def _store(path: Path, held: Held, tampered: Held) -> None:
    """Write tampered entries over a copy, behind the schema's back."""
    raw = sqlite3.connect(path)
    for (trigger,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
        raw.execute(f"DROP TRIGGER {trigger}")
    columns = raw.execute("SELECT * FROM entry").fetchall()
    by_content = {link.content: row for link, row in zip(held.links, columns, strict=True)}
    raw.execute("DELETE FROM entry")
    for link in tampered.links:
        row = by_content.get(link.content, (0, "money", "x", "x", "", 1, 1, link.content, b""))
        raw.execute(
            "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (link.number, *row[1:8], link.mac),
        )
    raw.execute("UPDATE chain SET key = ?, head = ?", (tampered.running, tampered.head))
    raw.commit()
    raw.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET body = x'00' WHERE number = 3",
        "UPDATE OR REPLACE entry SET number = 4 WHERE number = 3",
        "DELETE FROM entry",
        "DELETE FROM entry WHERE number = (SELECT max(number) FROM entry)",
        f"REPLACE INTO entry SELECT 3, {REST} FROM entry WHERE number = 4",
        "INSERT OR REPLACE INTO entry SELECT * FROM entry WHERE number = 4",
        f"INSERT INTO entry SELECT 0, {REST} FROM entry WHERE number = 4",
        "INSERT INTO entry SELECT 10 + max(number), 'a', 'b', 'c', '', 0, 0, x'', x'' FROM entry",
    ],
)
def test_the_schema_refuses_all_but_appending(file: Path, tmp_path: Path, statement: str) -> None:
    copy = tmp_path / "journal.db"
    shutil.copy(file, copy)
    raw = sqlite3.connect(copy)
    before = raw.execute("SELECT * FROM entry").fetchall()
    with pytest.raises(sqlite3.IntegrityError):
        raw.execute(statement)
    assert raw.execute("SELECT * FROM entry").fetchall() == before
    raw.close()
